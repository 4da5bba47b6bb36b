//! Output buffers that tasks fill in disjoint parts.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicUsize, Ordering},
};

use rayon::prelude::*;

use super::crew;

/// `copy_from_slice` for the rows of images: the lengths of small ones without a call.
#[inline]
pub(super) fn copy_row(source: &[f32], target: &mut [f32]) {
    fn fixed<const N: usize>(source: &[f32], target: &mut [f32]) -> bool {
        match (source.as_array::<N>(), target.as_mut_array::<N>()) {
            (Some(source), Some(target)) => {
                *target = *source;
                true
            }
            _ => false,
        }
    }
    let copied = match source.len() {
        4 => fixed::<4>(source, target),
        8 => fixed::<8>(source, target),
        16 => fixed::<16>(source, target),
        32 => fixed::<32>(source, target),
        _ => false,
    };
    if !copied {
        target.copy_from_slice(source);
    }
}

/// A buffer that several tasks write, each its own elements.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a pointer to Send data, and every use is an unsafe call whose contract is disjointness.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(values: &'a mut [T]) -> Self {
        Self {
            start: values.as_mut_ptr(),
            len: values.len(),
            lifetime: PhantomData,
        }
    }

    /// The elements `at..at + len`.
    ///
    /// # Safety
    ///
    /// No other task holds a part of this range, and it was initialised if the caller reads it.
    ///
    /// # Panics
    ///
    /// If the range leaves the buffer.
    #[expect(
        clippy::mut_from_ref,
        reason = "the caller vouches that parts are disjoint"
    )]
    pub(super) unsafe fn part(&self, at: usize, len: usize) -> &mut [T] {
        assert!(
            at <= self.len && len <= self.len - at,
            "{at} + {len} exceeds {}",
            self.len
        );
        // SAFETY: inside of the buffer by the assertion, exclusive by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }

    /// Writes element `at`.
    ///
    /// # Safety
    ///
    /// No other task holds it.
    ///
    /// # Panics
    ///
    /// If it lies outside of the buffer.
    pub(super) unsafe fn write(&self, at: usize, value: T) {
        assert!(at < self.len, "{at} exceeds {}", self.len);
        // SAFETY: inside of the buffer by the assertion, exclusive by the caller.
        unsafe { self.start.add(at).write(value) };
    }
}

/// Keeps memory that is given back for the next allocation of this process, where the C library would return it to the
/// system and fetch it again, cleared, page by page.
///
/// A training step allocates and frees the same large tensors over and over; without this, page faults take a good part of
/// it. The peak stays; what was used once stays with the process. For the first line of a program: a library should
/// not decide this. No effect outside of Linux with glibc.
pub fn retain_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: these calls set numbers in the allocator, under its lock.
    unsafe {
        // Large blocks from the heap too, and the heap never shrinks. One heap: a block that one thread frees
        // serves the next thread.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Asks for large pages under a block of memory: fewer faults and fewer misses of the translation cache.
fn advise_large_pages(start: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        const LARGE: usize = 1 << 21;
        let skip = start.align_offset(LARGE);
        if bytes >= 2 * LARGE && skip < bytes {
            let whole = (bytes - skip) / LARGE * LARGE;
            // SAFETY: the range lies inside of the block; the advice does not change what it holds. A refusal is no loss.
            unsafe { libc::madvise(start.add(skip).cast(), whole, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// A vector of `len` elements whose content `fill` writes.
///
/// # Safety
///
/// `fill` writes every element.
pub(super) unsafe fn filled<T: Copy>(len: usize, fill: impl FnOnce(Shared<'_, T>)) -> Vec<T> {
    let mut values = Vec::<T>::with_capacity(len);
    advise_large_pages(values.as_mut_ptr().cast(), len * size_of::<T>());
    let shared = Shared {
        start: values.as_mut_ptr(),
        len,
        lifetime: PhantomData,
    };
    fill(shared);
    // SAFETY: the capacity is there and the caller vouches that `fill` wrote all of it.
    unsafe { values.set_len(len) };
    values
}

/// Runs `task(0..count)` on this thread and others, as many in all as the thread pool has.
///
/// The calling thread works along: it would otherwise sleep and be woken for each operation of a network. So do threads that
/// wait awake, unless they work for another caller; inside of the pool the pool's own threads do. Inside of a task there is
/// nobody to share with: all have tasks of their own.
pub(super) fn parallel(count: usize, task: impl Fn(usize) + Sync + Send) {
    let threads = rayon::current_num_threads().min(count);
    if threads <= 1 || crew::at_work() {
        (0..count).for_each(task);
    } else if rayon::current_thread_index().is_some() {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    } else {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= count {
                    return;
                }
                task(i);
            }
        };
        if !crew::run(threads - 1, &work) {
            rayon::in_place_scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|_| work());
                }
                work();
            });
        }
    }
}

/// A buffer of `count` planes of `area` elements, each filled by `plane(index, elements)`; a task has as many of them as make it
/// worth its while, at `work` elements read or written a plane.
///
/// # Safety
///
/// `plane` writes every element.
pub(super) unsafe fn planes(
    count: usize,
    area: usize,
    work: usize,
    plane: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    const TASK: usize = 1 << 14;
    let at_once = TASK.div_ceil(work.max(1));
    // SAFETY: every plane is filled by one task, wholly as the caller vouches.
    unsafe {
        filled(count * area, |values| {
            parallel(count.div_ceil(at_once), |task| {
                for index in task * at_once..count.min((task + 1) * at_once) {
                    plane(index, values.part(index * area, area));
                }
            });
        })
    }
}

/// The results of `task(0..count)`, run as by [`parallel`].
pub(super) fn mapped<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let shared = Shared::new(&mut results);
    parallel(count, |i| {
        let result = task(i);
        // SAFETY: every task writes its own place; the `None` there needs no dropping.
        unsafe { shared.write(i, Some(result)) };
    });
    let results = results.into_iter();
    results
        .map(|result| result.expect("every task ran"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_inside_and_outside_of_the_pool() {
        let run = || {
            for count in [0, 1, 2, 3, 100] {
                let runs: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                parallel(count, |i| {
                    runs[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
            }
        };
        run();
        rayon::scope(|_| run());
    }

    #[test]
    fn tasks_of_tasks_run_once_and_results_keep_their_order() {
        let results = mapped(20, |i| {
            let sum = AtomicUsize::new(0);
            parallel(i, |j| {
                sum.fetch_add(j + 1, Ordering::Relaxed);
            });
            sum.into_inner()
        });
        let expected: Vec<usize> = (0..20).map(|i| i * (i + 1) / 2).collect();
        assert_eq!(results, expected);
    }

    #[test]
    fn large_blocks_take_the_advice_and_keep_their_content() {
        let len = (9 << 20) / size_of::<u32>();
        // SAFETY: the task writes the whole block.
        let values = unsafe {
            filled(len, |values: Shared<'_, u32>| {
                for (i, value) in values.part(0, len).iter_mut().enumerate() {
                    *value = i as u32;
                }
            })
        };
        assert!(
            values
                .iter()
                .enumerate()
                .all(|(i, &value)| value == i as u32)
        );
    }
}
