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

    /// `len` elements of another plain type, of unspecified content.
    pub(super) fn take_as<T: bytemuck::Pod>(&mut self, len: usize) -> &mut [T] {
        let floats = (len * size_of::<T>()).div_ceil(size_of::<f32>());
        &mut bytemuck::cast_slice_mut(self.take(floats))[..len]
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
