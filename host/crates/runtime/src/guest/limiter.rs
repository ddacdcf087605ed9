//! The bound of a guest's memory. A guest that asks for more ends there by the bound's name, rather than
//! with an allocator's panic some way on.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, Result, bail};

use super::Ending;
use crate::limits::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// Counts all linear memories of one store together.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    used: usize,
    max: usize,
    ending: Arc<Ending>,
}

impl MemoryLimit {
    pub(crate) fn new(max: usize, ending: Arc<Ending>) -> Self {
        Self { used: 0, max, ending }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum && maximum < self.max) {
            // Beyond the memory's own maximum: the guest is answered -1, and nothing is taken.
            return Ok(false);
        }
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.max {
            self.ending.exceed(format!("MEMORY ({} MiB of linear memory)", self.max >> 20));
            bail!("the guest's memory is used up");
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            self.ending.exceed(format!("TABLE_ELEMENTS ({TABLE_ELEMENTS_MAX} elements)"));
            bail!("the guest's table is full");
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}
