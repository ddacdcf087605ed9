//! Lists of events, and the runs that one started.

use stepwell_core::{Event, EventId};
use stepwell_store::limits::PAGE_MAX;
use stepwell_store::{Cursor, EventFilter, Page};

use super::{IdRange, RunQuery, Shown, runs};
use crate::limits::READS_MAX;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;

/// Which events to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventQuery {
    pub(crate) filter: EventFilter,
    pub(crate) ids: Option<IdRange>,
}

impl EventQuery {
    /// `name`, `source`, `external_id`, `subject` and `id_prefix`.
    pub(crate) fn read(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self {
            filter: EventFilter {
                name: params.one("name")?,
                source: params.one("source")?,
                external_id: params.one("external_id")?,
                subject: params.one("subject")?,
            },
            ids: params.parsed("id_prefix", IdRange::of_prefix)?,
        })
    }
}

/// Events, newest first. As many of the store's pages are read as it takes to fill this one, within a bound.
pub(crate) async fn list(app: &App, query: &EventQuery, page: Page) -> Result<(Vec<Event>, Option<Cursor>), Problem> {
    let mut page = query.ids.map_or(page, |ids| ids.narrow(page));
    let mut events = Vec::new();
    for _ in 0..READS_MAX {
        let left = Page { limit: page.limit.saturating_sub(events.len()), ..page };
        let (read, next) = app.store.events(&query.filter, left).await?;
        events.extend(read);
        page.after = next;
        if next.is_none() || events.len() >= page.limit {
            break;
        }
    }
    if let Some(ids) = query.ids
        && let Some(first_past) = events.iter().position(|event| ids.is_past(event.id.as_bytes()))
    {
        events.truncate(first_past);
        page.after = None;
    }
    Ok((events, page.after))
}

/// The runs that an event started, at most a page of them.
pub(crate) async fn runs_of(app: &App, event: EventId) -> Result<Vec<Shown>, Problem> {
    let query = RunQuery { event: Some(event), ..RunQuery::default() };
    let (runs, _) = runs(app, &query, Page { limit: PAGE_MAX, after: None }).await?;
    Ok(runs)
}
