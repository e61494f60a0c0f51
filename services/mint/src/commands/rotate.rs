//! `mint rotate`: replaces an application's credentials now.

use std::collections::BTreeMap;
use std::process::ExitCode;

use mint_api::convert::{kind_from_wire, kind_to_wire};
use mint_api::coordination::v1::RotateApplicationRequest;
use mint_types::{CredentialKind, Problem};
use serde::Serialize;

use crate::Error;
use crate::cli::{GlobalOptions, Output, Rotate};
use crate::remote::Remote;
use crate::standing::{CredentialState, Standing};
use crate::{render, talk};

/// A rotation that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Asked {
    kind: CredentialKind,
    rotation: String,
    /// False if it was open already.
    started: bool,
    /// How many had been completed before.
    #[serde(skip)]
    completed_before: u64,
    /// How many attempts of it had failed before.
    #[serde(skip)]
    failed_before: u32,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    application: String,
    rotations: &'a [Asked],
    completed: bool,
    status: Option<Standing>,
}

/// How far the rotations are.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    UnderWay,
    Completed,
    Failed,
}

/// Asks for the rotations and waits until each is complete: delivered, and the previous version proved dead.
pub(crate) async fn run(
    remote: &Remote,
    global: &GlobalOptions,
    options: &Rotate,
) -> Result<ExitCode, Error> {
    let (before, _) = remote.standing(&options.app).await?;
    let request = RotateApplicationRequest {
        application_id: options.app.to_string(),
        kinds: options.kind.iter().map(|kind| kind_to_wire(*kind).into()).collect(),
    };
    let answer = remote.rotate(request).await?;
    let asked = answer.rotations.into_iter().filter_map(|rotation| {
        let kind = kind_from_wire("kind", rotation.kind).ok()?;
        let known = before.credential(kind);
        let completed_before = known.map_or(0, |credential| credential.completed_rotations);
        let open = known.filter(|credential| credential.rotation.as_ref() == Some(&rotation.rotation_id));
        let failed_before = open.map_or(0, |credential| credential.attempts);
        Some(Asked {
            kind,
            rotation: rotation.rotation_id,
            started: rotation.started,
            completed_before,
            failed_before,
        })
    });
    let asked: Vec<Asked> = asked.collect();
    if asked.is_empty() {
        return Err(Error::Rotation {
            what: format!("{} has no credential to rotate", options.app),
            advice: format!("look at `mint app show {}`", options.app),
        });
    }
    for rotation in &asked {
        let how = if rotation.started { "is started" } else { "was open already" };
        talk::say(format_args!(
            "mint: {} {}: rotation {} {how}",
            options.app, rotation.kind, rotation.rotation
        ));
    }
    let status = if options.no_wait {
        None
    } else {
        let waited = tokio::time::timeout(options.timeout.as_duration(), wait(remote, options, &asked)).await;
        Some(waited.map_err(|_| Error::TimedOut {
            what: "the rotation is not complete".to_owned(),
            timeout: options.timeout,
        })??)
    };
    show(global, options, &asked, status);
    Ok(ExitCode::SUCCESS)
}

fn show(global: &GlobalOptions, options: &Rotate, asked: &[Asked], status: Option<Standing>) {
    match global.output {
        Output::Json => {
            let completed = status.is_some();
            talk::print_json(&Document {
                application: options.app.to_string(),
                rotations: asked,
                completed,
                status,
            })
        }
        Output::Text => {
            if let Some(status) = status {
                talk::print(render::standings(&[status]))
            } else {
                let rows = asked.iter().map(|one| vec![one.kind.to_string(), one.rotation.clone()]);
                talk::print(render::table(&["kind", "rotation"], rows))
            }
        }
    };
}

