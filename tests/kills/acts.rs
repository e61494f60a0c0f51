//! Whether anything was done twice: by the issuer's own log, the rotators' ledger and the audit log.

use std::collections::BTreeMap;

use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::audit::v1::{Entry, ListEntriesRequest, Phase};
use mint_tests::world::{Call, World};
use mint_types::ServiceName;

use crate::postgres::Postgres;

/// One call at the issuer, the object that it works on, and what the rotators announce it as.
const ACTING: [(&str, &str, &str); 4] = [
    ("service-user.create_password", "user", "credential.create"),
    ("service-user.create_client", "client", "credential.create"),
    ("service-user.commit_password", "user", "credential.retire"),
    ("service-user.commit_client", "client", "credential.retire"),
];

/// What was done twice, in words; and how many acts were looked at.
pub(crate) async fn done_twice(world: &World, postgres: &Postgres) -> (usize, Vec<String>) {
    let calls = world.calls(0).await;
    let entries = entries(world).await;
    let mut doubles = at_once(&calls);
    doubles.extend(unannounced(&calls, &entries));
    doubles.extend(unintended(&calls, postgres));
    doubles.extend(made_twice(postgres));
    (calls.iter().filter(|call| acting(call).is_some()).count(), doubles)
}

async fn entries(world: &World) -> Vec<Entry> {
    let mut audit = AuditServiceClient::new(world.channel(ServiceName::Audit, &world.operator()));
    let (mut entries, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListEntriesRequest { page_size: 1000, page_token, ..ListEntriesRequest::default() };
        let page = audit.list_entries(request).await.expect("the log answers").into_inner();
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return entries;
        }
    }
}

fn acting(call: &Call) -> Option<(&'static str, &'static str, &str)> {
    let (_, object, action) = ACTING.into_iter().find(|(api, ..)| *api == call.api)?;
    Some((object, action, call.application.as_deref()?))
}

/// Two replicas on one object of the issuer at the same moment.
fn at_once(calls: &[Call]) -> Vec<String> {
    let mut ordered: Vec<&Call> = calls.iter().collect();
    ordered.sort_by_key(|call| call.started_us);
    let mut busy: BTreeMap<(&str, &str), &Call> = BTreeMap::new();
    let mut doubles = Vec::new();
    for call in ordered {
        let Some((object, _, application)) = acting(call) else { continue };
        let before = busy.insert((application, object), call);
        if let Some(before) = before.filter(|before| before.ended_us > call.started_us) {
            doubles.push(format!("at once: {before:?} and {call:?}"));
        }
    }
    doubles
}

/// Each act has an announcement of its own; a combined credential has one for both halves.
fn unannounced(calls: &[Call], entries: &[Entry]) -> Vec<String> {
    let mut announced: BTreeMap<(String, String, &str), usize> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.phase == Phase::Init as i32) {
        let act = entry.act.as_ref().expect("an entry has an act");
        for object in ["user", "client"] {
            *announced.entry((act.application_id.clone(), act.action.clone(), object)).or_default() += 1;
        }
    }
    let mut done: BTreeMap<(String, String, &str), usize> = BTreeMap::new();
    for (object, action, application) in calls.iter().filter_map(acting) {
        *done.entry((application.to_owned(), action.to_owned(), object)).or_default() += 1;
    }
    let more = |(act, count): (&(String, String, &str), &usize)| {
        let said = announced.get(act).copied().unwrap_or_default();
        (*count > said).then(|| format!("{act:?} was done {count} times and announced {said} times"))
    };
    done.iter().filter_map(more).collect()
}

/// Each creation at the issuer is an intent in the ledger.
fn unintended(calls: &[Call], postgres: &Postgres) -> Vec<String> {
    let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (object, action, application) in calls.iter().filter_map(acting) {
        if action == "credential.create" {
            *made.entry((application, object)).or_default() += 1;
        }
    }
    let rows = postgres.ask("SELECT application, object, count(*) FROM rotator.attempt GROUP BY 1, 2");
    let intended: BTreeMap<(&str, &str), usize> = rows
        .iter()
        .map(|row| ((row[0].as_str(), row[1].as_str()), row[2].parse().expect("a count")))
        .collect();
    let more = |(key, count): (&(&str, &str), &usize)| {
        let rows = intended.get(key).copied().unwrap_or_default();
        (*count > rows).then(|| format!("{key:?} was made {count} times by {rows} intents"))
    };
    made.iter().filter_map(more).collect()
}

/// A rotation keeps one version, and each of its other attempts is known to have come to nothing or to be swept.
fn made_twice(postgres: &Postgres) -> Vec<String> {
    let twice = "SELECT application, rotation, object, count(*) FROM rotator.attempt WHERE state = 'kept' \
                 GROUP BY 1, 2, 3 HAVING count(*) > 1";
    postgres.ask(twice).iter().map(|row| format!("made twice: {row:?}")).collect()
}
