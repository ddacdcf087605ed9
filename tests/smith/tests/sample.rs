//! A sample of what `cargo xtask smith` tries at length, and what must hold of the means.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use stepwell_smith::cases::Stock;
use stepwell_smith::chance::Chance;
use stepwell_smith::judge::objection;
use stepwell_smith::maker::{Made, Maker};
use stepwell_smith::shell::{self, Inner};
use stepwell_smith::tally::{Tally, wrong};
use stepwell_smith::watch::{self, Plan};
use stepwell_smith::work::{Refusal, Told};

fn plan(count: u64, keep: &std::path::Path) -> Plan {
    let program = env!("CARGO_BIN_EXE_smith").into();
    Plan { program, seed: 1, first: 0, count, jobs: 2, keep: keep.to_owned(), tell: false }
}

#[tokio::test]
async fn generated_and_damaged_components_harm_nobody_and_are_accepted_for_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let tally: Tally = watch::cases(&plan(200, dir.path()), &Stock::gather().await.unwrap()).unwrap();
    println!("{tally}");
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    // A part of them is executed: what is refused at the door tries the door alone.
    assert!(tally.cases == 200 && tally.accepted >= 40, "{tally}");
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    for what in [Made::Module, Made::Component, Made::Part] {
        let made = |seed| Maker::start().unwrap().make(what, seed).unwrap();
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }
}

#[test]
fn the_judge_objects_to_what_is_not_ours() {
    let text = |text: &str| objection(&wat::parse_str(text).unwrap()).unwrap();
    assert_eq!(text("(module)"), "it is a module");
    assert_eq!(text("(component)"), "it lacks exports: describe false, run false");
    assert_eq!(text("(component (import \"evil\" (func)))"), "it imports \"evil\"");
    let newer = text("(component (import \"stepwell:workflow/step@0.1.1\" (instance)))");
    assert!(newer.contains("step@0.1.1"), "{newer}");
    assert!(text("(component (core module (memory i64 1)))").contains("not valid"));
    assert!(objection(b"\x7fELF").unwrap().contains("not valid"));
    let functions = format!("(component (core module {}))", "(func)".repeat(100_001));
    assert_eq!(text(&functions), "it has more than 100000 functions");
    let fine = shell::around(Inner::Nothing, &mut Chance::of(0, 0)).unwrap();
    assert_eq!(objection(&fine), None);
}

#[test]
fn every_shell_holds_what_is_put_in() {
    let module = wat::parse_str("(module (func (export \"f\") (param i32 f64) (result i64) i64.const 1))").unwrap();
    let f = shell::Function { name: "f".into(), params: vec!["i32", "f64"], results: vec!["i64"] };
    let component = wat::parse_str("(component (core module))").unwrap();
    let part = {
        let (imports, exports) = (include_str!("../shape/imports.wat"), include_str!("../shape/exports.wat"));
        let (head, body) = (imports.trim_end().strip_suffix(')').unwrap(), exports.split_once("(module").unwrap().1);
        wat::parse_str(format!("{head}{body}")).unwrap()
    };
    for inner in [
        Inner::Module(&module, &[f]),
        Inner::Component(&component, true),
        Inner::Component(&component, false),
        Inner::Part(&part),
    ] {
        for number in 0..20 {
            let bytes = shell::around(inner, &mut Chance::of(1, number)).unwrap();
            assert_eq!(objection(&bytes), None, "{inner:?}");
        }
    }
}

/// A worker that dies, one that hangs is the same but for the wait.
#[test]
fn a_worker_that_dies_of_a_case_is_told_and_the_file_kept() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan { program: "/bin/false".into(), ..plan(1, dir.path()) };
    let tally = watch::files(&plan, "a file", &[("one".to_owned(), b"bytes".to_vec())]).unwrap();
    assert!(tally.failures[0].contains("the worker died of it: exit status: 1"), "{:?}", tally.failures);
    assert_eq!(std::fs::read(dir.path().join("one.wasm")).unwrap(), b"bytes");
}

#[test]
fn what_must_not_be_is_wrong() {
    let refused = |by: &str, text: &str| Told {
        refused: Some(Refusal { by: by.to_owned(), text: text.to_owned() }),
        ..Told::default()
    };
    let module = wat::parse_str("(module)").unwrap();
    assert_eq!(wrong(&module, &refused("a core module", "a core module")), None);
    assert_eq!(wrong(&module, &Told::default()).unwrap(), "it was accepted, and it is a module");
    assert!(wrong(&module, &refused("the host itself", "the compiler is gone")).is_some());
    assert!(wrong(&module, &refused("malformed", "\u{1b}[31m")).is_some());
    assert!(wrong(&module, &refused("compiler", "does not compile: the compiler panicked")).is_some());
    let panics = vec!["at line 1".to_owned()];
    assert!(wrong(&module, &Told { panics, ..refused("a core module", "a core module") }).is_some());
    let differs = Told { inspected: Some(None), ..refused("linker", "no") };
    assert_eq!(wrong(&module, &differs).unwrap(), "the host says Some(\"linker\"), stepwell check says None");
}
