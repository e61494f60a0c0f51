//! `mint registry`: the budget of removals, and its release by two operators.

use std::process::ExitCode;

use mint_api::convert::timestamp_from_wire;
use mint_statement::{SignedStatement, Subject};
use mint_types::ServiceName;
use serde::Serialize;

use crate::cli::{GlobalOptions, Output, Release};
use crate::remote::Remote;
use crate::{Error, render, talk};

#[derive(Debug, Serialize)]
struct Held {
    subject: String,
    act: String,
    since: Option<String>,
}

#[derive(Debug, Serialize)]
struct Budget {
    fleet: u64,
    allowed: u64,
    spent: u64,
    released: u64,
    held: Vec<Held>,
}

/// Shows how much may be taken away today, and who waits.
pub(crate) async fn budget(remote: &Remote, global: &GlobalOptions) -> Result<ExitCode, Error> {
    let answer = remote.budget().await?;
    let held = answer.held.into_iter().map(|held| Held {
        subject: held.subject,
        act: held.act,
        since: held.since.as_ref().map(|since| timestamp_from_wire(since).to_string()),
    });
    let budget = Budget {
        fleet: answer.fleet,
        allowed: answer.allowed,
        spent: answer.spent,
        released: answer.released,
        held: held.collect(),
    };
    match global.output {
        Output::Json => talk::print_json(&budget),
        Output::Text => {
            let Budget { fleet, allowed, spent, released, held } = budget;
            let rows = held.into_iter().map(|one| vec![one.subject, one.act, one.since.unwrap_or_default()]);
            let waiting = render::table(&["waits", "for", "since"], rows);
            talk::print(format_args!(
                "{spent} of {allowed} removals a day are used, {released} more are released; {fleet} identities\n{waiting}"
            ))
        }
    };
    Ok(ExitCode::SUCCESS)
}

/// Lets more removals go on.
pub(crate) async fn release(global: &GlobalOptions, options: Release) -> Result<ExitCode, Error> {
    let applications = options.application.into_iter().collect();
    let subject = Subject::RegistryRelease { acts: options.acts, applications };
    super::statement::make(global, subject, &options.signing).await
}

/// Both who count have to know: the catalog, which refuses a list that shrinks, and identity-provisioner, who removes.
pub(crate) async fn submit_release(remote: &Remote, signed: &SignedStatement) -> Result<ExitCode, Error> {
    let at_provisioner = remote.release_removals(signed).await;
    let at_registry = remote.release_catalog(signed).await;
    let mut outcome = Ok(ExitCode::SUCCESS);
    for (service, answer) in
        [(ServiceName::IdentityProvisioner, at_provisioner), (ServiceName::RegistrySync, at_registry)]
    {
        match answer {
            Ok(remaining) => talk::say(format_args!("mint: {service} allows {remaining} more")),
            Err(error) if outcome.is_ok() => outcome = Err(error),
            Err(error) => talk::say(format_args!("mint: {error} [{}]", error.code())),
        }
    }
    outcome
}
