//! Records as rows of the database.

use mint_store::{Row, Value};
use mint_types::{Identity, Presence, Problem, Revision};

use crate::{
    Error,
    guard::Release,
    model::{Decision, Facts, Record},
};

pub(crate) fn columns(record: &Record) -> Result<Vec<Value>, Error> {
    let identity = record.identity.as_ref();
    Ok(vec![
        record.id.as_str().into(),
        record.facts.team_id.as_str().into(),
        record.facts.name.as_str().into(),
        record.facts.active.into(),
        record.facts.subtitle.as_str().into(),
        record.facts.service_url.as_str().into(),
        record.facts.modified_at.into(),
        presence_text(record.presence).into(),
        record.held_at.into(),
        Value::unsigned(record.revision.0)?,
        Value::unsigned(record.identity_revision.0)?,
        record.settings.as_ref().map(to_json).transpose()?.into(),
        Value::unsigned(record.settings_generation)?,
        identity.map(|identity| identity.username.as_str()).into(),
        identity.map(|identity| identity.client_id.as_str()).into(),
        identity.map(|identity| identity.foreign).into(),
        to_json(&record.problems)?.into(),
        record.taken_at.into(),
        record.taken_release.as_deref().into(),
        record.decision.map(decision_text).into(),
        record.confirmed_team.as_str().into(),
        record.statement.as_deref().into(),
        to_json(&record.removed)?.into(),
        Value::unsigned(record.identity_losses)?,
        record.known_since.into(),
        record.learnt_at.into(),
    ])
}

pub(crate) fn record(row: &Row) -> Result<Record, Error> {
    let identity = match (row.optional_text("username")?, row.optional_text("client_id")?) {
        (Some(username), Some(client_id)) => {
            Some(Identity { username, client_id, foreign: row.boolean("foreign_identity")? })
        }
        _ => None,
    };
    let settings = row.optional_text("settings")?;
    Ok(Record {
        id: row.text("id")?.parse().map_err(|_| corrupt("id"))?,
        facts: Facts {
            team_id: row.text("team_id")?.parse().map_err(|_| corrupt("team_id"))?,
            name: row.text("name")?,
            active: row.boolean("active")?,
            subtitle: row.text("subtitle")?,
            service_url: row.text("service_url")?,
            modified_at: row.optional_timestamp("modified_at")?,
        },
        presence: presence(&row.text("presence")?)?,
        held_at: row.optional_timestamp("held_at")?,
        revision: Revision(row.unsigned("revision")?),
        identity_revision: Revision(row.unsigned("identity_revision")?),
        settings: settings.map(|text| from_json("settings", &text)).transpose()?,
        settings_generation: row.unsigned("settings_generation")?,
        identity,
        problems: from_json("problems", &row.text("problems")?)?,
        taken_at: row.optional_timestamp("taken_at")?,
        taken_release: row.optional_text("taken_release")?,
        decision: row.optional_text("decision")?.map(|text| decision(&text)).transpose()?,
        confirmed_team: row.text("confirmed_team")?.parse().map_err(|_| corrupt("confirmed_team"))?,
        statement: row.optional_text("statement")?,
        removed: from_json("removed", &row.text("removed")?)?,
        identity_losses: row.unsigned("identity_losses")?,
        known_since: row.timestamp("known_since")?,
        learnt_at: row.optional_timestamp("learnt_at")?,
    })
}

fn decision_text(decision: Decision) -> &'static str {
    match decision {
        Decision::Retired => "retired",
        Decision::Restored => "restored",
    }
}

fn decision(text: &str) -> Result<Decision, Error> {
    match text {
        "retired" => Ok(Decision::Retired),
        "restored" => Ok(Decision::Restored),
        _ => Err(corrupt("decision")),
    }
}

pub(crate) fn release(row: &Row) -> Result<Release, Error> {
    Ok(Release {
        id: row.text("id")?,
        acts: row.unsigned("acts")?,
        spent: row.unsigned("spent")?,
        applications: from_json("applications", &row.text("applications")?)?,
        expires_at: row.timestamp("expires_at")?,
    })
}

fn presence_text(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        // that it is retired is a decision of its own
        Presence::Held | Presence::Retired => "held",
    }
}

fn presence(text: &str) -> Result<Presence, Error> {
    match text {
        "present" => Ok(Presence::Present),
        "held" => Ok(Presence::Held),
        _ => Err(corrupt("presence")),
    }
}

/// Entered settings replace those of the file, whatever was wrong with them.
pub(crate) fn without_settings_problems(problems: &[Problem]) -> Vec<Problem> {
    let about_settings = |problem: &&Problem| !matches!(&*problem.kind, "settings_invalid" | "unsupported");
    problems.iter().filter(about_settings).cloned().collect()
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| corrupt("json"))
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    column: &'static str,
    text: &str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| corrupt(column))
}

fn corrupt(column: &str) -> Error {
    mint_store::Error::Corrupt { detail: format!("column `{column}` is not what was written") }.into()
}
