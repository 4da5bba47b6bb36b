//! Threads that wait for the next operation awake.
//!
//! A pass through a network is hundreds of operations of less than a millisecond with little between them. A thread pool puts
//! its threads to sleep in between, and waking one costs about as much as it then does. The threads here keep looking for the
//! next operation for a moment before they sleep.

use std::{
    any::Any,
    cell::Cell,
    hint,
    panic::{self, AssertUnwindSafe},
    ptr,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

/// How often a thread looks for work before it sleeps: some tens of microseconds.
const LOOKS: usize = 2000;

/// What all threads of an operation run until nothing is left of it.
type Work<'a> = &'a (dyn Fn() + Sync);

thread_local! {
    /// Whether this thread works on an operation of the crew.
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread works on an operation of the crew, so that the other threads have their parts of it too.
pub(super) fn at_work() -> bool {
    AT_WORK.get()
}

/// The threads beside the caller's.
struct Crew {
    members: Vec<Member>,
    /// Held by the caller whose operation the members work on.
    turn: Mutex<()>,
    job: &'static Job,
}

struct Member {
    /// Counts the operations that this member was called for.
    calls: &'static AtomicUsize,
    thread: Thread,
}

/// The operation in hand.
struct Job {
    /// A [`Work`] on the stack of the caller, who stays until `working` is zero.
    work: AtomicPtr<()>,
    /// Members that have not finished.
    working: AtomicUsize,
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Runs `work` on this thread and up to `helpers` others at the same time. Whether it did: not if there are no others or they
/// work for somebody else.
///
/// # Panics
///
/// If `work` panics on any thread.
pub(super) fn run(helpers: usize, work: Work<'_>) -> bool {
    let crew = crew();
    let helpers = helpers.min(crew.members.len());
    if helpers == 0 {
        return false;
    }
    // Nothing is guarded that a panic could leave half-done: the job is over when the lock is free.
    let turn = match crew.turn.try_lock() {
        Ok(turn) => turn,
        Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
        Err(TryLockError::WouldBlock) => return false,
    };
    let call = Call::start(crew, helpers, &work, turn);
    work();
    drop(call);
    true
}

fn crew() -> &'static Crew {
    static CREW: OnceLock<Crew> = OnceLock::new();
    CREW.get_or_init(|| {
        let job: &'static Job = Box::leak(Box::new(Job {
            work: AtomicPtr::new(ptr::null_mut()),
            working: AtomicUsize::new(0),
            panicked: Mutex::new(None),
        }));
        let members = (1..rayon::current_num_threads()).map_while(|i| {
            let calls: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
            let builder = thread::Builder::new().name(format!("operations {i}"));
            // Fewer threads, not none, where the system refuses.
            let handle = builder.spawn(move || serve(calls, job)).ok()?;
            Some(Member {
                calls,
                thread: handle.thread().clone(),
            })
        });
        Crew {
            members: members.collect(),
            turn: Mutex::new(()),
            job,
        }
    })
}

/// An operation from its first member's call until all have finished.
struct Call<'a> {
    job: &'a Job,
    _turn: MutexGuard<'a, ()>,
}

impl<'a> Call<'a> {
    fn start(crew: &'a Crew, helpers: usize, work: &'a Work<'_>, turn: MutexGuard<'a, ()>) -> Self {
        let job = crew.job;
        job.work
            .store(ptr::from_ref(work).cast_mut().cast(), Ordering::Relaxed);
        job.working.store(helpers, Ordering::Relaxed);
        for member in &crew.members[..helpers] {
            // Releases what was stored above.
            member.calls.fetch_add(1, Ordering::Release);
            member.thread.unpark();
        }
        AT_WORK.set(true);
        Self { job, _turn: turn }
    }
}

impl Drop for Call<'_> {
    /// Waits for the members, also when the caller's own part has panicked: they read the caller's stack.
    fn drop(&mut self) {
        AT_WORK.set(false);
        let mut looks = 0;
        while self.job.working.load(Ordering::Acquire) > 0 {
            looks += 1;
            if looks < LOOKS {
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        let panicked = self
            .job
            .panicked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(payload) = panicked
            && !thread::panicking()
        {
            panic::resume_unwind(payload);
        }
    }
}

/// What a member does all its life.
fn serve(calls: &AtomicUsize, job: &Job) {
    AT_WORK.set(true);
    let mut served = 0;
    loop {
        let mut looks = 0;
        while calls.load(Ordering::Acquire) == served {
            looks += 1;
            if looks < LOOKS {
                hint::spin_loop();
            } else {
                thread::park();
            }
        }
        served += 1;
        let work = job.work.load(Ordering::Relaxed).cast::<Work<'_>>();
        // SAFETY: the caller stored it before the call that was just seen, and stays until `working` says that this member
        // has finished.
        let work = unsafe { *work };
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(work)) {
            *job.panicked.lock().unwrap_or_else(PoisonError::into_inner) = Some(payload);
        }
        job.working.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Until it is this test's turn.
    fn run_at_last(helpers: usize, work: Work<'_>) {
        while !run(helpers, work) {
            thread::yield_now();
        }
    }

    #[test]
    fn members_take_part_and_the_caller_waits_for_them() {
        if rayon::current_num_threads() < 2 {
            return;
        }
        for _ in 0..200 {
            let runs = AtomicUsize::new(0);
            run_at_last(1, &|| {
                thread::yield_now();
                runs.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(runs.into_inner(), 2);
        }
    }

    #[test]
    fn a_second_caller_is_refused() {
        if rayon::current_num_threads() < 2 {
            return;
        }
        run_at_last(1, &|| assert!(!run(1, &|| ())));
    }

    #[test]
    fn a_panic_on_any_thread_reaches_the_caller_and_does_no_harm() {
        if rayon::current_num_threads() < 2 {
            return;
        }
        let caller = thread::current().id();
        for on_caller in [true, false] {
            let result = panic::catch_unwind(|| {
                run_at_last(1, &|| {
                    assert!((thread::current().id() == caller) != on_caller, "as asked");
                });
            });
            assert!(result.is_err());
        }
        run_at_last(1, &|| ());
    }
}
