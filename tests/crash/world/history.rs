//! What audit log and sandbox together say of the whole run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::audit::v1::{Entry, ListEntriesRequest, Outcome, Phase};
use mint_api::convert::timestamp_from_wire;
use mint_invariants::{Deed, Taking, no_mass_death, no_plaintext, said_before_done};
use mint_tests::application::Application;
use mint_tests::world::Call;
use mint_types::{ApplicationId, Budget, ServiceName, Timestamp};

use crate::cases::{Case, Way};
use crate::stage::Stage;

/// The budget that the worlds are started with.
const BUDGET: Budget = Budget { minimum: 1, percent: 1 };
/// Secrets that are looked for in every file.
const SAMPLE: usize = 6;

/// Each invariant that the past can show.
pub(crate) async fn look_back(stage: &Stage, cases: &[Case]) -> Vec<(&'static str, Result<(), String>)> {
    let calls = stage.world.calls(0).await;
    let entries = entries(stage).await;
    vec![
        ("I3 one at a time", one_at_a_time(&calls)),
        ("I4 no plaintext", plaintext(stage, cases).await),
        ("I5 said before done", said(&foreign_of(stage, &calls), &entries)),
        ("I6 no mass death", deaths(&entries, cases.len(), stage.released.load(Ordering::Relaxed))),
    ]
}

async fn entries(stage: &Stage) -> Vec<Entry> {
    let channel = stage.world.channel(ServiceName::Audit, &stage.world.operator());
    let mut audit = AuditServiceClient::new(channel);
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

/// The calls without those that the harness made itself, once each, to bring trouble about.
fn foreign_of(stage: &Stage, calls: &[Call]) -> Vec<Call> {
    let mut own = stage.own_calls.lock().unwrap().clone();
    let is_foreign = |call: &&Call| {
        let application = call.application.clone().unwrap_or_default();
        !own.remove(&(call.api.clone(), application))
    };
    calls.iter().filter(is_foreign).cloned().collect()
}

/// Which issuer objects a call works on.
fn objects(api: &str) -> &'static [&'static str] {
    match api {
        "service-user.create_password" | "service-user.commit_password" | "glewlwyd.user.put" => &["user"],
        "service-user.create_client" | "service-user.commit_client" | "glewlwyd.client.put" => &["client"],
        "service-user.put" | "service-user.delete" => &["user", "client"],
        _ => &[],
    }
}

/// No two calls on one issuer object at once.
fn one_at_a_time(calls: &[Call]) -> Result<(), String> {
    let mut busy: BTreeMap<(&str, &str), &Call> = BTreeMap::new();
    let mut ordered: Vec<&Call> = calls.iter().collect();
    ordered.sort_by_key(|call| call.started_us);
    for call in ordered {
        let Some(application) = &call.application else { continue };
        for object in objects(&call.api) {
            let before = busy.insert((application, object), call);
            if let Some(before) = before.filter(|before| before.ended_us > call.started_us) {
                return Err(format!("{before:?} and {call:?} work on one {object}"));
            }
        }
    }
    Ok(())
}

/// What identity-provisioner says before it changes a user or its client.
const IDENTITY: (ServiceName, &[&str]) = (
    ServiceName::IdentityProvisioner,
    &["identity.ensure", "identity.enable", "identity.restore", "identity.disable", "orphan.disable"],
);

/// Who says what before a call: one of them.
fn announcements(api: &str) -> Vec<(ServiceName, &'static [&'static str])> {
    match api {
        "service-user.create_password" | "service-user.create_client" => {
            vec![(ServiceName::Rotator, &["credential.create"])]
        }
        "service-user.commit_password" | "service-user.commit_client" => {
            vec![(ServiceName::Rotator, &["credential.retire", "credential.revoke"])]
        }
        "glewlwyd.user.put" => vec![
            (ServiceName::Rotator, &["credential.create", "credential.retire", "credential.revoke"]),
            IDENTITY,
        ],
        "glewlwyd.client.put" => {
            vec![(ServiceName::Rotator, &["credential.set", "credential.revoke"]), IDENTITY]
        }
        "service-user.put" => vec![IDENTITY],
        "service-user.delete" => {
            vec![(ServiceName::IdentityProvisioner, &["identity.delete", "orphan.delete"])]
        }
        "s3.PutObject" => {
            vec![(ServiceName::Distributor, &["credential.deliver", "destination.tombstone"])]
        }
        _ => Vec::new(),
    }
}

fn micros(entry: &Entry) -> u64 {
    let at = entry.at.as_ref().map(timestamp_from_wire).expect("an entry has a time");
    u64::try_from(at.unix_micros()).expect("after 1970")
}

