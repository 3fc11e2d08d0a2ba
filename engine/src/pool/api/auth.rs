//! Who asks: the login token of `Authorization: Bearer …`, checked against the account as it is now.

use axum::extract::FromRequestParts;
use http::{header, request::Parts};

use super::{Api, ApiError};
use crate::identity::{Agent, AgentRole, TokenError};

/// Somebody who works at the desk.
pub(super) struct Caller(pub Agent);

/// Somebody who oversees the desk; administrators do, too.
pub(super) struct Supervisor(
    #[expect(dead_code, reason = "that it exists is the proof; who it is, a log may want")] pub Agent,
);

/// Somebody who may change accounts and settings.
pub(super) struct Admin(
    #[expect(dead_code, reason = "that it exists is the proof; who it is, a log may want")] pub Agent,
);

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let token = bearer(parts).ok_or_else(|| {
            ApiError::unauthorized(
                "token_missing",
                "this needs a login; send authorization: Bearer with the token that POST /api/v1/login gave",
            )
        })?;
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
            Some(account) => Ok(Self(Agent { name: account.name, role: account.role.into() })),
            None => Err(ApiError::unauthorized("account_disabled", "the account is disabled or gone")),
        }
    }
}

impl FromRequestParts<Api> for Supervisor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Caller(agent) = Caller::from_request_parts(parts, api).await?;
        match agent.role {
            AgentRole::Supervisor | AgentRole::Admin => Ok(Self(agent)),
            AgentRole::Agent => Err(ApiError::forbidden("only supervisors may do this; ask one")),
        }
    }
}

impl FromRequestParts<Api> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Caller(agent) = Caller::from_request_parts(parts, api).await?;
        match agent.role {
            AgentRole::Admin => Ok(Self(agent)),
            AgentRole::Agent | AgentRole::Supervisor => {
                Err(ApiError::forbidden("only administrators may do this; ask one"))
            }
        }
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
