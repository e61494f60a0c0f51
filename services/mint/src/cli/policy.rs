//! The words for the policies that an account's administrator applies.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Render the roles, trusts, boundaries and policies that Mint needs in your accounts
    Render(PolicyRender),
    /// Say where an IAM policy document gives away more than it seems to
    Lint(PolicyLint),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyRender {
    /// What your accounts are [default: the built-in example, deploy/aws/example.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write the files below this directory [default: one JSON document to stdout, path to document]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyLint {
    /// Documents of roles, trusts, boundaries, buckets or keys; which one it is follows from the content
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}
