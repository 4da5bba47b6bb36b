//! Scratch memory that a thread keeps between calls.

use std::cell::RefCell;

/// A buffer that grows and is never given back while its thread lives. It starts at a cache line.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    lines: Vec<Line>,
}

/// A cache line: what starts at one is read line by line, not two lines for each vector.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(super) struct Line([f32; 16]);

// SAFETY: 64 bytes of plain numbers without padding; zeros are a value.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Line {}

impl Scratch {
    /// `len` elements of unspecified content.
    pub(super) fn take(&mut self, len: usize) -> &mut [f32] {
        self.take_as(len)
    }

    /// `len` elements of another plain type, of unspecified content.
    pub(super) fn take_as<T: bytemuck::Pod>(&mut self, len: usize) -> &mut [T] {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        if self.lines.len() < lines {
            // Not resize: what is there need not be copied to the new place.
            self.lines = bytemuck::zeroed_vec(lines);
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines[..lines])[..len]
    }
}

/// Lends a thread-local value to a task.
///
/// A task that waits for others inside (`rayon::join`) could be handed a second task on the same thread; then
/// that one gets a fresh value.
pub(super) fn lend<T: Default, R>(
    key: &'static std::thread::LocalKey<RefCell<T>>,
    task: impl FnOnce(&mut T) -> R,
) -> R {
    key.with(|value| match value.try_borrow_mut() {
        Ok(mut value) => task(&mut value),
        Err(_) => task(&mut T::default()),
    })
}
