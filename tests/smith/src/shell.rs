//! Components of our world around something else: they describe themselves well, are accepted, and execute what they
//! are built around. `shape/` has their text.

use std::fmt::Write;

use anyhow::{Context, Result};
use wasmparser::{Parser, Payload};

use crate::chance::Chance;

const HEAD: &str = include_str!("../shape/head.wat");
const LOWERED: &str = include_str!("../shape/lowered.wat");
const TAIL: &str = include_str!("../shape/tail.wat");
/// What each of them declares.
const DESCRIPTION: &str = r#"{"schema":1,"workflows":[{"id":"smith","triggers":[{"event":"test/smith"}]}]}"#;
/// The part's exports, as `shape/exports.wat` has them.
const PART: &str = r#"(import "part" "act" (func $act))
    (import "part" "place" (func $place-of-part (param i32 i32 i32 i32) (result i32)))
    (import "part" "number" (func $number (param i64 i32 f32 f64) (result i64)))"#;
const ACT: &str = "(call $act)";
const NUMBER: &str = "(i32.wrap_i64 (call $number (i64.const -1) (i32.const 7) (f32.const nan) (f64.const 1e300)))";
const PLACE: &str = "(call $place-of-part (local.get 0) (local.get 1) (local.get 2) (local.get 3))";

/// What a shell is built around.
#[derive(Clone, Copy, Debug)]
pub enum Inner<'a> {
    Nothing,
    /// A module with the imports and exports of `shape/`.
    Part(&'a [u8]),
    /// A module without imports; these of its functions are called, with zeros.
    Module(&'a [u8], &'a [Function]),
    /// A component, which is instantiated where it imports nothing.
    Component(&'a [u8], bool),
}

/// A function that a module exports, with the types of the text format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub params: Vec<&'static str>,
    pub results: Vec<&'static str>,
}

/// What is executed where.
#[derive(Debug)]
struct Bodies {
    imports: String,
    describe: String,
    described: String,
    place: String,
    run: String,
    ran: String,
    realloc: &'static str,
}

/// The component, whose parts are called where chance has it.
pub fn around(inner: Inner<'_>, chance: &mut Chance) -> Result<Vec<u8>> {
    let (placeholder, instance, with, lowered) = match inner {
        Inner::Nothing => ("", "", "", ""),
        Inner::Part(_) => (
            "(core module $part)",
            r#"(core instance $part (instantiate $part (with "host" (instance $host))))"#,
            r#"(with "part" (instance $part))"#,
            LOWERED,
        ),
        Inner::Module(..) => (
            "(core module $part)",
            "(core instance $part (instantiate $part))",
            r#"(with "part" (instance $part))"#,
            "",
        ),
        Inner::Component(_, true) => ("(component $inner)", "(instance $inner (instantiate $inner))", "", ""),
        Inner::Component(_, false) => ("(component $inner)", "", "", ""),
    };
    let bodies = match inner {
        Inner::Part(_) => of_part(chance),
        Inner::Module(_, functions) => of_functions(functions),
        Inner::Nothing | Inner::Component(..) => plain(),
    };
    let wat = format!("{HEAD}{lowered}{TAIL}");
    let description = DESCRIPTION.replace('"', "\\\"");
    let length = DESCRIPTION.len().to_string();
    let fill = [
        ("{inner}", placeholder),
        ("{instance}", instance),
        ("{with}", with),
        ("{imports}", &bodies.imports),
        ("{description}", &description),
        ("{length}", &length),
        ("{describe}", &bodies.describe),
        ("{described}", &bodies.described),
        ("{place}", &bodies.place),
        ("{run}", &bodies.run),
        ("{ran}", &bodies.ran),
        ("{realloc}", bodies.realloc),
    ];
    let wat = fill.iter().fold(wat, |wat, (mark, text)| wat.replace(mark, text));
    let outer = wat::parse_str(wat).context("the shell is no component")?;
    match inner {
        Inner::Nothing => Ok(outer),
        Inner::Part(bytes) | Inner::Module(bytes, _) => put_in(&outer, 1, bytes),
        Inner::Component(bytes, _) => put_in(&outer, 4, bytes),
    }
}

fn plain() -> Bodies {
    let nothing = String::new;
    Bodies {
        imports: nothing(),
        describe: nothing(),
        described: nothing(),
        place: "(unreachable)".to_owned(),
        run: "(call $null)".to_owned(),
        ran: nothing(),
        realloc: "$realloc",
    }
}

/// The part acts in `run` or after it, seldom elsewhere: `describe` may take 2 s, and so ends most of what is tried.
fn of_part(chance: &mut Chance) -> Bodies {
    let mut at = |one_in: usize| if chance.one_in(one_in) { ACT.to_owned() } else { String::new() };
    let (describe, described, ran) = (at(6), at(12), at(4));
    let run = match chance.below(8) {
        // What it answers is where the result is looked for.
        0 => NUMBER.to_owned(),
        1 => format!("{ACT} {NUMBER}"),
        2 => "(call $null)".to_owned(),
        _ => format!("{ACT} (drop {NUMBER}) (call $null)"),
    };
    let realloc = if chance.one_in(6) { "$place" } else { "$realloc" };
    Bodies { imports: PART.to_owned(), describe, described, place: PLACE.to_owned(), run, ran, realloc }
}

fn of_functions(functions: &[Function]) -> Bodies {
    let (mut imports, mut run) = (String::new(), String::new());
    for (number, Function { name, params, results }) in functions.iter().enumerate() {
        let name: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let types =
            |kind: &str, of: &[&str]| if of.is_empty() { String::new() } else { format!("({kind} {})", of.join(" ")) };
        let (params_text, results_text) = (types("param", params), types("result", results));
        let zeros: Vec<_> = params.iter().map(|of| zero(of)).collect();
        let (zeros, drops) = (zeros.join(" "), "drop ".repeat(results.len()));
        // A String takes every text.
        let _ = write!(imports, "(import \"part\" \"{name}\" (func $f{number} {params_text} {results_text}))\n    ");
        let _ = writeln!(run, "{zeros} call $f{number} {drops}");
    }
    run.push_str("call $null");
    Bodies { imports, run, ..plain() }
}

fn zero(of: &str) -> String {
    match of {
        "v128" => "v128.const i64x2 0 0".to_owned(),
        "funcref" => "ref.null func".to_owned(),
        "externref" => "ref.null extern".to_owned(),
        number => format!("{number}.const 0"),
    }
}

/// Puts `bytes` into the place of the first module or component of `outer`.
fn put_in(outer: &[u8], section: u8, bytes: &[u8]) -> Result<Vec<u8>> {
    for payload in Parser::new(0).parse_all(outer) {
        let (Payload::ModuleSection { unchecked_range: range, .. }
        | Payload::ComponentSection { unchecked_range: range, .. }) = payload?
        else {
            continue;
        };
        // It is the first section, right after the eight bytes that every component begins with.
        let mut whole = outer.get(..8).context("a component has a head")?.to_vec();
        whole.push(section);
        whole.extend(leb(bytes.len()));
        whole.extend(bytes);
        whole.extend(outer.get(range.end..).context("sections lie within")?);
        return Ok(whole);
    }
    anyhow::bail!("the shell has no place for it")
}

/// A length as WebAssembly writes it.
pub(crate) fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
