//! What machines read about us: the OpenAPI document of the API and the JSON Schema of the WebSocket.

use http::header;

/// OpenAPI 3.1 of everything under `/api/v1`.
pub const OPENAPI: &str = include_str!("documents/openapi.json");
/// JSON Schema (2020-12) of the messages of `ringdesk.v1`.
pub const WEBSOCKET_SCHEMA: &str = include_str!("documents/websocket.schema.json");

type Document = ([(header::HeaderName, &'static str); 1], &'static str);

pub(super) async fn openapi() -> Document {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

pub(super) async fn websocket_schema() -> Document {
    ([(header::CONTENT_TYPE, "application/schema+json")], WEBSOCKET_SCHEMA)
}
