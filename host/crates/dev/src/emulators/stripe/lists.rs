//! Stripe's lists: newest first, cut by `limit`, `starting_after` and `ending_before`. Must
//! not filter; what it is given is already chosen.

use serde_json::{Value, json};

use super::error::Error;
use super::params::Params;

/// Rows a page has unless `limit` says otherwise.
const ROWS: u64 = 10;
/// Rows a page may have.
const ROWS_MAX: u64 = 100;

/// Which part of a list is asked for.
#[derive(Debug)]
pub(super) struct Page {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
}

impl Page {
    pub(super) fn take(params: &mut Params) -> Result<Self, Error> {
        let limit = params.integer("limit")?.unwrap_or(ROWS);
        if !(1..=ROWS_MAX).contains(&limit) {
            return Err(params.invalid("limit", "Invalid limit, must be from 1 to 100"));
        }
        Ok(Self {
            limit: usize::try_from(limit).unwrap_or_default(),
            starting_after: params.text("starting_after")?,
            ending_before: params.text("ending_before")?,
        })
    }

    /// Cuts `rows`, newest first, each with its `id`.
    pub(super) fn cut(&self, url: &str, rows: Vec<Value>) -> Result<Value, Error> {
        let place = |id: &Option<String>, param: &str| match id {
            None => Ok(None),
            Some(id) => match rows.iter().position(|row| row.get("id").and_then(Value::as_str) == Some(id)) {
                Some(at) => Ok(Some(at)),
                None => Err(Error::invalid(format!("No such object: '{id}'")).code("resource_missing").param(param)),
            },
        };
        let from = place(&self.starting_after, "starting_after")?.map_or(0, |at| at + 1);
        let to = place(&self.ending_before, "ending_before")?.unwrap_or(rows.len());
        let window: Vec<Value> = rows.into_iter().take(to).skip(from).collect();
        // Before an object means just before it: the window's last rows.
        let (skipped, has_more) = (window.len().saturating_sub(self.limit), window.len() > self.limit);
        let skip = if self.ending_before.is_some() { skipped } else { 0 };
        let data: Vec<Value> = window.into_iter().skip(skip).take(self.limit).collect();
        Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
    }
}
