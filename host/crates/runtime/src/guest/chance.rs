//! WASI's random, drawn from the run's own streams.

use std::convert::Infallible;
use std::sync::Arc;

use rand_chacha::rand_core::TryRng;

use super::Situation;

/// The stream of where the guest stands: outside any step the run's, inside a step that step's.
pub(crate) struct Chance(pub(crate) Arc<Situation>);

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.draw(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.draw(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        self.0.draw(into);
        Ok(())
    }
}
