//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// The embedded world of Mint: registry, IAM solution, STS and S3 in one process, for one machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "mint-sandbox", version)]
pub struct Options {
    /// The world's directory; what this process keeps is below DIR/sandbox, tokens are below DIR/run and DIR/applications
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Teams, applications and buckets, as YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub registry: PathBuf,
    /// Where registry, IAM solution, STS and the test hooks listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where S3 listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub s3_listen: SocketAddr,
    /// The trust domain of the constellation, for the log: nothing here knows SPIFFE
    #[arg(long, value_name = "NAME", default_value = "mint.local")]
    pub trust_domain: String,
    /// The region of every bucket that names none
    #[arg(long, value_name = "REGION", default_value = "eu-central-1")]
    pub default_region: String,
    /// What stands before an application's id in its user name; only for the request log
    #[arg(long, value_name = "PREFIX", default_value = "stups_")]
    pub username_prefix: String,
    /// The credential broker, if this world has one: the teams' accounts trust its session tags (http, on this machine)
    #[arg(long, value_name = "URL")]
    pub broker_issuer: Option<mint_types::OutboundUrl>,
    /// End when the process that started this one ends
    #[arg(long)]
    pub die_with_parent: bool,
}
