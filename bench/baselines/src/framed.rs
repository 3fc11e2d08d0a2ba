//! One client of a runtime without a WebSocket library: bytes in, bytes out, framed by our codec.

use std::ops::ControlFlow;

use codec::{
    Decoded,
    http::{self, Limits},
    websocket::{self, Decoder, Incoming, Opcode, Side},
};

use crate::{Agents, Hello, ID_BYTES, Mode, enter, outbox::Outbox};

/// Bytes that one read takes at most.
pub const READ_BYTES: usize = 4_096;
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const HEAD: Limits = Limits { head_bytes_max: 4_096, headers_max: 32, body_bytes_max: 0 };

/// Bytes on their way to a peer.
pub type ByteOutbox = Outbox<Vec<u8>>;

/// One client.
#[derive(Debug)]
pub struct Client {
    mode: Mode,
    agents: Agents<ByteOutbox>,
    outbox: ByteOutbox,
    stage: Stage,
    hello: Option<Hello>,
}

#[derive(Debug)]
enum Stage {
    Upgrading(Vec<u8>),
    Open(Decoder),
}

impl Client {
    /// Somebody who connected.
    pub fn new(mode: Mode, agents: Agents<ByteOutbox>) -> Self {
        let stage = Stage::Upgrading(Vec::new());
        Self { mode, agents, outbox: Outbox::default(), stage, hello: None }
    }

    /// What others send to this client.
    pub fn outbox(&self) -> ByteOutbox {
        self.outbox.clone()
    }

    /// Takes what arrived and appends the answer to `out`; what is for others goes to their outboxes. After a break
    /// the connection is to be closed.
    pub fn receive(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> ControlFlow<()> {
        let Self { mode, agents, outbox, stage, hello } = self;
        match stage {
            Stage::Upgrading(held) => {
                held.extend_from_slice(bytes);
                match http::decode_request_head(held, &HEAD) {
                    Ok(Decoded::NeedMore) => ControlFlow::Continue(()),
                    Ok(Decoded::Complete { value, .. }) => {
                        if websocket::accept_upgrade(&value, "baseline", out).is_err() {
                            return ControlFlow::Break(());
                        }
                        *stage = Stage::Open(Decoder::new(Side::Server, MESSAGE_BYTES_MAX));
                        ControlFlow::Continue(())
                    }
                    Err(_) => ControlFlow::Break(()),
                }
            }
            Stage::Open(decoder) => {
                let mut flow = ControlFlow::Continue(());
                let received = decoder.receive(bytes, &mut |incoming| {
                    match incoming {
                        Incoming::Text(text) if *mode == Mode::Echo => {
                            websocket::encode_frame(Opcode::Text, text.as_bytes(), out);
                        }
                        Incoming::Text(text) => chat(text.as_bytes(), hello, agents, outbox, out),
                        Incoming::Binary(_) | Incoming::Close(..) => flow = ControlFlow::Break(()),
                        Incoming::Ping(_) | Incoming::Pong(_) => {}
                    }
                    ControlFlow::Continue(())
                });
                if received.is_err() { ControlFlow::Break(()) } else { flow }
            }
        }
    }
}

fn chat(
    text: &[u8],
    hello: &mut Option<Hello>,
    agents: &Agents<ByteOutbox>,
    outbox: &ByteOutbox,
    out: &mut Vec<u8>,
) {
    match *hello {
        None => {
            *hello = Hello::parse(text);
            if let Some(Hello::Agent(number)) = *hello {
                enter(agents, number, outbox.clone());
            }
        }
        Some(Hello::Agent(_)) => {}
        Some(Hello::Visitor(to)) => {
            websocket::encode_frame(Opcode::Text, &text[..text.len().min(ID_BYTES)], out);
            if let Some(Some(agent)) = agents.borrow().get(to) {
                agent.queue(|bytes| websocket::encode_frame(Opcode::Text, text, bytes));
            }
        }
    }
}
