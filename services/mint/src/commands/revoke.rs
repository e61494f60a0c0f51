//! `mint revoke --now`: what there is ends at once, because two operators say so.

use std::process::ExitCode;

use mint_statement::{SignedStatement, Subject};
use mint_types::CredentialKind;

use crate::cli::{GlobalOptions, Revoke};
use crate::reach::{self, Reach};
use crate::remote::Remote;
use crate::{Error, talk};

/// Signs the statement, and hands it in unless it is saved for others to sign.
pub(crate) async fn run(global: &GlobalOptions, options: Revoke) -> Result<ExitCode, Error> {
    let kinds = if options.kind.is_empty() {
        let remote = Remote::new(Reach::find(global, &reach::environment)?);
        let settings = remote.application(&options.app).await?.settings;
        settings.map(|settings| settings.kinds().to_vec()).unwrap_or_default()
    } else {
        options.kind
    };
    let kinds = kinds.into_iter().filter(|kind| *kind != CredentialKind::PublicClient).collect();
    let subject = Subject::RevokeNow { application: options.app, kinds };
    super::statement::make(global, subject, &options.signing).await
}

/// The coordinator keeps it and carries it to the rotator, who verifies it.
pub(crate) async fn submit(remote: &Remote, signed: &SignedStatement) -> Result<ExitCode, Error> {
    let application = remote.submit_revocation(signed).await?;
    talk::say(format_args!(
        "mint: the statement is kept, and is being carried to the rotator; `mint status` shows problems of {application}, \
         `mint audit list --application {application} --action credential.revoke` what was done"
    ));
    Ok(ExitCode::SUCCESS)
}
