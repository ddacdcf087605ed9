//! `plugins` and `webhooks/rejections`: what the host tells of its folder and its intake.

use axum::Json as Body;
use axum::body::Bytes;
use axum::extract::{Request, State};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use stepwell_core::PluginName;
use stepwell_store::Page;

use crate::limits::{COMPONENT_BYTES_MAX, SIGNATURE_CHARS_MAX};
use crate::ports::{Loading, Unloading, Uploaded};
use crate::problem::Problem;
use crate::query::{Named, Params};
use crate::state::App;
use crate::view::{PluginJson, PluginsJson, RejectionsJson, merged};

/// The header with a component's signature.
const SIGNATURE: &str = "stepwell-signature";

/// `GET plugins`: by name.
pub(super) async fn list(State(app): State<App>, mut params: Params) -> Result<Body<PluginsJson>, Problem> {
    let page = params.named_page()?;
    params.done()?;
    let registry = app.handle.registry();
    let (plugins, next_cursor) = page.cut(merged(app.plugins.plugins(), &registry), |plugin| plugin.name());
    let held = app.store.components().await?;
    let items = plugins.iter().map(|plugin| PluginJson::of(plugin, &held)).collect();
    Ok(Body(PluginsJson { items, next_cursor, trouble: app.plugins.trouble() }))
}

/// `DELETE plugins/{name}`: takes a plugin out of service whose file is gone. Answers what it is then.
pub(super) async fn unload(state: State<App>, Named(name): Named, params: Params) -> Result<Body<PluginJson>, Problem> {
    let plugin = name.parse().map_err(|_| missing())?;
    state.plugins.unload(&plugin).await.map_err(|error| match error {
        Unloading::NotLoaded => missing(),
        Unloading::FileThere(reason) => Problem::new(StatusCode::CONFLICT, "plugin_file_there", reason),
        Unloading::Stopping => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the host is stopping"),
    })?;
    one(state, Named(name), params).await
}

/// `PUT plugins/{name}`: a component as the body, and its signature in [`SIGNATURE`]. Put into the folder and into
/// service; what would be refused there is refused with the same words, and nothing is written. One at a time, since
/// it is held in memory.
pub(super) async fn load(
    State(app): State<App>,
    Named(name): Named,
    params: Params,
    request: Request,
) -> Result<Body<PluginJson>, Problem> {
    let plugin = name.parse::<PluginName>();
    let plugin = plugin.map_err(|bad| Problem::bad("plugin_name_invalid", format!("it is no plugin's name: {bad}")))?;
    let _place = app.inner().upload.try_acquire().map_err(|_| {
        let detail = "another plugin is being sent: wait for its end";
        Problem::new(StatusCode::CONFLICT, "upload_under_way", detail)
    })?;
    let signature = signature(request.headers())?;
    let component = component(request).await?;
    let loaded = app.plugins.load(&plugin, Uploaded { component, signature }).await;
    loaded.map_err(|error| match error {
        Loading::Refused(reason) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "plugin_refused", reason),
        Loading::Unwritable(reason) => Problem::new(StatusCode::CONFLICT, "plugin_not_put", reason),
        Loading::Stopping => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the host is stopping"),
    })?;
    one(State(app.clone()), Named(name), params).await
}

/// The text of [`SIGNATURE`], as it may lie beside a component: base64 of its 64 bytes.
fn signature(headers: &HeaderMap) -> Result<Option<Bytes>, Problem> {
    let mut values = headers.get_all(SIGNATURE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_text = value.as_bytes().iter().all(u8::is_ascii_graphic) && values.next().is_none();
    if is_text && value.len() <= SIGNATURE_CHARS_MAX {
        return Ok(Some(Bytes::copy_from_slice(value.as_bytes())));
    }
    Err(Problem::bad("signature_invalid", format!("{SIGNATURE} is one base64 of 64 bytes, 88 characters")))
}

async fn component(request: Request) -> Result<Bytes, Problem> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > COMPONENT_BYTES_MAX as u64) {
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), COMPONENT_BYTES_MAX).await.map_err(|error| {
        let is_too_large = error.into_inner().is::<LengthLimitError>();
        if is_too_large { too_large() } else { Problem::bad("body_unread", "the body did not come to its end") }
    })
}

fn too_large() -> Problem {
    let detail = format!("a component has {COMPONENT_BYTES_MAX} bytes at most (COMPONENT_BYTES_MAX)");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "plugin_not_found", "there is no plugin of this name")
}

/// `GET plugins/{name}`.
pub(super) async fn one(
    State(app): State<App>,
    Named(name): Named,
    params: Params,
) -> Result<Body<PluginJson>, Problem> {
    params.done()?;
    let registry = app.handle.registry();
    let plugins = merged(app.plugins.plugins(), &registry);
    let plugin = plugins.iter().find(|plugin| plugin.name() == name);
    let held = app.store.components().await?;
    plugin.map(|plugin| Body(PluginJson::of(plugin, &held))).ok_or_else(missing)
}

/// `GET webhooks/rejections`: the latest ones the host remembers, on one page.
pub(super) async fn rejections(State(app): State<App>, mut params: Params) -> Result<Body<RejectionsJson>, Problem> {
    let Page { limit, .. } = params.page()?;
    params.done()?;
    let items = app.rejections.recent(limit).into_iter().map(Into::into).collect();
    let counts = app.rejections.counts().into_iter().map(Into::into).collect();
    Ok(Body(RejectionsJson { items, next_cursor: None, counts }))
}
