//! The command line (COMPAT section 6).

use std::path::PathBuf;

use clap::Parser;

/// Fetch one application's credentials into a local directory and keep them fresh.
///
/// Who reads is decided by the standard AWS environment: AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_REGION, and
/// where they apply AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_STS; or by a file of static keys, if one is named with -c.
/// MINT_LOG sets the log filter. With MINT_COORDINATOR, MINT_CA, MINT_CERT and MINT_KEY each poll is reported, so that no
/// version ends that is still in use here.
///
/// Exit codes: 0 well, 1 `--once` and a file failed, 64 command line, configuration or environment, 73 directory.
#[derive(Debug, Parser)]
#[command(name = "berry", bin_name = "mint-berry", version)]
pub(crate) struct Arguments {
    /// Where the files go; else CREDENTIALS_DIR
    #[arg(value_name = "LOCAL_DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Configuration file (YAML) with application_id, mint_bucket, mint_prefix, mint_layout
    #[arg(short = 'f', long = "config-file", value_name = "CONFIG")]
    pub(crate) config_file: Option<PathBuf>,
    /// The application; else MINT_APPLICATION, else application_id of the configuration
    #[arg(short = 'a', long = "application-id", value_name = "APPLICATION")]
    pub(crate) application: Option<String>,
    /// The bucket; else MINT_BUCKET, else mint_bucket of the configuration
    #[arg(short = 'm', long = "mint-bucket", value_name = "BUCKET")]
    pub(crate) bucket: Option<String>,
    /// The directory above the application's; else MINT_PREFIX, else mint_prefix of the configuration
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    /// split (user.json and client.json) or combined (credentials.json); else MINT_LAYOUT, else mint_layout
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) layout: Option<String>,
    /// File of static AWS keys, used instead of the web identity: lines `<application>:<access key id>:<secret access
    /// key>`, or an AWS shared-credentials file, of which AWS_PROFILE names the profile [default]
    #[arg(short = 'c', long = "aws-credentials-file", value_name = "AWS_CREDENTIALS_FILE")]
    pub(crate) credentials_file: Option<PathBuf>,
    /// Seconds between fetches, give or take a tenth [default: 120]
    #[arg(short = 'i', long, value_name = "SECONDS")]
    pub(crate) interval: Option<u64>,
    /// Fetch once and exit; 1 if any file failed. --interval then says how soon it is run again, so that a rotation
    /// waits for it; without, none does
    #[arg(long)]
    pub(crate) once: bool,
    /// Try often until every file is there; with --once exit then
    #[arg(long)]
    pub(crate) wait: bool,
    /// Name of this running copy in reports [default: the machine's name and a hash of LOCAL_DIR]
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Log errors only
    #[arg(short = 's', long)]
    pub(crate) silent: bool,
    /// Mode of the files
    #[arg(long, value_name = "MODE", default_value = "0600")]
    pub(crate) mode: String,
    /// Owner of the files, by number: UID or UID:GID
    #[arg(long, value_name = "OWNER")]
    pub(crate) owner: Option<String>,
}
