//! One child: started, watched, started again until it is told to stop.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::children::Program;
use super::console::Console;
use super::layout::{DataDirectory, remove, write_private};
use super::lines;
use crate::Error;

/// How long the last lines of an ended child may take to arrive.
pub(super) const LAST_LINES: Duration = Duration::from_millis(500);
/// The exit code by which a child says that its configuration is wrong (`EX_USAGE`): starting it again cannot help.
const REFUSES_CONFIGURATION: i32 = 64;

/// Keeps one child alive.
pub(super) struct Supervisor {
    pub(super) program: Program,
    pub(super) directory: DataDirectory,
    pub(super) console: Console,
    pub(super) stop: CancellationToken,
    pub(super) kill: CancellationToken,
    pub(super) refusals: mpsc::UnboundedSender<Error>,
}

impl Supervisor {
    /// Until `stop` is cancelled; what has not ended when `kill` is cancelled is killed.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new();
        while !self.stop.is_cancelled() {
            let started = Instant::now();
            let end = self.live_once().await;
            if self.stop.is_cancelled() {
                return;
            }
            let pause = backoff.after_death(started.elapsed());
            let name = self.program.name;
            self.console
                .say(format_args!("mint: {name} {end}; starting it again in {} ms", pause.as_millis()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// One life of the child; says how it ended.
    async fn live_once(&self) -> String {
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => return format!("cannot be started: {error}"),
        };
        let pid_file = self.directory.pid(self.program.name);
        if let Some(id) = child.id()
            && let Err(error) = write_private(&pid_file, format!("{id}\n"))
        {
            self.console.say(format_args!("mint: {error}"));
        }
        let lines = lines::follow(&mut child, self.program.name, &self.directory, &self.console);
        let status = tokio::select! {
            status = child.wait() => status,
            () = self.stop.cancelled() => self.terminate(&mut child).await,
        };
        let _ = remove(&pid_file);
        let _ = timeout(LAST_LINES, lines).await;
        match status {
            Ok(status) => self.explain(status),
            Err(error) => format!("is lost: {error}"),
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.program.executable)
            .args(&self.program.arguments)
            .env_clear()
            .envs(self.program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    async fn terminate(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        if let Some(pid) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        tokio::select! {
            status = child.wait() => return status,
            () = self.kill.cancelled() => {}
        }
        self.console.say(format_args!("mint: {} did not end in time and is killed", self.program.name));
        child.start_kill()?;
        child.wait().await
    }

    fn explain(&self, status: ExitStatus) -> String {
        if status.code() == Some(REFUSES_CONFIGURATION) && !self.stop.is_cancelled() {
            let what = "refuses its configuration or command line (exit code 64)".to_owned();
            let _ = self.refusals.send(Error::Child { name: self.program.name.to_owned(), what });
        }
        format!("ended ({status})")
    }
}
