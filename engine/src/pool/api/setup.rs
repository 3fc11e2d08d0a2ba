//! The first administrator: `GET` and `POST /api/v1/setup`, with the token of the link that the first start
//! prints. It lives in memory only; a restart makes another one, as long as there is no administrator.

use axum::{Extension, Json, extract::State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::sql::AccountRole;

use super::{
    Api, ApiError,
    agents::{account, password, valid_name},
    error::Body,
    login::{Attempt, LoggedIn},
};
use crate::{
    identity::{AgentRole, secrets},
    pool::exchange::Peer,
};

/// Random bytes of a token; twice as many hexadecimal digits.
const TOKEN_RANDOM_BYTES: usize = 24;

/// Lets one person make the first administrator, once.
#[derive(Clone)]
pub struct SetupToken(String);

impl SetupToken {
    /// A new one.
    pub fn random() -> std::io::Result<Self> {
        secrets::random_hex(TOKEN_RANDOM_BYTES).map(Self)
    }

    /// One that tests know.
    #[cfg(test)]
    pub(super) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// For the link.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not tell how much of it was right.
    fn is(&self, given: &str) -> bool {
        let differences =
            self.0.bytes().zip(given.bytes()).fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        self.0.len() == given.len() && differences == 0
    }
}

#[derive(Deserialize)]
pub(super) struct FirstAdmin {
    token: String,
    name: String,
    password: String,
}

pub(super) async fn needed(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let any = api.records.accounts(|accounts| accounts.any_admin()).await?;
    Ok(Json(json!({"needed": !any})))
}

pub(super) async fn first_admin(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Body(given): Body<FirstAdmin>,
) -> Result<Json<LoggedIn>, ApiError> {
    let attempt = Attempt::begin(&api, None, peer)?;
    let right = api.setup().as_ref().is_some_and(|token| token.is(&given.token));
    if !right {
        let text = "this set-up link is not good any more; restart the server for a new one, if there is no \
                    administrator yet";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "setup_token_wrong", text));
    }
    attempt.was_right();
    let name = valid_name(&given.name)?;
    let password = password(given.password)?;
    // Taken before anything is made, so that of two at once one is first; given back if it comes to nothing.
    let token = api.setup().take().ok_or_else(already_done)?;
    let made = make(&api, name.as_str(), password).await;
    match made {
        Ok(()) => Ok(Json(api.logged_in(name.as_str().to_owned(), AgentRole::Admin))),
        Err(error) => {
            *api.setup() = Some(token);
            Err(error)
        }
    }
}

async fn make(api: &Api, name: &str, password: crate::accounts::Password) -> Result<(), ApiError> {
    let account = account(api, name, AccountRole::Admin, password).await?;
    let made = api
        .records
        .accounts(move |accounts| match accounts.any_admin()? {
            true => Ok(None),
            false => accounts.create(&account).map(Some),
        })
        .await?;
    match made {
        Some(true) => Ok(()),
        Some(false) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "name_taken",
            "an account has this name already; choose another",
        )),
        None => Err(already_done()),
    }
}

fn already_done() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "setup_done", "there is an administrator already; log in instead")
}
