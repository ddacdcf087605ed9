//! Components that are too much of something, each in one way: bytes, functions, code, nesting, types, instances.

use anyhow::Result;

use crate::chance::Chance;
use crate::damage::padded;
use crate::shell::{self, Inner, leb};

/// How many ways there are.
pub const WAYS: usize = 9;

/// A component of the way `way`.
pub fn large(way: usize, chance: &mut Chance) -> Result<Vec<u8>> {
    let module = |items: &str| -> Result<Vec<u8>> { Ok(wat::parse_str(format!("(module {items})"))?) };
    let shell = |inner: Inner<'_>, chance: &mut Chance| shell::around(inner, chance);
    match way {
        // One byte beyond the bound, and right at it.
        0 => Ok(to_length((32 << 20) + 1, &shell(Inner::Nothing, chance)?)),
        1 => Ok(to_length(32 << 20, &shell(Inner::Nothing, chance)?)),
        2 => shell(Inner::Module(&module(&"(func)".repeat(100_001))?, &[]), chance),
        3 => shell(Inner::Module(&module(&format!("(func {})", "nop ".repeat((1 << 20) + 1)))?, &[]), chance),
        // Types that double, components in components, instances of instances.
        4 => shell(Inner::Component(&wat::parse_str(format!("(component {})", doubling(60)))?, true), chance),
        5 => {
            let depth = 20 + chance.below(200);
            shell(Inner::Component(&nested(depth), true), chance)
        }
        6 => shell(Inner::Component(&wat::parse_str(format!("(component {})", instances(22)))?, true), chance),
        // Many memories and tables of a size.
        7 => shell(
            Inner::Module(&module(&"(memory 1 65536) (table 10000 funcref)".repeat(1 + chance.below(60)))?, &[]),
            chance,
        ),
        _ => shell(Inner::Module(&module(&format!("(memory {})", 1 + chance.below(65_536)))?, &[]), chance),
    }
}

fn to_length(length: usize, bytes: &[u8]) -> Vec<u8> {
    // A section's head of this size has five bytes.
    padded(bytes, length.saturating_sub(bytes.len() + 5))
}

/// `type t1 = tuple<t0, t0>`, and so on: 2^n leaves.
fn doubling(times: usize) -> String {
    let types: String = (1..=times).map(|n| format!("(type $t{n} (tuple $t{0} $t{0}))", n - 1)).collect();
    format!("(type $t0 (tuple u8 u8)) {types}")
}

/// Components in components: written byte by byte, since the text format has an end to it.
fn nested(depth: usize) -> Vec<u8> {
    let empty = b"\0asm\x0d\0\x01\0".to_vec();
    (0..depth).fold(empty.clone(), |inner, _| [&empty[..], &[4], &leb(inner.len()), &inner].concat())
}

/// Each component holds two instances of the one before: 2^n instances.
fn instances(times: usize) -> String {
    let mut text = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for n in 1..=times {
        let two = "(instance (instantiate $inner))".repeat(2);
        text.push_str(&format!("(component $c{n} (alias outer 1 $c{} (component $inner)) {two})", n - 1));
    }
    format!("{text} (instance (instantiate $c{times}))")
}
