//! Whom a trust policy lets in.

use super::{Code, Finding};
use crate::document::{Condition, Document, PrincipalKind, Principals, Statement};

const WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";
const TAG_SESSION: &str = "sts:TagSession";
const ASSUME: [&str; 3] = ["sts:AssumeRole", "sts:AssumeRoleWithSAML", WEB_IDENTITY];

/// What an `Allow` of a trust policy lets in.
pub(super) fn of_statement(document: &Document, statement: &Statement) -> Vec<Finding> {
    let Some(principals) = &statement.principals else { return Vec::new() };
    if !ASSUME.iter().any(|action| statement.names(action)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    findings.extend(tag_session_missing(document, statement, principals));
    findings.extend(untagged(document, statement, principals));
    if statement.names(WEB_IDENTITY) {
        findings.extend(unpinned(statement, principals));
    }
    findings
}

fn tag_session_missing(
    document: &Document,
    statement: &Statement,
    principals: &Principals,
) -> Option<Finding> {
    let may_tag = |principal: &(PrincipalKind, String)| {
        document.allows().filter(|other| other.names(TAG_SESSION)).any(|other| {
            let Some(admitted) = &other.principals else { return false };
            admitted.named.contains(principal)
                || admitted.named.iter().any(|(kind, _)| *kind == PrincipalKind::Anyone)
        })
    };
    let missing = speaks_of_tags(statement) && !principals.named.iter().all(may_tag);
    missing.then(|| {
        let sentence = "it looks at session tags and does not allow sts:TagSession, so that STS refuses every tagged token; add \
             sts:TagSession to its actions";
        Finding::new(statement, Code::TagSessionMissing, sentence)
    })
}

/// A role that is read by tag must admit nobody without one: the allow of the other would hide the loss of isolation.
fn untagged(document: &Document, statement: &Statement, principals: &Principals) -> Option<Finding> {
    if requires_tag(statement) {
        return None;
    }
    let federated = document.allows().any(|one| admits(one, PrincipalKind::Federated) && assumes(one));
    let tagged = document.allows().any(|one| assumes(one) && requires_tag(one))
        || document.allows().any(|one| one.names(TAG_SESSION));
    let stranger = principals.named.iter().find(|(kind, _)| *kind != PrincipalKind::Federated);
    let sentence = match stranger {
        Some((_, name)) if federated => format!(
            "{name} may become this role without a session tag, beside the federated principal; give it a role of its own"
        ),
        None if tagged => {
            "a token without the session tag is let in, too; add \"Null\": {\"aws:RequestTag/<key>\": \"false\"}".to_owned()
        }
        Some(_) | None => return None,
    };
    Some(Finding::new(statement, Code::UntaggedPrincipal, sentence))
}

fn assumes(statement: &Statement) -> bool {
    ASSUME.iter().any(|action| statement.names(action))
}

fn admits(statement: &Statement, wanted: PrincipalKind) -> bool {
    statement
        .principals
        .as_ref()
        .is_some_and(|principals| principals.named.iter().any(|(kind, _)| *kind == wanted))
}

fn is_tag(condition: &Condition) -> bool {
    condition.key.starts_with("aws:requesttag/")
}

fn speaks_of_tags(statement: &Statement) -> bool {
    statement
        .conditions
        .iter()
        .any(|one| is_tag(one) || one.key == "aws:tagkeys" || one.key == "sts:transitivetagkeys")
}

/// Whether a request without the tag is surely kept out.
fn requires_tag(statement: &Statement) -> bool {
    statement.conditions.iter().filter(|one| is_tag(one) && !one.vacuous).any(|one| {
        match one.operator.as_str() {
            "null" => one.values.iter().all(|value| value.eq_ignore_ascii_case("false")),
            "stringequals" | "stringequalsignorecase" | "stringlike" => true,
            _ => false,
        }
    })
}

fn unpinned(statement: &Statement, principals: &Principals) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (kind, name) in &principals.named {
        let provider = match kind {
            PrincipalKind::Federated => {
                name.split_once(":oidc-provider/").map_or(name.as_str(), |(_, host)| host)
            }
            // AWS takes a federated principal only; whoever writes another one there has not said whose tokens
            PrincipalKind::Anyone => "<provider>",
            PrincipalKind::Aws | PrincipalKind::Service | PrincipalKind::CanonicalUser => continue,
        };
        if !is_pinned(statement, provider, "aud") {
            let sentence = format!(
                "a token of {provider} made for anybody else is taken, too; add \"StringEquals\": {{\"{provider}:aud\": …}}"
            );
            findings.push(Finding::new(statement, Code::AudienceNotPinned, sentence));
        }
        // who is read by tag is known by the tag, which the provider signs and the trust requires
        let known_by_tag = requires_tag(statement) && statement.names(TAG_SESSION);
        if !known_by_tag && !is_pinned(statement, provider, "sub") {
            let sentence = format!(
                "every subject of {provider} may become this role; add \"StringEquals\": {{\"{provider}:sub\": …}} with the whole \
                 subject"
            );
            findings.push(Finding::new(statement, Code::SubjectNotPinned, sentence));
        }
    }
    findings
}

/// A claim is pinned by its whole text; a pattern is somebody else's subject one day.
fn is_pinned(statement: &Statement, provider: &str, claim: &str) -> bool {
    let key = format!("{provider}:{claim}").to_ascii_lowercase();
    statement.conditions.iter().filter(|one| one.key == key && !one.vacuous).any(|one| {
        let literal = || one.values.iter().all(|value| !value.is_empty() && !value.contains(['*', '?']));
        match one.operator.as_str() {
            "stringequals" | "stringequalsignorecase" => one.values.iter().all(|value| !value.is_empty()),
            "stringlike" => literal(),
            _ => false,
        }
    })
}
