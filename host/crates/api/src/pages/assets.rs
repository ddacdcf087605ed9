//! What pages look like and what keeps them fresh. Each file's address carries its digest, so that a
//! browser keeps it for ever and asks again after an upgrade.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode, Uri};
use stepwell_core::Digest;

use crate::problem::Problem;
use crate::query::Named;

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    digest: String,
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, text: &'static str) -> Self {
        Self { name, kind, text, digest: Digest::of(text.as_bytes()).short() }
    }
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("app.css", "text/css; charset=utf-8", include_str!("../assets/app.css")),
        Asset::new("app.js", "text/javascript; charset=utf-8", include_str!("../assets/app.js")),
        Asset::new("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
    ]
});

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The address of this file as it is now.
pub(super) fn url(name: &str) -> String {
    let digest = find(name).map(|asset| asset.digest.as_str()).unwrap_or_default();
    format!("/assets/{name}?v={digest}")
}

/// `GET /assets/{name}`.
pub(super) async fn asset(Named(name): Named, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let asset = find(&name).ok_or_else(Problem::no_route)?;
    let tag = format!("\"{}\"", asset.digest);
    let is_named = uri.query() == Some(&format!("v={}", asset.digest));
    let keep = if is_named { "public, max-age=31536000, immutable" } else { "no-cache" };
    let head = [(CONTENT_TYPE, asset.kind.to_owned()), (CACHE_CONTROL, keep.to_owned()), (ETAG, tag.clone())];
    let has_it = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    if has_it {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, asset.text).into_response())
}
