//! `mint orphans` and `mint import`: users at the IAM solution, and whose they are.

use std::process::ExitCode;

use mint_api::convert::timestamp_from_wire;
use mint_api::identity::v1::{IdentityState, ImportState, Orphan as Orphaned};
use mint_types::{ApplicationId, Problem, Timestamp};
use serde::Serialize;

use crate::cli::{GlobalOptions, Output};
use crate::remote::Remote;
use crate::{Error, render, talk};

/// What an operator can do about a user that belongs to no application.
pub(super) const WAY_OUT: &str = "mint app adopt APP, if the application is entered in the registry; else mint app remove APP, \
     or mint orphans remove USER";

#[derive(Debug, Serialize)]
struct Orphan {
    username: String,
    application: String,
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct Orphans {
    orphans: Vec<Orphan>,
    /// Applications in use whose user is gone.
    vanished: Vec<String>,
}

/// Lists users that belong to no application.
pub(crate) async fn list(remote: &Remote, global: &GlobalOptions, fresh: bool) -> Result<ExitCode, Error> {
    let answer = remote.orphans(fresh).await?;
    let orphans = answer.orphans.into_iter().map(|orphan| Orphan {
        state: state(orphan.state()),
        username: orphan.username,
        application: orphan.application_id,
    });
    let document = Orphans { orphans: orphans.collect(), vanished: answer.vanished };
    match global.output {
        Output::Json => talk::print_json(&document),
        Output::Text => {
            let rows = document.orphans.into_iter();
            let rows = rows.map(|one| vec![one.username, one.application, one.state.to_owned()]);
            let gone = document.vanished.iter();
            let gone: Vec<_> = gone.map(|id| format!("{id}: its user is gone; it is made again\n")).collect();
            talk::print(render::table(&["user", "application", "state"], rows) + &gone.concat())
        }
    };
    Ok(ExitCode::SUCCESS)
}

fn state(state: IdentityState) -> &'static str {
    match state {
        IdentityState::Unspecified => "undecided",
        IdentityState::Enabled => "enabled",
        IdentityState::Disabled => "disabled",
        IdentityState::Deleted => "deleted",
    }
}

/// The users that belong to no application, as the provisioner last saw them, each as a problem.
pub(super) async fn problems(remote: &Remote) -> Result<Vec<Problem>, Error> {
    let answer = remote.orphans(false).await?;
    let since = answer.looked_at.as_ref().map(timestamp_from_wire);
    let since = since.unwrap_or(Timestamp::from_unix_micros(0));
    let problem = |orphan: Orphaned| Problem {
        kind: "orphan_user".to_owned(),
        title: "A user under Mint's prefix belongs to no application".to_owned(),
        detail: format!("{} ({})", orphan.username, state(orphan.state())),
        next_action: WAY_OUT.to_owned(),
        since,
        attempts: 1,
        credential: None,
        destination: None,
    };
    Ok(answer.orphans.into_iter().map(problem).collect())
}

/// The name of the user that belonged to an application which the catalog does not know any more.
pub(super) async fn user_of(remote: &Remote, application: &ApplicationId) -> Result<Option<String>, Error> {
    let mut orphans = remote.orphans(true).await?.orphans.into_iter();
    let user = orphans.find(|orphan| orphan.application_id == application.as_str());
    Ok(user.map(|orphan| orphan.username))
}

/// Begins the removal of such a user.
pub(crate) async fn remove(remote: &Remote, username: String) -> Result<ExitCode, Error> {
    let name = username.clone();
    let answer = remote.remove_identity(username).await?;
    talk::say(format_args!("mint: {name} is {}", state(answer.state())));
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Serialize)]
struct Step {
    application: String,
    username: String,
    plan: &'static str,
}

#[derive(Debug, Serialize)]
struct Import {
    applications: Vec<Step>,
    /// Users under the prefix that belong to no application: nothing is done to them.
    strangers: Vec<String>,
}

/// Shows what taking over would do; changes nothing.
pub(crate) async fn plan_import(remote: &Remote, global: &GlobalOptions) -> Result<ExitCode, Error> {
    let answer = remote.plan_import().await?;
    let steps = answer.steps.into_iter().map(|step| Step {
        plan: plan(step.state()),
        application: step.application_id,
        username: step.username,
    });
    let document = Import { applications: steps.collect(), strangers: answer.strangers };
    match global.output {
        Output::Json => talk::print_json(&document),
        Output::Text => {
            let rows = document.applications.into_iter();
            let rows = rows.map(|one| vec![one.application, one.username, one.plan.to_owned()]);
            let strangers = document.strangers.iter();
            let strangers: Vec<_> =
                strangers.map(|name| format!("{name}: no application's; nothing is done to it\n")).collect();
            talk::print(render::table(&["application", "user", "plan"], rows) + &strangers.concat())
        }
    };
    Ok(ExitCode::SUCCESS)
}

fn plan(state: ImportState) -> &'static str {
    match state {
        ImportState::Unspecified => "unknown",
        ImportState::Own => "nothing: it is Mint's already",
        ImportState::Foreign => {
            "take over, once its settings are entered: what is in use goes on to work until consumers have Mint's version"
        }
        ImportState::Missing => "make a user",
        ImportState::NotInUse => "nothing: it is not in use",
    }
}
