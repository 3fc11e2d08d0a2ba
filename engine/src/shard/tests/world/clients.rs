//! What clients do and what they have seen.

use std::net::IpAddr;

use codec::websocket::{Decoder, Opcode, Side, encode_close, encode_masked_frame};
use serde_json::Value;

use super::{super::tls::TlsPort, Client, Queued, START_MS, Shard, World};
use crate::identity::{AgentRole, Class, VisitorClaims};

impl World {
    /// A client that has not said anything.
    pub fn open(&mut self, shard: usize) -> usize {
        let connection = self.new_connection();
        let decoder = if self.offer.is_some() { Decoder::with_deflate } else { Decoder::new };
        let client = Client {
            shard,
            connection,
            decoder: decoder(Side::Client, 1 << 20),
            tls: self.port.as_ref().map(TlsPort::client),
            upgraded: false,
            compressed: 0,
            received: Vec::new(),
            urgencies: Vec::new(),
            closed_with: None,
            gone: false,
        };
        self.clients.push(client);
        let client = self.clients.len() - 1;
        self.by_connection.insert((shard, connection), client);
        self.inboxes[shard].push_back(Queued::Opened(connection));
        client
    }

    /// A client that asks for a WebSocket.
    pub fn connect(&mut self, shard: usize) -> usize {
        let client = self.open(shard);
        self.preface.clone().chunks(7).for_each(|piece| self.send_as_is(client, piece.to_vec()));
        let mut request = Vec::new();
        codec::websocket::request_upgrade("desk", "/ws", [7; 16], Some("ringdesk.v1"), &mut request);
        if let Some(offer) = self.offer {
            request.truncate(request.len() - 2);
            request.extend_from_slice(format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n").as_bytes());
        }
        self.send_bytes(client, request);
        client
    }

    /// Whose the connection is, as the shard knows it where it is now.
    pub fn client_of(&mut self, client: usize) -> Option<IpAddr> {
        let Client { shard, connection, .. } = self.clients[client];
        self.shards[shard].connections.find(connection)?.client
    }

    pub fn send_bytes(&mut self, client: usize, bytes: Vec<u8>) {
        let pieces = match &mut self.clients[client].tls {
            Some(tls) => tls.say(&bytes),
            None => vec![bytes],
        };
        pieces.into_iter().for_each(|piece| self.send_as_is(client, piece));
    }

    /// Bytes as they arrive at the server.
    pub fn send_as_is(&mut self, client: usize, bytes: Vec<u8>) {
        let Client { shard, connection, .. } = self.clients[client];
        if self.by_connection.contains_key(&(shard, connection)) {
            self.inboxes[shard].push_back(Queued::Received(connection, bytes));
        }
    }

    pub fn send_frame(&mut self, client: usize, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked_frame(opcode, payload, [1, 2, 3, 4], &mut bytes);
        self.send_bytes(client, bytes);
    }

    pub fn send_text(&mut self, client: usize, text: &str) {
        self.send_frame(client, Opcode::Text, text.as_bytes());
    }

    pub fn leave(&mut self, client: usize) {
        let mut bytes = Vec::new();
        encode_close(Side::Client, 1000, "", &mut bytes);
        self.send_bytes(client, bytes);
        self.run();
    }

    /// The network is cut: the server learns it, the client may not.
    pub fn cut(&mut self, client: usize) {
        let Client { shard, connection, .. } = self.clients[client];
        if self.by_connection.remove(&(shard, connection)).is_some() {
            self.inboxes[shard].push_back(Queued::Closed(connection));
        }
        self.clients[client].gone = true;
    }

    pub fn visitor_token(&self, id: &str, class: Class) -> String {
        let claims = VisitorClaims {
            sub: id.to_owned(),
            name: format!("name of {id}"),
            class,
            site: "default".to_owned(),
            exp: START_MS / 1_000 + 1_000_000,
        };
        self.settings.identity.sign_visitor(&claims)
    }

    pub fn agent_token(&self, name: &str) -> String {
        self.settings.identity.sign_agent(name, AgentRole::Agent, START_MS / 1_000)
    }

    /// A visitor says hello and hears the answer.
    pub fn visitor(&mut self, shard: usize, id: &str, more: &str) -> usize {
        self.visitor_of(shard, id, Class::Normal, more)
    }

    /// A visitor of this class says hello and hears the answer.
    pub fn visitor_of(&mut self, shard: usize, id: &str, class: Class, more: &str) -> usize {
        let client = self.connect(shard);
        let token = self.visitor_token(id, class);
        self.send_text(client, &format!(r#"{{"type":"hello","role":"visitor","token":"{token}"{more}}}"#));
        self.run();
        client
    }

    /// An agent says hello and is ready.
    pub fn agent(&mut self, shard: usize, name: &str) -> usize {
        let client = self.agent_away(shard, name, "");
        self.send_text(client, r#"{"type":"presence","state":"ready","capacity":8}"#);
        self.run();
        client
    }

    pub fn agent_away(&mut self, shard: usize, name: &str, more: &str) -> usize {
        let client = self.connect(shard);
        let token = self.agent_token(name);
        self.send_text(client, &format!(r#"{{"type":"hello","role":"agent","token":"{token}"{more}}}"#));
        self.run();
        client
    }

    pub fn say(&mut self, client: usize, id: &str, text: &str) {
        let message = serde_json::json!({"type":"message","id":id,"content":{"kind":"text","text":text}});
        self.send_text(client, &message.to_string());
    }

    pub fn agent_says(&mut self, client: usize, conversation: &str, id: &str, text: &str) {
        let message = serde_json::json!({
            "type":"message","id":id,"conversation":conversation,"content":{"kind":"text","text":text}
        });
        self.send_text(client, &message.to_string());
    }

    /// The conversation a visitor was welcomed to.
    pub fn conversation(&self, client: usize) -> String {
        let welcome = self.of_type(client, "welcome");
        welcome[0]["conversation"].as_str().expect("a visitor's welcome names it").to_owned()
    }

    pub fn of_type(&self, client: usize, kind: &str) -> Vec<&Value> {
        self.clients[client].received.iter().filter(|message| message["type"] == kind).collect()
    }

    /// What a client saw of a conversation: `seq kind: words`, in order, none twice.
    pub fn seen(&self, client: usize, conversation: &str) -> Vec<String> {
        let mut last = 0;
        let mut seen = Vec::new();
        for event in self.of_type(client, "event") {
            if event["conversation"] != conversation {
                continue;
            }
            let seq = event["seq"].as_u64().expect("a number");
            assert!(seq > last, "{seq} after {last}");
            last = seq;
            let kind = event["kind"].as_str().expect("a word");
            let content = &event["content"];
            let words = match kind {
                "message" | "note" => content["text"].as_str().expect("text").to_owned(),
                "assigned" => content["agent"].as_str().unwrap_or("nobody").to_owned(),
                "queue" => content["place"].to_string(),
                "transferred" => format!("{} to {}", content["from"], content["to"]).replace('"', ""),
                "rating" => content["score"].to_string(),
                "closed" => content["by"].as_str().expect("a word").to_owned(),
                other => panic!("no such kind: {other}"),
            };
            seen.push(format!("{seq} {kind}: {words}"));
        }
        seen
    }

    pub fn acks(&self, client: usize) -> Vec<(String, u64)> {
        let ack =
            |ack: &&Value| (ack["id"].as_str().expect("an id").to_owned(), ack["seq"].as_u64().expect("seq"));
        self.of_type(client, "ack").iter().map(ack).collect()
    }

    /// Where the conversation stands in memory, by the journal's word.
    pub fn phase(&self, id: &str) -> Option<String> {
        let mut all = self.shards.iter().flat_map(Shard::conversations);
        all.find(|(other, ..)| *other == id).map(|(_, phase, _)| format!("{phase:?}"))
    }

    /// How many conversations the client last heard that the agent has.
    pub fn presence(&self, client: usize, agent: &str) -> Option<u64> {
        let presence = self.of_type(client, "presence");
        presence.iter().rfind(|presence| presence["agent"] == agent)?["serving"].as_u64()
    }

    /// The code of the last refusal.
    pub fn refusal(&self, client: usize) -> Option<String> {
        let refused = self.of_type(client, "refused");
        refused.last().map(|refused| refused["code"].as_str().expect("a code").to_owned())
    }
}
