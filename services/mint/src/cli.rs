//! The words of the command line.

mod app;
mod credentials;
mod decisions;
mod policy;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mint_types::{
    ApplicationId, CredentialKind, OutboundUrl, Period, RotationId, ServiceName, Timestamp, TrustDomain,
};

use crate::talk;
use values::{endpoint, period};

pub(crate) use app::{App, AppSet};
pub(crate) use credentials::AwsCredentials;
pub(crate) use decisions::{
    Issuer, Orphans, Reconcile, Registry, Release, Revoke, SignerSpec, Signing, Statement,
};
pub(crate) use policy::{Policy, PolicyLint, PolicyRender};
pub(crate) use values::BucketSpec;

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   something that was asked for failed (with `up --once`: an application was not delivered;
      with `policy lint`: there is a finding)
  64  the command line or an input file is wrong
  69  an executable is missing, or no world runs or answers
  75  busy: another `mint up` runs on the same data, or a budget is used up
  77  refused: the certificate may not do this
  78  a configuration, certificate or key cannot be used
  With `aws-credentials APP -- CMD` it is CMD's exit code, once CMD runs.

Data goes to stdout, talk and logs to stderr.
A running world is found, in this order, through --endpoint/--ca/--cert/--key, --data,
MINT_<SERVICE> (for example MINT_COORDINATOR), MINT_CA, MINT_CERT, MINT_KEY, MINT_DATA, and ./.mint.";

/// Mint: every application's credentials, rotated, and handed to nobody else.
#[derive(Debug, Parser)]
#[command(name = "mint", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct GlobalOptions {
    /// The world's data directory [default: MINT_DATA, else .mint]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How data is printed to stdout
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// A service's URL, instead of the running world's (may be repeated)
    #[arg(long, global = true, value_name = "SERVICE=URL", value_parser = endpoint)]
    pub(crate) endpoint: Vec<(ServiceName, OutboundUrl)>,
    /// The certificates that vouch for the services (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate to act with (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// That certificate's key (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The trust domain of the services [default: MINT_TRUST_DOMAIN, else mint.local]
    #[arg(long, global = true, value_name = "DOMAIN")]
    pub(crate) trust_domain: Option<TrustDomain>,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole constellation on this machine, in the foreground
    Up(Up),
    /// Show how every application stands, and what is wrong
    Status(Status),
    /// Show or change one application's settings
    #[command(subcommand)]
    App(App),
    /// Replace an application's credentials now
    Rotate(Rotate),
    /// End the versions that there are at once: two operators sign
    Revoke(Revoke),
    /// Compare what is alive at the issuer with what is accounted for
    Reconcile(Reconcile),
    /// Print every change of status until interrupted
    Watch(Watch),
    /// Stop starting new work for an application, or for all
    Pause(Pause),
    /// Go on after a pause
    Resume(Resume),
    /// Read the audit log
    #[command(subcommand)]
    Audit(Audit),
    /// Show or widen the budget of removals
    #[command(subcommand)]
    Registry(Registry),
    /// Show, sign or submit a statement that several people sign
    #[command(subcommand)]
    Statement(Statement),
    /// Look after users that belong to no application
    #[command(subcommand)]
    Orphans(Orphans),
    /// Look after the issuer of credentials
    #[command(subcommand)]
    Issuer(Issuer),
    /// Render and check the policies that AWS accounts need
    #[command(subcommand)]
    Policy(Policy),
    /// Read as an application: run a command with temporary credentials of AWS, or print them
    AwsCredentials(AwsCredentials),
    /// Show what taking over the users of the IAM solution would do to each application; changes nothing
    Import,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Teams and applications of the embedded world [default: the file of the last start on this data, else the built-in example]
    #[arg(long, value_name = "FILE")]
    pub(crate) registry: Option<PathBuf>,
    /// End when every application is delivered or has failed
    #[arg(long)]
    pub(crate) once: bool,
    /// How long --once may take (a number of seconds, or for example 5m)
    #[arg(long, default_value = "120s", value_parser = period)]
    pub(crate) timeout: Period,
    /// How long a new and the previous version are valid side by side, at least
    #[arg(long, default_value = "30s", value_parser = period)]
    pub(crate) min_overlap: Period,
    /// How long the coordinator may hold an application without renewing
    #[arg(long, default_value = "30s", value_parser = period)]
    pub(crate) lease: Period,
    /// How long an application that went out of use can be restored before its objects and its user are removed
    #[arg(long, default_value = "7d", value_parser = period)]
    pub(crate) tombstone: Period,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only the applications of this team
    #[arg(long)]
    pub(crate) team: Option<String>,
    /// Only applications with problems
    #[arg(long)]
    pub(crate) problems: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Which application
    pub(crate) app: ApplicationId,
    /// Only this kind (may be repeated) [default: all that the application has]
    #[arg(long, value_name = "password|client|combined|public-client")]
    pub(crate) kind: Vec<CredentialKind>,
    /// Do not wait until the previous version has ended
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long to wait
    #[arg(long, default_value = "15m", value_parser = period)]
    pub(crate) timeout: Period,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only this application
    pub(crate) app: Option<ApplicationId>,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// Only this application
    pub(crate) app: Option<ApplicationId>,
    /// Why, for people
    #[arg(long, default_value = "paused by an operator")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Only this application
    pub(crate) app: Option<ApplicationId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List entries, oldest first
    List(AuditList),
}

#[derive(Debug, Args)]
pub(crate) struct AuditList {
    /// Only of this application
    #[arg(long, value_name = "APP")]
    pub(crate) application: Option<ApplicationId>,
    /// Only by this actor (SPIFFE id)
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Only this action, for example credential.create
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only of this rotation
    #[arg(long)]
    pub(crate) rotation: Option<RotationId>,
    /// Only at or after this time (RFC 3339)
    #[arg(long)]
    pub(crate) since: Option<Timestamp>,
    /// Only before this time (RFC 3339)
    #[arg(long)]
    pub(crate) until: Option<Timestamp>,
    /// At most this many
    #[arg(long, default_value_t = 1000)]
    pub(crate) limit: usize,
}

/// Prints help and versions to stdout, what is wrong to stderr.
pub(crate) fn explain(refusal: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match refusal.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            talk::print(refusal.render());
            ExitCode::SUCCESS
        }
        _ => {
            talk::say(refusal.render());
            ExitCode::from(crate::error::USAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn common_flags_may_stand_after_the_command() {
        let cli = Cli::try_parse_from(["mint", "status", "--data", "/x", "--output", "json"]).unwrap();
        assert_eq!(cli.global.data, Some("/x".into()));
        assert_eq!(cli.global.output, Output::Json);
    }
}
