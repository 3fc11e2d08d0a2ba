//! `POST /api/v1/login` and `GET /api/v1/me`.
//!
//! A wrong name and a wrong password get the same answer after the same work, and who gets it often, by name
//! or by address, has to wait.

use std::net::IpAddr;

use axum::{Extension, Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, ApiError, auth::Caller, error::Body};
use crate::{
    accounts::{self, AccountName},
    identity::AgentRole,
    pool::{exchange::Peer, metrics::LoginOutcome},
};

#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: String,
}

/// A login that came about.
#[derive(Serialize)]
pub(super) struct LoggedIn {
    token: String,
    name: String,
    role: AgentRole,
}

#[derive(Serialize)]
pub(super) struct Me {
    name: String,
    role: AgentRole,
}

pub(super) async fn login(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Body(credentials): Body<Credentials>,
) -> Result<Json<LoggedIn>, ApiError> {
    // A name that no account can have is not remembered: it may be long, and is wrong anyway.
    let name = AccountName::new(&credentials.name).ok();
    let name_key = name.as_ref().map(|name| format!("name {name}"));
    let attempt = Attempt::begin(&api, name_key, peer)?;
    let account = match name {
        Some(name) => api.records.accounts(move |accounts| accounts.find(name.as_str())).await?,
        None => None,
    };
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let right = api.hashed(move || accounts::verify(&credentials.password, hash.as_deref())).await?;
    match account.filter(|account| right && !account.disabled) {
        Some(account) => {
            attempt.was_right();
            Ok(Json(api.logged_in(account.name, account.role.into())))
        }
        None => {
            api.metrics.logins(LoginOutcome::Wrong).increment(1);
            let text = "no account has this name and password; an administrator can set a new password";
            Err(ApiError::unauthorized("wrong_password", text))
        }
    }
}

pub(super) async fn me(Caller(agent): Caller) -> Json<Me> {
    Json(Me { name: agent.name, role: agent.role })
}

impl Api {
    /// The answer to somebody who has proved to be `name`.
    pub(super) fn logged_in(&self, name: String, role: AgentRole) -> LoggedIn {
        self.metrics.logins(LoginOutcome::Accepted).increment(1);
        LoggedIn { token: self.identity.sign_agent(&name, role, self.clock.unix_s()), name, role }
    }

    /// Does something slow with a password, where it may block; a few at a time.
    pub(super) async fn hashed<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _permit = self.hashing.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::overloaded())
    }
}

/// One attempt, counted as wrong until it says otherwise.
pub(super) struct Attempt<'a> {
    api: &'a Api,
    name_key: Option<String>,
    address_key: String,
}

impl<'a> Attempt<'a> {
    /// Counts an attempt by name, where there is one, and by address; or refuses it.
    pub(super) fn begin(api: &'a Api, name_key: Option<String>, Peer(peer): Peer) -> Result<Self, ApiError> {
        let now_ms = api.clock.unix_ms();
        let address_key = address_key(peer);
        let mut logins = api.logins();
        let mut counted = logins.attempt(&address_key, now_ms);
        if let (Ok(()), Some(name_key)) = (counted, &name_key) {
            counted = logins.attempt(name_key, now_ms);
            if counted.is_err() {
                logins.take_back(&address_key);
            }
        }
        drop(logins);
        counted.map_err(|early_ms| {
            api.metrics.logins(LoginOutcome::Throttled).increment(1);
            let seconds = early_ms.div_ceil(1_000);
            let text = format!("too many wrong logins; wait {seconds} s and try again");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", text).retry_after_s(seconds)
        })?;
        Ok(Self { api, name_key, address_key })
    }

    /// The name starts anew; the address keeps what others did from it.
    pub(super) fn was_right(self) {
        let mut logins = self.api.logins();
        if let Some(name_key) = &self.name_key {
            logins.forgive(name_key);
        }
        logins.take_back(&self.address_key);
    }
}

/// An IPv6 network of one customer counts as one: it has more addresses than any table.
fn address_key(peer: Option<IpAddr>) -> String {
    match peer {
        Some(IpAddr::V4(address)) => format!("address {address}"),
        Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => format!("address {address}"),
            None => {
                let [a, b, c, d, ..] = address.segments();
                format!("address {a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
        None => "address unknown".to_owned(),
    }
}
