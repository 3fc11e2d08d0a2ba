//! A client's end of the wire: HTTP upgrade, frames, JSON. What the person behind it wants is not known here.

use std::ops::ControlFlow;

use codec::websocket::{Decoder, Incoming, Opcode, Side, encode_masked_frame, request_upgrade};
use serde_json::Value;

use crate::network::{LinkId, Network};

/// Nothing heard for so long: the connection is given up.
const PATIENCE_US: u64 = 20_000_000;

/// One connection.
pub struct Wire {
    pub link: LinkId,
    decoder: Decoder,
    head: Vec<u8>,
    is_upgraded: bool,
    heard_us: u64,
}

/// What the bytes came to.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// The connection can carry messages now.
    Upgraded,
    Message(Value),
    /// The server ends it with this code.
    Closing(u16),
    /// It cannot be upgraded.
    Refused,
}

impl Wire {
    /// Connects and asks for the upgrade; `None`: nobody listens.
    pub fn open(client: usize, network: &mut Network) -> Option<Self> {
        let link = network.connect(client)?;
        let mut request = Vec::new();
        request_upgrade("desk", "/ws", [7; 16], Some("ringdesk.v1"), &mut request);
        network.client_sends(link, request);
        let decoder = Decoder::new(Side::Client, 1 << 20);
        let heard_us = network.now_us;
        Some(Self { link, decoder, head: Vec::new(), is_upgraded: false, heard_us })
    }

    /// Whether the server has been silent for too long.
    pub fn is_silent(&self, now_us: u64) -> bool {
        now_us > self.heard_us + PATIENCE_US
    }

    /// Sends a message.
    pub fn say(&self, message: &Value, network: &mut Network) {
        self.frame(Opcode::Text, message.to_string().as_bytes(), network);
    }

    fn frame(&self, opcode: Opcode, payload: &[u8], network: &mut Network) {
        let mut bytes = Vec::new();
        encode_masked_frame(opcode, payload, [1, 2, 3, 4], &mut bytes);
        network.client_sends(self.link, bytes);
    }

    /// Takes bytes of the server.
    pub fn receive(&mut self, mut bytes: Vec<u8>, network: &mut Network) -> Vec<Heard> {
        self.heard_us = network.now_us;
        let mut heard = Vec::new();
        if !self.is_upgraded {
            self.head.append(&mut bytes);
            let Some(end) = self.head.windows(4).position(|end| end == b"\r\n\r\n") else { return heard };
            if !self.head.starts_with(b"HTTP/1.1 101 ") {
                return vec![Heard::Refused];
            }
            bytes = self.head.split_off(end + 4);
            self.is_upgraded = true;
            heard.push(Heard::Upgraded);
        }
        let mut pings = Vec::new();
        let received = self.decoder.receive(&mut bytes, &mut |incoming| {
            match incoming {
                Incoming::Text(text) => {
                    heard.push(Heard::Message(serde_json::from_str(text).expect("servers send JSON")));
                }
                Incoming::Close(code, _) => heard.push(Heard::Closing(code)),
                Incoming::Ping(payload) => pings.push(payload.to_vec()),
                Incoming::Pong(_) => {}
                Incoming::Binary(_) => panic!("servers send no binary"),
            }
            ControlFlow::Continue(())
        });
        received.expect("servers keep to RFC 6455");
        for payload in pings {
            self.frame(Opcode::Pong, &payload, network);
        }
        heard
    }
}
