//! The header fields that keep browsers careful, by what a path is.

use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Console and demo: scripts of ours only; styles also inline, since the component library makes its own at
/// run time; pictures from anywhere, because visitors send them by address.
const PAGE_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob: https: http:; connect-src 'self' ws: wss:; font-src 'self' data:; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Everything else is no page.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Adds them to every response.
pub(super) async fn secure(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let api = path.starts_with("/api/");
    let page = !api && ["/console", "/demo"].iter().any(|begin| path.starts_with(begin));
    let widget = path == "/widget.js";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, if page { "same-origin" } else { "no-referrer" });
    set(headers, header::CONTENT_SECURITY_POLICY, if page { PAGE_POLICY } else { DATA_POLICY });
    if page {
        set(headers, header::X_FRAME_OPTIONS, "DENY");
    }
    if api {
        set(headers, header::CACHE_CONTROL, "no-store");
    }
    if widget {
        // Shops load it from their own pages.
        set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        set(headers, HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
    }
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
