//! What gets into the log: what a host needs to be run, and nothing that a stranger chose.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::support::*;

/// Every field of every event at every level, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The log of these deliveries, in order.
async fn log_of(deliveries: impl IntoIterator<Item = Delivery>) -> String {
    let log = Log::default();
    let _until_dropped = tracing::subscriber::set_default(log.clone());
    let bench = Bench::new();
    for delivery in deliveries {
        bench.send(delivery.request()).await;
    }
    log.0.lock().unwrap().clone()
}

#[tokio::test]
async fn nothing_that_a_stranger_chose_is_logged() {
    let marked = |path: &str| {
        let delivery = Delivery::new().to(path).add("authorization", "Bearer MARKER").add("cookie", "MARKER");
        delivery.set("svix-id", "MARKER").body("MARKER")
    };
    let log = log_of([
        marked("/webhooks/clerk?MARKER"),
        marked("/webhooks/MARKER"),
        marked("/webhooks/clerk").add("svix-id", "MARKER"),
        marked("/webhooks/clerk").set("svix-timestamp", "MARKER"),
        marked("/webhooks/clerk").set("svix-signature", "v1,MARKER"),
        marked("/webhooks/clerk").set("content-encoding", "MARKER"),
        marked("/webhooks/clerk").add("webhook-id", "MARKER"),
    ])
    .await;
    assert!(log.contains("signature_mismatch") && log.contains("unknown_source"), "{log}");
    assert!(!log.contains("MARKER"), "{log}");
}

#[tokio::test]
async fn of_a_proven_delivery_its_id_is_logged_and_nothing_else_of_it() {
    let body = r#"{"type":"MARKER","data":"MARKER","timestamp":"MARKER","instance_id":"MARKER"}"#;
    let log = log_of([
        Delivery::with_body(body),
        Delivery::with_body(body),
        Delivery::with_body(body.replace("instance", "other")),
        Delivery::with_body("MARKER"),
        Delivery::with_body(r#"{"type":"MARKER MARKER","data":{}}"#),
    ])
    .await;
    assert_eq!(log.matches(ID).count(), 5, "{log}");
    for code in ["id_conflict", "not_json", "event_refused"] {
        assert!(log.contains(code), "{code} in {log}");
    }
    let signature = &Delivery::with_body(body).header("svix-signature")[3..];
    for hidden in ["MARKER", signature, &SECRET[6..]] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
}
