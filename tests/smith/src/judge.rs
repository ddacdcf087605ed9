//! Whether a component may be accepted, by rules that are written down here a second time, without a line of the
//! loader's. Must not use anything of `stepwell-runtime`.

use wasmparser::component_types::{ComponentDefinedType, ComponentEntityType, ComponentFuncType, ComponentValType};
use wasmparser::types::TypesRef;
use wasmparser::{
    ComponentExternalKind, Encoding, FunctionBody, Parser, Payload, PrimitiveValType, Validator, WasmFeatures,
};

const MIB: usize = 1 << 20;
/// The bounds that docs/configuration.md and docs/plugins.md promise.
const FILE_MAX: usize = 32 * MIB;
const FUNCTION_MAX: usize = MIB;
const FUNCTIONS_MAX: usize = 100_000;
const OURS: [&str; 5] = ["context", "http", "log", "step", "types"];
/// Interfaces of WASI 0.2, by package.
const WASI: [(&str, &[&str]); 7] = [
    (
        "cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("clocks", &["monotonic-clock", "wall-clock"]),
    ("filesystem", &["types", "preopens"]),
    ("http", &["types", "outgoing-handler"]),
    ("io", &["error", "poll", "streams"]),
    ("random", &["random", "insecure", "insecure-seed"]),
    (
        "sockets",
        &["network", "instance-network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// What WebAssembly of our engine has: everything of 3.0 without garbage collection, exceptions, threads and memories
/// of 64 bits, and the component model as it is released.
fn features() -> WasmFeatures {
    let without = WasmFeatures::GC_TYPES | WasmFeatures::EXCEPTIONS | WasmFeatures::THREADS | WasmFeatures::MEMORY64;
    (WasmFeatures::WASM3 & !without) | WasmFeatures::COMPONENT_MODEL
}

/// Nothing, or why a component of these bytes must not be accepted.
pub fn objection(bytes: &[u8]) -> Option<String> {
    if bytes.len() > FILE_MAX {
        return Some(format!("it has {} bytes", bytes.len()));
    }
    let mut validator = Validator::new_with_features(features());
    let types = match validator.validate_all(bytes) {
        Ok(types) => types,
        Err(error) => return Some(format!("it is not valid: {error}")),
    };
    outside(bytes, types.as_ref()).unwrap_or_else(|error| Some(format!("it cannot be read: {error}")))
}

fn outside(bytes: &[u8], types: TypesRef<'_>) -> wasmparser::Result<Option<String>> {
    let (mut depth, mut functions, mut describe, mut run) = (0_usize, 0_usize, false, false);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Ok(Some("it is a module".to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                if let Some(objection) = code(functions, &body) {
                    return Ok(Some(objection));
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import?.name.name;
                    let item = types.component_item_for_import(name);
                    let is_type = matches!(item.map(|item| item.ty), Some(ComponentEntityType::Type { .. }));
                    if !is_type && !may_be_imported(name) {
                        return Ok(Some(format!("it imports {name:?}")));
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export?;
                    let of = types.component_item_for_export(export.name.name).map(|item| item.ty);
                    let function = match of {
                        Some(ComponentEntityType::Func(id)) if export.kind == ComponentExternalKind::Func => {
                            types.get(id)
                        }
                        _ => None,
                    };
                    describe |= export.name.name == "describe" && function.is_some_and(|of| describes(of, types));
                    run |= export.name.name == "run" && function.is_some_and(|of| runs(of, types));
                }
            }
            _ => {}
        }
    }
    Ok((!(describe && run)).then(|| format!("it lacks exports: describe {describe}, run {run}")))
}

fn code(functions: usize, body: &FunctionBody<'_>) -> Option<String> {
    if functions > FUNCTIONS_MAX {
        return Some(format!("it has more than {FUNCTIONS_MAX} functions"));
    }
    (body.range().len() > FUNCTION_MAX).then(|| format!("a function has {} bytes", body.range().len()))
}

fn may_be_imported(name: &str) -> bool {
    let Some((path, version)) = name.split_once('@') else { return false };
    let Some((package, interface)) = path.split_once('/') else { return false };
    if package == "stepwell:workflow" {
        return version == "0.1.0" && OURS.contains(&interface);
    }
    let known = WASI.iter().find(|(name, _)| package.strip_prefix("wasi:") == Some(name));
    known.is_some_and(|(_, interfaces)| interfaces.contains(&interface)) && version.starts_with("0.2.")
}

/// `func() -> string`
fn describes(of: &ComponentFuncType, types: TypesRef<'_>) -> bool {
    !of.async_ && of.params.is_empty() && of.result.is_some_and(|of| is_text(of, types))
}

/// `func(string, string) -> result<string, failure>`
fn runs(of: &ComponentFuncType, types: TypesRef<'_>) -> bool {
    let [(_, workflow), (_, event)] = &of.params[..] else { return false };
    let result = match of.result {
        Some(ComponentValType::Type(id)) => types.get(id),
        _ => None,
    };
    let Some(ComponentDefinedType::Result { ok: Some(output), err: Some(ComponentValType::Type(failure)), .. }) =
        result
    else {
        return false;
    };
    let is_failure = match types.get(*failure) {
        Some(ComponentDefinedType::Record(record)) => {
            record.fields.keys().map(|name| name.as_str()).eq(["message", "permanent", "retry-after-ms", "detail"])
        }
        _ => false,
    };
    let texts = [*workflow, *event, *output];
    !of.async_ && texts.into_iter().all(|of| is_text(of, types)) && is_failure
}

fn is_text(of: ComponentValType, types: TypesRef<'_>) -> bool {
    match of {
        ComponentValType::Primitive(of) => of == PrimitiveValType::String,
        ComponentValType::Type(id) => {
            matches!(types.get(id), Some(ComponentDefinedType::Primitive(PrimitiveValType::String)))
        }
    }
}
