//! Each checker is seen to fail: a fault is planted, and that checker and no other must say so.

use std::collections::BTreeMap;

use stepwell_sim::{Checker, Mutation, Options, simulate};

/// Among so many seeds the fault must show.
const SEEDS: u64 = 60;

#[test]
fn each_planted_fault_is_seen_by_its_checker_and_by_no_other() {
    let mut wrong = Vec::new();
    for (mutation, checker) in Mutation::ALL {
        let options = Options { mutation: Some(*mutation), ..Options::default() };
        let mut seen = BTreeMap::<Checker, u64>::new();
        for seed in 1..=SEEDS {
            if let Some(violation) = simulate(seed, options).unwrap().violation {
                *seen.entry(violation.checker).or_default() += 1;
            }
        }
        if seen.keys().collect::<Vec<_>>() != [checker] {
            wrong.push(format!("{mutation:?} must be seen by {checker} alone: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
