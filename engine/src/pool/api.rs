//! The public port beside the WebSocket: REST under `/api/v1`, the console, the widget and the demo shop.
//!
//! One file a resource; who may do what is decided by the table of [`crate::roles`] before the handler is asked, and
//! every answer that is an error has the shape of [`ApiError`]. The pages are `docs/protocol/rest.md`.

mod agents;
mod auth;
mod board;
mod conversations;
mod documents;
mod error;
mod events;
mod headers;
mod login;
mod replies;
mod search;
mod setup;
mod teams;
mod times;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post, put},
};
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

use super::{assets, clock::Clock, link::DoneQueue, metrics::Metrics, records::Records, throttle::Throttle};
use crate::{
    identity::{Identity, secrets::Secrets},
    jobs::Done,
};

pub use error::ApiError;
pub use setup::SetupToken;

/// Bytes of a request's body; the shards refuse more before it gets here.
const BODY_BYTES_MAX: usize = crate::limits::HTTP_BODY_BYTES_MAX as usize;
/// Longest wait for a shard, which answers within a turn.
const SHARD_DEADLINE: Duration = Duration::from_secs(3);
/// Passwords being hashed at once: each takes a core and 19 MiB for some ten milliseconds.
const HASHES_MAX: usize = 2;

/// What the API works with. Clones are the same.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

/// What all clones of an [`Api`] share.
pub struct Parts {
    identity: Identity,
    visitor_secret: String,
    records: Records,
    clock: Clock,
    metrics: Metrics,
    dones: Arc<[DoneQueue]>,
    shard_of: ShardOf,
    setup: Mutex<Option<SetupToken>>,
    logins: Mutex<Throttle>,
    hashing: Semaphore,
    not_ready: Mutex<Option<&'static str>>,
    teams_change: tokio::sync::Mutex<()>,
}

/// The shard that owns a conversation; `None`: no conversation can have this id.
pub type ShardOf = Box<dyn Fn(&str) -> Option<usize> + Send + Sync>;

impl std::ops::Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What an [`Api`] is made of.
pub struct ApiParts {
    /// To sign logins with, and to show to administrators.
    pub secrets: Secrets,
    /// Accounts and history.
    pub records: Records,
    /// For tokens and waits.
    pub clock: Clock,
    /// Where logins are counted.
    pub metrics: Metrics,
    /// By shard, where it is asked for newest events.
    pub dones: Arc<[DoneQueue]>,
    /// Which shard that is.
    pub shard_of: ShardOf,
    /// Makes the first administrator, if there is none yet.
    pub setup: Option<SetupToken>,
}

impl Api {
    /// Ready from the start; see [`Api::set_not_ready`].
    pub fn new(parts: ApiParts) -> Self {
        Self(Arc::new(Parts {
            identity: parts.secrets.identity(),
            visitor_secret: parts.secrets.visitor,
            records: parts.records,
            clock: parts.clock,
            metrics: parts.metrics,
            dones: parts.dones,
            shard_of: parts.shard_of,
            setup: Mutex::new(parts.setup),
            logins: Mutex::default(),
            hashing: Semaphore::new(HASHES_MAX),
            not_ready: Mutex::new(None),
            teams_change: tokio::sync::Mutex::new(()),
        }))
    }

    /// Asks a shard something that it answers within a turn; nothing, where it does not. `question` is given where the
    /// answer goes.
    async fn ask_shard<T: Send + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(Box<dyn FnOnce(T) + Send>) -> Done,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let question = question(Box::new(move |answer| {
            // The request may have been given up since.
            drop(sender.send(answer));
        }));
        let answer = async {
            self.dones[shard].push(question).await;
            receiver.await.ok()
        };
        timeout(SHARD_DEADLINE, answer).await.ok().flatten()
    }

    /// What `/health/ready` says from now on.
    pub fn set_not_ready(&self, why: &'static str) {
        *self.not_ready() = Some(why);
    }

    fn not_ready(&self) -> MutexGuard<'_, Option<&'static str>> {
        // One word, whole at any time.
        self.not_ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logins(&self) -> MutexGuard<'_, Throttle> {
        // The table is whole after each call, also in a task that panicked.
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn setup(&self) -> MutexGuard<'_, Option<SetupToken>> {
        self.setup.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything on the public port that a shard does not answer itself.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/api/v1/login", post(login::login))
        .route("/api/v1/setup", get(setup::needed).post(setup::first_admin))
        .route("/api/v1/me", get(login::me))
        .route("/api/v1/conversations", get(conversations::list))
        .route("/api/v1/conversations/{id}", get(conversations::one))
        .route("/api/v1/conversations/{id}/events", get(events::list))
        .route("/api/v1/search", get(search::search))
        .route("/api/v1/agents", get(agents::list).post(agents::add))
        .route("/api/v1/teams", get(teams::list))
        .route("/api/v1/teams/{name}", put(teams::put).delete(teams::remove))
        .route("/api/v1/board", get(board::board))
        .route("/api/v1/replies", get(replies::list))
        .route("/api/v1/replies/{shortcut}", put(replies::put).delete(replies::remove))
        .route("/api/v1/settings/identity", get(identity_settings))
        .route("/api/v1/openapi.json", get(documents::openapi))
        .route("/api/v1/schema/websocket.json", get(documents::websocket_schema))
        .route_layer(from_fn_with_state(api.clone(), auth::authorize))
        .with_state(api.clone())
        .merge(health(api))
        .merge(assets::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(headers::secure))
}

/// `/health/live` and `/health/ready`, for both ports.
pub fn health(api: Api) -> Router {
    Router::new().route("/health/live", get(async || "live\n")).route(
        "/health/ready",
        get(async move || match *api.not_ready() {
            None => Ok("ready\n"),
            Some(why) => Err((http::StatusCode::SERVICE_UNAVAILABLE, why)),
        }),
    )
}

async fn no_such_path() -> ApiError {
    ApiError::not_found("there is nothing at this path; /api/v1/openapi.json lists what there is")
}

async fn no_such_method() -> ApiError {
    ApiError::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method; the allow field lists those it takes",
    )
}

/// How the shop's back end says who its visitors are.
async fn identity_settings(
    axum::extract::State(api): axum::extract::State<Api>,
    _: auth::Caller,
) -> Json<Value> {
    let claims: HashMap<&str, &str> = HashMap::from([
        ("sub", "the visitor's id in your shop, 1 to 128 bytes; must not begin with anon-"),
        ("name", "the name agents see; may be left out"),
        ("class", "vip or normal; left out: normal"),
        ("site", "the shop; left out: default"),
        ("exp", "until when, in whole seconds since 1970"),
    ]);
    Json(json!({
        "algorithm": "HS256",
        "secret": api.visitor_secret,
        "claims": claims,
        "text": "On your server, sign a JWT with these claims, with the secret exactly as written here as the \
                 key (as text, not decoded). Give it to the widget as data-token. Never put the secret into a \
                 page.",
    }))
}

#[cfg(test)]
#[path = "api/tests.rs"]
mod tests;
