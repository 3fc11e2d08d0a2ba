//! HTTP on the public port: frames requests, answers the few that need nobody else, and passes the rest on.
//!
//! One request at a time: what a client sends before it has its answer is held, up to a limit.

use bytes::Bytes;
use codec::{
    Decoded,
    http::{self, BodyDecoder, BodyLength, HttpError, RequestHead, Version},
    websocket::{self, Deflate},
};

use crate::{
    limits,
    origin::{Origins, Roles},
};

/// The WebSocket's path.
const WEBSOCKET_PATH: &str = "/ws";
/// The subprotocol of browsers and apps.
const SUBPROTOCOL: &str = "ringdesk.v1";
/// What `/health/ready` says of a server that is being stopped.
pub const STOPPING: &str = "stopping\n";
/// What it says once a journal has failed.
pub const DISK_FAILED: &str = "a disk has failed: see the log, then restart\n";
/// Tells a client that waits with its body to send it (RFC 9110, section 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One connection that speaks HTTP.
#[derive(Debug)]
pub struct HttpConnection {
    /// What came and is not yet part of a request.
    held: Vec<u8>,
    /// The request whose body is coming in.
    incoming: Option<Box<Incoming>>,
    /// The request that is being answered.
    pub exchange: Option<u64>,
    /// A piece of the answer is in the outbox.
    pub piece_in_flight: bool,
    /// When the first byte of the request that is coming in came; milliseconds.
    pub begun_ms: Option<u64>,
    heard_ms: u64,
    /// Since when the first request is waited for; `None` once one has come.
    fresh_since_ms: Option<u64>,
    flooded: bool,
    /// What came is not looked at yet, because many came at once.
    pub is_queued: bool,
}

/// For what a connection has been waited for, since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// For its first request's head.
    First(u64),
    /// For the rest of a request.
    Rest(u64),
    /// For the next request.
    Next(u64),
}

#[derive(Debug)]
struct Incoming {
    head: ::http::request::Builder,
    decoder: BodyDecoder,
    body: Vec<u8>,
}

/// What to do next with a connection.
pub enum HttpStep {
    /// Wait for bytes, or for the answer to the last request.
    NeedMore,
    /// Send [`CONTINUE`] and ask again.
    Continue,
    /// Send the response; WebSocket from here on, beginning with `rest`.
    Upgraded {
        /// `101 Switching Protocols`.
        response: Vec<u8>,
        /// What was agreed, if messages may be compressed.
        deflate: Option<Deflate>,
        /// What came behind the request.
        rest: Vec<u8>,
        /// Who the person may be, as far as the web page says.
        roles: Roles,
        /// Whom the proxies on its way say it is for, as one list; `None` where none did.
        forwarded: Option<Vec<u8>>,
    },
    /// Send the response, then close or go on.
    Answered {
        /// The whole response.
        response: Vec<u8>,
        /// Whether that was all.
        close: bool,
    },
    /// Send the response, then close: the request was refused for what is wrong with it.
    Refused {
        /// The whole response.
        response: Vec<u8>,
        /// Whether the page it came from was wrong; else it was the request itself.
        by_origin: bool,
    },
    /// For the pool.
    Request(Box<::http::Request<Bytes>>),
}

impl HttpConnection {
    /// One that has sent nothing yet.
    pub fn new(now_ms: u64) -> Self {
        Self {
            held: Vec::new(),
            incoming: None,
            exchange: None,
            piece_in_flight: false,
            begun_ms: None,
            heard_ms: now_ms,
            fresh_since_ms: Some(now_ms),
            flooded: false,
            is_queued: false,
        }
    }

    /// Bytes held of what is not whole.
    pub fn held_bytes(&self) -> usize {
        self.held.len() + self.incoming.as_ref().map_or(0, |incoming| incoming.body.len())
    }

    /// What is waited for; meaningless while a request is being answered.
    pub fn waiting(&self) -> Waiting {
        match (self.fresh_since_ms, self.begun_ms) {
            (Some(since_ms), _) => Waiting::First(since_ms),
            // A request that trickles in is measured from its first byte: slow senders are cut off.
            (None, Some(begun_ms)) => Waiting::Rest(begun_ms),
            (None, None) => Waiting::Next(self.heard_ms),
        }
    }

    /// Takes what came at `now_ms`. More than a client may send ahead is not kept: the next step refuses.
    pub fn hold(&mut self, bytes: &[u8], now_ms: u64) {
        self.heard_ms = now_ms;
        if self.held.len() + bytes.len() > limits::HTTP_HELD_BYTES_MAX {
            self.flooded = true;
            return;
        }
        if self.exchange.is_none() {
            self.begun_ms.get_or_insert(now_ms);
        }
        self.held.extend_from_slice(bytes);
    }

    /// Makes the next step of what is held. `unready` is why `/health/ready` says no, if it does; `deflate`,
    /// whether an upgraded connection may compress.
    pub fn next_step(&mut self, unready: Option<&'static str>, origins: &Origins, deflate: bool) -> HttpStep {
        if self.flooded {
            return refuse(
                413,
                "more was sent ahead than a connection may have waiting; wait for each answer",
            );
        }
        if self.exchange.is_some() {
            return HttpStep::NeedMore;
        }
        if self.incoming.is_none() {
            match self.next_head(unready, origins, deflate) {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(error) => return refuse(error.status(), error.text()),
            }
        }
        self.next_body().unwrap_or_else(|error| refuse(error.status(), error.text()))
    }

