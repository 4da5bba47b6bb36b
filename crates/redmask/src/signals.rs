//! Interrupts: the first asks the run to stop at its next step, the second leaves at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use redmask::{CancelToken, Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Exit;

/// How soon a stop is noticed; a training step takes longer.
const POLL: Duration = Duration::from_millis(50);

/// Routes interrupts to `cancel`.
///
/// # Errors
/// If the system refuses a handler.
pub(crate) fn listen(cancel: &CancelToken) -> Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let code = i32::from(Exit::Interrupted.code());
        // The order matters: the conditional exit sees the flag as the first signal left it.
        flag::register_conditional_shutdown(signal, code, asked.clone())
            .and_then(|_| flag::register(signal, asked.clone()))
            .map_err(|e| Error::Internal(format!("no handler for signal {signal}: {e}")))?;
    }
    // A file-size limit then shows as a failed write with a message, not as a sudden death.
    #[cfg(unix)]
    flag::register(
        signal_hook::consts::SIGXFSZ,
        Arc::new(AtomicBool::new(false)),
    )
    .map_err(|e| Error::Internal(format!("no handler for SIGXFSZ: {e}")))?;
    let cancel = cancel.clone();
    thread::spawn(move || {
        while !asked.load(Ordering::SeqCst) {
            thread::sleep(POLL);
        }
        cancel.cancel();
    });
    Ok(())
}
