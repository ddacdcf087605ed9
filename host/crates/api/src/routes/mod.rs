//! The JSON API: `/api/v1` and the probes.

mod access;
mod draft;
mod events;
mod plugins;
mod privacy;
mod probes;
mod runs;
mod secrets;
mod store;
mod workflows;

use crate::table::{ADMIN, OPEN, OPERATE, READ, Routes};

pub(crate) use access::records;
pub(crate) use draft::Fields;
pub(crate) use events::take_in;

/// Every route of the API, with what it needs.
pub(crate) fn api() -> Routes {
    Routes::new()
        .get("/livez", OPEN, probes::livez)
        .get("/readyz", OPEN, probes::readyz)
        .get("/api/v1/events", READ, events::list)
        .post("/api/v1/events", OPERATE, events::send)
        .get("/api/v1/events/{id}", READ, events::one)
        .get("/api/v1/events/{id}/runs", READ, events::runs)
        .get("/api/v1/runs", READ, runs::list)
        .get("/api/v1/runs/{id}", READ, runs::one)
        .get("/api/v1/runs/{id}/journal", READ, runs::journal)
        .get("/api/v1/runs/{id}/requests", READ, runs::requests)
        .get("/api/v1/runs/{id}/logs", READ, runs::logs)
        // Has the event's data as they are, unmasked.
        .get("/api/v1/runs/{id}/replay", OPERATE, runs::replay)
        .post("/api/v1/runs/{id}/cancel", OPERATE, runs::cancel)
        .post("/api/v1/runs/{id}/wake-now", OPERATE, runs::wake_now)
        .post("/api/v1/runs/{id}/resume", OPERATE, runs::resume)
        .get("/api/v1/workflows", READ, workflows::list)
        .get("/api/v1/workflows/{id}", READ, workflows::one)
        .get("/api/v1/plugins", READ, plugins::list)
        .get("/api/v1/plugins/{name}", READ, plugins::one)
        .put("/api/v1/plugins/{name}", ADMIN, plugins::load)
        .delete("/api/v1/plugins/{name}", OPERATE, plugins::unload)
        .get("/api/v1/webhooks/rejections", READ, plugins::rejections)
        .get("/api/v1/stats", READ, probes::stats)
        .post("/api/v1/store/backup", ADMIN, store::backup)
        .post("/api/v1/secrets/reload", ADMIN, secrets::reload)
        .post("/api/v1/privacy/erase", ADMIN, privacy::erase)
        .get("/api/v1/privacy/export", ADMIN, privacy::export)
        .get("/api/v1/tokens", ADMIN, access::tokens)
        .post("/api/v1/tokens", ADMIN, access::create)
        .delete("/api/v1/tokens/{name}", ADMIN, access::revoke)
        .get("/api/v1/audit", ADMIN, access::audit)
}
