//! Sources that cannot be used are named, their secrets are not.

use std::sync::Arc;

use stepwell_core::Timestamp;
use stepwell_engine::clock::SimulatedClock;

use super::support::*;
use crate::{Kind, Source, State};

/// What is said at the start, and by a check of each source.
fn refusal(sources: Vec<Source>) -> String {
    let checked = sources.iter().find_map(|source| source.check().err());
    let refused = refused(sources);
    if let Some(checked) = checked {
        assert_eq!(checked.to_string(), refused);
    }
    refused
}

fn refused(sources: Vec<Source>) -> String {
    let clock = Arc::new(SimulatedClock::at(Timestamp::ZERO));
    State::over(Arc::new(Fake::default()), clock, sources).unwrap_err().to_string()
}

fn with_secrets(secrets: &[&str]) -> Vec<Source> {
    let secrets = secrets.iter().map(|text| secret(text, None)).collect();
    vec![Source { secrets, ..source("clerk", Kind::Clerk, "clerk/") }]
}

#[test]
fn secrets_that_are_none_are_told_by_number() {
    let bad = "whsec_MARKER not base64";
    for (secrets, number) in [(vec![bad], 1), (vec![SECRET, bad], 2), (vec![""], 1), (vec!["whsec_"], 1)] {
        let message = refusal(with_secrets(&secrets));
        assert_eq!(message, format!("source clerk: secret {number} is not base64 behind whsec_"));
    }
    assert_eq!(refusal(with_secrets(&[])), "source clerk has no secret: nothing could be verified");
    let message = refusal(with_secrets(&[SECRET; 9]));
    assert_eq!(message, "source clerk has 9 secrets, the limit SECRETS_MAX is 8");
}

#[tokio::test]
async fn secrets_may_lack_the_prefix_and_end_in_a_line_break() {
    for text in [SECRET.to_owned(), SECRET[6..].to_owned(), format!("{SECRET}\n")] {
        let bench = Bench::of(with_secrets(&[&text]));
        assert_eq!(bench.verdict(Delivery::new()).await, (202, ""));
    }
}

#[test]
fn names_and_prefixes_have_rules() {
    let named = |name: &str| refusal(vec![source(name, Kind::Clerk, "clerk/")]);
    for name in ["", "Clerk", "a b", "a/b", "run:1", &"a".repeat(65)] {
        assert_eq!(named(name), format!("source name {name:?}: expected 1 to 64 of a-z, 0-9, _ and -"));
    }
    assert_eq!(named("api"), r#"source name "api" is the host's own"#);
    let prefixed = |prefix: &str| refusal(vec![source("clerk", Kind::Clerk, prefix)]);
    let about =
        |kind, pointer: &str| refusal(vec![Source { subject: Some(pointer.to_owned()), ..source("a", kind, "a/") }]);
    for pointer in ["", "customer", "/a~", "/a~2"] {
        assert!(about(Kind::Svix, pointer).starts_with("source a: subject: "), "{pointer}");
    }
    assert!(about(Kind::Clerk, "/id").contains("say themselves whom they are about"));
    assert!(prefixed("a b").starts_with("source clerk: prefix: "));
    assert!(prefixed("stepwell/").starts_with("source clerk: names under stepwell/ are the host's own"));
    let twice = vec![source("clerk", Kind::Clerk, "a/"), source("clerk", Kind::Svix, "b/")];
    assert_eq!(refusal(twice), "source clerk is configured twice");
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let bench = Bench::new();
    let shown = format!("{:?} {:?}", bench.state, source("clerk", Kind::Clerk, "clerk/"));
    assert!(!shown.contains(&SECRET[6..]), "{shown}");
}

#[test]
fn kinds_are_written_as_in_the_configuration() {
    for kind in [Kind::Clerk, Kind::Svix, Kind::StandardWebhooks] {
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{:?}", kind.as_str()));
    }
}
