//! A shard's side of exchanges, played over a small router.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use axum::routing::{get, post};
use http::Version;
use http_body::Frame;
use tokio::time::sleep;

use super::*;

/// A body without a length, in parts.
struct Parts(VecDeque<&'static [u8]>);

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(Bytes::from_static(part)))))
    }
}

/// A body that promises more than ever comes.
struct Stuck;

impl http_body::Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

static ABANDONED: AtomicBool = AtomicBool::new(false);

struct OnDrop;

impl Drop for OnDrop {
    fn drop(&mut self) {
        ABANDONED.store(true, Ordering::SeqCst);
    }
}

const LARGE: usize = 3 * HTTP_PIECE_BYTES_MAX + 17;

fn router() -> Router {
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/parts", get(async || Body::new(Parts([&b"one "[..], b"", b"two"].into()))))
        .route("/nothing", post(async || StatusCode::NO_CONTENT))
        .route("/large", get(async || vec![b'x'; LARGE]))
        .route("/slow", get(async || sleep(ANSWER_DEADLINE * 2).await))
        .route("/stuck", get(async || Body::new(Stuck)))
        .route(
            "/abandoned",
            get(async || {
                let _guard = OnDrop;
                std::future::pending::<()>().await;
            }),
        )
        .route("/peer", get(async |axum::Extension(Peer(peer)): axum::Extension<Peer>| format!("{peer:?}")))
}

struct Shard {
    exchanges: Exchanges,
    dones: DoneQueue,
}

struct Piece {
    text: String,
    last: bool,
    close: bool,
}

impl Shard {
    fn new() -> Self {
        let dones = DoneQueue::new(|| ());
        let clock = Clock::new(|| 1_793_750_400_000);
        Self { exchanges: Exchanges::new(router(), [dones.clone()].into(), clock), dones }
    }

    fn ask(&self, request: http::request::Builder) {
        let request = request.body(Bytes::new()).expect("a request");
        self.exchanges.begin(0, 7, Some([192, 0, 2, 1].into()), request);
    }

    /// The next piece, if one comes while everybody else has done what can be done.
    async fn piece(&self) -> Option<Piece> {
        for _ in 0..1_000 {
            if let Some(Done::HttpBytes { exchange, bytes, last, close }) = self.dones.pop() {
                assert_eq!(exchange, 7);
                assert!(bytes.len() <= HTTP_PIECE_BYTES_MAX);
                let text = String::from_utf8(bytes.to_vec()).expect("text");
                return Some(Piece { text, last, close });
            }
            tokio::task::yield_now().await;
        }
        None
    }

    /// The whole response, and whether the connection ends with it.
    async fn whole(&self) -> (String, bool) {
        let mut text = String::new();
        loop {
            let piece = loop {
                match self.piece().await {
                    Some(piece) => break piece,
                    None => sleep(Duration::from_secs(1)).await,
                }
            };
            text.push_str(&piece.text);
            if piece.last {
                assert_eq!(self.exchanges.count(), 0, "the exchange is forgotten with its last piece");
                return (text, piece.close);
            }
            assert!(!piece.close);
            self.exchanges.taken(0, 7);
        }
    }
}

async fn answer(request: http::request::Builder) -> (String, bool) {
    let shard = Shard::new();
    shard.ask(request);
    shard.whole().await
}

fn asking(path: &str) -> http::request::Builder {
    Request::get(path)
}

const DATE: &str = "date: Wed, 04 Nov 2026 00:00:00 GMT";

#[tokio::test]
async fn a_response_of_known_length_is_one_piece() {
    let (text, close) = answer(asking("/hello")).await;
    let expected = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n{DATE}\r\ncontent-length: 5\r\n\r\nhello"
    );
    assert_eq!(text, expected);
    assert!(!close);
}

#[tokio::test]
async fn a_response_of_unknown_length_is_chunked() {
    let (text, close) = answer(asking("/parts")).await;
    assert!(text.contains("\r\ntransfer-encoding: chunked\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"), "{text}");
    assert!(!close);
}

