//! The one table of routes: what each takes and what it needs. A route without a scope cannot be written.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::MatchedPath;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, post, put};
use http::{Extensions, Method};
use stepwell_access::Scope;

use crate::state::App;

/// What a request must bring to be let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: the probes, and the way in.
    Nothing,
    /// Any token.
    Token,
    /// A token with this scope.
    Scope(Scope),
}

pub(crate) const OPEN: Needs = Needs::Nothing;
pub(crate) const ANY: Needs = Needs::Token;
pub(crate) const READ: Needs = Needs::Scope(Scope::Read);
pub(crate) const OPERATE: Needs = Needs::Scope(Scope::Operate);
pub(crate) const ADMIN: Needs = Needs::Scope(Scope::Admin);

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    /// With its parameters in braces.
    pub path: String,
    pub needs: Needs,
}

/// Routes as they are put together.
pub(crate) struct Routes {
    router: Router<App>,
    table: Table,
}

/// What each route needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(BTreeMap<(String, String), Needs>);

impl Routes {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), table: Table::default() }
    }

    pub(crate) fn get<H: Handler<T, App>, T: 'static>(self, path: &str, needs: Needs, handler: H) -> Self {
        self.route(&Method::GET, path, needs, get(handler))
    }

    pub(crate) fn post<H: Handler<T, App>, T: 'static>(self, path: &str, needs: Needs, handler: H) -> Self {
        self.route(&Method::POST, path, needs, post(handler))
    }

    pub(crate) fn put<H: Handler<T, App>, T: 'static>(self, path: &str, needs: Needs, handler: H) -> Self {
        self.route(&Method::PUT, path, needs, put(handler))
    }

    pub(crate) fn delete<H: Handler<T, App>, T: 'static>(self, path: &str, needs: Needs, handler: H) -> Self {
        self.route(&Method::DELETE, path, needs, delete(handler))
    }

    fn route(mut self, method: &Method, path: &str, needs: Needs, handler: MethodRouter<App>) -> Self {
        self.table.0.insert((path.to_owned(), method.to_string()), needs);
        Self { router: self.router.route(path, handler), table: self.table }
    }

    /// These and those.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.table.0.extend(other.table.0);
        Self { router: self.router.merge(other.router), table: self.table }
    }

    pub(crate) fn split(self) -> (Router<App>, Table) {
        (self.router, self.table)
    }
}

impl Table {
    /// What a request needs that came to this route. A page of another crate is read with the scope for reading, and
    /// nothing else is done there without that for everything; whatever is not there is told to nobody without a token.
    pub(crate) fn needs(&self, method: &Method, matched: &Extensions) -> Needs {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let Some(path) = matched.get::<MatchedPath>() else { return Needs::Token };
        let known = self.0.get(&(path.as_str().to_owned(), method.to_string())).copied();
        known.unwrap_or(if *method == Method::GET { READ } else { ADMIN })
    }

    pub(crate) fn routes(self) -> impl Iterator<Item = Route> {
        self.0.into_iter().filter_map(|((path, method), needs)| {
            Some(Route { method: Method::from_bytes(method.as_bytes()).ok()?, path, needs })
        })
    }
}
