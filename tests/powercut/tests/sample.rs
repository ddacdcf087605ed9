//! A sample of what nightly runs at length.

use stepwell_powercut::{Programs, cuts};

fn programs() -> Programs {
    Programs::of(env!("CARGO_BIN_EXE_powercut").into()).unwrap()
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    println!("{}", cuts::run(&programs(), 20, 1).unwrap());
}
