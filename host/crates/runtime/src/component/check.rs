//! Looks at a component's outside before it costs anything: its kind, its contract, its imports and exports.

use stepwell_core::Digest;
use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload};

use super::LoadError;
use crate::limits::{COMPONENT_BYTES_MAX, FUNCTION_BYTES_MAX, FUNCTIONS_MAX, UNKNOWN_IMPORTS_MAX};
use crate::text::harmless;

/// The contract that this host offers.
pub(crate) const OFFERED: &str = "0.1.0";
/// The contract's package.
const PACKAGE: &str = "stepwell:workflow/";
const INTERFACES: [&str; 5] = ["types", "step", "http", "context", "log"];
const EXPORTS: [&str; 2] = ["describe", "run"];
/// A component of this size carries a language's runtime, which asks for clock and random.
const RUNTIME_BYTES_MIN: usize = 1 << 20;
/// An import's name in a message, bytes.
const NAME_BYTES_MAX: usize = 100;

/// The parts of WASI that are linked.
const WASI: [&str; 29] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What the outside of a component says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(crate) digest: Digest,
    /// The contract's version, by its imports; none where the component imports nothing of it.
    pub(crate) contract: Option<String>,
    pub(crate) imports: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Checks that this host can load a component, as far as can be seen without compiling it.
pub(crate) fn check(bytes: &[u8]) -> Result<Outside, LoadError> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError::Size(bytes.len()));
    }
    if bytes.starts_with(b"\x7fELF") {
        return Err(LoadError::Compiled);
    }
    let (imports, exports) = names(bytes)?;
    let contract = contract(&imports)?;
    unknown(&imports)?;
    let missing: Vec<_> = EXPORTS.into_iter().filter(|name| !exports.iter().any(|export| export == name)).collect();
    if !missing.is_empty() {
        return Err(LoadError::MissingExports(missing));
    }
    let notes = notes(bytes.len(), &imports);
    Ok(Outside { digest: Digest::of(bytes), contract, imports, notes })
}

