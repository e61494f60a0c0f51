//! The whole run: boot, walk every case, look back, report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mint_api::coordination::v1::{ApplicationState, ApplicationStatus};
use mint_port::arm::Shot;
use mint_tests::world::at_rest;
use mint_types::ServiceName;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Options;
use crate::cases::{self, Case, Issuer, Way};
use crate::history;
use crate::stage::Stage;
use crate::watch::Watch;

/// Cases under way at once: enough that each service always has somebody to die for, few enough for two cores.
const AT_ONCE: usize = 24;
/// How many applications log in all the while.
const WATCHED: usize = 24;
/// How long the first deliveries of everybody may take.
const FIRST_DELIVERIES: Duration = Duration::from_mins(5);

/// What a run found.
#[derive(Debug, Default)]
struct Report {
    passed: usize,
    failures: Vec<String>,
}

impl Report {
    fn note(&mut self, what: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(problem) => {
                println!("FAILED {what}: {problem}");
                self.failures.push(format!("{what}: {problem}"));
            }
        }
    }
}

/// Runs everything; answers how much failed.
pub(crate) async fn run(options: &Options) -> usize {
    let wanted = |case: &Case| options.only.as_ref().is_none_or(|text| name(case).contains(text.as_str()));
    let cases: Vec<Case> = cases::all().into_iter().filter(wanted).collect();
    let started = Instant::now();
    let (mut report, mut fired, mut logins) = (Report::default(), Vec::new(), 0);
    for issuer in Issuer::ALL {
        let there: Vec<Case> = cases.iter().filter(|case| case.issuer == issuer).cloned().collect();
        if there.is_empty() {
            continue;
        }
        let stage = Stage::boot(&there, issuer, options).await;
        println!(
            "{:>4} s: {} cases on a running world with {}",
            seconds(started),
            there.len(),
            issuer.name()
        );
        logins += walk_all(&stage, &there, &mut report, started).await;
        let here = ServiceName::ALL.map(|service| (service, stage.arming.fired(service)));
        fired.extend(
            here.into_iter().flat_map(|(service, shots)| shots.into_iter().map(move |shot| (service, shot))),
        );
    }
    report.note("every listed point fires", unfired(&fired, options));
    summarize(&fired, &cases, &report, logins, started);
    report.failures.len()
}

/// Walks every case of a world and looks at everything; answers how many logins there were.
async fn walk_all(stage: &Arc<Stage>, cases: &[Case], report: &mut Report, started: Instant) -> u64 {
    let world = stage.issuer.name();
    report.note("the first deliveries", first_deliveries(stage, cases).await);
    println!("{:>4} s: everybody has the first versions", seconds(started));

    let watch = Arc::new(Watch::default());
    let watching = tokio::spawn(Arc::clone(&watch).run(Arc::clone(stage), watched(cases)));
    let (beside, alone): (Vec<Case>, Vec<Case>) =
        cases.iter().cloned().partition(|case| is_walked_beside(case.way));
    for (case, outcome) in side_by_side(stage, mixed(beside), started).await {
        report.note(&name(&case), outcome);
    }
    println!("{:>4} s: now those that hit whoever comes", seconds(started));
    for case in &alone {
        report.note(&name(case), stage.walk(case).await);
    }
    println!("{:>4} s: looking back", seconds(started));
    report.note("everybody is at rest in the end", all_rest(stage).await);
    watch.stop();
    if watching.await.is_err() {
        report.note("the login loop", Err("it broke off".to_owned()));
    }
    let violations = watch.violations.lock().unwrap().clone();
    let logins = watch.logins.load(Ordering::Relaxed);
    report.note(&format!("I1 never broken ({world})"), none_of(&violations));
    if logins == 0 && !watched(cases).is_empty() {
        report.note("I1 is looked at", Err("nobody logged in".to_owned()));
    }
    for (invariant, outcome) in history::look_back(stage, cases).await {
        report.note(&format!("{invariant} ({world})"), outcome);
    }
    logins
}

fn seconds(started: Instant) -> u64 {
    started.elapsed().as_secs()
}

fn name(case: &Case) -> String {
    format!("{} {:?} {}", case.point, case.way, case.issuer.name())
}

/// Whether a case may be walked beside others: those that hit whoever comes next, and what disturbs everybody, may not.
fn is_walked_beside(way: Way) -> bool {
    way.is_for_an_application() && way != Way::Lookup
}

/// Those of different services beside each other: the points of one service kill each other's walks.
fn mixed(cases: Vec<Case>) -> Vec<Case> {
    let mut ranked: Vec<(usize, Case)> = Vec::new();
    let mut totals: BTreeMap<ServiceName, usize> = BTreeMap::new();
    for case in &cases {
        *totals.entry(case.service).or_default() += 1;
    }
    let mut counted: BTreeMap<ServiceName, usize> = BTreeMap::new();
    for case in cases {
        let count = counted.entry(case.service).or_default();
        *count += 1;
        ranked.push((*count * 100_000 / totals[&case.service], case));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, case)| case).collect()
}

