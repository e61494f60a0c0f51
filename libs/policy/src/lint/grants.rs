//! What a statement grants too much of.

use std::collections::BTreeSet;

use mint_permissions::{Verb, actions, verb};

use super::{Code, Finding};
use crate::document::{Document, Kind, PrincipalKind, Statement};

/// Services whose actions reach data, keys or rights. What others answer to `Resource: *` is not ours to judge.
const GUARDED: &[&str] = &[
    "s3:",
    "s3express:",
    "s3-object-lambda:",
    "kms:",
    "secretsmanager:",
    "ssm:",
    "dynamodb:",
    "iam:",
    "sts:",
];

/// Actions that have no resource: IAM takes `*` for them only.
const WITHOUT_RESOURCE: &[&str] = &[
    "s3:ListAllMyBuckets",
    "sts:GetCallerIdentity",
    "sts:GetSessionToken",
    "iam:ListUsers",
    "iam:ListRoles",
    "iam:GetAccountSummary",
    "iam:ListAccountAliases",
    "kms:ListKeys",
    "kms:ListAliases",
];

/// What an `Allow` grants.
pub(super) fn of_statement(document: &Document, statement: &Statement) -> Vec<Finding> {
    let mut findings = broad(document, statement);
    findings.extend(wildcard_actions(statement));
    findings.extend(list_and_get(statement));
    findings.extend(missing_slashes(statement));
    findings
}

fn broad(document: &Document, statement: &Statement) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |sentence: String| findings.push(Finding::new(statement, Code::BroadGrant, sentence));
    if statement.actions.inverted {
        find("NotAction allows every action but those, also the ones that AWS adds; list what is needed in Action".to_owned());
    }
    if statement.resources.as_ref().is_some_and(|resources| resources.inverted) {
        find("NotResource allows everything but that; list what is needed in Resource".to_owned());
    }
    if let Some(principals) = &statement.principals {
        if principals.inverted {
            find("NotPrincipal allows everybody but those; name in Principal who may".to_owned());
        } else if principals.named.iter().any(|(kind, _)| *kind == PrincipalKind::Anyone)
            && statement.conditions.is_empty()
        {
            find("it admits everybody without a condition; name in Principal who may".to_owned());
        }
    }
    // the policy of a key says `*` for that one key
    if document.kind != Kind::Key
        && let Some(resource) = broad_resource(statement)
        && let Some(action) = statement.actions.texts.iter().find(|action| needs_resource(action))
        && !statement.actions.inverted
    {
        find(format!("{action} is allowed on {resource}; name the bucket and the directory, key or role"));
    }
    findings
}

/// A resource that names no bucket, key or role.
fn broad_resource(statement: &Statement) -> Option<&str> {
    let resources = statement.resources.as_ref().filter(|resources| !resources.inverted)?;
    let is_broad = |text: &&String| {
        let name = text.splitn(6, ':').nth(5);
        let first = name.and_then(|name| name.split('/').next());
        text.bytes().all(|byte| byte == b'*') || first.is_some_and(|first| first.contains(['*', '?']))
    };
    resources.texts.iter().find(is_broad).map(String::as_str)
}

fn needs_resource(action: &str) -> bool {
    let lower = action.to_ascii_lowercase();
    let guarded = lower.starts_with('*') || GUARDED.iter().any(|service| lower.starts_with(service));
    guarded && !WITHOUT_RESOURCE.iter().any(|known| known.eq_ignore_ascii_case(action))
}

fn wildcard_actions(statement: &Statement) -> Vec<Finding> {
    let wild = statement.actions.texts.iter().filter(|text| text.contains(['*', '?']));
    wild.map(|text| {
        let sentence =
            format!("{text} allows whatever fits it, also what AWS adds; list each action by its name");
        Finding::new(statement, Code::WildcardAction, sentence)
    })
    .collect()
}

fn list_and_get(statement: &Statement) -> Option<Finding> {
    if statement.actions.inverted {
        return None;
    }
    let names = |actions: &[&str]| actions.iter().any(|action| statement.names(action));
    let both =
        names(&["s3:ListBucket", "s3:ListBucketVersions"]) && names(&["s3:GetObject", "s3:GetObjectVersion"]);
    both.then(|| {
        let sentence = "s3:ListBucket is of the bucket and s3:GetObject of its objects: no s3:prefix condition fits both; write \
             two statements, the condition in the one that lists";
        Finding::new(statement, Code::ListAndGetTogether, sentence)
    })
}

