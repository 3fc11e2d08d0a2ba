//! What is answered when something is not done: `{"error":{"code","text"}}` with its status.

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::jobs::StoreUnavailable;

/// Seconds after which a busy server may be asked again.
const RETRY_AFTER_S: u64 = 2;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    text: String,
    retry_after_s: Option<u64>,
}

impl ApiError {
    /// `code` is for programs and never changes; `text` is for people.
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into(), retry_after_s: None }
    }

    /// The peer may ask again after so long.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// 404.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", text)
    }

    /// 401: log in first, or again.
    pub fn unauthorized(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, text)
    }

    /// 403: logged in, but that is not enough.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", text)
    }

    /// 422: understood, but a value cannot be.
    pub fn unprocessable(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, text)
    }

    /// 503: too much at once.
    pub fn overloaded() -> Self {
        let text = "the server is too busy right now; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", text).retry_after_s(RETRY_AFTER_S)
    }

    /// 503: something of ours does not answer.
    pub fn unavailable(text: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text).retry_after_s(RETRY_AFTER_S)
    }
}

/// 400: a value in the address cannot be.
pub(super) fn wrong_query(text: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "wrong_query", text)
}

impl From<StoreUnavailable> for ApiError {
    fn from(_: StoreUnavailable) -> Self {
        Self::unavailable("the database does not answer right now; try again in a moment")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": {"code": self.code, "text": self.text}}));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON body, or the reason why it is none.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(value) = Json::from_request(request, state).await.map_err(|rejection: JsonRejection| {
            let status = rejection.status();
            let code = match status {
                StatusCode::UNSUPPORTED_MEDIA_TYPE => "not_json",
                StatusCode::UNPROCESSABLE_ENTITY => "wrong_field",
                StatusCode::PAYLOAD_TOO_LARGE => "too_large",
                _ => "malformed",
            };
            ApiError::new(status, code, rejection.body_text())
        })?;
        Ok(Self(value))
    }
}

/// A query string, or the reason why it is none of ours.
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Query(value) = axum::extract::Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection: QueryRejection| {
                ApiError::new(StatusCode::BAD_REQUEST, "wrong_query", rejection.body_text())
            })?;
        Ok(Self(value))
    }
}

/// A part of the path, or the reason why it is none.
pub(super) struct Path(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Path(value) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection: PathRejection| {
                ApiError::new(StatusCode::BAD_REQUEST, "wrong_path", rejection.body_text())
            })?;
        Ok(Self(value))
    }
}
