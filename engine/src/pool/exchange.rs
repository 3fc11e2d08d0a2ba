//! HTTP on the pool: a request that a shard framed goes to the router, and its response goes back in pieces.
//!
//! Bytes here are HTTP/1.1 as they go over the wire; reading requests is the shard's, what is answered is
//! the router's. One piece is in flight at a time, so that a slow client holds one piece and no more.

mod response;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use response::{Framing, encode_head};
use tokio::{sync::mpsc, time::timeout};
use tower::ServiceExt;

use super::{api::ApiError, clock::Clock, link::DoneQueue};
use crate::jobs::{Done, HTTP_PIECE_BYTES_MAX};

/// Requests being answered at once; more are told to come back.
pub const EXCHANGES_MAX: usize = 1024;
/// Longest time until the router answers, and between two parts of its body.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Longest time that a client may take for one piece. The shard closes silent connections sooner; this is
/// for pieces that it forgot.
pub const TAKEN_DEADLINE: Duration = Duration::from_secs(120);

/// Who asks, where the kernel could say: in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub Option<IpAddr>);

/// The shard, and its name for a request. A shard uses a name once.
type ExchangeId = (usize, u64);

/// All requests that are being answered.
#[derive(Clone)]
pub struct Exchanges(Arc<Shared>);

struct Shared {
    router: Router,
    dones: Arc<[DoneQueue]>,
    clock: Clock,
    /// By exchange, where its task hears of [`crate::jobs::Job::HttpTaken`]; that it is gone, it hears from
    /// the channel's end.
    open: Mutex<HashMap<ExchangeId, mpsc::Sender<()>>>,
}

impl Exchanges {
    /// Answers with `router`, to the shards of `dones`.
    pub fn new(router: Router, dones: Arc<[DoneQueue]>, clock: Clock) -> Self {
        Self(Arc::new(Shared { router, dones, clock, open: Mutex::default() }))
    }

    /// Begins to answer; returns at once.
    pub fn begin(&self, shard: usize, exchange: u64, peer: Option<IpAddr>, request: Request<Bytes>) {
        let id = (shard, exchange);
        let (sender, taken) = mpsc::channel(1);
        let full = {
            let mut open = self.open();
            let full = open.len() >= EXCHANGES_MAX;
            if !full {
                open.insert(id, sender);
            }
            full
        };
        let framing = Framing::of(&request);
        let mut task = Exchange { shared: self.clone(), id, framing, taken, in_flight: false };
        tokio::spawn(async move {
            if full {
                task.respond(ApiError::overloaded().into_response()).await;
            } else {
                task.run(peer, request).await;
            }
        });
    }

    /// The last piece has left.
    pub fn taken(&self, shard: usize, exchange: u64) {
        let told = self.open().get(&(shard, exchange)).map(|sender| sender.try_send(()));
        if let Some(Err(_)) = told {
            tracing::debug!(shard, exchange, "a piece was taken twice; the second time says nothing new");
        }
    }

    /// Nobody waits for the answer any more.
    pub fn gone(&self, shard: usize, exchange: u64) {
        self.open().remove(&(shard, exchange));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open().len()
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<ExchangeId, mpsc::Sender<()>>> {
        // The map is whole after each statement that holds the lock, also in one that panicked.
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an answer ends early; nobody is left to be told.
struct Gone;

/// One request being answered.
struct Exchange {
    shared: Exchanges,
    id: ExchangeId,
    framing: Framing,
    taken: mpsc::Receiver<()>,
    in_flight: bool,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.shared.gone(self.id.0, self.id.1);
    }
}

impl Exchange {
    async fn run(&mut self, peer: Option<IpAddr>, request: Request<Bytes>) {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(Peer(peer));
        let answer = timeout(ANSWER_DEADLINE, self.shared.0.router.clone().oneshot(request));
        let response = tokio::select! {
            answer = answer => match answer {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_elapsed) => ApiError::too_slow().into_response(),
            },
            () = gone(&mut self.taken) => return,
        };
        self.respond(response).await;
    }

    async fn respond(&mut self, response: Response) {
        // Gone: the client has left, and its shard has forgotten the exchange.
        if let Err(Gone) = self.stream(response).await {
            tracing::debug!(exchange = self.id.1, "the client left before its answer");
        }
    }

    /// Head and body, in pieces; the last one says so.
    async fn stream(&mut self, response: Response) -> Result<(), Gone> {
        let (parts, mut body) = response.into_parts();
        let length = body.size_hint().exact();
        let body_framing = self.framing.body(parts.status, length);
        let mut piece = Vec::new();
        encode_head(&parts, body_framing, self.framing.close, &self.shared.0.clock.http_date(), &mut piece);
        if !body_framing.has_body() {
            return self.send(piece, true, self.framing.close).await;
        }
        loop {
            let frame = tokio::select! {
                biased;
                frame = timeout(ANSWER_DEADLINE, body.frame()) => frame,
                // The body has nothing yet: what there is goes now. Otherwise pieces leave full.
                () = std::future::ready(()), if !piece.is_empty() => {
                    self.send(std::mem::take(&mut piece), false, false).await?;
                    continue;
                }
                () = gone(&mut self.taken), if !self.in_flight => return Err(Gone),
            };
            match frame {
                Ok(Some(Ok(frame))) => {
                    // Trailers have no place in what we send; nothing of ours makes any.
                    if let Ok(data) = frame.into_data() {
                        self.put(&mut piece, body_framing.prefix(data.len()).as_bytes()).await?;
                        self.put(&mut piece, &data).await?;
                        self.put(&mut piece, body_framing.suffix(data.len())).await?;
                    }
                }
                Ok(None) => {
                    self.put(&mut piece, body_framing.end()).await?;
                    return self.send(piece, true, self.framing.close).await;
                }
                Ok(Some(Err(_))) | Err(_) => {
                    // The head has promised more: only a closed connection tells that it will not come.
                    tracing::warn!(status = %parts.status, "a response broke off; its connection is closed");
                    return self.send(piece, true, true).await;
                }
            }
        }
    }

    /// Appends to the piece, sending it each time it is full.
    async fn put(&mut self, piece: &mut Vec<u8>, mut bytes: &[u8]) -> Result<(), Gone> {
        while !bytes.is_empty() {
            if piece.len() == HTTP_PIECE_BYTES_MAX {
                self.send(std::mem::take(piece), false, false).await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(HTTP_PIECE_BYTES_MAX - piece.len()));
            piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    async fn send(&mut self, piece: Vec<u8>, last: bool, close: bool) -> Result<(), Gone> {
        debug_assert!(piece.len() <= HTTP_PIECE_BYTES_MAX);
        if self.in_flight {
            match timeout(TAKEN_DEADLINE, self.taken.recv()).await {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => return Err(Gone),
            }
        }
        if last {
            // The shard may begin its next exchange as soon as it has this piece.
            self.shared.gone(self.id.0, self.id.1);
        }
        self.in_flight = true;
        let (shard, exchange) = self.id;
        self.shared.0.dones[shard]
            .push(Done::HttpBytes { exchange, bytes: Bytes::from(piece), last, close })
            .await;
        Ok(())
    }
}

/// Ends when the exchange is of no use any more.
async fn gone(taken: &mut mpsc::Receiver<()>) {
    while taken.recv().await.is_some() {}
}

impl ApiError {
    fn too_slow() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "too_slow", "the server took too long to answer; try again")
    }
}

#[cfg(test)]
#[path = "exchange/tests.rs"]
mod tests;
