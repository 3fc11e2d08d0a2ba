//! The web side as files in the binary: console, widget and demo shop.
//!
//! `build.rs` packs them. Each file is there once, compressed; the rare client that does not take gzip has it
//! unpacked for it.

use std::io::Read;

use axum::{
    Router,
    body::Body,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::api::ApiError;

/// One file.
struct Asset {
    /// Below `web/dist`.
    path: &'static str,
    /// Its ETag, quotes and all.
    tag: &'static str,
    /// Its size unpacked.
    bytes: usize,
    gzip: &'static [u8],
}

static ASSETS: &[Asset] = &include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where the build puts files whose names change with their content.
const HASHED: &str = "console/assets/";

/// `/`, `/console/`, `/widget.js` and `/demo`.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || Redirect::temporary("/console/")))
        .route("/console", get(async || Redirect::permanent("/console/")))
        .route("/console/", get(async |headers: HeaderMap| file("console/index.html", &headers)))
        .route("/console/{*path}", get(console))
        .route("/widget.js", get(async |headers: HeaderMap| file("widget.js", &headers)))
        .route("/demo", get(async |headers: HeaderMap| file("demo/index.html", &headers)))
        .route("/demo/", get(async |headers: HeaderMap| file("demo/index.html", &headers)))
        .route("/demo/{*path}", get(demo))
}

/// A path without a dot is one of the console's own views, so it gets the console.
async fn console(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last.contains('.') {
        true => file(&format!("console/{path}"), &headers),
        false => file("console/index.html", &headers),
    }
}

async fn demo(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("demo/{path}"), &headers)
}

fn file(path: &str, asked: &HeaderMap) -> Response {
    let Ok(index) = ASSETS.binary_search_by_key(&path, |asset| asset.path) else {
        return ApiError::not_found("there is no such file in this build").into_response();
    };
    answer(&ASSETS[index], asked)
}

fn answer(asset: &Asset, asked: &HeaderMap) -> Response {
    let mut response = if has_it(asked, asset.tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if takes_gzip(asked) {
        let mut response = Body::from(asset.gzip).into_response();
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        unpack(asset).into_response()
    };
    let cache = match asset.path.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(asset.path)));
    headers.insert(header::ETAG, HeaderValue::from_static(asset.tag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn unpack(asset: &Asset) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(asset.bytes);
    let read = GzDecoder::new(asset.gzip).read_to_end(&mut bytes);
    assert!(read.is_ok_and(|read| read == asset.bytes), "build.rs packed {} itself", asset.path);
    bytes
}

/// Whether the client's copy is this one (RFC 9110, section 13.1.2).
fn has_it(asked: &HeaderMap, tag: &str) -> bool {
    let Some(known) = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// Whether gzip may be sent (RFC 9110, section 12.5.3): named, or `*`, and not with weight 0.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let offers = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any = false;
    for offer in offers.flat_map(|value| value.split(',')) {
        let mut parts = offer.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
        let wanted = weight.is_none_or(|weight| weight > 0.0);
        if coding.eq_ignore_ascii_case("gzip") {
            return wanted;
        }
        any |= coding == "*" && wanted;
    }
    any
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use http_body_util::BodyExt;
    use std::io::Write;

    use super::*;

    fn asset(path: &'static str) -> Asset {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"hello").expect("into memory");
        let gzip = Vec::leak(encoder.finish().expect("into memory"));
        Asset { path, tag: "\"17\"", bytes: 5, gzip }
    }

    fn asked(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_goes_only_to_who_takes_it() {
        for (offer, takes) in [
            ("gzip", true),
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("", false),
            ("*;q=0", false),
        ] {
            assert_eq!(takes_gzip(&asked(header::ACCEPT_ENCODING, offer)), takes, "{offer}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_file_is_the_same_packed_and_unpacked() {
        let asset = asset("console/index.html");
        let body = async |headers: &HeaderMap| {
            let response = answer(&asset, headers);
            let encoding = response.headers().get(header::CONTENT_ENCODING).cloned();
            (encoding, response.into_body().collect().await.expect("in memory").to_bytes())
        };
        let (encoding, plain) = body(&HeaderMap::new()).await;
        assert_eq!((encoding, &plain[..]), (None, &b"hello"[..]));
        let (encoding, packed) = body(&asked(header::ACCEPT_ENCODING, "gzip")).await;
        assert_eq!(encoding, Some(HeaderValue::from_static("gzip")));
        let mut unpacked = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, "hello");
    }

    #[test]
    fn who_has_a_file_is_told_so() {
        let status = |value| answer(&asset("widget.js"), &asked(header::IF_NONE_MATCH, value)).status();
        for (value, expected) in [
            ("\"17\"", StatusCode::NOT_MODIFIED),
            ("\"16\", W/\"17\"", StatusCode::NOT_MODIFIED),
            ("*", StatusCode::NOT_MODIFIED),
            ("\"16\"", StatusCode::OK),
            ("17", StatusCode::OK),
        ] {
            assert_eq!(status(value), expected, "{value}");
        }
    }

    #[test]
    fn only_files_whose_names_change_are_kept_for_ever() {
        let cache = |path| answer(&asset(path), &HeaderMap::new()).headers()[header::CACHE_CONTROL].clone();
        assert_eq!(cache("console/assets/index-x.js"), "public, max-age=31536000, immutable");
        assert_eq!(cache("console/index.html"), "no-cache");
        assert_eq!(cache("widget.js"), "no-cache");
    }

    #[test]
    fn the_table_is_sorted_and_has_the_pages() {
        assert!(ASSETS.is_sorted_by_key(|asset| asset.path));
        for page in ["console/index.html", "demo/index.html"] {
            assert_eq!(file(page, &HeaderMap::new()).status(), StatusCode::OK, "{page}");
        }
        for asset in ASSETS {
            assert_eq!(unpack(asset).len(), asset.bytes);
            assert_ne!(content_type(asset.path), "application/octet-stream", "{}", asset.path);
        }
    }
}
