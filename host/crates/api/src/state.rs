//! What the API is built upon.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use stepwell_access::Audit;
use stepwell_core::Timestamp;
use stepwell_engine::Handle;
use stepwell_store::Store;
use tokio::sync::Semaphore;

use crate::door::Auth;
use crate::limits::{INGESTS_AT_ONCE, WAITING_MAX};
use crate::pages::{Layout, NavEntry};
use crate::ports::{Backups, PluginDirectory, RejectionLog, Samples, Secrets};
use crate::redact::Redactions;
use crate::table::Table;

/// What the API is built upon.
#[derive(Clone)]
pub struct ApiState {
    /// For reads only: whatever changes goes through `handle`.
    pub store: Arc<dyn Store>,
    pub handle: Handle,
    pub plugins: Arc<dyn PluginDirectory>,
    pub rejections: Arc<dyn RejectionLog>,
    pub backups: Arc<dyn Backups>,
    pub secrets: Arc<dyn Secrets>,
    pub samples: Samples,
    pub redactions: Redactions,
    pub auth: Auth,
    /// What people did, and what was refused to them.
    pub audit: Arc<Audit>,
    /// Entries of the navigation behind the dashboard's own.
    pub nav: Vec<NavEntry>,
}

impl ApiState {
    /// The frame of every page, for pages that another crate adds.
    pub fn layout(&self) -> Layout {
        Layout::new(self.nav.clone(), self.auth.is_demanded())
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// What every handler is given. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    state: ApiState,
    pub(crate) layout: Layout,
    /// Places for events that come in here.
    pub(crate) ingests: Semaphore,
    /// Places for requests that wait for a run's end.
    pub(crate) waiting: Semaphore,
    /// The place for the one backup that is under way, until its last byte has left.
    pub(crate) backup: Arc<Semaphore>,
    /// The place for the one component that is on its way in.
    pub(crate) upload: Semaphore,
    /// What each route needs.
    pub(crate) table: Table,
    /// Requests so far, for their ids.
    pub(crate) requests: AtomicU64,
}

impl App {
    pub(crate) fn new(state: ApiState, table: Table) -> Self {
        let layout = state.layout();
        let ingests = Semaphore::new(INGESTS_AT_ONCE);
        let waiting = Semaphore::new(WAITING_MAX);
        let backup = Arc::new(Semaphore::new(1));
        let upload = Semaphore::new(1);
        Self(Arc::new(Inner { state, layout, ingests, waiting, backup, upload, table, requests: AtomicU64::new(0) }))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.handle.clock().now()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Deref for App {
    type Target = ApiState;

    fn deref(&self) -> &ApiState {
        &self.0.state
    }
}
