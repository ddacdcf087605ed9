//! Queries: parameters by name, pages and cursors. An unknown parameter is refused, since a filter
//! that is silently ignored shows too much.

use axum::extract::{Form, FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::IntoResponse;
use http::request::Parts;
use stepwell_core::{EventId, RunId};
use stepwell_store::limits::PAGE_MAX;
use stepwell_store::{Cursor, Page};

use crate::limits::{PAGE_DEFAULT, VALUE_BYTES_MAX, VALUES_MAX};
use crate::problem::Problem;

/// A request's query, taken apart by name.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::bad("query_invalid", "the query is not made of name=value pairs in UTF-8"))?;
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.len() > VALUE_BYTES_MAX) {
            let detail = format!("parameter {name:?} has more than {VALUE_BYTES_MAX} bytes (VALUE_BYTES_MAX)");
            return Err(Problem::bad("query_invalid", detail));
        }
        Ok(Self { pairs, known: Vec::new() })
    }
}

impl Params {
    /// The value of a parameter that stands at most once. An empty one counts as absent: a form sends
    /// what nobody filled in.
    pub(crate) fn one(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let mut values = self.take(name);
        if values.len() > 1 {
            return Err(invalid(name, "is given more than once"));
        }
        Ok(values.pop().filter(|value| !value.is_empty()))
    }

    /// The values of a parameter that may be repeated, or hold several with commas between them.
    pub(crate) fn many(&mut self, name: &'static str) -> Result<Vec<String>, Problem> {
        let values = self.take(name);
        let split = values.iter().flat_map(|value| value.split(','));
        let values: Vec<_> = split.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect();
        if values.len() > VALUES_MAX {
            return Err(invalid(name, &format!("has more than {VALUES_MAX} values (VALUES_MAX)")));
        }
        Ok(values)
    }

    /// A parameter that is read by `parse`, whose error tells what is wrong.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        parse(&value).map(Some).map_err(|error| invalid(name, &error.to_string()))
    }

    /// `true` or `false`; false if absent.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        let flag = self.parsed(name, |value| value.parse::<bool>().map_err(|_| "is neither true nor false"))?;
        Ok(flag.unwrap_or(false))
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&mut self) -> Result<Page, Problem> {
        let limit = self.parsed("limit", limit)?.unwrap_or(PAGE_DEFAULT);
        let after = self.one("cursor")?.map(|text| read_cursor(&text)).transpose()?;
        Ok(Page { limit, after })
    }

    /// `limit` of a list whose cursor is its own.
    pub(crate) fn limit(&mut self) -> Result<usize, Problem> {
        Ok(self.parsed("limit", limit)?.unwrap_or(PAGE_DEFAULT))
    }

    /// `limit` and `cursor` of a list that is in order of names.
    pub(crate) fn named_page(&mut self) -> Result<NamedPage, Problem> {
        let limit = self.parsed("limit", limit)?.unwrap_or(PAGE_DEFAULT);
        Ok(NamedPage { limit, after: self.one("cursor")? })
    }

    /// Refuses what nobody asked for.
    pub(crate) fn done(self) -> Result<(), Problem> {
        let Some((name, _)) = self.pairs.first() else { return Ok(()) };
        let mut detail = format!("there is no parameter {name:?} here");
        if let Some(meant) = nearest(name, &self.known) {
            detail = format!("{detail}: did you mean {meant:?}?");
        }
        Err(Problem::bad("parameter_unknown", detail))
    }

    fn take(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let (taken, left) = std::mem::take(&mut self.pairs).into_iter().partition(|(key, _)| key == name);
        self.pairs = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }
}

/// A page of a short list that is in order of names; the cursor is the last name.
#[derive(Debug)]
pub(crate) struct NamedPage {
    limit: usize,
    after: Option<String>,
}

impl NamedPage {
    /// The items of this page, and the cursor of the next one.
    pub(crate) fn cut<T>(self, mut items: Vec<T>, name: impl Fn(&T) -> &str) -> (Vec<T>, Option<String>) {
        items.sort_by(|a, b| name(a).cmp(name(b)));
        let is_left = |item: &T| self.after.as_deref().is_none_or(|after| name(item) > after);
        let mut left = items.into_iter().filter(is_left);
        let page: Vec<T> = left.by_ref().take(self.limit).collect();
        let next = left.next().and_then(|_| page.last()).map(|last| name(last).to_owned());
        (page, next)
    }
}

fn invalid(name: &str, what: &str) -> Problem {
    Problem::bad("parameter_invalid", format!("parameter {name:?}: {what}"))
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be 1 to {PAGE_MAX}"))
}

/// The text of a cursor: the id of the last row. Opaque to clients.
pub(crate) fn cursor_text(cursor: Cursor) -> String {
    EventId::from_bytes(cursor.0).to_string()
}

/// The cursor of this text; none if it is not one.
pub(crate) fn cursor_of(text: &str) -> Option<Cursor> {
    let id: EventId = text.parse().ok()?;
    Some(Cursor(*id.as_bytes()))
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    cursor_of(text).ok_or_else(|| Problem::bad("cursor_invalid", "the cursor is not one of this list's"))
}

/// The known name that is spelled most like this one.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known));
    near.min().filter(|(distance, _)| *distance <= 2).map(|(_, known)| known)
}

/// A run's or event's id in the path.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync> FromRequestParts<S> for Id<RunId> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        id(parts, state, "run_not_found", "run").await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id<EventId> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        id(parts, state, "event_not_found", "event").await.map(Self)
    }
}

async fn id<T: std::str::FromStr, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    code: &'static str,
    what: &str,
) -> Result<T, Problem> {
    let text = Path::<String>::from_request_parts(parts, state).await;
    let id = text.ok().and_then(|Path(text)| text.parse().ok());
    let detail = || format!("there is no such {what}: an id is a UUID");
    id.ok_or_else(|| Problem::new(http::StatusCode::NOT_FOUND, code, detail()))
}

/// A name in the path.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::from_request_parts(parts, state).await.map_err(|_| Problem::no_route())?;
        Ok(Self(name))
    }
}

/// What a form holds.
#[derive(Debug)]
pub(crate) struct Filled<T>(pub(crate) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequest<S> for Filled<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Form(filled) = Form::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.into_response().status();
            Problem::new(status, "form_invalid", "the form's fields are not those of this page")
        })?;
        Ok(Self(filled))
    }
}

/// Text as it stands in a query's value (RFC 3986: all but unreserved characters encoded).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
