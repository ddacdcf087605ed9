//! How a component tells the host what it has and asks for, and how the host's call reaches a workflow.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bindings::Failure;
use crate::collections::BTreeMap;
use crate::{Error, Event, Result, permanent};

/// A workflow, as [`workflow`](macro@crate::workflow) makes it from a function. Not for writing by hand.
pub trait Workflow {
    /// Its id: `[a-z0-9-]`, at most 64 characters.
    const ID: &'static str;

    /// Its entry in `describe`, as JSON text.
    const DECLARATION: &'static str;

    /// Runs it for an event in JSON and answers its output in JSON.
    ///
    /// # Errors
    /// Those of the workflow, and a permanent one where the event does not fit its type.
    fn run(event: &str) -> Result<String>;
}

/// What a component would like to reach. The operator grants it or not; only what both name is reachable.
///
/// ```
/// use stepwell_sdk::{Asks, resend};
///
/// let asks = resend::asks()
///     .host("https://api.example.com")
///     .host("$CRM_BASE_URL")
///     .var("CRM_BASE_URL", "https://crm.example.com")
///     .secret("CRM_KEY");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asks {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    vars: BTreeMap<String, String>,
}

impl Asks {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A host for requests: literally (`https://api.resend.com`), or `$NAME` for the value of the config value
    /// `NAME`, which must be asked for too.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        push_new(&mut self.hosts, host);
        self
    }

    /// A secret by its name, of `A-Z`, `0-9` and `_`, at most 64 characters.
    #[must_use]
    pub fn secret(mut self, name: &str) -> Self {
        push_new(&mut self.secrets, name);
        self
    }

    /// A config value by its name, of `A-Z`, `0-9` and `_`, at most 64 characters, with its default.
    #[must_use]
    pub fn var(mut self, name: &str, default: &str) -> Self {
        self.vars.insert(name.to_owned(), default.to_owned());
        self
    }

    /// All that `other` asks for, too.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.hosts.iter().for_each(|host| push_new(&mut self.hosts, host));
        other.secrets.iter().for_each(|secret| push_new(&mut self.secrets, secret));
        self.vars.extend(other.vars);
        self
    }
}

fn push_new(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|other| other == text) {
        list.push(text.to_owned());
    }
}

/// Makes a component of one workflow or several: emits `describe` and the export that runs them. Needed once
/// in each component, at the top level of its crate.
///
/// ```
/// use stepwell_sdk::prelude::*;
///
/// #[workflow(id = "greet", on = "shop/visit")]
/// fn greet(event: Event) -> Result<String> {
///     Ok(format!("hello, {}", event.name))
/// }
///
/// #[workflow(id = "part", on = "shop/leave")]
/// fn part(_event: Event) -> Result<()> {
///     Ok(())
/// }
///
/// component!(greet, part; asks = Asks::new().secret("SHOP_KEY"));
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! component {
    ($($workflow:ty),+ $(,)?) => {
        $crate::component!($($workflow),+; asks = $crate::Asks::new());
    };
    ($($workflow:ty),+; asks = $asks:expr $(;)?) => {
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            struct Component;

            impl $crate::bindings::Guest for Component {
                fn describe() -> ::std::string::String {
                    $crate::__private::describe(&[$(<$workflow as $crate::Workflow>::DECLARATION),+], &$asks)
                }

                fn run(
                    workflow: ::std::string::String,
                    event: ::std::string::String,
                ) -> ::std::result::Result<::std::string::String, $crate::bindings::Failure> {
                    $crate::__private::dispatch(&workflow, &event, &[$((
                        <$workflow as $crate::Workflow>::ID,
                        <$workflow as $crate::Workflow>::run,
                    )),+])
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::export_component!(Component with_types_in $crate::bindings);

            #[cfg(not(target_family = "wasm"))]
            const _: fn() -> ::std::string::String = <Component as $crate::bindings::Guest>::describe;
        };
    };
}

/// The answer of `describe`, schema 1.
pub fn describe(declarations: &[&str], asks: &Asks) -> String {
    let asks = serde_json::to_string(asks).unwrap_or_default();
    let toolchain = concat!("stepwell-sdk ", env!("CARGO_PKG_VERSION"));
    let workflows = declarations.join(",");
    format!(r#"{{"schema":1,"language":"rust","toolchain":"{toolchain}","workflows":[{workflows}],"asks":{asks}}}"#)
}

/// A workflow's id and how to run it.
type Entry = (&'static str, fn(&str) -> Result<String>);

/// Runs the workflow of this id.
pub fn dispatch(id: &str, event: &str, workflows: &[Entry]) -> Result<String, Failure> {
    tell_panics();
    let Some((_, run)) = workflows.iter().find(|(other, _)| *other == id) else {
        return Err(Failure::from(&permanent(format!("this component has no workflow {id:?}"))));
    };
    run(event).map_err(|error| Failure::from(&error))
}

/// Reads the event, runs `workflow`, writes its output.
pub fn call<T: DeserializeOwned, O: Serialize>(event: &str, workflow: fn(Event<T>) -> Result<O>) -> Result<String> {
    let event = serde_json::from_str(event).map_err(misfit(event))?;
    let output = workflow(event)?;
    serde_json::to_string(&output).map_err(|error| permanent(format!("the output cannot be JSON: {error}")))
}

fn misfit(event: &str) -> impl FnOnce(serde_json::Error) -> Error {
    #[derive(Default, Deserialize)]
    struct Named {
        #[serde(default)]
        name: String,
    }
    let Named { name } = serde_json::from_str(event).unwrap_or_default();
    move |error| permanent(format!("event {name} does not fit the workflow's type: {error}"))
}

/// A panic says on standard error where and why, in one line: the host logs it, and puts it into the error of the
/// run or the attempt.
fn tell_panics() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("panicked at {place}: {message}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_does_not_fit_fails_for_good_and_names_the_field() {
        let event = r#"{"id":"1","name":"clerk/user.created","data":{"first_name":"Zoë"}}"#;
        let error = call(event, |event: Event<crate::clerk::User>| Ok(event.data.id)).unwrap_err();
        assert!(error.is_permanent());
        let message = error.message();
        assert!(message.contains("clerk/user.created") && message.contains("missing field `id`"), "{message}");
    }

    #[test]
    fn unknown_keys_of_an_event_are_tolerated() {
        let event = r#"{"id":"1","name":"a","data":null,"ts":"1970-01-01T00:00:01Z","depth":3,"v":"2"}"#;
        assert_eq!(call(event, |event: Event| Ok(event.ts)).unwrap(), "1000");
    }

    #[test]
    fn an_unknown_workflow_is_named() {
        let failure = dispatch("other", "{}", &[("this", |_| Ok(String::new()))]).unwrap_err();
        assert!(failure.permanent && failure.message.contains("\"other\""));
    }

    #[test]
    fn asks_add_up_without_repetition() {
        let asks = crate::resend::asks().and(crate::resend::asks()).and(Asks::new().var("MAIL_FROM", "a@example.com"));
        let described: serde_json::Value = serde_json::from_str(&describe(&[], &asks)).unwrap();
        let expected = serde_json::json!({
            "hosts": ["$RESEND_BASE_URL"], "secrets": ["RESEND_API_KEY"],
            "vars": {"RESEND_BASE_URL": "https://api.resend.com", "MAIL_FROM": "a@example.com"},
        });
        assert_eq!(described["asks"], expected);
        assert_eq!(described["schema"], 1);
    }
}