/// The names that the outermost component imports and exports. The whole is read, so that a truncated file
/// is found here, and code that would take the compiler too much memory.
fn names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), LoadError> {
    let malformed = |error: wasmparser::BinaryReaderError| LoadError::Malformed(error.to_string());
    let (mut imports, mut exports, mut depth, mut functions) = (Vec::new(), Vec::new(), 0_u32, 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(LoadError::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                check_code(functions, body.range().len())?;
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(malformed)?;
                    // The world's own types are no calls.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

fn check_code(functions: usize, bytes: usize) -> Result<(), LoadError> {
    if functions > FUNCTIONS_MAX {
        return Err(LoadError::Functions);
    }
    if bytes > FUNCTION_BYTES_MAX { Err(LoadError::Function(bytes)) } else { Ok(()) }
}

/// The contract's version by the import names, which every language writes. wasmtime would link a newer
/// minor version without a word.
fn contract(imports: &[String]) -> Result<Option<String>, LoadError> {
    let mut wanted = None;
    for version in imports.iter().filter(|name| name.starts_with(PACKAGE)).map(|name| version_of(name)) {
        if !is_offered(version) {
            return Err(LoadError::Newer { wanted: harmless(version, NAME_BYTES_MAX), offered: OFFERED });
        }
        wanted = Some(version.to_owned());
    }
    Ok(wanted)
}

/// Refuses what is not linked, with the names.
fn unknown(imports: &[String]) -> Result<(), LoadError> {
    let unknown: Vec<_> = imports.iter().filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let told = unknown.iter().take(UNKNOWN_IMPORTS_MAX);
    let mut told: Vec<_> = told.map(|name| harmless(name, NAME_BYTES_MAX)).collect();
    if let more @ 1.. = unknown.len() - told.len() {
        told.push(format!("and {more} more"));
    }
    Err(LoadError::UnknownImports(told))
}

fn version_of(name: &str) -> &str {
    name.split_once('@').map_or("without a version", |(_, version)| version)
}

/// `0.1.0`: a patch is additive, so an older one would do too; a newer one, another minor version and what is
/// not released would not.
fn is_offered(version: &str) -> bool {
    parsed(version).zip(parsed(OFFERED)).is_some_and(|(wanted, offered)| {
        let [major, minor, patch] = wanted;
        let [offered_major, offered_minor, offered_patch] = offered;
        (major, minor) == (offered_major, offered_minor) && patch <= offered_patch
    })
}

fn parsed(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split('.');
    let mut next = || parts.next()?.parse().ok();
    let version = [next()?, next()?, next()?];
    parts.next().is_none().then_some(version)
}

fn is_known(import: &str) -> bool {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    match name.strip_prefix(PACKAGE) {
        Some(interface) => INTERFACES.contains(&interface),
        None => WASI.contains(&name) && version.starts_with("0.2."),
    }
}

fn notes(size: usize, imports: &[String]) -> Vec<String> {
    let imported = |what: &str| imports.iter().any(|name| name.starts_with(what));
    let wanted = [("clock", "wasi:clocks/monotonic-clock@"), ("random", "wasi:random/")];
    let stubbed: Vec<_> = wanted.iter().filter(|(_, name)| !imported(name)).map(|(what, _)| *what).collect();
    if size < RUNTIME_BYTES_MIN || stubbed.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "imports no {} of WASI although it carries a language's runtime: if it was built with stubs, or with features \
         disabled, its clock is the build's and its random constant; build it without",
        stubbed.join(" and no ")
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let imports: String = imports.iter().map(|name| format!("(import \"{name}\" (instance))\n")).collect();
        let exports: String = exports.iter().map(|name| format!("(export \"{name}\" (func $f))\n")).collect();
        let wat = format!(
            "(component {imports}
               (core module $m (func (export \"f\")))
               (core instance $i (instantiate $m))
               (func $f (canon lift (core func $i \"f\")))
               {exports})"
        );
        wat::parse_str(wat).unwrap()
    }

    #[test]
    fn says_what_a_file_is_that_is_no_component() {
        let module = wat::parse_str("(module)").unwrap();
        assert!(matches!(check(&module), Err(LoadError::CoreModule)));
        assert!(matches!(check(b"#!/bin/sh"), Err(LoadError::Malformed(_))));
        assert!(matches!(check(b""), Err(LoadError::Malformed(_))));
        assert!(matches!(check(b"\x7fELF\x02"), Err(LoadError::Compiled)));
        let whole = component(&[], &["describe", "run"]);
        assert!(check(&whole).is_ok());
        for cut in [8, whole.len() / 2, whole.len() - 1] {
            assert!(check(&whole[..cut]).is_err(), "{cut} of {}", whole.len());
        }
        assert!(matches!(check(&vec![0; COMPONENT_BYTES_MAX + 1]), Err(LoadError::Size(_))));
    }

    #[test]
    fn the_contract_is_read_from_the_imports() {
        let at = |version: &str| check(&component(&[&format!("stepwell:workflow/step@{version}")], &EXPORTS));
        assert_eq!(at("0.1.0").unwrap().contract.as_deref(), Some("0.1.0"));
        for newer in ["0.1.1", "0.2.0", "1.0.0", "0.1.0-next", "0.0.9"] {
            let error = at(newer).unwrap_err();
            assert!(matches!(error, LoadError::Newer { .. }), "{newer}");
            assert!(error.to_string().contains("update the host"), "{error}");
        }
    }

    #[test]
    fn unknown_imports_and_missing_exports_are_listed() {
        let bytes =
            component(&["wasi:keyvalue/store@0.2.0", "wasi:io/poll@0.2.3", "wasi:io/poll@0.3.0", "evil"], &EXPORTS);
        let error = check(&bytes).unwrap_err().to_string();
        assert!(error.ends_with("wasi:keyvalue/store@0.2.0, wasi:io/poll@0.3.0, evil"), "{error}");
        let error = check(&component(&["stepwell:workflow/steps@0.1.0"], &EXPORTS)).unwrap_err().to_string();
        assert!(error.contains("stepwell:workflow/steps"), "{error}");
        let error = check(&component(&[], &["describe"])).unwrap_err().to_string();
        assert!(error.contains("exports run"), "{error}");
    }

    #[test]
    fn a_flood_of_unknown_imports_is_told_in_few_words() {
        let names: Vec<String> = (0..1000).map(|n| format!("evil:{}/a{n}", "x".repeat(500))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let error = check(&component(&names, &EXPORTS)).unwrap_err().to_string();
        assert!(error.ends_with("and 980 more") && error.len() < 4096, "{} bytes", error.len());
    }

    #[test]
    fn what_may_be_stubbed_is_noted() {
        let all = ["wasi:clocks/monotonic-clock@0.2.12", "wasi:random/insecure-seed@0.2.0"].map(str::to_owned);
        assert!(notes(RUNTIME_BYTES_MIN, &all).is_empty() && notes(1000, &[]).is_empty());
        let told = |imports: &[String]| notes(RUNTIME_BYTES_MIN, imports).remove(0);
        assert!(told(&all[..1]).starts_with("imports no random of WASI"));
        assert!(told(&[]).starts_with("imports no clock and no random of WASI"));
    }

    #[test]
    fn code_that_would_use_up_the_compilers_memory_is_refused() {
        let component = |items: &str| wat::parse_str(format!("(component (core module {items}))")).unwrap();
        let large = component(&format!("(func {})", "nop ".repeat(FUNCTION_BYTES_MAX)));
        assert!(matches!(check(&large), Err(LoadError::Function(bytes)) if bytes > FUNCTION_BYTES_MAX));
        let many = component(&"(func)".repeat(FUNCTIONS_MAX + 1));
        assert!(matches!(check(&many), Err(LoadError::Functions)));
        // Within both bounds it is only told what it lacks.
        let fine = component(&"(func)".repeat(1000));
        assert!(matches!(check(&fine), Err(LoadError::MissingExports(_))));
    }
}
