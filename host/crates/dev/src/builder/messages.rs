//! What cargo says with `--message-format json`: components and diagnostics by package. Must
//! not fail on a message that it does not know.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use serde::Deserialize;

use super::limits::{OUTPUT_BYTES_MAX, TALK_LINES_MAX};
use super::source::Source;
use super::{BuildError, Progress, Report};

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    #[serde(default)]
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// The newest lines of cargo's talk.
#[derive(Debug, Default)]
pub(super) struct Talk(VecDeque<String>);

impl Talk {
    pub(super) fn line(&mut self, line: String) {
        if self.0.len() >= TALK_LINES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

/// Collects messages, by the manifest of the package that each is about.
#[derive(Debug, Default)]
pub(super) struct Messages {
    components: BTreeMap<PathBuf, PathBuf>,
    errors: BTreeMap<PathBuf, String>,
}

/// What a call of cargo came to.
#[derive(Debug)]
pub(super) struct Built {
    messages: Messages,
    talk: String,
}

impl Messages {
    pub(super) fn line(&mut self, line: &str, report: &Report<'_>) {
        let Ok(message) = serde_json::from_str::<Message>(line) else {
            return;
        };
        let (Some(manifest), Some(target)) = (message.manifest_path, message.target) else {
            return;
        };
        match (message.reason.as_str(), message.message) {
            ("compiler-artifact", _) if target.crate_types.iter().any(|t| t == "cdylib") => {
                let wasm = |path: &PathBuf| path.extension().is_some_and(|e| e == "wasm");
                if let Some(path) = message.filenames.into_iter().find(wasm) {
                    self.components.insert(manifest, path);
                }
            }
            ("compiler-message", Some(Diagnostic { level, rendered: Some(text) })) => {
                report(Progress::Diagnostic { package: &target.name, text: &text });
                if level.starts_with("error") {
                    append(self.errors.entry(manifest).or_default(), &text);
                }
            }
            _ => {}
        }
    }

    pub(super) fn finish(self, talk: Talk) -> Built {
        Built { messages: self, talk: Vec::from(talk.0).join("\n") }
    }
}

impl Built {
    /// A source's component, or the nearest reason why there is none: its own errors, those
    /// of others (a dependency that it waited for), or what cargo said.
    pub(super) fn component(&self, source: &Source) -> Result<PathBuf, BuildError> {
        let manifest = source.dir.join("Cargo.toml");
        if let Some(component) = self.messages.components.get(&manifest) {
            return Ok(component.clone());
        }
        let mut output = self.messages.errors.get(&manifest).cloned().unwrap_or_default();
        if output.is_empty() {
            self.messages.errors.values().for_each(|other| append(&mut output, other));
        }
        if output.is_empty() {
            output.clone_from(&self.talk);
        }
        Err(BuildError::Compile { package: source.package.clone(), output })
    }
}

/// Appends whole characters up to the bound.
fn append(output: &mut String, text: &str) {
    let left = OUTPUT_BYTES_MAX.saturating_sub(output.len());
    let end = (0..=left.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    output.push_str(text.get(..end.unwrap_or_default()).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> Source {
        let dir = PathBuf::from(format!("/w/{name}"));
        Source { package: name.into(), dir, workspace: "/w".into(), path_dependencies: Vec::new() }
    }

    fn built(lines: &[&str]) -> Built {
        let mut messages = Messages::default();
        lines.iter().for_each(|line| messages.line(line, &|_| {}));
        let mut talk = Talk::default();
        talk.line("error: no network".into());
        messages.finish(talk)
    }

    const ARTIFACT: &str = r#"{"reason":"compiler-artifact","manifest_path":"/w/a/Cargo.toml","target":{"name":"a","crate_types":["cdylib","rlib"]},"filenames":["/t/liba.rlib","/t/a.wasm"]}"#;
    const ERROR: &str = r#"{"reason":"compiler-message","manifest_path":"/w/b/Cargo.toml","target":{"name":"b","crate_types":["cdylib"]},"message":{"level":"error","rendered":"error: b is wrong\n"}}"#;

    #[test]
    fn each_package_has_its_component_or_its_reason() {
        let built = built(&[ARTIFACT, ERROR, "not json", r#"{"reason":"build-finished","success":false}"#]);
        assert_eq!(built.component(&source("a")), Ok("/t/a.wasm".into()));
        let output = |name: &str| match built.component(&source(name)) {
            Err(BuildError::Compile { output, .. }) => output,
            other => panic!("{other:?}"),
        };
        assert_eq!(output("b"), "error: b is wrong\n");
        assert_eq!(output("c"), "error: b is wrong\n");
    }

    #[test]
    fn without_any_diagnostic_cargos_talk_is_the_reason() {
        let built = built(&[]);
        assert!(built.component(&source("a")).unwrap_err().to_string().ends_with("error: no network"));
    }

    #[test]
    fn the_output_has_a_bound_and_stays_text() {
        let mut output = String::new();
        append(&mut output, &"é".repeat(OUTPUT_BYTES_MAX));
        append(&mut output, "more");
        assert_eq!(output.len(), OUTPUT_BYTES_MAX);
    }
}
