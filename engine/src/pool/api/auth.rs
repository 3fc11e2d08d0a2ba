//! Who asks: the login token of `Authorization: Bearer …`, checked against the account as it is now, and whether the
//! table of [`crate::roles`] lets that account ask this.

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, header, request::Parts};

use super::{Api, ApiError};
use crate::{
    identity::{Agent, AgentRole, TokenError},
    roles::{self, Access},
};

/// Somebody who works at the desk, and may ask what is asked.
#[derive(Clone)]
pub(super) struct Caller(pub Agent);

/// Lets a request through to its handler if its row of the table does. What is in no row gets no [`Caller`].
pub(super) async fn authorize(
    State(api): State<Api>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(access @ Access::From(least)) = roles::access(request.method(), path.as_str()) {
        let caller = log_in(&api, request.headers()).await?;
        if !access.includes(caller.role) {
            return Err(ApiError::forbidden(match least {
                AgentRole::Admin => "only administrators may do this; ask one",
                AgentRole::Supervisor | AgentRole::Agent => {
                    "only supervisors and administrators may do this; ask one"
                }
            }));
        }
        request.extensions_mut().insert(Caller(caller));
    }
    Ok(next.run(request).await)
}

async fn log_in(api: &Api, headers: &HeaderMap) -> Result<Agent, ApiError> {
    let token = bearer(headers).ok_or_else(missing)?;
    let agent = api.identity.agent(token, api.clock.unix_s()).map_err(|error| match error {
        TokenError::Expired => ApiError::unauthorized(error.code(), "the login has ended; log in again"),
        TokenError::Forged | TokenError::Malformed => {
            ApiError::unauthorized(error.code(), "not a login token of this server; log in again")
        }
    })?;
    let name = agent.name.clone();
    // The account may have been disabled, or been given another role, since the login.
    let account = api.records.accounts(move |accounts| accounts.find(&name)).await?;
    match account.filter(|account| !account.disabled) {
        Some(account) => Ok(Agent { name: account.name, role: account.role.into() }),
        None => Err(ApiError::unauthorized("account_disabled", "the account is disabled or gone")),
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

fn missing() -> ApiError {
    ApiError::unauthorized(
        "token_missing",
        "this needs a login; send authorization: Bearer with the token that POST /api/v1/login gave",
    )
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
