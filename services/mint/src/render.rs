//! Text for people.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table};
use mint_types::{Application, Problem};

use crate::report::Document;
use crate::standing::{Credential, Standing};

/// A table without lines: it can be read, cut and searched.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<String> =
        table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// One line per application, then what is wrong.
pub(crate) fn standings(standings: &[Standing]) -> String {
    let rows = standings.iter().map(|standing| {
        let mut state = standing.state.as_str().to_owned();
        if standing.paused {
            state.push_str(" (paused)");
        }
        if let Some(until) = standing.tombstone_until {
            let _ = write!(state, " (restorable until {until})");
        }
        if standing.identity_deleted {
            state.push_str(" (deleted)");
        }
        let credentials: Vec<_> = standing.credentials.iter().map(credential).collect();
        vec![
            standing.id.clone(),
            standing.team_id.clone(),
            state,
            credentials.join(", "),
            problem_types(&standing.problems),
        ]
    });
    let mut text = table(&["application", "team", "state", "credentials", "problems"], rows);
    for standing in standings {
        for problem in &standing.problems {
            text.push('\n');
            text.push_str(&problem_text(&standing.id, problem));
        }
    }
    text
}

fn problem_types(problems: &[Problem]) -> String {
    let mut kinds: Vec<_> = problems.iter().map(|problem| problem.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() { "-".to_owned() } else { kinds.join(", ") }
}

/// `password current 1763769723000`, with the step of an open rotation.
pub(crate) fn credential(credential: &Credential) -> String {
    let kind = credential.kind.map_or("?", mint_types::CredentialKind::as_str);
    let mut text = format!("{kind} {}", credential.state.as_str());
    if let Some(version) = credential.version {
        let _ = write!(text, " v{version}");
    }
    if let Some(node) = credential.node {
        let _ = write!(text, " [{node}]");
    }
    if credential.attempts > 0 {
        let _ = write!(text, " ({} failed)", credential.attempts);
    }
    text
}

/// What is wrong, with what to do.
pub(crate) fn problem_text(whose: &str, problem: &Problem) -> String {
    let mut subject = whose.to_owned();
    if let Some(kind) = problem.credential {
        let _ = write!(subject, " {kind}");
    }
    if let Some(destination) = &problem.destination {
        let _ = write!(subject, " at {destination}");
    }
    format!(
        "{subject}: {} [{}]\n    {}\n    do: {}\n    since {}, attempts: {}\n",
        problem.title, problem.kind, problem.detail, problem.next_action, problem.since, problem.attempts
    )
}

/// The result of `up --once`.
pub(crate) fn document(document: &Document) -> String {
    let rows = document.applications.iter().map(|line| {
        let credentials = line.credentials.iter().map(|credential| {
            let version = credential.version.map(|version| format!(" v{version}")).unwrap_or_default();
            format!("{} {}{version}", credential.kind, credential.state)
        });
        let credentials: Vec<_> = credentials.collect();
        vec![
            line.id.clone(),
            line.state.as_str().to_owned(),
            credentials.join(", "),
            problem_types(&line.problems),
        ]
    });
    let mut text = table(&["application", "state", "credentials", "problems"], rows);
    for line in &document.applications {
        for problem in &line.problems {
            text.push('\n');
            text.push_str(&problem_text(&line.id, problem));
        }
    }
    let summary = &document.summary;
    let _ = write!(
        text,
        "\n{} delivered, {} failed, {} inactive; {} upstream calls\n",
        summary.delivered, summary.failed, summary.inactive, summary.upstream_calls
    );
    text
}

/// One application's record and settings.
pub(crate) fn application(record: &Application) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<18} {value}");
    };
    line("application", format!("{} ({})", record.id, record.name));
    line("team", record.team_id.to_string());
    line("active", record.active.to_string());
    line("presence", format!("{:?}", record.presence).to_lowercase());
    if let Some(identity) = &record.identity {
        line("username", identity.username.clone());
        line("client id", identity.client_id.clone());
    }
    let Some(settings) = &record.settings else {
        line("settings", "none entered".to_owned());
        return text;
    };
    line("settings", format!("generation {}", record.settings_generation));
    for bucket in &settings.buckets {
        let region = bucket.region.as_deref().unwrap_or("(default region)");
        let endpoint = bucket.endpoint.as_ref().map_or("(AWS)", mint_types::OutboundUrl::as_str);
        line("  bucket", format!("{} in {region} at {endpoint}", bucket.name));
    }
    if settings.buckets.is_empty() {
        line("  bucket", "none: nothing is delivered".to_owned());
    }
    line("  account", settings.account_id.as_ref().map_or("-", mint_types::AccountId::as_str).to_owned());
    line(
        "  prefix",
        if settings.prefix.as_str().is_empty() { "-".to_owned() } else { settings.prefix.to_string() },
    );
    line("  layout", settings.layout.to_string());
    let scopes: Vec<_> = settings.scopes.iter().map(ToString::to_string).collect();
    line("  scopes", if scopes.is_empty() { "-".to_owned() } else { scopes.join(", ") });
    line("  redirect URL", settings.redirect_url.clone().unwrap_or_else(|| "-".to_owned()));
    line("  confidential", settings.confidential.to_string());
    line("  password period", settings.password_period.to_string());
    line("  client period", settings.client_period.to_string());
    text
}

#[cfg(test)]
mod tests {
    use mint_types::CredentialKind;

    use super::*;
    use crate::standing::samples::{credential, problem, standing};
    use crate::standing::{CredentialState, State};

    #[test]
    fn what_is_out_of_use_says_until_when_it_can_come_back() {
        let mut resting = standing("kio", State::Inactive, vec![]);
        resting.tombstone_until = Some("2026-11-29T01:02:03Z".parse().unwrap());
        let mut gone = standing("old", State::Inactive, vec![]);
        gone.identity_deleted = true;
        let text = standings(&[resting, gone]);
        assert!(text.contains("inactive (restorable until 2026-11-29T01:02:03Z)"), "{text}");
        assert!(text.contains("inactive (deleted)"), "{text}");
    }

    #[test]
    fn a_problem_says_what_happened_and_what_to_do() {
        let mut refused = standing(
            "kio",
            State::Failed,
            vec![credential(CredentialKind::Password, CredentialState::Failed)],
        );
        refused.credentials[0].node = Some("deliver");
        refused.problems = vec![problem("destination_refused", Some(CredentialKind::Password))];
        let text = standings(&[refused]);
        let expected = "\
APPLICATION  TEAM   STATE   CREDENTIALS                   PROBLEMS
kio          stups  failed  password failed v7 [deliver]  destination_refused

kio password at team-a/kio/user.json: the bucket refuses the write [destination_refused]
    S3 answered 403 AccessDenied
    do: allow the distributor's role to write
    since 2026-11-22T01:02:03Z, attempts: 3
";
        assert_eq!(text, expected);
    }
}
