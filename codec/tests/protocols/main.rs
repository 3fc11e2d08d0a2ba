//! The protocols as their peers see them: bytes in, meaning out. Vectors are in `tests/vectors/`.

mod conformance;
mod corpus;
mod deflate;
mod documents;
mod http;
mod json;
mod proxy;
mod table;
mod tls;
mod websocket;