#[tokio::test]
async fn old_clients_get_no_chunks_but_the_end_of_the_connection() {
    let (text, close) = answer(asking("/parts").version(Version::HTTP_10)).await;
    assert!(text.ends_with("\r\nconnection: close\r\n\r\none two"), "{text}");
    assert!(!text.contains("transfer-encoding"), "{text}");
    assert!(close);
}

#[tokio::test]
async fn close_is_said_and_done_when_asked_for() {
    for (option, closes) in [("close", true), ("foo, Close", true), ("keep-alive", false), ("closed", false)]
    {
        let (text, close) = answer(asking("/hello").header("connection", option)).await;
        assert_eq!((close, text.contains("\r\nconnection: close\r\n")), (closes, closes), "{option}");
    }
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let (text, _) = answer(asking("/hello").method("HEAD")).await;
    assert!(text.contains("\r\ncontent-length: 5\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn no_content_has_neither() {
    let (text, _) = answer(asking("/nothing").method("POST")).await;
    assert_eq!(text, format!("HTTP/1.1 204 No Content\r\n{DATE}\r\n\r\n"));
}

#[tokio::test]
async fn the_peer_is_known_to_handlers() {
    assert!(answer(asking("/peer")).await.0.ends_with("Some(192.0.2.1)"));
}

#[tokio::test(start_paused = true)]
async fn the_next_piece_waits_until_the_last_was_taken() {
    let shard = Shard::new();
    shard.ask(asking("/large"));
    let first = shard.piece().await.expect("the first piece comes by itself");
    assert_eq!((first.text.len(), first.last), (HTTP_PIECE_BYTES_MAX, false));
    assert!(shard.piece().await.is_none(), "the second must wait");
    shard.exchanges.taken(0, 7);
    assert_eq!(shard.piece().await.expect("the second").text.len(), HTTP_PIECE_BYTES_MAX);
    assert!(shard.piece().await.is_none(), "the third must wait");
    shard.exchanges.taken(0, 7);
    let (rest, _) = shard.whole().await;
    let head = first.text.find("\r\n\r\n").expect("a head") + 4;
    assert_eq!(2 * HTTP_PIECE_BYTES_MAX - head + rest.len(), LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_answered_for() {
    let (text, close) = answer(asking("/slow")).await;
    assert!(text.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{text}");
    assert!(text.contains(r#""code":"too_slow""#), "{text}");
    assert!(!close);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_closes_the_connection() {
    let (text, close) = answer(asking("/stuck")).await;
    assert!(text.contains("transfer-encoding: chunked") && text.ends_with("\r\n\r\n"), "{text}");
    assert!(close);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_ends_its_handler() {
    let shard = Shard::new();
    shard.ask(asking("/abandoned"));
    assert!(shard.piece().await.is_none());
    assert_eq!(shard.exchanges.count(), 1);
    shard.exchanges.gone(0, 7);
    assert!(shard.piece().await.is_none());
    assert!(ABANDONED.load(Ordering::SeqCst));
    assert_eq!(shard.exchanges.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_between_pieces_is_forgotten() {
    let shard = Shard::new();
    shard.ask(asking("/large"));
    assert!(shard.piece().await.is_some());
    shard.exchanges.gone(0, 7);
    assert!(shard.piece().await.is_none());
    assert_eq!(shard.exchanges.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_the_pool_bears_are_told_to_come_back() {
    let shard = Shard::new();
    for exchange in 0..EXCHANGES_MAX as u64 {
        let request = Request::get("/stuck").body(Bytes::new()).expect("a request");
        shard.exchanges.begin(0, 1_000 + exchange, None, request);
    }
    shard.ask(asking("/hello"));
    let busy = loop {
        match shard.dones.pop() {
            Some(Done::HttpBytes { exchange: 7, bytes, .. }) => break bytes,
            Some(_) => {}
            None => tokio::task::yield_now().await,
        }
    };
    assert!(busy.starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(String::from_utf8_lossy(&busy).contains("retry-after: 2"));
}
