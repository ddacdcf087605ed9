//! What the API answers, as types. Must not read or decide anything.

mod access;
mod event;
mod log;
mod plugin;
mod request;
mod run;
mod size;
mod step;
mod time;
mod workflow;

use serde::Serialize;
use stepwell_store::Cursor;

use crate::query::cursor_text;

pub(crate) use access::{RecordJson, TokenJson};
pub(crate) use event::EventView;
pub(crate) use log::{LineView, LogView};
pub(crate) use plugin::{Loaded, NeededJson, PluginJson, PluginsJson, RejectionsJson, merged, needed};
pub(crate) use request::{RequestView, RunRequest};
pub(crate) use run::{RunView, runs};
pub(crate) use size::{fitting, of_entry};
pub(crate) use step::{AttemptView, EntryView, StepStatus, StepView};
pub(crate) use time::At;
pub(crate) use workflow::{WorkflowView, skipped};

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

impl<T> List<T> {
    pub(crate) fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next_cursor: next.map(cursor_text) }
    }
}
