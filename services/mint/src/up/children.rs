//! The processes of a world: started, watched, started again, stopped in order.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use mint_types::ServiceName;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::layout::{DataDirectory, SANDBOX};
use super::supervisor::Supervisor;
use crate::Error;

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

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, Signal};
    use tokio::time::Instant;

    use super::super::supervisor::LAST_LINES;
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
