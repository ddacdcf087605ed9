//! Strict emulators of Resend and Stripe, for `stepwell dev` and for tests: what the real
//! providers refuse is refused here, what they remember is remembered, and what can go wrong
//! with them goes wrong on demand. Must not keep anything on disk, and must not reach the
//! network: one process, one state, gone when it ends.
//!
//! One listener carries both: `RESEND_BASE_URL=http://127.0.0.1:PORT/resend`,
//! `STRIPE_BASE_URL=http://127.0.0.1:PORT/stripe`.
//!
//! # What is emulated
//! - Resend: `POST /emails`, `GET /emails/{id}`. Bearer `re_…`, a `User-Agent` (as the real
//!   one demands), JSON without unknown fields, `Idempotency-Key` of 1 to 256 characters kept
//!   24 h, and the team's limit of five requests a second if switched on.
//! - Stripe: `/v1/customers` and `/v1/subscriptions`: `POST`, `GET`, `GET …/{id}`,
//!   `DELETE …/{id}`, and `GET /v1/customers/search`. Bearer `sk_…`, form bodies with brackets
//!   and without unknown parameters, `Stripe-Version` checked if given, `Idempotency-Key` up
//!   to 255 characters kept 24 h with its stored answer, 500s included. A subscription's
//!   status follows the clock.
//!
//! # Control, under `/_control`, all JSON
//! | call | what it does |
//! |---|---|
//! | `PUT /faults` | a [`Fault`] or a list of them; replaces the faults of the providers named in it |
//! | `GET /faults`, `DELETE /faults` | those in force with `hits`; clears all |
//! | `GET /requests?after=SEQ&limit=N` | `{requests: [Received], last_seq}`, oldest first; at most 1000 at once |
//! | `GET /outbox` | `{mails, mails_let_go, customers, subscriptions}`, oldest first; a subscription has its `status` |
//! | `GET /clock`, `POST /clock` | `{now_ms}`; takes `{"advance_ms": n}` (may be negative) or `{"now_ms": n}` |
//! | `PUT /resend/rate` | `{"per_second": 5}`; null switches the limit off |
//! | `DELETE /state` | forgets everything: mails, objects, keys, log, faults, the moved clock |
//!
//! Bodies need `content-type: application/json`, which no web page can send across origins
//! unasked. A refused call is answered 400 `{"error": "…"}` or 422.

mod call;
mod clock;
mod control;
mod exchange;
mod faults;
mod idempotency;
mod ids;
mod limits;
mod outbox;
mod received;
mod resend;
mod serve;
mod state;
mod stripe;
mod time;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State as Extracted};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;

pub use call::Provider;
pub use clock::NowMs;
pub use control::{Outbox, StandingSubscription};
pub use faults::{ActiveFault, DropAt, Fault, FaultError};
pub use limits::RESEND_RATE_DEFAULT;
pub use outbox::{Layout, outbox_router, plain_layout};
pub use received::Received;
pub use resend::{Mail, Tag};
pub use serve::{Service, serve};
pub use stripe::{Customer, Item, Subscription};

use call::Call;
use exchange::{Api, exchange};
use state::State;

/// How the emulators behave from the start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The clock that they go by until a test moves it.
    pub now_ms: NowMs,
    /// Requests a second that Resend takes; `None`: any number.
    pub resend_rate: Option<u32>,
    /// Whether Resend refuses requests without `User-Agent`, as the real one does.
    pub user_agent_required: bool,
}

impl Options {
    /// No rate limit, `User-Agent` required.
    pub fn new(now_ms: NowMs) -> Self {
        Self { now_ms, resend_rate: None, user_agent_required: true }
    }
}

/// Both providers and their one state; clones share it.
#[derive(Clone, Debug)]
pub struct Emulators(Arc<Mutex<State>>);

impl Emulators {
    /// Nothing sent, nobody subscribed.
    pub fn new(options: Options) -> Self {
        let Options { now_ms, resend_rate, user_agent_required } = options;
        Self(Arc::new(Mutex::new(State::new(now_ms, resend_rate, user_agent_required))))
    }

    /// `/resend/…`, `/stripe/…` and `/_control/…`. Dropped connections need a listener of
    /// `stepwell-http`; under another they are answered 502.
    pub fn router(&self) -> Router {
        Router::new()
            .nest("/resend", provider(resend::Resend, self))
            .nest("/stripe", provider(stripe::Stripe, self))
            .nest("/_control", control::router(self.clone()))
    }

    /// What was sent and made, as it stands.
    pub fn outbox(&self) -> Outbox {
        self.with(|state| Outbox::of(state))
    }

    /// Requests after place `seq` (0: from the first one kept), oldest first.
    pub fn received(&self, seq: u64) -> Vec<Received> {
        self.with(|state| state.log.after(seq, usize::MAX))
    }

    /// Puts faults in place of those of the same providers.
    ///
    /// # Errors
    /// The first fault that makes no sense; then none is put.
    pub fn put_faults(&self, faults: Vec<Fault>) -> Result<(), FaultError> {
        self.with(|state| state.faults.put(faults))
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.with(|state| state.faults.clear());
    }

    /// Moves the emulated clock.
    pub fn advance(&self, ms: i64) {
        self.with(|state| state.clock.advance(ms));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.with(State::clear);
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All paths of a provider: it tells unknown ones itself, in its own words, and logs them.
fn provider<A: Api + Sync>(api: A, emulators: &Emulators) -> Router {
    let serve =
        move |Extracted(emulators): Extracted<Emulators>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            serve_call(api, emulators, (method, uri, headers, body))
        };
    Router::new().fallback(serve).layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX)).with_state(emulators.clone())
}

async fn serve_call<A: Api>(
    api: A,
    emulators: Emulators,
    (method, uri, headers, body): (Method, Uri, HeaderMap, Bytes),
) -> Response {
    let path = uri.path().to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    exchange(api, emulators, Call { method, path, query, headers, body }).await
}
