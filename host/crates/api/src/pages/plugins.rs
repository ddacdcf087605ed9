//! The plugin folder: what is in it, what became of it, what it asks for and what it may reach.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use stepwell_core::Timestamp;
use stepwell_core::manifest::Asks;
use stepwell_core::registry::Plugin;
use stepwell_store::KeptComponent;

use super::frame::Frame;
use super::parts::{ago, chip, empty};
use super::workflows::trigger_tag;
use crate::ports::Granted;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;
use crate::view::{Loaded, NeededJson, merged, needed};

/// `GET /plugins`.
pub(super) async fn page(State(app): State<App>, frame: Frame, params: Params) -> Result<Response, Problem> {
    params.done()?;
    let registry = app.handle.registry();
    let plugins = merged(app.plugins.plugins(), &registry);
    let held = app.store.components().await?;
    Ok(frame.respond(
        "Plugins",
        html! {
            div class="head" { h1 { "Plugins" } }
            div #plugins data-live {
                @if let Some(trouble) = app.plugins.trouble() {
                    div class="standing failed" { pre class="message" tabindex="0" { (trouble) } p { "Until then every plugin stays as it is." } }
                }
                @if plugins.is_empty() {
                    (empty("No plugins", html! { "Put a component (" code { "name.wasm" } ") into the plugin folder: it is loaded at once." }))
                } @else { div class="cards" { @for plugin in &plugins { (card(plugin, &held, app.now())) } } }
            }
        },
    ))
}

fn card(plugin: &Loaded<'_>, held: &[KeptComponent], now: Timestamp) -> Markup {
    let file = plugin.file.as_ref();
    let serving = plugin.registered.filter(|plugin| plugin.active);
    html! {
        article class="card" id=(plugin.name()) {
            div class="head" { h2 { (plugin.name()) " " (chip(plugin.state())) } }
            @if let Some(reason) = plugin.reason() { (failure(reason, serving)) }
            dl class="facts" {
                @if let Some(file) = file { div { dt { "File" } dd { code { (file.file) } } } }
                @if let Some(digest) = file.and_then(|file| file.digest) { div { dt { "Digest" } dd { code title=(digest) { (digest.short()) } } } }
                @if let Some(key) = file.and_then(|file| file.signed_by.as_ref()) { div { dt { "Signed by" } dd { (key) } } }
                @if let Some(since) = plugin.since() { div { dt { "Since" } dd { (ago(since.0, now)) } } }
                @if let Some(toolchain) = plugin.registered.and_then(|plugin| plugin.manifest.toolchain.as_ref()) { div { dt { "Made with" } dd { (toolchain) } } }
            }
            (runs(&needed(plugin, held)))
            @if let Some(serving) = serving { (workflows(serving)) }
            @if let Some(registered) = plugin.registered { (reach(&registered.manifest.asks, file.map(|file| &file.granted))) }
        }
    }
}

/// Which code its runs are on, where that is not the one in service alone.
fn runs(needed: &[NeededJson]) -> Markup {
    html! {
        @if needed.iter().any(|needed| !needed.in_service || needed.lost) {
            h3 { "Runs by component" }
            ul class="rows" {
                @for needed in needed {
                    li {
                        code title=(needed.component_digest) { (needed.component_digest.short()) }
                        span {
                            (needed.runs) @if needed.runs == 1 { " run" } @else { " runs" } " not over"
                            @if needed.in_service { ", in service" }
                            @if needed.lost { ", " b class="wrong" { "lost: put its file back, then resume them" } }
                        }
                    }
                }
            }
        }
    }
}

fn failure(reason: &str, serving: Option<&Plugin>) -> Markup {
    html! {
        div class="standing failed" {
            pre class="message" tabindex="0" { (reason) }
            @if let Some(serving) = serving { p { "Component " code { (serving.component.short()) } " stays in service meanwhile." } }
        }
    }
}

fn workflows(plugin: &Plugin) -> Markup {
    html! {
        h3 { "Workflows" }
        ul class="rows" {
            @for workflow in &plugin.manifest.workflows {
                li { a href={ "/workflows#" (workflow.id) } { (workflow.id) } span { @for trigger in &workflow.triggers { (trigger_tag(trigger)) " " } } }
            }
        }
    }
}

/// What it asks for, each with whether it may.
fn reach(asks: &Asks, granted: Option<&Granted>) -> Markup {
    let rows = asked(asks, granted);
    html! {
        h3 { "What it may reach" }
        @if rows.is_empty() { p class="muted" { "It asks for nothing outside." } } @else {
            div class="scroll" {
                table class="reach" {
                    thead { tr { th scope="col" { "Kind" } th scope="col" { "It asks for" } th scope="col" { "It is granted" } } }
                    tbody {
                        @for row in &rows {
                            tr {
                                td { (row.kind) }
                                td { code { (row.asked) } }
                                td class={ @if row.granted.is_none() { "wrong" } } {
                                    @match &row.granted { Some(text) => (text), None => "nothing" }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(rate) = granted.and_then(|granted| granted.rate.as_ref()) { p class="muted" { "At most " (rate) " requests to a host." } }
        @if granted.is_some_and(|granted| granted.allow_private) { p class="muted" { "Private addresses are allowed." } }
    }
}

struct Row<'a> {
    kind: &'static str,
    asked: &'a str,
    granted: Option<String>,
}

fn asked<'a>(asks: &'a Asks, granted: Option<&Granted>) -> Vec<Row<'a>> {
    let yes = |is_granted: bool, text: &str| is_granted.then(|| text.to_owned());
    let hosts = asks.hosts.iter().map(|host| {
        let meant = named_host(host, asks, granted);
        let has = granted.is_some_and(|granted| granted.hosts.iter().any(|known| known == meant || known == host));
        Row { kind: "host", asked: host, granted: yes(has, meant) }
    });
    let secrets = asks.secrets.iter().map(|secret| {
        let has = granted.is_some_and(|granted| granted.secrets.contains(secret));
        Row { kind: "secret", asked: secret, granted: yes(has, "its value, in headers only") }
    });
    let vars = asks.vars.iter().map(|(name, default)| {
        let value = granted.and_then(|granted| granted.vars.get(name));
        let text = value.map_or_else(|| format!("{default} (its default)"), Clone::clone);
        Row { kind: "value", asked: name, granted: Some(text) }
    });
    hosts.chain(secrets).chain(vars).collect()
}

/// A host that is asked for by the name of a config value, as it is meant today.
fn named_host<'a>(host: &'a str, asks: &'a Asks, granted: Option<&'a Granted>) -> &'a str {
    let Some(name) = host.strip_prefix('$') else { return host };
    let value = granted.and_then(|granted| granted.vars.get(name)).or_else(|| asks.vars.get(name));
    value.map_or(host, String::as_str)
}
