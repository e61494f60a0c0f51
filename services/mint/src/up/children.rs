//! The processes of a world: started, watched, started again, stopped in order.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mint_types::ServiceName;
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::console::Console;
use super::layout::{DataDirectory, SANDBOX, remove, write_private};
use super::lines;
use crate::Error;

/// How long the last lines of an ended child may take to arrive.
const LAST_LINES: Duration = Duration::from_millis(500);
/// The exit code by which a child says that its configuration is wrong (`EX_USAGE`): starting it again cannot help.
const REFUSES_CONFIGURATION: i32 = 64;

/// When a child is stopped, and how long it may take. Together less than the 10 s that a whole world may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// First who starts new work.
    Deciding,
    /// Then who does it.
    Acting,
    /// Last whom they call.
    World,
}

impl Stage {
    const ORDER: [(Self, Duration); 3] = [
        (Self::Deciding, Duration::from_millis(2800)),
        (Self::Acting, Duration::from_millis(2800)),
        (Self::World, Duration::from_millis(1200)),
    ];

    fn of(name: &str) -> Self {
        match name {
            SANDBOX => Self::World,
            _ if name == ServiceName::Coordinator.as_str() => Self::Deciding,
            _ => Self::Acting,
        }
    }
}

/// One child's command line.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) executable: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// All children of this process.
#[derive(Debug)]
pub(crate) struct Children {
    directory: DataDirectory,
    console: Console,
    running: Vec<Running>,
    refusals: (mpsc::UnboundedSender<Error>, mpsc::UnboundedReceiver<Error>),
}

#[derive(Debug)]
struct Running {
    stage: Stage,
    stop: CancellationToken,
    kill: CancellationToken,
    supervision: JoinHandle<()>,
}

impl Children {
    pub(crate) fn new(directory: DataDirectory, console: Console) -> Self {
        Self { directory, console, running: Vec::new(), refusals: mpsc::unbounded_channel() }
    }

    /// Starts a child and keeps it alive until [`Children::stop`].
    pub(crate) fn start(&mut self, program: Program) {
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let stage = Stage::of(program.name);
        let supervisor = Supervisor {
            program,
            directory: self.directory.clone(),
            console: self.console.clone(),
            stop: stop.clone(),
            kill: kill.clone(),
            refusals: self.refusals.0.clone(),
        };
        let supervision = tokio::spawn(supervisor.run());
        self.running.push(Running { stage, stop, kill, supervision });
    }

    /// Waits until a child refuses its configuration: no restart can help it.
    pub(crate) async fn refusal(&mut self) -> Error {
        match self.refusals.1.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Stops every child, in order, each with SIGTERM and after its time with SIGKILL.
    pub(crate) async fn stop(&mut self) {
        for (stage, patience) in Stage::ORDER {
            let (mut ending, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.running).into_iter().partition(|running| running.stage == stage);
            self.running = rest;
            for running in &ending {
                running.stop.cancel();
            }
            let all = futures::future::join_all(ending.iter_mut().map(|running| &mut running.supervision));
            if timeout(patience, all).await.is_ok() {
                continue;
            }
            for running in ending {
                running.kill.cancel();
                if !running.supervision.is_finished() {
                    let _ = running.supervision.await;
                }
            }
        }
    }
}

struct Supervisor {
    program: Program,
    directory: DataDirectory,
    console: Console,
    stop: CancellationToken,
    kill: CancellationToken,
    refusals: mpsc::UnboundedSender<Error>,
}

impl Supervisor {
    async fn run(self) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn children(parent: &tempfile::TempDir) -> Children {
        let directory = DataDirectory::create(parent.path()).unwrap();
        Children::new(directory, Console::open())
    }

    fn shell(name: &'static str, script: &str) -> Program {
        Program {
            name,
            executable: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        }
    }

    async fn eventually(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < deadline, "it did not come true");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_child_that_dies_is_started_again_and_its_pid_file_follows() {
        let parent = tempfile::tempdir().unwrap();
        let mut children = children(&parent);
        children.start(shell("rotator", "echo here >&2; exec sleep 60"));
        let file = children.directory.pid("rotator");
        let pid = || std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<i32>().ok());
        eventually(|| pid().is_some()).await;
        let first = pid();
        rustix::process::kill_process(Pid::from_raw(first.unwrap()).unwrap(), Signal::KILL).unwrap();
        eventually(|| pid().is_some() && pid() != first).await;
        let log = children.directory.log("rotator");
        eventually(|| std::fs::read_to_string(&log).is_ok_and(|text| text == "here\nhere\n")).await;
        children.stop().await;
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn a_child_that_will_not_end_is_killed_within_ten_seconds() {
        let parent = tempfile::tempdir().unwrap();
        let mut children = children(&parent);
        children.start(shell("audit", "trap '' TERM; echo ready >&2; while :; do sleep 1; done"));
        let log = children.directory.log("audit");
        eventually(|| std::fs::read_to_string(&log).is_ok_and(|text| text == "ready\n")).await;
        let started = Instant::now();
        children.stop().await;
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(!children.directory.pid("audit").exists());
    }

    #[tokio::test]
    async fn a_child_that_refuses_its_configuration_is_no_case_for_a_restart() {
        let parent = tempfile::tempdir().unwrap();
        let mut children = children(&parent);
        children.start(shell("audit", "exit 64"));
        let error = children.refusal().await;
        assert!(error.to_string().starts_with("audit refuses its configuration"));
        children.stop().await;
    }

    #[tokio::test]
    async fn a_child_sees_only_the_environment_it_is_given() {
        let parent = tempfile::tempdir().unwrap();
        let mut children = children(&parent);
        children.start(shell("audit", "env >&2; exec sleep 60"));
        let log = children.directory.log("audit");
        eventually(|| std::fs::read_to_string(&log).is_ok_and(|text| text.contains("PATH="))).await;
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(!text.contains("CARGO"), "{text}");
        children.stop().await;
    }

    #[test]
    fn a_world_ends_within_ten_seconds_whatever_its_children_do() {
        let all: Duration = Stage::ORDER.iter().map(|(_, patience)| *patience + LAST_LINES).sum();
        assert!(all <= Duration::from_secs(10), "{all:?}");
    }
}
