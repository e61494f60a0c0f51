//! `mint orphans` and `mint import`: users at the IAM solution, and whose they are.

use std::process::ExitCode;

use mint_api::identity::v1::{IdentityState, ImportState};
use serde::Serialize;

use crate::cli::{GlobalOptions, Output};
use crate::remote::Remote;
use crate::{Error, render, talk};

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
            "take over: what is in use goes on to work until consumers have Mint's version"
        }
        ImportState::Missing => "make a user",
        ImportState::NotInUse => "nothing: it is not in use",
    }
}