    /// Reads a head. `None`: its body follows.
    fn next_head(
        &mut self,
        unready: Option<&'static str>,
        origins: &Origins,
        deflate: bool,
    ) -> Result<Option<HttpStep>, HttpError> {
        let (head, used) = match http::decode_request_head(&self.held, &limits::HTTP)? {
            Decoded::NeedMore => return Ok(Some(HttpStep::NeedMore)),
            Decoded::Complete { value, used } => (value, used),
        };
        let path = head.target.split('?').next().unwrap_or_default();
        if path == WEBSOCKET_PATH {
            if !websocket::wants_upgrade(&head) {
                return Ok(Some(refuse_upgrade(426, "this path speaks WebSocket; ask for an upgrade")));
            }
            let roles = origins.roles(head.values("origin"), head.header("host"));
            if roles.is_nobody() {
                return Ok(Some(refuse_origin()));
            }
            let forwarded: Vec<&[u8]> = head.values("x-forwarded-for").collect();
            let forwarded = (!forwarded.is_empty()).then(|| forwarded.join(&b','));
            let mut response = Vec::new();
            return Ok(Some(
                match websocket::accept_upgrade_with_deflate(&head, SUBPROTOCOL, deflate, &mut response) {
                    Ok(deflate) => {
                        let rest = self.held.split_off(used);
                        HttpStep::Upgraded { response, deflate, rest, roles, forwarded }
                    }
                    Err(error) => refuse_upgrade(error.status(), error.text()),
                },
            ));
        }
        self.fresh_since_ms = None;
        if let Some(answer) = health(path, unready) {
            let close = !head.keep_alive || head.body != BodyLength::None;
            let mut response = Vec::new();
            encode_text(answer.0, answer.1, close, &mut response);
            self.held.drain(..used);
            self.request_complete();
            return Ok(Some(HttpStep::Answered { response, close }));
        }
        let decoder = BodyDecoder::new(head.body, &limits::HTTP)?;
        let waits = head.expects_continue && head.body != BodyLength::None;
        let incoming = Incoming { head: pool_request(&head), decoder, body: Vec::new() };
        self.held.drain(..used);
        self.incoming = Some(Box::new(incoming));
        Ok(waits.then_some(HttpStep::Continue))
    }

    fn next_body(&mut self) -> Result<HttpStep, HttpError> {
        let incoming = self.incoming.as_mut().expect("a head was read before its body");
        let (used, complete) = incoming.decoder.receive(&self.held, &mut incoming.body)?;
        self.held.drain(..used);
        if !complete {
            return Ok(HttpStep::NeedMore);
        }
        let incoming = *self.incoming.take().expect("borrowed above");
        self.request_complete();
        Ok(match incoming.head.body(Bytes::from(incoming.body)) {
            Ok(request) => HttpStep::Request(Box::new(request)),
            Err(_) => refuse(400, "the request's target or a header field has characters that HTTP forbids"),
        })
    }

    fn request_complete(&mut self) {
        self.begun_ms = (!self.held.is_empty()).then_some(self.heard_ms);
        if self.held.is_empty() {
            // An idle connection keeps no buffer.
            self.held = Vec::new();
        }
    }
}

fn pool_request(head: &RequestHead<'_>) -> ::http::request::Builder {
    let request =
        ::http::Request::builder().method(head.method).uri(head.target).version(match head.version {
            Version::Http10 => ::http::Version::HTTP_10,
            Version::Http11 => ::http::Version::HTTP_11,
        });
    head.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// Health is answered here: it must not wait for anything that could be unwell.
fn health(path: &str, unready: Option<&'static str>) -> Option<(u16, &'static str)> {
    match path {
        "/health/live" => Some((200, "live\n")),
        "/health/ready" => Some(unready.map_or((200, "ready\n"), |why| (503, why))),
        _ => None,
    }
}

fn encode_text(status: u16, text: &str, close: bool, out: &mut Vec<u8>) {
    let length = text.len().to_string();
    let connection: &[u8] = if close { b"close" } else { b"keep-alive" };
    let headers: [(&str, &[u8]); 4] = [
        ("content-type", b"text/plain; charset=utf-8"),
        ("content-length", length.as_bytes()),
        ("cache-control", b"no-store"),
        ("connection", connection),
    ];
    http::encode_response_head(status, headers, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a whole error response after which the connection closes.
pub fn encode_error(status: u16, text: &str, out: &mut Vec<u8>) {
    encode_text(status, &format!("{text}\n"), true, out);
}

fn refuse(status: u16, text: &str) -> HttpStep {
    let mut response = Vec::new();
    encode_error(status, text, &mut response);
    HttpStep::Refused { response, by_origin: false }
}

fn refuse_origin() -> HttpStep {
    let mut response = Vec::new();
    encode_error(
        403,
        "web pages of this Origin may not connect; see --visitor-origins and --agent-origins",
        &mut response,
    );
    HttpStep::Refused { response, by_origin: true }
}

fn refuse_upgrade(status: u16, text: &str) -> HttpStep {
    let text = format!("{text}\n");
    let length = text.len().to_string();
    let mut response = Vec::new();
    let headers: [(&str, &[u8]); 5] = [
        ("content-type", b"text/plain; charset=utf-8"),
        ("content-length", length.as_bytes()),
        ("upgrade", b"websocket"),
        ("sec-websocket-version", b"13"),
        ("connection", b"close"),
    ];
    http::encode_response_head(status, headers, &mut response);
    response.extend_from_slice(text.as_bytes());
    HttpStep::Refused { response, by_origin: false }
}
