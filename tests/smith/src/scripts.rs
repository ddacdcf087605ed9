//! The modules and components of `.wast` files, raw and within a shell, so that those that hold are executed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasmparser::{CompositeInnerType, ExternalKind, Parser, Payload, ValType};
use wast::parser::{ParseBuffer, parse};
use wast::{QuoteWat, Wast, WastDirective, Wat};

use crate::chance::Chance;
use crate::shell::{self, Function, Inner};

/// Functions of one module that are called, each in a shell of its own.
const FUNCTIONS_CALLED_MAX: usize = 4;

/// What is in a folder's `.wast` files.
#[derive(Debug, Default)]
pub struct Scripts {
    /// The components and modules, with names for a person.
    pub made: Vec<(String, Vec<u8>)>,
    pub files: usize,
    /// Files that this reader cannot read.
    pub unread: Vec<String>,
}

/// What is in the `.wast` files below `folder`.
pub fn read(folder: &Path) -> Result<Scripts> {
    let (mut files, mut scripts) = (Vec::new(), Scripts::default());
    find(folder, &mut files)?;
    files.sort();
    scripts.files = files.len();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        let Some(encoded) = encoded(&text) else {
            scripts.unread.push(name);
            continue;
        };
        for (number, bytes) in encoded.into_iter().enumerate() {
            add(&format!("{name} #{number}"), bytes, &mut scripts.made);
        }
    }
    Ok(scripts)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "wast") {
            files.push(path);
        }
    }
    Ok(())
}

/// Everything in a file that becomes bytes. None of a file that this reader cannot read.
fn encoded(text: &str) -> Option<Vec<Vec<u8>>> {
    let buffer = ParseBuffer::new(text).ok()?;
    let file = parse::<Wast<'_>>(&buffer).ok()?;
    Some(file.directives.into_iter().filter_map(bytes).collect())
}

fn bytes(directive: WastDirective<'_>) -> Option<Vec<u8>> {
    let quoted = |mut wat: QuoteWat<'_>| wat.encode().ok();
    let plain = |mut wat: Wat<'_>| wat.encode().ok();
    match directive {
        WastDirective::Module(wat) | WastDirective::ModuleDefinition(wat) => quoted(wat),
        WastDirective::AssertMalformed { module, .. }
        | WastDirective::AssertInvalid { module, .. }
        | WastDirective::AssertInvalidCustom { module, .. } => quoted(module),
        WastDirective::AssertUnlinkable { module, .. } => plain(module),
        _ => None,
    }
}

fn add(name: &str, bytes: Vec<u8>, made: &mut Vec<(String, Vec<u8>)>) {
    // The shell's chance plays no part here.
    let mut chance = Chance::of(0, 0);
    let mut wrap = |inner: Inner<'_>| shell::around(inner, &mut chance).ok();
    let mut wrapped = Vec::new();
    match outside(&bytes) {
        Some(Outside::Module { imports: false, functions }) => {
            wrapped.push(wrap(Inner::Module(&bytes, &[])));
            for function in functions.iter().take(FUNCTIONS_CALLED_MAX) {
                wrapped.push(wrap(Inner::Module(&bytes, std::slice::from_ref(function))));
            }
        }
        Some(Outside::Component { imports }) => wrapped.push(wrap(Inner::Component(&bytes, !imports))),
        Some(Outside::Module { imports: true, .. }) | None => {}
    }
    made.push((name.to_owned(), bytes));
    let wrapped = wrapped.into_iter().flatten().enumerate();
    made.extend(wrapped.map(|(number, bytes)| (format!("{name} within a component, {number}"), bytes)));
}

enum Outside {
    Module { imports: bool, functions: Vec<Function> },
    Component { imports: bool },
}

/// What can be told of what holds; nothing of what does not.
fn outside(bytes: &[u8]) -> Option<Outside> {
    let (mut types, mut functions, mut exports, mut imports) = (Vec::new(), Vec::new(), Vec::new(), false);
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            Payload::ImportSection(_) => imports = true,
            Payload::ComponentImportSection(_) => imports = true,
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group.ok()?.into_types().map(|of| match of.composite_type.inner {
                        CompositeInnerType::Func(of) => Some(of),
                        _ => None,
                    }));
                }
            }
            Payload::FunctionSection(section) => {
                for function in section {
                    functions.push(function.ok()?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    if export.kind == ExternalKind::Func {
                        exports.push((export.name.to_owned(), export.index));
                    }
                }
            }
            _ => {}
        }
    }
    if Parser::is_component(bytes) {
        return Some(Outside::Component { imports });
    }
    let function = |(name, index): (String, u32)| {
        let of = functions.get(usize::try_from(index).ok()?)?;
        let of = types.get(usize::try_from(*of).ok()?)?.as_ref()?;
        let names = |of: &[ValType]| of.iter().map(|of| text(*of)).collect::<Option<Vec<_>>>();
        Some(Function { name, params: names(of.params())?, results: names(of.results())? })
    };
    let functions = exports.into_iter().filter_map(function).collect();
    Some(Outside::Module { imports, functions })
}

fn text(of: ValType) -> Option<&'static str> {
    match of {
        ValType::I32 => Some("i32"),
        ValType::I64 => Some("i64"),
        ValType::F32 => Some("f32"),
        ValType::F64 => Some("f64"),
        ValType::V128 => Some("v128"),
        ValType::Ref(of) if of == wasmparser::RefType::FUNCREF => Some("funcref"),
        ValType::Ref(of) if of == wasmparser::RefType::EXTERNREF => Some("externref"),
        ValType::Ref(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_taken_raw_and_in_shells_and_what_cannot_be_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let script = r#"(module (func (export "a b")) (func (export "c") (param v128 funcref)))
            (assert_invalid (module (func (result i32))) "type mismatch")
            (component (import "x" (func)))
            (assert_return (invoke "a b"))"#;
        std::fs::write(dir.path().join("one.wast"), script).unwrap();
        std::fs::write(dir.path().join("odd.wast"), "(what is this)").unwrap();
        let scripts = read(dir.path()).unwrap();
        assert_eq!((scripts.files, &scripts.unread[..]), (2, &["odd.wast".to_owned()][..]));
        // Raw, in a shell, and with each function called; the invalid one and the component raw and in a shell.
        assert_eq!(scripts.made.len(), (1 + 1 + 2) + 2 + 2);
        let held = scripts.made.iter().filter(|(_, bytes)| crate::judge::objection(bytes).is_none());
        let held: Vec<_> = held.map(|(name, _)| name.as_str()).collect();
        assert_eq!(held[0], "one.wast #0 within a component, 0");
    }
}
