//! The command that runs with the credentials, and nothing else of AWS in its environment.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::Endpoint;
use crate::Error;

/// Where AWS is and how to speak to it: nothing that says as whom. Every other variable of AWS is taken away, because SDKs
/// know more names for a key than anybody lists (`AWS_ACCESS_KEY`, `AWS_BEARER_TOKEN_…`).
const KEPT: [&str; 12] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
    "AWS_PAGER",
    "AWS_DEFAULT_OUTPUT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_EXECUTION_ENV",
    "AWS_CLI_AUTO_PROMPT",
];

/// Whether a variable may say to a command as whom it is at AWS.
fn says_who(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("AWS_") && !name.starts_with("AWS_ENDPOINT_URL") && !KEPT.contains(&name.as_ref())
}

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
        command.args(arguments);
        for (name, _) in std::env::vars_os().filter(|(name, _)| says_who(name)) {
            command.env_remove(name);
        }
        // the predecessor of boto3 reads keys from files of its own
        command.env("BOTO_CONFIG", "/dev/null").env("AWS_EC2_METADATA_DISABLED", "true");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_hears_where_aws_is_and_of_nobody_that_it_could_be_there() {
        for kept in ["AWS_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "PATH", "MINT_CERT"] {
            assert!(!says_who(OsStr::new(kept)), "{kept}");
        }
        for taken in [
            "AWS_ACCESS_KEY_ID",
            "AWS_ACCESS_KEY",
            "AWS_SECRET_KEY",
            "AWS_PROFILE",
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CREDENTIAL_FILE",
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_WHATEVER_COMES_NEXT",
        ] {
            assert!(says_who(OsStr::new(taken)), "{taken}");
        }
    }
}
