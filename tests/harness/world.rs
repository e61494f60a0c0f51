//! A running `mint up` and everything that a test does to it.

mod endpoints;
mod sandbox;
mod standing;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mint_runtime::client::Channel;
use mint_types::ServiceName;
use tokio::process::{Child, Command};

pub use endpoints::Endpoints;
pub use sandbox::{Call, Live, Object};
pub use standing::{at_rest, completed_rotations};

use crate::client::Identity;
use crate::repository;

/// A world to boot.
#[derive(Debug, Default)]
pub struct Options {
    /// The registry file's text; none for the example.
    pub registry: Option<String>,
    /// More arguments of `mint up`.
    pub arguments: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// Where to keep the world; none for a fresh temporary directory.
    pub data: Option<PathBuf>,
    /// The directory of the programs; none for those that cargo built.
    pub programs: Option<PathBuf>,
}

/// A running world; dropping it kills it.
#[derive(Debug)]
pub struct World {
    child: Child,
    data: PathBuf,
    /// Read when it was up.
    pub endpoints: Endpoints,
    directory: Option<tempfile::TempDir>,
    log: PathBuf,
}

/// How long a world may take to start on a loaded machine.
pub const BOOT_DEADLINE: Duration = Duration::from_mins(2);

/// The executable of a program of the workspace.
///
/// # Panics
/// If it was not built.
pub fn executable(name: &str) -> PathBuf {
    let path = repository::executables().expect("the test has a directory").join(name);
    assert!(path.exists(), "{} is missing: cargo build --locked --workspace --bins", path.display());
    path
}

/// Installs the process's TLS provider, once.
pub fn install_crypto() {
    // the second caller finds it installed: that is what was wanted
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
}

impl World {
    /// Boots and waits until `endpoints.json` is there.
    ///
    /// # Panics
    /// If it is not up within [`BOOT_DEADLINE`]; prints the world's log.
    pub async fn boot(options: Options) -> Self {
        install_crypto();
        let (directory, data) = if let Some(data) = options.data {
            (None, data)
        } else {
            let directory =
                tempfile::Builder::new().prefix("mint-world-").tempdir().expect("temporary directory");
            let data = directory.path().join("data");
            (Some(directory), data)
        };
        let beside = data.parent().expect("the data directory has a parent").to_owned();
        let mint = options.programs.map_or_else(|| executable("mint"), |programs| programs.join("mint"));
        let mut command = Command::new(mint);
        command.arg("up").arg("--data").arg(&data);
        if let Some(registry) = options.registry {
            let file = beside.join("registry.yaml");
            std::fs::write(&file, registry).expect("the registry file is writable");
            command.arg("--registry").arg(file);
        }
        let log = beside.join("mint-up.log");
        let sink = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("log file");
        command
            .args(options.arguments)
            // a check in the middle of what a test counts depends on the time of day: whoever wants them says so
            .env("MINT_COORDINATOR__DRIFT__PERIOD", "0s")
            .envs(options.environment)
            .stdin(Stdio::null())
            .stdout(sink.try_clone().expect("log file"))
            .stderr(sink)
            .kill_on_drop(true);
        let mut child = command.spawn().expect("mint starts");
        let file = data.join("endpoints.json");
        let started = std::time::Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("mint is ours") {
                panic!("mint up ended with {status}\n{}", tail(&log));
            }
            if file.exists() {
                break;
            }
            assert!(started.elapsed() < BOOT_DEADLINE, "mint up is not up in time\n{}", tail(&log));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let text = std::fs::read(&file).expect("endpoints.json");
        let endpoints = serde_json::from_slice(&text).expect("endpoints.json has its documented keys");
        Self { child, data, endpoints, directory, log }
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What `mint up` and its children said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process id of `mint up`.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("mint up runs")
    }

    /// The identity of the operator `operator`.
    pub fn operator(&self) -> Identity {
        Identity::in_directory(&self.data.join("operators/operator"))
    }

    /// The identity of a service.
    pub fn service(&self, service: ServiceName) -> Identity {
        Identity::in_directory(&self.data.join("run/tls").join(service.as_str()))
    }

    /// A channel to a service, as somebody.
    ///
    /// # Panics
    /// If the identity's files are unusable.
    pub fn channel(&self, service: ServiceName, identity: &Identity) -> Channel {
        let url = self.endpoints.services[service.as_str()].parse().expect("an https URL");
        let domain = "mint.local".parse().expect("a trust domain");
        mint_runtime::client::connect(
            &url,
            &self.endpoints.ca,
            &identity.cert,
            &identity.key,
            Some(&domain),
            service,
        )
        .unwrap_or_else(|error| panic!("{service}: {error}"))
    }

    /// Runs the operator's program against this world.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn mint(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(executable("mint"))
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .stdin(Stdio::null())
            .output()
            .await
            .expect("mint starts")
    }

    /// The process id of a child, from its pid file.
    pub fn child_pid(&self, name: &str) -> Option<i32> {
        std::fs::read_to_string(self.data.join("run").join(format!("{name}.pid"))).ok()?.trim().parse().ok()
    }

    /// Sends a child a signal; false if there is no such process now.
    pub fn signal(&self, name: &str, signal: rustix::process::Signal) -> bool {
        let Some(pid) = self.child_pid(name).and_then(rustix::process::Pid::from_raw) else { return false };
        rustix::process::kill_process(pid, signal).is_ok()
    }

    /// Ends it with SIGTERM and answers how it ended and where its data lies.
    ///
    /// # Panics
    /// If it does not end within 15 s.
    pub async fn stop(mut self) -> Stopped {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).expect("a pid")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("mint up runs");
        let status = tokio::time::timeout(Duration::from_secs(15), self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("mint up did not end in 15 s\n{}", tail(&self.log)))
            .expect("mint is ours");
        Stopped { status, data: self.data.clone(), directory: self.directory.take() }
    }
}

/// A world that ended.
#[derive(Debug)]
pub struct Stopped {
    /// How `mint up` ended.
    pub status: std::process::ExitStatus,
    /// Its data directory.
    pub data: PathBuf,
    /// Keeps a temporary directory alive.
    pub directory: Option<tempfile::TempDir>,
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}
