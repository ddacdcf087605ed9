//! A guest in many versions that tell themselves apart, and what a run on one of them must show.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stepwell_core::Digest;
use stepwell_harness::{Run, guest};

/// What stands in the guest's bytes, and ends with the version's number.
const MARK: &[u8] = b"a-mark-that-tests-replace:000000";

/// The guest's versions so far.
#[derive(Debug)]
pub struct Marked {
    bytes: Vec<u8>,
    places: Vec<usize>,
    /// Their numbers by their digests.
    known: BTreeMap<String, u32>,
}

impl Marked {
    /// The guest as it was built.
    pub fn new() -> Result<Self> {
        let bytes = fs::read(guest("marked")?)?;
        let is_mark = |place: &usize| bytes.get(*place..*place + MARK.len()) == Some(MARK);
        let places: Vec<usize> = (0..bytes.len()).filter(is_mark).collect();
        ensure!(!places.is_empty(), "the guest has no mark in it");
        Ok(Self { bytes, places, known: BTreeMap::new() })
    }

    /// One more version: its bytes and their digest.
    pub fn another(&mut self) -> Result<(Vec<u8>, String)> {
        let number = u32::try_from(self.known.len())?;
        let mark = mark(number);
        for place in &self.places {
            let there = self.bytes.get_mut(*place..*place + MARK.len()).context("a mark's place")?;
            there.copy_from_slice(mark.as_bytes());
        }
        let digest = Digest::of(&self.bytes).to_string();
        self.known.insert(digest.clone(), number);
        Ok((self.bytes.clone(), digest))
    }

    /// Holds a completed run to the component that it says it is on: both steps, however far apart, and its end.
    pub fn check(&self, run: &Run) -> Result<()> {
        let digest = run.component_digest.as_ref().with_context(|| format!("no component: {}", run.told()))?;
        let number = self.known.get(digest).with_context(|| format!("nobody put component {digest}"))?;
        let expected = Value::from(vec![mark(*number); 3]);
        ensure!(run.output == expected, "{} began on {expected} and shows {}", run.told(), run.output);
        Ok(())
    }
}

fn mark(number: u32) -> String {
    format!("a-mark-that-tests-replace:{number:06}")
}
