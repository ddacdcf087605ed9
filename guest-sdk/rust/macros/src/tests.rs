//! What the attribute writes into `describe`, and what it refuses.

use syn::parse_quote;

use crate::arguments::read;
use crate::first_paragraph;

#[test]
fn writes_schema_1() {
    let cases = [
        (r#"id = "a", on = "clerk/user.created""#, r#"{"id":"a","triggers":[{"event":"clerk/user.created"}]}"#),
        (
            r#"on = ["a/b", "a/c"], cron("0 9 * * *", timezone = "UTC", missed = "run_once"), id = "x-1", name = "X""#,
            r#"{"id":"x-1","name":"X","triggers":[{"event":"a/b"},{"event":"a/c"},{"cron":"0 9 * * *","timezone":"UTC","missed":"run_once"}]}"#,
        ),
        (
            r#"id = "a", on("a/b", if = "event.data.plan == \"pro\""), concurrency = 10, concurrency(limit = 1, key = "event.data.id", scope = "run"),"#,
            r#"{"id":"a","triggers":[{"event":"a/b","if":"event.data.plan == \"pro\""}],"concurrency":[{"limit":10},{"limit":1,"key":"event.data.id","scope":"run"}]}"#,
        ),
        (
            r#"id = "a", on = "b", retries(attempts_max = 3, first_delay = "1h30m", factor = 2, jitter = 0.2)"#,
            r#"{"id":"a","triggers":[{"event":"b"}],"retries":{"attempts_max":3,"first_delay":"1h30m","factor":2,"jitter":0.2}}"#,
        ),
        (
            r#"id = "a", on = "b", retries = 3, singleton = "skip", timeouts(run = "30d"), cancel_on = "c", upgrade = "pin""#,
            r#"{"id":"a","triggers":[{"event":"b"}],"retries":{"attempts_max":3},"singleton":{"mode":"skip"},"cancel_on":[{"event":"c"}],"timeouts":{"run":"30d"},"upgrade":"pin"}"#,
        ),
    ];
    for (attribute, expected) in cases {
        assert_eq!(read(attribute).as_deref(), Ok(expected), "{attribute}");
    }
}

#[test]
fn refuses_with_the_reason() {
    let cases = [
        (r#"on = "a""#, "needs an id"),
        (r#"id = "a""#, "needs a trigger"),
        (r#"id = "Big", on = "a""#, "a-z, 0-9 and -"),
        (r#"id = "a", on = "a", concurency = 1"#, "concurency is not known here"),
        (r#"id = "a", on = "a", concurrency = "10""#, "a whole number"),
        (r#"id = "a", on = "a", concurrency = -1"#, "a whole number"),
        (r#"id = "a", on = "a", timeouts(run = "soon")"#, "a duration as text"),
        (r#"id = "a", on = "a", timeouts(run = "1m1h")"#, "a duration as text"),
        (r#"id = "a", on = "a", upgrade = "never""#, "one of"),
        (r#"id = "a", on = "a", throttle(limit = 1, perid = "1s")"#, "perid is not known here"),
        (r#"id = "a", id = "b", on = "a""#, "given twice"),
    ];
    for (attribute, expected) in cases {
        let message = read(attribute).unwrap_err();
        assert!(message.contains(expected), "{attribute}: {message}");
    }
}

#[test]
fn the_doc_comment_describes() {
    let function: syn::ItemFn = parse_quote! {
        /// Sends the mail
        /// at once.
        ///
        /// More.
        fn f() {}
    };
    assert_eq!(first_paragraph(&function.attrs).as_deref(), Some("Sends the mail at once."));
}
