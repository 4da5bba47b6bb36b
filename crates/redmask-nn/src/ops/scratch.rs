//! Scratch memory that a thread keeps between calls.

use std::cell::RefCell;

/// A buffer that grows and is never given back while its thread lives.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    values: Vec<f32>,
}

impl Scratch {
    /// `len` elements of unspecified content.
    pub(super) fn take(&mut self, len: usize) -> &mut [f32] {
        if self.values.len() < len {
            // Not resize: what is there need not be copied to the new place.
            self.values = vec![0.0; len];
        }
        &mut self.values[..len]
    }
}

/// Buffers for the distinct uses inside one task.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) columns: Scratch,
    pub(super) sums: Scratch,
    pub(super) offsets: Vec<u32>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Lends the thread's buffers to a task.
///
/// A task that waits for others inside (`rayon::join`) could be handed a second task on the same thread; then
/// that one gets fresh buffers.
pub(super) fn with_buffers<R>(task: impl FnOnce(&mut Buffers) -> R) -> R {
    BUFFERS.with(|buffers| match buffers.try_borrow_mut() {
        Ok(mut buffers) => task(&mut buffers),
        Err(_) => task(&mut Buffers::default()),
    })
}