/// `abc*` is `abcd`, too.
fn missing_slashes(statement: &Statement) -> Vec<Finding> {
    let keys = statement.resources.iter().filter(|resources| !resources.inverted).flat_map(|resources| {
        let texts = resources.texts.iter();
        texts.filter_map(|text| s3_key(text).filter(|key| is_open(key)).map(|_| text))
    });
    let prefixes = statement.conditions.iter().filter(|one| one.key == "s3:prefix");
    let likes = prefixes
        .clone()
        .filter(|one| one.operator == "stringlike" || one.operator.starts_with("arn"))
        .flat_map(|one| one.values.iter().filter(|value| is_open(value) || lists_by_name(value)));
    let equals = prefixes
        .filter(|one| one.operator.starts_with("stringequals"))
        .flat_map(|one| one.values.iter().filter(|value| lists_by_name(value)));
    keys.chain(likes)
        .chain(equals)
        .map(|text| {
            let sentence = format!(
                "{text} reaches every name that begins so (abc is also the beginning of abcd); end the directory with a slash"
            );
            Finding::new(statement, Code::SlashMissing, sentence)
        })
        .collect()
}

/// What stands behind the bucket in the ARN of an object.
fn s3_key(resource: &str) -> Option<&str> {
    let mut parts = resource.splitn(6, ':');
    let service = parts.nth(2)?;
    let name = parts.nth(2).filter(|_| service == "s3")?;
    name.split_once('/').map(|(_, key)| key)
}

/// Whether a star stands right behind a name. `<prefix>` is what Mint's own files say for a directory: it is filled in empty
/// or with a slash at its end.
fn is_open(pattern: &str) -> bool {
    pattern.match_indices('*').any(|(at, _)| {
        let before = pattern.get(..at).unwrap_or_default();
        !before.is_empty() && !before.ends_with(['/', '*']) && !before.ends_with("<prefix>")
    })
}

/// A listing by this very prefix shows the names that begin with it, and the empty one shows all.
fn lists_by_name(prefix: &str) -> bool {
    !prefix.contains('*') && !prefix.ends_with('/')
}

/// Guards that compare with the empty text: an absent key is not an empty one.
pub(super) fn empty_guards(statement: &Statement) -> Vec<Finding> {
    // in a Deny the plain comparison is as blind as the negated one is in an Allow
    let blind = |operator: &str| operator.starts_with(if statement.allows { "stringnot" } else { "string" });
    statement
        .conditions
        .iter()
        .filter(|one| blind(&one.operator) && one.values.iter().any(String::is_empty))
        .map(|one| {
            let wanted = if statement.allows { "false" } else { "true" };
            let sentence = format!(
                "comparing {key} with an empty text does not find a request that has no {key} at all; write \
                 \"Null\": {{\"{key}\": \"{wanted}\"}}",
                key = one.key
            );
            Finding::new(statement, Code::EmptyTextGuard, sentence)
        })
        .collect()
}

/// Principals that write and read. A `Deny` or a condition is not believed to keep them apart: a condition may hold.
pub(super) fn writers_that_read(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    for principal in named_principals(document) {
        let granted: Vec<&Statement> = document.allows().filter(|one| speaks_of(one, principal)).collect();
        let Some(write) = first_of(&granted, &[Verb::Write]) else { continue };
        for statement in &granted {
            let Some(read) = reads(statement) else { continue };
            let sentence = format!(
                "whoever may {write} may also {read} here; give reading to another role{}",
                principal.map(|name| format!(" than {name}")).unwrap_or_default()
            );
            let finding = Finding::new(statement, Code::WriterReads, sentence);
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// Everybody that a resource policy names; an identity policy speaks of one, whom it does not name.
fn named_principals(document: &Document) -> BTreeSet<Option<&str>> {
    match document.kind {
        Kind::Identity => [None].into(),
        // a trust grants nothing but to become the role
        Kind::Trust => BTreeSet::new(),
        Kind::Bucket | Kind::Key => document
            .allows()
            .flat_map(|one| one.principals.iter())
            .flat_map(|principals| principals.named.iter().map(|(_, text)| Some(text.as_str())))
            .collect(),
    }
}

fn speaks_of(statement: &Statement, principal: Option<&str>) -> bool {
    let (Some(principals), Some(principal)) = (&statement.principals, principal) else { return true };
    let named = |(kind, text): &(PrincipalKind, String)| *kind == PrincipalKind::Anyone || text == principal;
    principals.inverted || principals.named.iter().any(named)
}

fn first_of(statements: &[&Statement], wanted: &[Verb]) -> Option<&'static str> {
    actions()
        .filter(|(class, _)| wanted.contains(class))
        .map(|(_, action)| action)
        .find(|action| statements.iter().any(|statement| statement.names(action)))
}

/// An action that answers content, or says which objects there are.
fn reads(statement: &Statement) -> Option<&'static str> {
    let lists = ["s3:ListBucket", "s3:ListBucketVersions"];
    let content = actions().map(|(_, action)| action).filter(|action| verb(action) == Some(Verb::Read));
    content.chain(lists).find(|action| statement.names(action))
}
