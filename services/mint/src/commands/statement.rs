//! `mint statement`: what several people sign because no single one may decide it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mint_runtime::{SystemClock, SystemEntropy};
use mint_statement::{SignedStatement, Signer, Statement, StatementKey, Subject};
use mint_types::Clock as _;
use serde::Serialize;

use crate::cli::{GlobalOptions, Output, SignerSpec, Signing};
use crate::reach::{self, data_directory};
use crate::remote::Remote;
use crate::{Error, talk};

/// A statement as it is shown; nothing of it is verified here: whoever acts on it does.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    statement: &'a Statement,
    /// The keys that the signatures name.
    signed_with: Vec<&'a str>,
}

/// Shows what a statement says and who claims to have signed it.
pub(crate) fn show(global: &GlobalOptions, file: &Path) -> Result<ExitCode, Error> {
    let signed = read(file)?;
    let shown = Shown { statement: signed.claimed(), signed_with: signed.key_ids().collect() };
    match global.output {
        Output::Json => talk::print_json(&shown),
        Output::Text => talk::print(format_args!(
            "{}\nholds     {} to {}\nsigned    {}\n",
            in_words(&signed.claimed().subject),
            signed.claimed().issued_at,
            signed.claimed().expires_at,
            if shown.signed_with.is_empty() { "by nobody".to_owned() } else { shown.signed_with.join(", ") },
        )),
    };
    Ok(ExitCode::SUCCESS)
}

