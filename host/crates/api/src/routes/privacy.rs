//! `privacy`: all that is kept about a person, given out or erased. Must not show a one-time code, and must not say
//! in a log whom it was about.

use axum::Json as Body;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stepwell_core::limits::SUBJECT_BYTES_MAX;
use stepwell_core::{Event, Run};
use stepwell_store::limits::PAGE_MAX;
use stepwell_store::{Cursor, Erasure, EventFilter, Page, RunFilter};

use crate::limits::{EXPORT_BYTES, EXPORTED_MAX};
use crate::problem::Problem;
use crate::query::{Params, cursor_of, cursor_text};
use crate::read::{self, Shown};
use crate::state::App;
use crate::view::{At, EventView, RunView};

/// Whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    subject: String,
}

/// What erasing came to.
#[derive(Debug, Serialize)]
pub(super) struct Erased {
    events: u64,
    runs: u64,
    /// When it was done before, where there was nothing since.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased_at: Option<At>,
}

fn checked(subject: String) -> Result<String, Problem> {
    if (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) {
        return Ok(subject);
    }
    let detail =
        format!("a subject has 1 to {SUBJECT_BYTES_MAX} bytes (SUBJECT_BYTES_MAX), this one {}", subject.len());
    Err(Problem::bad("subject_invalid", detail))
}

fn unknown() -> Problem {
    let detail = "nothing is kept about this subject: name the person as events do, such as by Clerk's id of the user";
    Problem::new(StatusCode::NOT_FOUND, "subject_unknown", detail)
}

/// `POST privacy/erase` with `{subject}`: answers once everything is gone for good. It goes on where the caller is gone.
pub(super) async fn erase(State(app): State<App>, params: Params, body: Bytes) -> Result<Body<Erased>, Problem> {
    params.done()?;
    let whom: Whom = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad("body_invalid", format!("expected {{\"subject\": \"…\"}}: {error}")))?;
    let subject = checked(whom.subject)?;
    let handle = app.handle.clone();
    let work = tokio::spawn(async move { handle.erase(&subject).await });
    let done = work.await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "erasing_failed", "it was cut short: ask again")
    })??;
    match done {
        Erasure::Unknown => Err(unknown()),
        Erasure::Before { at } => Ok(Body(Erased { events: 0, runs: 0, erased_at: Some(At(at)) })),
        Erasure::Done { events, runs } => Ok(Body(Erased { events, runs, erased_at: None })),
    }
}

/// An event with what came of it, or a run whose event is gone. Runs have their steps and their logs.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Exported {
    Event { event: EventView, runs: Vec<RunView> },
    Run { run: RunView },
}

/// A page of what is kept about somebody.
#[derive(Debug, Serialize)]
pub(super) struct Export {
    items: Vec<Exported>,
    next_cursor: Option<String>,
}

/// Where a page begins: events first, newest first, then the runs that have outlived theirs.
#[derive(Clone, Copy)]
enum From {
    Events(Option<Cursor>),
    Runs(Option<Cursor>),
}

impl From {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let wrong = "is none that an export gave out";
        let (part, cursor) = text.split_once('.').ok_or(wrong)?;
        let cursor = match cursor {
            "" => None,
            text => Some(cursor_of(text).ok_or(wrong)?),
        };
        match part {
            "events" => Ok(Self::Events(cursor)),
            "runs" => Ok(Self::Runs(cursor)),
            _ => Err(wrong),
        }
    }

    fn text(self) -> String {
        let (part, cursor) = match self {
            Self::Events(cursor) => ("events", cursor),
            Self::Runs(cursor) => ("runs", cursor),
        };
        format!("{part}.{}", cursor.map(cursor_text).unwrap_or_default())
    }
}

