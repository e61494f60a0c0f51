//! A service as a process: the real binary, on a port of its own, killed when the test is over.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A port of loopback that nobody has, and that no other caller in this process gets. It is below those that the kernel
/// gives to outgoing connections: one of them could take it before the service under test does.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 89).unwrap() * 100;
    loop {
        let offset = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % 9_000;
        let port = 10_000 + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running service.
#[derive(Debug)]
pub struct ServiceUnderTest {
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
}

/// A service that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// The exit code; none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl ServiceUnderTest {
    /// Starts `binary` (in a test: `env!("CARGO_BIN_EXE_mint-…")`) with nothing of Mint in its environment but
    /// `environment`.
    pub fn start(binary: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(binary, arguments, environment).spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (mut stderr, copy) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                copy.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, log }
    }

    /// Starts `binary --config file`.
    pub fn with_config(binary: &str, file: &Path) -> Self {
        Self::start(binary, &["--config", file.to_str().unwrap()], &[])
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stderr so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until it has logged `text`; panics with the log if it ends before, or does not within `limit`.
    pub fn wait_for_log(&mut self, text: &str, limit: Duration) {
        let mut waited = Duration::ZERO;
        while !self.log().contains(text) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the service ended with {status} before it logged {text:?}:\n{}", self.log());
            }
            assert!(waited < limit, "the service did not log {text:?} in {limit:?}:\n{}", self.log());
            std::thread::sleep(LOOK);
            waited += LOOK;
        }
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Waits for its end; panics with the log if it does not come within `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(waited < limit, "the service did not end in {limit:?}:\n{}", self.log());
            std::thread::sleep(LOOK);
            waited += LOOK;
        }
    }
}

impl Drop for ServiceUnderTest {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `binary` until it ends by itself; panics if that takes more than ten seconds.
pub fn run_to_end(binary: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = command(binary, arguments, environment);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut waited = Duration::ZERO;
    while child.try_wait().unwrap().is_none() {
        if waited > Duration::from_secs(10) {
            drop(child.kill());
            let output = child.wait_with_output().unwrap();
            panic!("{binary} did not end:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(LOOK);
        waited += LOOK;
    }
    let output = child.wait_with_output().unwrap();
    Finished {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn command(binary: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let inherited = name.to_string_lossy().into_owned();
        if inherited.starts_with("MINT_") || inherited.starts_with("AWS_") || inherited == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(sent.success(), "no process {pid}");
}
