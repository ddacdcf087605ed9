//! Plugins out of thin air, to be put into a registry.

use stepwell_core::registry::Plugin;
use stepwell_core::{Digest, Manifest, Timestamp};

/// A workflow to declare.
#[derive(Clone, Debug)]
pub struct DeclaredWorkflow<'a> {
    /// `[a-z0-9-]`.
    pub id: &'a str,
    /// Event names or patterns, one at least.
    pub triggers: &'a [&'a str],
    /// Activations at once; none for no limit.
    pub concurrency: Option<u32>,
}

/// An active plugin whose workflows have no limits: `plugin("mail", &[("welcome", &["clerk/user.created"])])`.
///
/// # Panics
/// Where the host would refuse the manifest.
pub fn plugin(name: &str, workflows: &[(&str, &[&str])]) -> Plugin {
    let workflows: Vec<_> =
        workflows.iter().map(|(id, triggers)| DeclaredWorkflow { id, triggers, concurrency: None }).collect();
    plugin_of(name, &workflows)
}

/// An active plugin. Its component's digest follows from its name and its manifest.
///
/// # Panics
/// Where the host would refuse the manifest.
#[expect(clippy::expect_used, reason = "a test's mistake is to be loud")]
pub fn plugin_of(name: &str, workflows: &[DeclaredWorkflow<'_>]) -> Plugin {
    let workflows: Vec<_> = workflows.iter().map(manifest_of).collect();
    let text = serde_json::json!({"schema": 1, "workflows": workflows}).to_string();
    Plugin {
        name: name.parse().expect("a plugin's name"),
        component: Digest::of(format!("{name} {text}").as_bytes()),
        manifest: Manifest::parse(&text).expect("a manifest that the host takes"),
        registered_at: Timestamp::ZERO,
        active: true,
    }
}

fn manifest_of(workflow: &DeclaredWorkflow<'_>) -> serde_json::Value {
    let triggers: Vec<_> = workflow.triggers.iter().map(|event| serde_json::json!({"event": event})).collect();
    let concurrency: Vec<_> = workflow.concurrency.iter().map(|limit| serde_json::json!({"limit": limit})).collect();
    serde_json::json!({"id": workflow.id, "triggers": triggers, "concurrency": concurrency})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declares_what_it_is_told() {
        let limited = DeclaredWorkflow { id: "a", triggers: &["x/*", "y"], concurrency: Some(3) };
        let plugin = plugin_of("mail", &[limited]);
        let workflow = plugin.manifest.workflows.first().unwrap();
        assert!(workflow.matches("x/1") && workflow.matches("y") && !workflow.matches("z"));
        assert_eq!(workflow.concurrency.first().unwrap().limit, 3);
    }
}