async fn side_by_side(
    stage: &Arc<Stage>,
    cases: Vec<Case>,
    started: Instant,
) -> Vec<(Case, Result<(), String>)> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut walks = JoinSet::new();
    let total = cases.len();
    for case in cases {
        let (stage, places) = (Arc::clone(stage), Arc::clone(&places));
        walks.spawn(async move {
            // who mostly waits needs no place
            let _place = if case.way.takes_long() { None } else { places.acquire_owned().await.ok() };
            let outcome = stage.walk(&case).await;
            (case, outcome)
        });
    }
    let mut outcomes = Vec::new();
    while let Some(walked) = walks.join_next().await {
        outcomes.push(walked.expect("a walk does not panic"));
        if outcomes.len().is_multiple_of(25) {
            let failed = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
            println!("{:>4} s: {} of {total} walked, {failed} failed", seconds(started), outcomes.len());
        }
    }
    outcomes
}

/// Some of those that rotate, and are shut out at no time: not those whose client's secret is replaced.
fn watched(cases: &[Case]) -> Vec<String> {
    let is_replaced = |case: &Case| case.issuer == Issuer::Glewlwyd && case.way == Way::Client;
    let rotating = cases.iter().filter(|case| Way::ROTATIONS.contains(&case.way) && !is_replaced(case));
    let rotating: Vec<&Case> = rotating.collect();
    let step = (rotating.len() / WATCHED).max(1);
    let mut ids: Vec<String> = rotating.iter().step_by(step).map(|case| case.application.clone()).collect();
    ids.truncate(WATCHED);
    ids
}

async fn first_deliveries(stage: &Stage, cases: &[Case]) -> Result<(), String> {
    let begun = Instant::now();
    let expected: BTreeSet<&str> =
        cases.iter().filter(|case| case.way.is_delivered()).map(|case| case.application.as_str()).collect();
    loop {
        let statuses = stage.world.statuses().await.unwrap_or_default();
        let resting = statuses.iter().filter(|status| at_rest(status));
        let resting: BTreeSet<&str> = resting.map(|status| status.application_id.as_str()).collect();
        if expected.is_subset(&resting) {
            return Ok(());
        }
        if begun.elapsed() > FIRST_DELIVERIES {
            return Err(format!("not delivered: {:?}", expected.difference(&resting).collect::<Vec<_>>()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn all_rest(stage: &Stage) -> Result<(), String> {
    let restless = Mutex::new(Vec::new());
    let resting = crate::stage::until("everybody is at rest", || async {
        let statuses = stage.world.statuses().await.ok()?;
        let is_restless = |status: &&ApplicationStatus| {
            let inactive = status.state == ApplicationState::Inactive as i32 && status.problems.is_empty();
            !(at_rest(status) || inactive)
        };
        let found: Vec<String> =
            statuses.iter().filter(is_restless).map(|status| status.application_id.clone()).collect();
        let nobody = found.is_empty();
        *restless.lock().unwrap() = found;
        nobody.then_some(())
    });
    let outcome = resting.await;
    outcome.map_err(|late| format!("{late}: {:?}", restless.lock().unwrap()))
}

fn none_of(violations: &[String]) -> Result<(), String> {
    match violations.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} times, first {first}", violations.len())),
    }
}

/// A point that is listed and fired nowhere; or one that was said never to fire, and did.
fn unfired(fired: &[(ServiceName, Shot)], options: &Options) -> Result<(), String> {
    let fired: BTreeSet<&str> = fired.iter().map(|(_, shot)| shot.point.as_str()).collect();
    let looked_at = |point: &String| options.only.as_ref().is_none_or(|text| point.contains(text.as_str()));
    let missing: Vec<String> = mint_crash::all_points()
        .into_iter()
        .map(|(_, point)| point)
        .filter(|point| !fired.contains(point.as_str()) && !cases::is_unreachable(point) && looked_at(point))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("{} did not: {missing:#?}", missing.len())) }
}

fn summarize(fired: &[(ServiceName, Shot)], cases: &[Case], report: &Report, logins: u64, started: Instant) {
    for service in ServiceName::ALL {
        let listed = cases.iter().filter(|case| case.service == service);
        let points: BTreeSet<&str> = listed.clone().map(|case| case.point.as_str()).collect();
        let shots = fired.iter().filter(|(whose, _)| *whose == service).count();
        println!("{service}: {} points, {} cases, {shots} kills", points.len(), listed.count());
    }
    for (call, reason) in cases::UNREACHABLE {
        println!("not reached: {call}: {reason}");
    }
    println!("logins: {logins}; seconds: {}", seconds(started));
    for failure in &report.failures {
        println!("FAILED {failure}");
    }
    println!("{} passed, {} failed", report.passed, report.failures.len());
}
