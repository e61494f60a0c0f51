//! Not outliving the process that started this one.

use std::io;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `shutdown` when the parent has ended.
///
/// The kernel sends its signal already when the *thread* ends that started this process, and threads of a
/// runtime come and go. So it only wakes us, and whether the parent is another one than at the start decides.
pub fn ends_with_parent(parent_at_start: Option<Pid>, shutdown: CancellationToken) -> io::Result<()> {
    let mut wakened = signal(SignalKind::user_defined1())?;
    set_parent_process_death_signal(Some(Signal::USR1)).map_err(io::Error::from)?;
    tokio::spawn(async move {
        while getppid() == parent_at_start {
            if wakened.recv().await.is_none() {
                return;
            }
        }
        tracing::warn!("the parent process has ended, and so does the sandbox");
        shutdown.cancel();
    });
    Ok(())
}
