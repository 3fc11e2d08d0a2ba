//! After the run: asks the server's API what it has stored, and compares that with the ledger.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use codec::{json, message::ServerMessage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    http::{self, HttpFault},
    ledger::{Ledger, MessageName},
};

/// Events asked for at once.
const PAGE_EVENTS: usize = 1_000;
/// HTTP's word for what does not exist (RFC 9110, section 15.5.5).
const NOT_FOUND: u16 = 404;

/// What the comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Conversations compared.
    pub conversations: u64,
    /// Messages of this run that are stored.
    pub stored: u64,
    /// Messages that were acknowledged and are not stored.
    pub missing: u64,
    /// What is not as the ledger has it, one line each.
    pub differences: Vec<String>,
}

/// Why the server cannot be asked.
#[derive(Debug)]
pub struct VerifyFault {
    conversation: String,
    fault: HttpFault,
}

impl fmt::Display for VerifyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the events of {} cannot be read: {}", self.conversation, self.fault)
    }
}

impl std::error::Error for VerifyFault {}

#[derive(Deserialize)]
struct Events<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// Compares `sample` conversations, spread evenly over all of `visitors`.
pub fn verify(
    address: SocketAddr,
    host: &str,
    token: &str,
    ledger: &Ledger,
    visitors: u32,
    sample: u32,
) -> Result<Verified, VerifyFault> {
    let mut verified = Verified::default();
    let step = visitors.div_ceil(sample.max(1)).max(1) as usize;
    for visitor in (0..visitors).step_by(step) {
        let Some(conversation) = ledger.conversation(visitor) else { continue };
        let expected = ledger.acknowledged(visitor);
        let fault = |fault| VerifyFault { conversation: conversation.to_string(), fault };
        let stored = match stored(address, host, token, &conversation) {
            // A server that has forgotten a conversation has forgotten every message of it.
            Err(HttpFault::Status(NOT_FOUND, _)) => Stored::new(),
            answer => answer.map_err(fault)?,
        };
        verified.conversations += 1;
        compare(&conversation, &stored, &expected, ledger, &mut verified);
    }
    Ok(verified)
}

/// Every stored event's number and client-made id.
type Stored = Vec<(u64, String)>;

fn stored(address: SocketAddr, host: &str, token: &str, conversation: &str) -> Result<Stored, HttpFault> {
    let mut all = Stored::new();
    loop {
        let after = all.last().map_or(0, |(seq, _)| *seq);
        let target = format!("/api/v1/conversations/{conversation}/events?after={after}&limit={PAGE_EVENTS}");
        let body = http::request(address, host, "GET", &target, Some(token), "")?;
        let page: Events<'_> = serde_json::from_slice(&body).map_err(HttpFault::NotJson)?;
        for event in &page.events {
            match json::decode_server(event.get()) {
                Ok(ServerMessage::Event(event)) => all.push((event.seq, event.id.into_owned())),
                Ok(_) | Err(_) => return Err(HttpFault::NotHttp),
            }
        }
        if page.events.len() < PAGE_EVENTS {
            return Ok(all);
        }
    }
}

fn compare(
    conversation: &str,
    stored: &Stored,
    expected: &[(MessageName, u64)],
    ledger: &Ledger,
    verified: &mut Verified,
) {
    let mut differ = |text: String| verified.differences.push(format!("{conversation}: {text}"));
    let (mut by_name, mut missing) = (BTreeMap::new(), 0);
    for (index, (seq, id)) in stored.iter().enumerate() {
        if *seq != index as u64 + 1 {
            differ(format!("event {} has number {seq}", index + 1));
        }
        let Some(name) = ledger.parse(id) else { continue };
        if ledger.is_refused(name) {
            differ(format!("{name} was refused for good and is stored as {seq}"));
        }
        if let Some(before) = by_name.insert(name, *seq) {
            differ(format!("{name} is stored as {before} and as {seq}"));
        }
    }
    for (name, seq) in expected {
        match by_name.get(name) {
            None => {
                missing += 1;
                differ(format!("{name} was acknowledged as {seq} and is not stored"));
            }
            Some(found) if found != seq => {
                differ(format!("{name} was acknowledged as {seq}, stored as {found}"))
            }
            Some(_) => {}
        }
    }
    verified.stored += by_name.len() as u64;
    verified.missing += missing;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Side;

    fn check(stored: &[(u64, u32)], acknowledged: &[(u32, u64)], differences: usize, missing: u64) {
        let ledger = Ledger::new(1, 1, false);
        let names: Vec<_> = (0..4).map(|_| ledger.send(Side::Visitor, 0, 0)).collect();
        for (number, seq) in acknowledged {
            ledger.acknowledge(names[*number as usize], *seq);
        }
        let stored = stored.iter().map(|(seq, number)| (*seq, names[*number as usize].to_string())).collect();
        let mut verified = Verified::default();
        compare("c", &stored, &ledger.acknowledged(0), &ledger, &mut verified);
        assert_eq!(verified.differences.len(), differences, "{:?}", verified.differences);
        assert_eq!(verified.missing, missing);
    }

    #[test]
    fn what_was_refused_for_good_is_not_stored() {
        let ledger = Ledger::new(1, 1, false);
        let name = ledger.send(Side::Agent, 0, 0);
        ledger.refuse(name, true);
        let mut verified = Verified::default();
        compare("c", &vec![(1, name.to_string())], &[], &ledger, &mut verified);
        assert_eq!((verified.differences.len(), verified.missing), (1, 0), "{:?}", verified.differences);
    }

    #[test]
    fn what_is_stored_must_be_what_was_acknowledged() {
        check(&[(1, 0), (2, 1)], &[(0, 1), (1, 2)], 0, 0);
        check(&[(1, 0), (2, 1)], &[(0, 1)], 0, 0);
        check(&[(1, 0)], &[(0, 1), (1, 2)], 1, 1);
        check(&[], &[(0, 1), (1, 2)], 2, 2);
        check(&[(1, 1), (2, 0)], &[(0, 1), (1, 2)], 2, 0);
        check(&[(1, 0), (3, 1)], &[(0, 1), (1, 3)], 1, 0);
        check(&[(1, 0), (2, 0)], &[(0, 1)], 1 + 1, 0);
    }
}
