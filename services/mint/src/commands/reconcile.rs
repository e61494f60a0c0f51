//! `mint reconcile`: what is alive at the issuer, compared with what is accounted for.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::{GlobalOptions, Output, Reconcile};
use crate::remote::Remote;
use crate::{Error, render, talk};

#[derive(Debug, Serialize)]
struct Finding {
    application: String,
    object: String,
    reason: String,
    detail: String,
    next_action: String,
}

/// Has one application or all of them looked at. With all of them, users that belong to none are listed too.
pub(crate) async fn run(
    remote: &Remote,
    global: &GlobalOptions,
    options: &Reconcile,
) -> Result<ExitCode, Error> {
    let applications: Vec<String> = match &options.app {
        Some(app) => vec![app.to_string()],
        None => remote.overview("", false).await?.standings.into_iter().map(|standing| standing.id).collect(),
    };
    let mut findings = Vec::new();
    for application in applications {
        for found in remote.reconcile(&application, options.dry_run).await? {
            findings.push(Finding {
                application: application.clone(),
                object: found.object,
                reason: found.reason,
                detail: found.detail,
                next_action: found.next_action,
            });
        }
    }
    if options.app.is_none() {
        let users = remote.orphans(!options.dry_run).await?;
        findings.extend(users.orphans.into_iter().map(|orphan| Finding {
            application: orphan.application_id,
            object: "user".to_owned(),
            reason: "ORPHAN_USER".to_owned(),
            detail: format!("{} belongs to no application in use", orphan.username),
            next_action: "mint app adopt APP, or mint orphans remove USER".to_owned(),
        }));
        findings.extend(users.vanished.into_iter().map(|application| Finding {
            application,
            object: "user".to_owned(),
            reason: "USER_VANISHED".to_owned(),
            detail: "its user is gone".to_owned(),
            next_action: "nothing: it is made again".to_owned(),
        }));
    }
    match global.output {
        Output::Json => talk::print_json(&findings),
        Output::Text if findings.is_empty() => talk::print("everything is accounted for\n"),
        Output::Text => {
            let rows = findings
                .into_iter()
                .map(|one| vec![one.application, one.object, one.reason, one.detail, one.next_action]);
            talk::print(render::table(&["application", "object", "finding", "detail", "next"], rows))
        }
    };
    Ok(ExitCode::SUCCESS)
}
