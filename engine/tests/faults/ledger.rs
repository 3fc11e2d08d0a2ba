//! Visitors that write down what they said and what was acknowledged, and the comparison with what the server
//! shows afterwards.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::desk::{Client, Desk};

/// An answer that has not come by then waits for something.
const IN_MEMORY: Duration = Duration::from_secs(3);
/// Between two attempts of a message that was refused for want of room.
const RETRY: Duration = Duration::from_millis(200);

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Acknowledged(u64),
    /// With this code, and when to try again.
    Refused(String, Option<u64>),
    /// The connection ended first: the last error's code, and the close code.
    Closed(String, Option<u16>),
}

/// One visitor over all its connections. Every message's text begins with its id.
pub struct Visitor {
    name: String,
    client: Client,
    pub conversation: String,
    said: Vec<String>,
    acknowledged: BTreeMap<String, u64>,
}

impl Visitor {
    pub fn new(desk: &Desk, name: &str) -> Self {
        let client = desk.visitor(json!({"token": desk.visitor_token(name, "normal")}));
        let conversation = client.conversation();
        let (said, acknowledged) = (Vec::new(), BTreeMap::new());
        Self { name: name.to_owned(), client, conversation, said, acknowledged }
    }

    /// As many as that, until each shard has some.
    pub fn crowd(desk: &Desk, count: usize) -> Vec<Self> {
        let crowd: Vec<Self> = (0..count).map(|number| Self::new(desk, &format!("u{number}"))).collect();
        for shard in 0..desk.shards() {
            assert!(crowd.iter().any(|visitor| visitor.shard(desk) == shard), "nobody is on shard {shard}");
        }
        crowd
    }

    /// Who owns its conversation.
    pub fn shard(&self, desk: &Desk) -> usize {
        engine::placement::shard_of_conversation(&self.conversation, desk.shards()).expect("an id of ours")
    }

    /// Says something new, and does not wait.
    pub fn say(&mut self) -> String {
        let id = format!("{}-{}", self.name, self.said.len());
        self.said.push(id.clone());
        self.client.say(&id, &id);
        id
    }

    /// Says something new.
    pub fn talk(&mut self) -> Answer {
        let id = self.say();
        self.answer(&id)
    }

    /// Says something new of nearly the largest size. Nothing: it was admitted, and waits in memory for the disk.
    pub fn talk_at_length(&mut self) -> Option<Answer> {
        let id = format!("{}-{}", self.name, self.said.len());
        self.said.push(id.clone());
        self.client.say(&id, &format!("{id} {}", "x".repeat(16_000)));
        let answer = self.client.answer_within(&id, IN_MEMORY)?;
        Some(self.note(&id, &answer))
    }

    /// What became of it. An ack is written down; one that differs from the first is a fault of the server.
    pub fn answer(&mut self, id: &str) -> Answer {
        let Some(answer) = self.client.answer_to(id) else {
            let error = self.client.last_of("error");
            let code = error.map_or_else(String::new, |error| word(&error["code"]));
            return Answer::Closed(code, self.client.closed_with);
        };
        self.note(id, &answer)
    }

    fn note(&mut self, id: &str, answer: &Value) -> Answer {
        if answer["type"] == "refused" {
            return Answer::Refused(word(&answer["code"]), answer["retry_after_ms"].as_u64());
        }
        let seq = answer["seq"].as_u64().expect("an ack has a number");
        let first = *self.acknowledged.entry(id.to_owned()).or_insert(seq);
        assert_eq!(seq, first, "{id} got two numbers");
        Answer::Acknowledged(seq)
    }

    /// Connects to the server, which may be another process by now, and resumes.
    pub fn come_back(&mut self, desk: &Desk) {
        let token = desk.visitor_token(&self.name, "normal");
        self.client = desk.visitor(json!({"token": token, "conversation": self.conversation, "after": 0}));
        assert_eq!(self.client.conversation(), self.conversation);
    }

    /// Sends everything again, as a client does that has lost its memory of acks, and waits for every ack.
    pub fn send_all_again(&mut self) {
        for id in self.said.clone() {
            self.client.say(&id, &id);
            assert!(matches!(self.answer(&id), Answer::Acknowledged(_)), "{id} is not taken");
        }
    }

    /// Sends everything that has no ack again and again, as clients do that are told when, until each is taken.
    pub fn send_all_until_taken(&mut self) {
        for id in self.said.clone() {
            while !self.acknowledged.contains_key(&id) {
                self.client.say(&id, &id);
                match self.answer(&id) {
                    Answer::Acknowledged(_) => {}
                    Answer::Refused(code, Some(_)) if code == "journal_full" => {
                        std::thread::sleep(RETRY);
                    }
                    other => panic!("{id}: {other:?}"),
                }
            }
        }
    }

    /// Comes back after whatever happened: nothing acknowledged is lost, resends get their first numbers, nothing
    /// is doubled.
    pub fn check_all_kept(&mut self, desk: &Desk, token: &str) {
        self.check(desk, token);
        self.come_back(desk);
        self.check(desk, token);
        self.send_all_again();
        self.check(desk, token);
    }

    /// Waits until the server ends the connection: the error's code, and the close code.
    pub fn farewell(&mut self) -> (String, Option<u16>) {
        let code = self.client.wait_for_close();
        let error = self.client.last_of("error");
        (error.map_or_else(String::new, |error| word(&error["code"])), code)
    }

    /// Every event has its number, every message is there at most once, and every acknowledged one where its ack
    /// said.
    pub fn check(&self, desk: &Desk, token: &str) {
        let mut found = BTreeMap::new();
        let events = events(desk, token, &self.conversation);
        for (event, seq) in events.iter().zip(1..) {
            assert_eq!(event["seq"].as_u64(), Some(seq), "{} has a gap", self.conversation);
            if event["kind"] == "message" && event["from"]["role"] == "visitor" {
                let text = word(&event["content"]["text"]);
                let text = text.split(' ').next().unwrap_or_default().to_owned();
                assert!(self.said.contains(&text), "{text} was never said");
                assert_eq!(found.insert(text.clone(), seq), None, "{text} is there twice");
            }
        }
        for (id, seq) in &self.acknowledged {
            assert_eq!(found.get(id), Some(seq), "{id} was acknowledged");
        }
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// All events of a conversation, as the API tells them.
pub fn events(desk: &Desk, token: &str, conversation: &str) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event["seq"].as_u64().expect("a number"));
        let path = format!("/api/v1/conversations/{conversation}/events?after={after}&limit=1000");
        let (status, body) = desk.get(&path, token);
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        match body["events"].as_array().expect("a list") {
            page if page.is_empty() => return events,
            page => events.extend(page.iter().cloned()),
        }
    }
}
