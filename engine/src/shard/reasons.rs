//! Why a conversation went to whom: written into the event that says so, and cut out again for those who are not
//! to read it.
//!
//! Supervisors get the event as the journal has it; agents and visitors get it without its last member, `why`.

use std::borrow::Cow;

use store::record::{EventKind, EventRecord};

use super::inbound::json_string;
use crate::desk::{Assignment, Why};

/// What comes before the reason. In a JSON text a quotation mark is escaped, so these bytes are in no name.
const BEFORE_WHY: &str = ",\"why\":";

/// The member that tells why; last in the content.
pub(super) fn why_member(assignment: &Assignment) -> String {
    let Why { rule, serving, capacity, candidates, waited_ms } = assignment.why;
    format!(
        "{BEFORE_WHY}{{\"rule\":\"{}\",\"team\":{},\"serving\":{serving},\"capacity\":{capacity},\
         \"candidates\":{candidates},\"waited_ms\":{waited_ms}}}",
        rule.name(),
        json_string(&assignment.team)
    )
}

/// Whether the event says why.
fn has_reason(event: &EventRecord) -> bool {
    matches!(event.kind, EventKind::Assigned | EventKind::Transferred) && event.content.contains(BEFORE_WHY)
}

/// The event for those who are not to know why; the same one, where it says nothing of that.
pub fn without_reason(event: &EventRecord) -> Cow<'_, EventRecord> {
    if !has_reason(event) {
        return Cow::Borrowed(event);
    }
    let shown = event.content.split(BEFORE_WHY).next().unwrap_or_default();
    Cow::Owned(EventRecord { content: format!("{shown}}}"), ..event.clone() })
}

#[cfg(test)]
mod tests {
    use store::record::{Phase, Role};

    use super::*;
    use crate::desk::Rule;

    fn event(kind: EventKind, content: &str) -> EventRecord {
        EventRecord {
            conversation: "c".into(),
            seq: 1,
            at_ms: 1,
            kind,
            role: Role::System,
            from_id: String::new(),
            from_name: String::new(),
            client_id: String::new(),
            content: content.into(),
            agent: "li".into(),
            phase: Phase::Unanswered,
        }
    }

    #[test]
    fn a_reason_is_json_and_is_cut_out_whole() {
        let assignment = Assignment {
            conversation: "c".into(),
            agent: "li".into(),
            seat: 1,
            team: "a \"quoted\",\"why\": team".into(),
            accept_within_ms: None,
            why: Why { rule: Rule::LeastLoaded, serving: 2, capacity: 8, candidates: 3, waited_ms: 5_123 },
        };
        let content = format!("{{\"agent\":\"li\"{}}}", why_member(&assignment));
        let value: serde_json::Value = serde_json::from_str(&content).expect("JSON");
        assert_eq!(value["why"]["team"], &*assignment.team);
        assert_eq!(value["why"]["waited_ms"], 5_123);
        let assigned = event(EventKind::Assigned, &content);
        assert_eq!(without_reason(&assigned).content, r#"{"agent":"li"}"#);
    }

    #[test]
    fn what_somebody_said_is_never_cut() {
        let said = r#"{"kind":"text","text":"x","why":{}}"#;
        assert_eq!(without_reason(&event(EventKind::Message, said)).content, said);
        let plain = r#"{"agent":null,"reason":"agent_left"}"#;
        assert!(matches!(without_reason(&event(EventKind::Assigned, plain)), Cow::Borrowed(_)));
    }
}
