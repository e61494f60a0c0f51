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

/// What was looked at: what was found, and where nobody could look.
#[derive(Debug, Default)]
struct Tally {
    findings: Vec<Finding>,
    looked: usize,
    troubles: usize,
}

impl Tally {
    /// Takes in what one look answered. One that failed is told at once and stops no other.
    fn take(&mut self, whose: &str, answer: Result<Vec<Finding>, Error>) {
        match answer {
            Ok(findings) => {
                self.looked += 1;
                self.findings.extend(findings);
            }
            Err(error) => {
                self.troubles += 1;
                talk::say(format_args!("mint: {whose}: {error} [{}]", error.code()));
            }
        }
    }

    fn in_words(&self) -> String {
        let Self { findings, looked, troubles } = self;
        format!("mint: {looked} compared, {} findings, {troubles} not compared", findings.len())
    }
}

/// Has one application or all of them looked at. With all of them, users that belong to none are listed too, and one
/// that cannot be looked at stops no other.
pub(crate) async fn run(
    remote: &Remote,
    global: &GlobalOptions,
    options: &Reconcile,
) -> Result<ExitCode, Error> {
    let mut tally = Tally::default();
    if let Some(app) = &options.app {
        let findings = of_application(remote, app.as_str(), options.dry_run).await?;
        tally.take(app.as_str(), Ok(findings));
    } else {
        for standing in remote.overview("", false).await?.standings {
            tally.take(&standing.id, of_application(remote, &standing.id, options.dry_run).await);
        }
        tally.take("users", of_nobody(remote, options.dry_run).await);
    }
    talk::say(tally.in_words());
    let exit = if tally.troubles == 0 { crate::error::OK } else { crate::error::FAILED };
    show(global, tally);
    Ok(ExitCode::from(exit))
}

async fn of_application(remote: &Remote, application: &str, dry_run: bool) -> Result<Vec<Finding>, Error> {
    let found = remote.reconcile(application, dry_run).await?;
    let finding = |found: mint_api::coordination::v1::Finding| Finding {
        application: application.to_owned(),
        object: found.object,
        reason: found.reason,
        detail: found.detail,
        next_action: found.next_action,
    };
    Ok(found.into_iter().map(finding).collect())
}

/// Users under our prefix that belong to no application, and applications whose user is gone.
async fn of_nobody(remote: &Remote, dry_run: bool) -> Result<Vec<Finding>, Error> {
    let users = remote.orphans(!dry_run).await?;
    let orphans = users.orphans.into_iter().map(|orphan| Finding {
        application: orphan.application_id,
        object: "user".to_owned(),
        reason: "ORPHAN_USER".to_owned(),
        detail: format!("{} belongs to no application in use", orphan.username),
        next_action: super::orphans::WAY_OUT.to_owned(),
    });
    let vanished = users.vanished.into_iter().map(|application| Finding {
        application,
        object: "user".to_owned(),
        reason: "USER_VANISHED".to_owned(),
        detail: "its user is gone".to_owned(),
        next_action: "nothing: it is made again".to_owned(),
    });
    Ok(orphans.chain(vanished).collect())
}

fn show(global: &GlobalOptions, tally: Tally) {
    let Tally { findings, troubles, .. } = tally;
    match global.output {
        Output::Json => talk::print_json(&findings),
        Output::Text if findings.is_empty() && troubles == 0 => talk::print("everything is accounted for\n"),
        Output::Text => {
            let rows = findings
                .into_iter()
                .map(|one| vec![one.application, one.object, one.reason, one.detail, one.next_action]);
            talk::print(render::table(&["application", "object", "finding", "detail", "next"], rows))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_application_in_trouble_stops_no_other_and_is_counted() {
        let finding = Finding {
            application: "kio".to_owned(),
            object: "user".to_owned(),
            reason: "UNACCOUNTED_VERSION".to_owned(),
            detail: String::new(),
            next_action: String::new(),
        };
        let mut tally = Tally::default();
        tally.take("kio", Ok(vec![]));
        tally.take("run", Err(Error::Identity { what: "no".to_owned() }));
        tally.take("kio", Ok(vec![finding]));
        assert_eq!(tally.in_words(), "mint: 2 compared, 1 findings, 1 not compared");
    }
}
