//! The words for one application.

use clap::{Args, Subcommand};
use mint_types::{AccountId, ApplicationId, Layout, Period, Prefix, Scope};

use super::SignerSpec;
use super::values::{BucketSpec, bucket, signer};

#[derive(Debug, Subcommand)]
pub(crate) enum App {
    /// Show one application: its record, its settings, how it stands
    Show {
        /// Which application
        app: ApplicationId,
    },
    /// Change settings; what is not named stays as it is
    Set(Box<AppSet>),
    /// Say that an application's credentials go where its record says: after a change of owner, or of settings nobody signed for
    Confirm {
        /// Which application
        app: ApplicationId,
        /// Who says so: the owning team or an operator
        #[arg(long, value_name = "operator/NAME|team/ID[=KEYFILE]", value_parser = signer)]
        signer: Option<SignerSpec>,
    },
    /// Take an application that the registry lost out of use: its identity is disabled, and deleted after the tombstone period
    Remove {
        /// Which application
        app: ApplicationId,
    },
    /// Take the user that the IAM solution has for an application over as foreign: what it holds goes on to work
    Adopt {
        /// Which application
        app: ApplicationId,
    },
    /// Take an application into use again before its identity is deleted: same user, same client
    Restore {
        /// Which application
        app: ApplicationId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AppSet {
    /// Which application
    pub(crate) app: ApplicationId,
    /// A bucket that gets the credentials; the ones given replace all (may be repeated)
    #[arg(long, value_name = "NAME[,region=R][,endpoint=URL][,kms-key-id=K]", value_parser = bucket)]
    pub(crate) bucket: Vec<BucketSpec>,
    /// Deliver to no bucket
    #[arg(long, conflicts_with = "bucket")]
    pub(crate) no_bucket: bool,
    /// Directory above the application's own ("" for none)
    #[arg(long)]
    pub(crate) prefix: Option<Prefix>,
    /// Which objects the application finds
    #[arg(long, value_name = "split|combined", value_parser = crate::supported::layout)]
    pub(crate) layout: Option<Layout>,
    /// An OAuth 2.0 scope; the ones given replace all (may be repeated)
    #[arg(long, value_name = "RESOURCE_TYPE.SCOPE")]
    pub(crate) scope: Vec<Scope>,
    /// Ask for no scope
    #[arg(long, conflicts_with = "scope")]
    pub(crate) no_scope: bool,
    /// Redirect URL of the OAuth client ("" for none)
    #[arg(long, value_name = "URL")]
    pub(crate) redirect_url: Option<String>,
    /// Whether the OAuth client can keep a secret
    #[arg(long, value_name = "true|false")]
    pub(crate) confidential: Option<bool>,
    /// The AWS account that owns the buckets (12 digits)
    #[arg(long, value_name = "N")]
    pub(crate) account_id: Option<AccountId>,
    /// How often the password is replaced, for example 2h
    #[arg(long, value_name = "PERIOD")]
    pub(crate) password_period: Option<Period>,
    /// How often the client, or the combined object, is replaced, for example 30d
    #[arg(long, value_name = "PERIOD")]
    pub(crate) client_period: Option<Period>,
    /// Who says that credentials may go to new destinations [default: the embedded world's operator]
    #[arg(long, value_name = "operator/NAME|team/ID[=KEYFILE]", value_parser = signer)]
    pub(crate) signer: Option<SignerSpec>,
}
