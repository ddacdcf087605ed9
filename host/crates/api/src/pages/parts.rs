//! Small parts that pages share.

use maud::{Markup, html};
use stepwell_core::Timestamp;
use stepwell_core::run::Status;
use stepwell_store::Cursor;

use super::words;
use crate::problem::Problem;
use crate::query::{Params, cursor_text, encode};

/// A status with its dot.
pub(super) fn chip(status: &str) -> Markup {
    html! { span class={ "chip " (status) } { (status) } }
}

pub(super) fn status_chip(status: Status) -> Markup {
    chip(status.as_str())
}

/// What stands over a column: a word, and whether numbers stand below it.
pub(super) type Head = (&'static str, bool);

/// A table of a step's attempts, or of what they did.
pub(super) fn attempts_table(caption: &str, heads: &[Head], rows: Markup) -> Markup {
    html! {
        table class="attempts" {
            caption class="hidden" { (caption) }
            thead {
                tr { @for (word, numbers) in heads { th scope="col" class=[numbers.then_some("number")] { (word) } } }
            }
            tbody { (rows) }
        }
    }
}

/// How long ago, with the exact time behind it.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title={ (at) } { (words::ago(at, now)) } }
}

/// The exact time, in UTC.
pub(super) fn exact(at: Timestamp) -> Markup {
    html! { time datetime=(at) title={ (at) } { (words::clock(at)) } }
}

/// The end of an id, which tells ids of one moment apart; all of it behind.
pub(super) fn short_id(id: impl std::fmt::Display) -> Markup {
    let id = id.to_string();
    let start = id.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
    html! { code class="id" title=(id) { "…" (id.get(start..).unwrap_or(&id)) } }
}

/// What stands where there is nothing.
pub(super) fn empty(title: &str, text: Markup) -> Markup {
    html! {
        div class="empty" { (super::layout::logo()) p class="empty-title" { (title) } p { (text) } }
    }
}

/// The way to older rows, and back to the newest.
pub(super) fn pager(path: &str, kept: &[(&str, String)], next: Option<Cursor>, is_first: bool) -> Markup {
    let link = |cursor: Option<String>| address(path, kept, cursor.map(|text| ("cursor", text)));
    html! {
        @if next.is_some() || !is_first {
            nav class="pager" aria-label="Pages" {
                @if !is_first { a class="button" href=(link(None)) { "Newest" } }
                @if let Some(next) = next { a class="button" rel="next" href=(link(Some(cursor_text(next)))) { "Older" } }
            }
        }
    }
}

/// An address with these parameters.
pub(super) fn address(path: &str, kept: &[(&str, String)], more: Option<(&str, String)>) -> String {
    let pairs = kept.iter().chain(more.as_ref()).map(|(name, value)| format!("{name}={}", encode(value)));
    let query: Vec<_> = pairs.collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// What became of a form: told once, on the page that it led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flash {
    Sent,
    Duplicate,
    Cancelled,
    Woken,
    Resumed,
    NotNow,
}

impl Flash {
    const ALL: [Self; 6] = [Self::Sent, Self::Duplicate, Self::Cancelled, Self::Woken, Self::Resumed, Self::NotNow];

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Duplicate => "duplicate",
            Self::Cancelled => "cancelled",
            Self::Woken => "woken",
            Self::Resumed => "resumed",
            Self::NotNow => "not-now",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Sent => "The event is stored, and so are the runs that it started.",
            Self::Duplicate => "This event came before: nothing was started.",
            Self::Cancelled => "The run will be cancelled before its next call.",
            Self::Woken => "The run goes on now.",
            Self::Resumed => "The run goes on.",
            Self::NotNow => "That was not possible any more: the run has moved on.",
        }
    }

    pub(super) fn read(params: &mut Params) -> Result<Option<Self>, Problem> {
        let code = params.one("flash")?;
        Ok(code.and_then(|code| Self::ALL.into_iter().find(|flash| flash.code() == code)))
    }
}

pub(super) fn flash(flash: Option<Flash>) -> Markup {
    html! {
        @if let Some(flash) = flash {
            p class={ "flash" @if flash == Flash::NotNow { " warn" } } role="status" { (flash.text()) }
        }
    }
}
