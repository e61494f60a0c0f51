//! `mint revoke --now`: what there is ends at once, because two operators say so.

use std::process::ExitCode;

use mint_statement::{SignedStatement, Subject};
use mint_types::CredentialKind;

use crate::cli::{GlobalOptions, Revoke};
use crate::reach::{self, Reach};
use crate::remote::Remote;
use crate::standing::Standing;
use crate::{Error, talk};

/// Signs the statement, and hands it in unless it is saved for others to sign.
pub(crate) async fn run(global: &GlobalOptions, options: Revoke) -> Result<ExitCode, Error> {
    let kinds = if options.kind.is_empty() {
        let remote = Remote::new(Reach::find(global, &reach::environment)?);
        let (standing, _) = remote.standing(&options.app).await?;
        what_lives(&standing)
    } else {
        options.kind
    };
    let kinds = kinds.into_iter().filter(|kind| *kind != CredentialKind::PublicClient).collect();
    let subject = Subject::RevokeNow { application: options.app, kinds };
    super::statement::make(global, subject, &options.signing).await
}

/// What applications have a version of, whatever the settings say: another layout or client type may wait for a signature.
/// Of an object of which they have none, what is under way there.
fn what_lives(standing: &Standing) -> Vec<CredentialKind> {
    let all =
        || standing.credentials.iter().filter_map(|credential| Some((credential.kind?, credential.version)));
    let mut kinds: Vec<CredentialKind> =
        all().filter(|(_, version)| version.is_some()).map(|(kind, _)| kind).collect();
    for (kind, _) in all() {
        let has = |object| kinds.iter().any(|known: &CredentialKind| known.issuer_objects().contains(object));
        if !kind.issuer_objects().iter().all(has) {
            kinds.push(kind);
        }
    }
    kinds
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

#[cfg(test)]
mod tests {
    use mint_api::convert::kind_to_wire;
    use mint_api::coordination::v1;

    use super::*;

    #[test]
    fn what_is_to_end_is_what_applications_have_and_not_what_the_settings_ask_for() {
        use CredentialKind::{Client, Combined, Password, PublicClient};
        let of = |shown: &[(CredentialKind, u64)]| {
            let credential = |(kind, version): &(CredentialKind, u64)| v1::CredentialStatus {
                kind: kind_to_wire(*kind).into(),
                version: *version,
                ..v1::CredentialStatus::default()
            };
            what_lives(&Standing::from(v1::ApplicationStatus {
                credentials: shown.iter().map(credential).collect(),
                ..v1::ApplicationStatus::default()
            }))
        };
        assert_eq!(of(&[(Password, 5), (Client, 6)]), [Password, Client]);
        assert_eq!(
            of(&[(Password, 5), (PublicClient, 0), (Client, 6)]),
            [Password, Client],
            "its type waits"
        );
        assert_eq!(of(&[(Password, 5), (Client, 0)]), [Password, Client], "the first one is under way");
        assert_eq!(of(&[(Combined, 0), (Password, 5)]), [Password, Combined], "of the other half");
        assert_eq!(of(&[(Combined, 0)]), [Combined]);
    }
}