/// Every acting call has its announcement, by who makes it, that is not concluded before it.
fn said(calls: &[Call], entries: &[Entry]) -> Result<(), String> {
    let concluded: BTreeMap<u64, u64> = entries
        .iter()
        .filter(|entry| entry.phase == Phase::Complete as i32)
        .map(|entry| (entry.init_index, micros(entry)))
        .collect();
    let mut announced: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.phase == Phase::Init as i32) {
        let act = entry.act.as_ref().expect("an entry has an act");
        announced.entry(&act.application_id).or_default().push(entry);
    }
    let mut acts = 0;
    for call in calls {
        let announcers = announcements(&call.api);
        let Some(id) = call.application.as_ref().filter(|_| !announcers.is_empty()) else { continue };
        acts += 1;
        let done = u64::try_from(call.started_us).expect("after 1970");
        let fits = |entry: &&&Entry| {
            let act = entry.act.as_ref().expect("an entry has an act");
            let said = |(actor, actions): &(ServiceName, &[&str])| {
                entry.actor.ends_with(&format!("/service/{actor}")) && actions.contains(&act.action.as_str())
            };
            announcers.iter().any(said) && micros(entry) <= done
        };
        let fitting: Vec<&&Entry> = announced.get(id.as_str()).into_iter().flatten().filter(fits).collect();
        let open = fitting.iter().find(|entry| concluded.get(&entry.leaf_index).is_none_or(|at| *at > done));
        let entry = open.or(fitting.last());
        let deed = Deed {
            what: format!("{} of {id} (call {})", call.api, call.id),
            application: id.parse().ok(),
            actor: entry.map_or_else(String::new, |entry| entry.actor.clone()),
            peer: entry.map_or_else(String::new, |entry| entry.actor.clone()),
            // what was announced in the microsecond of the call was announced before it: it waited for the answer
            announced: entry.map(|entry| micros(entry).min(done - 1)),
            done: Some(done),
            concluded: entry.and_then(|entry| concluded.get(&entry.leaf_index).copied()),
        };
        said_before_done(&[deed]).map_err(|violation| violation.to_string())?;
    }
    if acts == 0 { Err("no act was seen".to_owned()) } else { Ok(()) }
}

/// What takes something away.
const TAKINGS: [&str; 5] =
    ["identity.disable", "identity.delete", "orphan.disable", "orphan.delete", "removal.permit"];

/// No more applications lost something than the budget and the operators' release let go.
fn deaths(entries: &[Entry], fleet: usize, released: u64) -> Result<(), String> {
    let begun: BTreeMap<u64, &Entry> = entries
        .iter()
        .filter(|entry| entry.act.as_ref().is_some_and(|act| TAKINGS.contains(&act.action.as_str())))
        .map(|entry| (entry.leaf_index, entry))
        .collect();
    let done = entries
        .iter()
        .filter(|entry| entry.phase == Phase::Complete as i32 && entry.outcome == Outcome::Success as i32)
        .filter_map(|entry| begun.get(&entry.init_index));
    let mut victims: BTreeMap<ApplicationId, Timestamp> = BTreeMap::new();
    for entry in done {
        let id = entry.act.as_ref().unwrap().application_id.parse().unwrap();
        victims.entry(id).or_insert_with(|| timestamp_from_wire(entry.at.as_ref().unwrap()));
    }
    let released = usize::try_from(released).unwrap();
    let takings: Vec<Taking> = victims
        .into_iter()
        .enumerate()
        .map(|(number, (application, at))| Taking { application, at, released: number < released })
        .collect();
    let fleet = u64::try_from(fleet).unwrap();
    no_mass_death(BUDGET, fleet, &takings, &[]).map_err(|violation| violation.to_string())
}

/// A sample of what is delivered now is in no file of any service.
async fn plaintext(stage: &Stage, cases: &[Case]) -> Result<(), String> {
    let mut secrets = Vec::new();
    for case in cases.iter().filter(|case| Way::ROTATIONS.contains(&case.way)).take(SAMPLE) {
        let login = Application::open(stage.world.data(), &case.application).await.login().await?;
        secrets.extend([login.password, login.client_secret].into_iter().filter(|secret| !secret.is_empty()));
    }
    let secrets: Vec<&[u8]> = secrets.iter().map(String::as_bytes).collect();
    let data = stage.world.data();
    let states = ServiceName::ALL.map(|service| data.join("state").join(service.as_str()));
    for directory in states.into_iter().chain([data.join("run/logs")]) {
        for file in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            let place = file.path().display().to_string();
            no_plaintext(&place, &bytes, &secrets).map_err(|violation| violation.to_string())?;
        }
    }
    Ok(())
}
