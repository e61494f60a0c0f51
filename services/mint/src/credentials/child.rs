//! The command that runs with the credentials, and nothing else of AWS in its environment.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::Endpoint;
use crate::Error;

/// What could make an SDK somebody else, or end an answer that it keeps.
const REMOVED: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// SDKs look at an endpoint only when these two name no credentials.
const NO_FILES: [(&str, &str); 2] =
    [("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"), ("AWS_CONFIG_FILE", "/dev/null")];

/// A command to be run.
#[derive(Debug)]
pub(crate) struct Child {
    program: OsString,
    command: Command,
}

impl Child {
    /// `line` is the program and its arguments; `places` say where AWS is.
    pub(crate) fn new(line: &[OsString], places: &[(&'static str, String)]) -> Option<Self> {
        let (program, arguments) = line.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).env("AWS_EC2_METADATA_DISABLED", "true");
        for name in REMOVED {
            command.env_remove(name);
        }
        command.envs(places.iter().map(|(name, value)| (name, value)));
        Some(Self { program: program.clone(), command })
    }

    /// Becomes the command: its signals and its exit code are its own. Answers only if it cannot be started.
    pub(crate) fn become_it(mut self, credentials: &[(&'static str, Zeroizing<String>)]) -> Error {
        self.command.envs(credentials.iter().map(|(name, value)| (name, value.as_str())));
        let refused = self.command.exec();
        self.not_started(&refused)
    }

    /// Runs the command while the endpoint serves, and answers its exit code.
    pub(crate) async fn run_beside(mut self, endpoint: Endpoint) -> Result<ExitCode, Error> {
        self.command.envs(NO_FILES);
        self.command.envs(endpoint.variables()?.iter().map(|(name, value)| (*name, value.as_str())));
        let listen = |kind| signal(kind).map_err(Error::io("listen for signals"));
        let (mut terminate, mut hang_up) = (listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
        // the terminal sends these to the command as well: what becomes of it is the command's to say
        let _unheeded = (listen(SignalKind::interrupt())?, listen(SignalKind::quit())?);
        let mut child = self.command.spawn().map_err(|refused| self.not_started(&refused))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let forward = |signal| {
            if let Some(pid) = pid {
                // it has just ended, or it is told
                let _ = rustix::process::kill_process(pid, signal);
            }
        };
        let waiting = tokio::task::spawn_blocking(move || child.wait());
        tokio::pin!(waiting);
        let serving = endpoint.serve();
        tokio::pin!(serving);
        loop {
            tokio::select! {
                ended = &mut waiting => {
                    let status = ended.map_err(std::io::Error::other).and_then(|status| status);
                    return status.map(exit_code).map_err(Error::io("wait for the command"));
                }
                never = &mut serving => match never {},
                _ = terminate.recv() => forward(Signal::TERM),
                _ = hang_up.recv() => forward(Signal::HUP),
            }
        }
    }

    fn not_started(&self, refused: &std::io::Error) -> Error {
        Error::Usage {
            what: format!("cannot run {}: {refused}", self.program.to_string_lossy()),
            advice: "name a program that is there, after --".to_owned(),
        }
    }
}

/// As shells say it: 128 and the signal that ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(crate::error::FAILED))
}