/// `GET privacy/export?subject=…`: everything about a person, a page at a time.
pub(super) async fn export(State(app): State<App>, mut params: Params) -> Result<Body<Export>, Problem> {
    let subject = params.one("subject")?.ok_or_else(|| Problem::bad("subject_missing", "whose? name a subject"))?;
    let from = params.parsed("cursor", From::parse)?;
    params.done()?;
    let subject = checked(subject)?;
    let mut export = Exporting { app: &app, items: Vec::new(), bytes: 0 };
    let next = match from.unwrap_or(From::Events(None)) {
        From::Events(after) => export.events(&subject, after).await?,
        From::Runs(after) => export.runs(&subject, after).await?,
    };
    if export.items.is_empty() && from.is_none() {
        // There may be runs alone.
        let next = export.runs(&subject, None).await?;
        return if export.items.is_empty() && next.is_none() { Err(unknown()) } else { Ok(export.page(next)) };
    }
    Ok(export.page(next))
}

struct Exporting<'a> {
    app: &'a App,
    items: Vec<Exported>,
    bytes: usize,
}

impl Exporting<'_> {
    fn page(self, next: Option<From>) -> Body<Export> {
        Body(Export { items: self.items, next_cursor: next.map(From::text) })
    }

    fn is_full(&self) -> bool {
        self.items.len() >= EXPORTED_MAX || self.bytes >= EXPORT_BYTES
    }

    /// Answers where the next page begins.
    async fn events(&mut self, subject: &str, mut after: Option<Cursor>) -> Result<Option<From>, Problem> {
        let filter = EventFilter { subject: Some(subject.to_owned()), ..EventFilter::default() };
        loop {
            let (events, next) = self.app.store.events(&filter, Page { limit: EXPORTED_MAX, after }).await?;
            for event in events {
                if self.is_full() {
                    return Ok(Some(From::Events(after)));
                }
                after = Some(Cursor(*event.id.as_bytes()));
                self.event(&event).await?;
            }
            after = next;
            match next {
                None => return Ok(Some(From::Runs(None))),
                Some(_) if self.is_full() => return Ok(Some(From::Events(next))),
                Some(_) => {}
            }
        }
    }

    async fn event(&mut self, event: &Event) -> Result<(), Problem> {
        let (data, redacted) = (self.app.redactions.masked(event), self.app.redactions.covers(&event.name));
        self.bytes += data.size() + event.meta.size();
        let filter = RunFilter { event: Some(event.id), ..RunFilter::default() };
        let (found, _) = self.app.store.runs(&filter, Page { limit: PAGE_MAX, after: None }).await?;
        let mut runs = Vec::with_capacity(found.len());
        for run in &found {
            runs.extend(self.run(run).await?);
        }
        self.items.push(Exported::Event { event: EventView::whole(event, data, redacted), runs });
        Ok(())
    }

    async fn runs(&mut self, subject: &str, mut after: Option<Cursor>) -> Result<Option<From>, Problem> {
        let filter = RunFilter { left_of: Some(subject.to_owned()), ..RunFilter::default() };
        loop {
            let (runs, next) = self.app.store.runs(&filter, Page { limit: EXPORTED_MAX, after }).await?;
            for run in runs {
                if self.is_full() {
                    return Ok(Some(From::Runs(after)));
                }
                after = Some(Cursor(*run.id.as_bytes()));
                let run = self.run(&run).await?;
                self.items.extend(run.map(|run| Exported::Run { run }));
            }
            after = next;
            match next {
                None => return Ok(None),
                Some(_) if self.is_full() => return Ok(Some(From::Runs(next))),
                Some(_) => {}
            }
        }
    }

    /// A run with its steps and its log; none if it has gone meanwhile.
    async fn run(&mut self, run: &Run) -> Result<Option<RunView>, Problem> {
        let Some((detail, status)) = read::run(self.app, run.id).await? else { return Ok(None) };
        let lines = read::log(self.app, &detail).await?;
        self.bytes += usize::try_from(detail.run.journal_bytes + detail.run.logged.bytes).unwrap_or(usize::MAX);
        Ok(Some(RunView::whole(&Shown { run: detail.run, status }, &detail.journal).with_log(lines)))
    }
}