/// Adds signatures.
pub(crate) fn sign(global: &GlobalOptions, file: &Path, signers: &[SignerSpec]) -> Result<ExitCode, Error> {
    let mut signed = read(file)?;
    talk::say(format_args!("mint: {}", in_words(&signed.claimed().subject)));
    for spec in signers {
        signed = signed.signed_by(&key_of(global, spec)?);
        talk::say(format_args!("mint: signed by {}", spec.signer));
    }
    write(file, &signed)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a statement, signs it, and saves or submits it.
pub(crate) async fn make(
    global: &GlobalOptions,
    subject: Subject,
    signing: &Signing,
) -> Result<ExitCode, Error> {
    let now = SystemClock::new(&SystemEntropy).now();
    let statement = Statement::new(subject, now, signing.life.as_duration(), &SystemEntropy);
    let mut keys = signing.signers.iter();
    let first = keys.next().ok_or_else(|| Error::Usage {
        what: "nobody signs".to_owned(),
        advice: "name somebody with --signer".to_owned(),
    })?;
    let mut signed =
        SignedStatement::sign(statement, &key_of(global, first)?).map_err(|error| refused(&error))?;
    for spec in keys {
        signed = signed.signed_by(&key_of(global, spec)?);
    }
    if let Some(file) = &signing.save {
        write(file, &signed)?;
        talk::say(format_args!(
            "mint: {}: have it signed with `mint statement sign`, then hand it in with `mint statement submit`",
            file.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    submit(&Remote::new(reach::Reach::find(global, &reach::environment)?), &signed).await
}

/// Hands a statement to whoever acts on it. Each verifies it by itself.
pub(crate) async fn submit(remote: &Remote, signed: &SignedStatement) -> Result<ExitCode, Error> {
    match &signed.claimed().subject {
        Subject::RegistryRelease { .. } => super::registry::submit_release(remote, signed).await,
        Subject::RevokeNow { .. } => super::revoke::submit(remote, signed).await,
        other @ (Subject::Destinations(_) | Subject::RemovalPermit { .. }) => Err(Error::Usage {
            what: format!("nobody takes this statement by itself: {}", in_words(other)),
            advice: "destinations go with `mint app set`, permits from service to service".to_owned(),
        }),
    }
}

/// Reads a statement.
pub(crate) fn read(file: &Path) -> Result<SignedStatement, Error> {
    let bytes = std::fs::read(file).map_err(Error::io(format!("read {}", file.display())))?;
    SignedStatement::parse(&bytes).map_err(|error| Error::Usage {
        what: format!("{}: {error}", file.display()),
        advice: "make it anew, for example with `mint registry release --save FILE`".to_owned(),
    })
}

fn write(file: &Path, signed: &SignedStatement) -> Result<(), Error> {
    let beside = file.with_extension("tmp");
    let failed = || format!("write {}", file.display());
    std::fs::write(&beside, signed.to_bytes()).map_err(Error::io(failed()))?;
    std::fs::rename(&beside, file).map_err(Error::io(failed()))
}

/// The key of a signer: the file that is named, or the one of the world's own directory.
pub(crate) fn key_of(global: &GlobalOptions, spec: &SignerSpec) -> Result<StatementKey, Error> {
    let file = spec.file.clone().map_or_else(|| own_file(global, &spec.signer), Ok)?;
    StatementKey::read(spec.signer.clone(), &file)
        .map_err(|error| Error::Identity { what: error.to_string() })
}

pub(super) fn own_file(global: &GlobalOptions, signer: &Signer) -> Result<PathBuf, Error> {
    let data = data_directory(global, &reach::environment);
    match signer {
        Signer::Operator(name) => Ok(data.join("operators").join(name).join("statement.key")),
        Signer::Team(team) => Ok(data.join("teams").join(team.as_str()).join("statement.key")),
        Signer::Service(service) => Err(Error::Usage {
            what: format!("{service} signs by itself"),
            advice: "name an operator or a team".to_owned(),
        }),
    }
}

pub(super) fn refused(error: &mint_statement::Error) -> Error {
    Error::Usage { what: error.to_string(), advice: "correct the statement".to_owned() }
}

fn in_words(subject: &Subject) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match subject {
        Subject::RegistryRelease { acts, applications } if applications.is_empty() => {
            format!("release {acts} removals beyond the budget")
        }
        Subject::RegistryRelease { acts, applications } => format!(
            "release {acts} removals beyond the budget, only of {}",
            list(applications.iter().map(ToString::to_string).collect())
        ),
        Subject::RevokeNow { application, kinds } => format!(
            "end the earlier {} of {application} now",
            list(kinds.iter().map(ToString::to_string).collect())
        ),
        Subject::Destinations(set) => format!(
            "deliver the credentials of {} (team {}) to {}; its logins come back to {}",
            set.application,
            set.team,
            list(set.buckets.iter().map(|place| place.name.to_string()).collect()),
            set.redirect_url.as_deref().unwrap_or("nowhere")
        ),
        Subject::RemovalPermit { application, .. } => format!("objects of {application} may be overwritten"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use mint_statement::TrustedKeys;

    use super::*;
    use crate::cli::Cli;

    fn global(data: &Path) -> GlobalOptions {
        let line = ["mint", "status", "--data", data.to_str().unwrap()];
        Cli::try_parse_from(line).unwrap().global
    }

    fn with_key(data: &Path, name: &str) -> StatementKey {
        let directory = data.join("operators").join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("statement.key");
        std::fs::write(&file, StatementKey::generate(&SystemEntropy).as_bytes()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, private).unwrap();
        StatementKey::read(Signer::Operator(name.to_owned()), &file).unwrap()
    }

    fn spec(name: &str) -> SignerSpec {
        SignerSpec { signer: Signer::Operator(name.to_owned()), file: None }
    }

    #[tokio::test]
    async fn a_saved_statement_is_signed_by_a_second_operator_on_another_day() {
        let data = tempfile::tempdir().unwrap();
        let keys = [with_key(data.path(), "operator"), with_key(data.path(), "second")];
        let trusted = TrustedKeys::of(&[keys[0].trusted(), keys[1].trusted()]).unwrap();
        let file = data.path().join("release.json");
        let signing = Signing {
            signers: vec![spec("operator")],
            save: Some(file.clone()),
            life: "1h".parse().unwrap(),
        };
        let subject = Subject::RegistryRelease { acts: 3, applications: [].into() };
        make(&global(data.path()), subject, &signing).await.unwrap();
        let now = SystemClock::new(&SystemEntropy).now();
        let by_one = read(&file).unwrap().verify(&trusted, now).unwrap();
        assert!(by_one.by_two_operators().is_err());
        sign(&global(data.path()), &file, &[spec("second")]).unwrap();
        let by_two = read(&file).unwrap().verify(&trusted, now).unwrap();
        assert!(by_two.by_two_operators().is_ok());
    }

    #[test]
    fn a_signer_without_a_key_is_named_with_the_file_that_is_missing() {
        let data = tempfile::tempdir().unwrap();
        let error = key_of(&global(data.path()), &spec("nobody")).unwrap_err();
        assert!(error.to_string().contains("operators/nobody/statement.key"), "{error}");
    }
}
