//! The words for reading as an application.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use mint_types::{ApplicationId, OutboundUrl};

#[derive(Debug, Args)]
pub(crate) struct AwsCredentials {
    /// As which application
    pub(crate) app: ApplicationId,
    /// Serve the credentials on loopback while CMD runs, so that its SDK fetches fresh ones by itself
    #[arg(long, requires = "command")]
    pub(crate) serve: bool,
    /// A file with a session of the IAM solution (a bearer token), which the broker exchanges
    /// [default: MINT_SESSION_FILE; else the certificate, whose token is exchanged here]
    #[arg(long, value_name = "FILE")]
    pub(crate) session: Option<PathBuf>,
    /// The broker's calls over HTTP, for a session [default: MINT_BROKER_URL, else the running world's]
    #[arg(long, value_name = "URL")]
    pub(crate) broker_url: Option<OutboundUrl>,
    /// STS, for an exchange here [default: AWS_ENDPOINT_URL_STS, else the running world's, else that of AWS_REGION]
    #[arg(long, value_name = "URL")]
    pub(crate) sts: Option<OutboundUrl>,
    /// Run this with the credentials in its environment; without it they are printed: as `export` lines, or with --output
    /// json as AWS's `credential_process` wants them
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
