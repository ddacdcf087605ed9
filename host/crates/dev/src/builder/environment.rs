//! The environment of the child cargo. Must not read this process's own: the host passes it.
//!
//! A host that was itself started by `cargo run` carries what cargo and rustup set for the
//! host's build: the host's toolchain (it would hide the workflows' own `rust-toolchain.toml`),
//! its target folder (the two builds would take turns at one lock), its flags (`-C
//! target-cpu=native` means nothing to wasm) and its package's variables. None of it is meant
//! for the workflows. What a person sets for every cargo (`CARGO_HOME`, proxies, registries,
//! linkers, wrappers) stays.

use std::ffi::OsString;

/// Names that are taken out.
const LEAKED: &[&str] = &[
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "LLVM_PROFILE_FILE",
    "MAKEFLAGS",
    "MFLAGS",
    "NUM_JOBS",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
    "RUSTUP_TOOLCHAIN_SOURCE",
    "RUST_RECURSION_COUNT",
];

/// Beginnings of names that are taken out.
const LEAKED_PREFIXES: &[&str] = &[
    "CARGO_BIN_",
    "CARGO_CFG_",
    "CARGO_CRATE_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_WASM32_",
    "CARGO_UNSTABLE_",
    "DEP_",
    "NEXTEST",
    "__CARGO",
];

/// Variables for the child, cleaned of what is not meant for it.
#[derive(Clone, Default)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Cleans the host's variables: `Environment::clean(std::env::vars_os())`.
    pub fn clean(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().filter(|(name, _)| !leaked(name)).collect())
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn leaked(name: &OsString) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    LEAKED.contains(&name) || LEAKED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_run_sets_is_gone_and_what_a_person_sets_stays() {
        let kept = [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "HTTPS_PROXY",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_CORP_TOKEN",
            "RUSTC_WRAPPER",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
            "CARGO_HTTP_CAINFO",
        ];
        let gone = [
            "CARGO",
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "CARGO_TARGET_DIR",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "NEXTEST_RUN_ID",
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
        ];
        let all = kept.iter().chain(&gone).map(|name| (OsString::from(name), OsString::from("secret")));
        let environment = Environment::clean(all);
        let names: Vec<_> = environment.variables().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, kept);
        assert!(!format!("{environment:?}").contains("secret"));
    }
}