async fn wait(remote: &Remote, options: &Rotate, asked: &[Asked]) -> Result<Standing, Error> {
    let mut said = BTreeMap::new();
    let mut last_error = None;
    loop {
        let mut stream = match remote.watch_standings(Some(&options.app)).await {
            Ok(stream) => stream,
            Err(error @ Error::Unanswered { .. }) => {
                if last_error.replace(error.to_string()).is_none() {
                    talk::say(format_args!("mint: {error}; trying again"));
                }
                tokio::time::sleep(super::watch::PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        last_error = None;
        while let Ok(Some(change)) = stream.message().await {
            let Some(standing) = change.application.map(Standing::from) else { continue };
            tell(&standing, asked, &mut said);
            match progress(&standing, asked) {
                Progress::UnderWay => {}
                Progress::Completed => return Ok(standing),
                Progress::Failed => return Err(failure(&standing, asked)),
            }
        }
        tokio::time::sleep(super::watch::PAUSE).await;
    }
}

fn tell(standing: &Standing, asked: &[Asked], said: &mut BTreeMap<CredentialKind, &'static str>) {
    for one in asked {
        let Some(node) = standing.credential(one.kind).and_then(|credential| credential.node) else {
            continue;
        };
        if said.insert(one.kind, node) == Some(node) {
            continue;
        }
        let meaning = match node {
            "create" => "the issuer makes the new version",
            "deliver" => "the new version is written to every bucket",
            "adopt" => "the new version is delivered; consumers take it up, the previous one still works",
            "retire" => "the previous version is ended",
            "prove" => "the previous version's grace runs out; then it is proved dead",
            _ => continue,
        };
        talk::say(format_args!("mint: {} {}: {meaning}", standing.id, one.kind));
    }
}

fn progress(standing: &Standing, asked: &[Asked]) -> Progress {
    let fails_again = |one: &Asked| {
        standing.credential(one.kind).is_some_and(|credential| {
            credential.state == CredentialState::Failed && credential.attempts > one.failed_before
        })
    };
    if asked.iter().any(fails_again) {
        return Progress::Failed;
    }
    let complete = asked.iter().all(|one| {
        standing.credential(one.kind).is_some_and(|credential| {
            credential.rotation.as_deref() != Some(one.rotation.as_str())
                && credential.completed_rotations > one.completed_before
        })
    });
    if complete { Progress::Completed } else { Progress::UnderWay }
}

fn failure(standing: &Standing, asked: &[Asked]) -> Error {
    let asked_for = |problem: &&Problem| asked.iter().any(|one| problem.credential == Some(one.kind));
    let problem = standing.problems.iter().find(asked_for).or(standing.problems.first());
    Error::Rotation {
        what: problem.map_or_else(
            || format!("the rotation of {} fails", standing.id),
            |problem| {
                format!("the rotation of {} fails: {} ({})", standing.id, problem.title, problem.detail)
            },
        ),
        advice: problem
            .map_or_else(|| "look at `mint status`".to_owned(), |problem| problem.next_action.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::State;
    use crate::standing::samples::{credential, standing};

    fn asked() -> Vec<Asked> {
        let kind = CredentialKind::Password;
        vec![Asked { kind, rotation: "r2".to_owned(), started: true, completed_before: 1, failed_before: 0 }]
    }

    #[test]
    fn a_rotation_is_complete_when_it_is_closed_and_counted() {
        let mut status = standing(
            "kio",
            State::Delivered,
            vec![credential(CredentialKind::Password, CredentialState::Current)],
        );
        assert_eq!(progress(&status, &asked()), Progress::UnderWay, "a status from before the rotation");
        status.credentials[0].rotation = Some("r2".to_owned());
        assert_eq!(progress(&status, &asked()), Progress::UnderWay);
        status.credentials[0].rotation = None;
        status.credentials[0].completed_rotations = 2;
        assert_eq!(progress(&status, &asked()), Progress::Completed);
    }

    #[test]
    fn only_a_failure_that_came_after_the_question_is_an_answer_to_it() {
        let failed = credential(CredentialKind::Password, CredentialState::Failed);
        let mut status = standing("kio", State::Failed, vec![failed]);
        status.credentials[0].attempts = 3;
        assert_eq!(progress(&status, &asked()), Progress::Failed);
        let asked_after_three = vec![Asked { failed_before: 3, ..asked()[0].clone() }];
        assert_eq!(progress(&status, &asked_after_three), Progress::UnderWay);
    }
}
