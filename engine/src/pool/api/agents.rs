//! `GET` and `POST /api/v1/agents`: who works here.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::sql::{Account, AccountRole};

use super::{Api, ApiError, auth::Caller, error::Body};
use crate::{
    accounts::{AccountName, Password},
    identity::AgentRole,
};

/// An account without its secrets.
#[derive(Serialize)]
struct Shown {
    name: String,
    role: AgentRole,
    disabled: bool,
}

#[derive(Deserialize)]
pub(super) struct NewAgent {
    name: String,
    role: AgentRole,
    password: String,
}

/// For every agent: conversations are transferred by name.
pub(super) async fn list(State(api): State<Api>, _: Caller) -> Result<Json<Value>, ApiError> {
    let accounts = api.records.accounts(|accounts| accounts.list()).await?;
    Ok(Json(json!({"agents": accounts.into_iter().map(Shown::from).collect::<Vec<_>>()})))
}

pub(super) async fn add(
    State(api): State<Api>,
    _: Caller,
    Body(new): Body<NewAgent>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let name = valid_name(&new.name)?;
    let account = account(&api, name.as_str(), new.role.into(), password(new.password)?).await?;
    let shown = json!(Shown::from(account.clone()));
    match api.records.accounts(move |accounts| accounts.create(&account)).await? {
        true => Ok((StatusCode::CREATED, Json(shown))),
        false => Err(ApiError::new(
            StatusCode::CONFLICT,
            "name_taken",
            "an account has this name already; choose another",
        )),
    }
}

impl From<Account> for Shown {
    fn from(account: Account) -> Self {
        Self { name: account.name, role: account.role.into(), disabled: account.disabled }
    }
}

/// A name that may be an account's, or 422.
pub(super) fn valid_name(name: &str) -> Result<AccountName, ApiError> {
    AccountName::new(name)
        .map_err(|error| ApiError::unprocessable("wrong_name", format!("name {}", error.text())))
}

/// A password that may be an account's, or 422.
pub(super) fn password(text: String) -> Result<Password, ApiError> {
    Password::new(text).map_err(|error| ApiError::unprocessable("wrong_password_length", error.text()))
}

/// An account, ready to be kept.
pub(super) async fn account(
    api: &Api,
    name: &str,
    role: AccountRole,
    password: Password,
) -> Result<Account, ApiError> {
    let password_hash = api.hashed(move || password.hash()).await?.map_err(|error| {
        tracing::error!(%error, "no account was made");
        ApiError::overloaded()
    })?;
    let created_at_ms = api.clock.unix_ms();
    Ok(Account { name: name.to_owned(), role, password_hash, created_at_ms, disabled: false })
}
