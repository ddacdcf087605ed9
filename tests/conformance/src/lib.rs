//! What every store must do, told once and run on each: the memory reference and sled. Behaviour that
//! one backend alone has (damage, locks, kill -9) is in its own module. Holds no code but tests.

#[cfg(test)]
mod backend;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod model;
#[cfg(test)]
mod sled;
#[cfg(test)]
mod suite;
