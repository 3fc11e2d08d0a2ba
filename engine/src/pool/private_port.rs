//! The second port: `/metrics` for Prometheus and the health checks. Not for the public.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use axum::{Router, routing::get};
use http::header;

use super::{
    api::{self, Api},
    metrics::Metrics,
};

/// Opens the port, so that an address in use is an error of the start.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|error| {
        let text = format!("cannot listen on {address} for metrics: {error}; choose another with --metrics");
        io::Error::new(error.kind(), text)
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves it for ever.
pub(super) async fn serve(listener: TcpListener, api: Api, metrics: Metrics) -> io::Result<()> {
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router(api, metrics)).await
}

fn router(api: Api, metrics: Metrics) -> Router {
    let text = async move || {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
    };
    Router::new().route("/metrics", get(text)).merge(api::health(api))
}
