//! `mint audit list`: what was said before it was done.

use std::process::ExitCode;

use mint_api::audit::v1::{Entry, ListEntriesRequest, Outcome, Phase};
use mint_api::convert::{optional_kind_from_wire, timestamp_from_wire, timestamp_to_wire};
use mint_types::{CredentialKind, Timestamp};
use serde::Serialize;

use crate::Error;
use crate::cli::{AuditList, GlobalOptions, Output};
use crate::remote::Remote;
use crate::{render, talk};

/// As many entries as a page may hold.
const PAGE: usize = 1000;

#[derive(Debug, Serialize)]
struct Line {
    index: u64,
    hash: String,
    at: Option<Timestamp>,
    actor: String,
    phase: &'static str,
    action: String,
    application: Option<String>,
    kind: Option<CredentialKind>,
    resource: Option<String>,
    rotation: Option<String>,
    request: Option<String>,
    outcome: Option<&'static str>,
    reason: Option<String>,
    /// The entry that announced it.
    init_index: Option<u64>,
}

/// Lists what the filters let through, page by page.
pub(crate) async fn list(
    remote: &Remote,
    global: &GlobalOptions,
    options: &AuditList,
) -> Result<ExitCode, Error> {
    let mut lines = Vec::new();
    let mut page_token = String::new();
    while lines.len() < options.limit {
        let page = remote.audit_entries(request(options, options.limit - lines.len(), page_token)).await?;
        lines.extend(page.entries.into_iter().map(Line::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    lines.truncate(options.limit);
    if !page_token.is_empty() {
        talk::say(format_args!("mint: there are more entries; see --limit"));
    }
    match global.output {
        Output::Json => talk::print_json(&lines),
        Output::Text => talk::print(text(&lines)),
    };
    Ok(ExitCode::SUCCESS)
}

fn request(options: &AuditList, left: usize, page_token: String) -> ListEntriesRequest {
    let text = |value: Option<String>| value.unwrap_or_default();
    ListEntriesRequest {
        application_id: text(options.application.as_ref().map(ToString::to_string)),
        actor: text(options.actor.clone()),
        action: text(options.action.clone()),
        rotation_id: text(options.rotation.as_ref().map(ToString::to_string)),
        since: options.since.map(timestamp_to_wire),
        until: options.until.map(timestamp_to_wire),
        page_size: u32::try_from(left.min(PAGE)).unwrap_or(0),
        page_token,
    }
}

impl From<Entry> for Line {
    fn from(entry: Entry) -> Self {
        let (phase, outcome) = (entry.phase(), entry.outcome());
        let completes = phase == Phase::Complete;
        let act = entry.act.unwrap_or_default();
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            index: entry.leaf_index,
            hash: hex::encode(&entry.leaf_hash),
            at: entry.at.as_ref().map(timestamp_from_wire),
            actor: entry.actor,
            phase: if completes { "complete" } else { "init" },
            action: act.action,
            application: filled(act.application_id),
            kind: optional_kind_from_wire("kind", act.kind).ok().flatten(),
            resource: filled(act.resource),
            rotation: filled(act.rotation_id),
            request: filled(act.request_id),
            outcome: match outcome {
                Outcome::Unspecified => None,
                Outcome::Success => Some("success"),
                Outcome::Failure => Some("failure"),
                Outcome::Unknown => Some("unknown"),
            },
            reason: filled(entry.reason),
            init_index: completes.then_some(entry.init_index),
        }
    }
}

fn text(lines: &[Line]) -> String {
    let rows = lines.iter().map(|line| {
        let optional = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let outcome = match (line.outcome, &line.reason) {
            (Some(outcome), Some(reason)) => format!("{outcome} {reason}"),
            (outcome, _) => optional(outcome),
        };
        vec![
            line.index.to_string(),
            line.at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            line.actor.clone(),
            line.phase.to_owned(),
            line.action.clone(),
            optional(line.application.as_deref()),
            optional(line.kind.map(CredentialKind::as_str)),
            optional(line.resource.as_deref()),
            outcome,
        ]
    });
    let header = ["index", "at", "actor", "phase", "action", "application", "kind", "resource", "outcome"];
    render::table(&header, rows)
}
