//! The words for what no single service decides: releases, retirements, orphans, halted issuers, statements.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mint_statement::Signer;
use mint_types::{ApplicationId, CredentialKind, Period};

use super::values::{period, signer};

/// Who signs, and with which key file: `operator/second`, or `operator/ada=/path/statement.key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignerSpec {
    pub(crate) signer: Signer,
    /// None: the world's own directory of that operator or team.
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Registry {
    /// Show how much may be taken away today, and who waits
    Budget,
    /// Let more removals go on than the budget allows: two operators sign
    Release(Release),
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// How many removals beyond the budget: at most 1000 in one statement
    #[arg(long, value_name = "N")]
    pub(crate) acts: u32,
    /// Only of this application; an id that came back after its deletion must be named (may be repeated)
    #[arg(long, value_name = "APP")]
    pub(crate) application: Vec<ApplicationId>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// How a statement is signed, and what becomes of it.
#[derive(Debug, Args)]
pub(crate) struct Signing {
    /// Who signs (may be repeated); without a file, the world's own key of that operator
    #[arg(long = "signer", value_name = "operator/NAME[=KEYFILE]", value_parser = signer, default_value = "operator/operator")]
    pub(crate) signers: Vec<SignerSpec>,
    /// Save the statement for others to sign, instead of submitting it
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// How long the statement holds
    #[arg(long, default_value = "1h", value_parser = period)]
    pub(crate) life: Period,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Whose credentials end
    pub(crate) app: ApplicationId,
    /// Say it: the versions that there are end at once, whoever still uses them
    #[arg(long, required = true)]
    pub(crate) now: bool,
    /// Only this kind (may be repeated) [default: all that the application has]
    #[arg(long, value_name = "password|client|combined")]
    pub(crate) kind: Vec<CredentialKind>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Only this application [default: all, and the users that belong to none]
    pub(crate) app: Option<ApplicationId>,
    /// Only tell: write nothing down
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Statement {
    /// Show what a statement says and who signed it
    Show {
        /// The statement (a DSSE envelope)
        file: PathBuf,
    },
    /// Add signatures to a statement
    Sign {
        /// The statement; replaced by the one with more signatures
        file: PathBuf,
        /// Who signs (may be repeated); without a file, the world's own key of that operator or team
        #[arg(long = "signer", required = true, value_name = "operator/NAME|team/ID[=KEYFILE]", value_parser = signer)]
        signers: Vec<SignerSpec>,
    },
    /// Hand a statement to whoever acts on it
    Submit {
        /// The statement
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Orphans {
    /// List the users under Mint's prefix that belong to no application, and applications whose user is gone
    List {
        /// Look at the IAM solution now
        #[arg(long)]
        fresh: bool,
    },
    /// Disable such a user, and delete it after the tombstone period
    Remove {
        /// The user's name
        username: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Issuer {
    /// Show whether the issuer kept its word, and whether rotations there are halted
    Show,
    /// Let rotations at a halted issuer go on
    Resume,
}
