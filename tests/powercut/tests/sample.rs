//! A sample of what `cargo xtask powercut`, `kills`, `flips` and `faults` do at length.

use stepwell_powercut::{Programs, cuts, faults, flips, frozen, kills};

fn programs() -> anyhow::Result<Programs> {
    Programs::of(env!("CARGO_BIN_EXE_powercut").into())
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    println!("{}", cuts::run(&programs().unwrap(), 24, 1).unwrap());
}

#[test]
fn what_was_acknowledged_survives_kill_9_while_opening_working_and_closing() {
    println!("{}", kills::run(&programs().unwrap(), 10, 1).unwrap());
}

#[test]
fn damage_to_any_file_is_healed_or_told() {
    println!("{}", flips::run(&programs().unwrap(), 24, 1).unwrap());
}

#[test]
fn a_disk_that_fails_costs_nothing_that_was_acknowledged() {
    println!("{}", faults::run(&programs().unwrap(), 8, 1).unwrap());
}

#[test]
fn a_disk_that_is_full_costs_nothing_that_was_acknowledged() {
    match faults::full_disk(&programs().unwrap()).unwrap() {
        Some(told) => println!("{told}"),
        None => eprintln!("SKIPPED: this user may not mount a small disk to fill"),
    }
}

#[test]
fn a_frozen_process_keeps_its_directory_and_goes_on() {
    println!("{}", frozen::run(&programs().unwrap(), 2).unwrap());
}
