//! `plugins` and `webhooks/rejections`: what the host tells of its folder and its intake.

use axum::Json as Body;
use axum::extract::State;
use http::StatusCode;
use stepwell_store::Page;

use crate::ports::Unloading;
use crate::problem::Problem;
use crate::query::{Named, Params};
use crate::state::App;
use crate::view::{PluginJson, PluginsJson, RejectionsJson, merged};

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
