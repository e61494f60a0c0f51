//! The whole run: boot, walk every case, look back, report.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mint_api::coordination::v1::{ApplicationState, ApplicationStatus};
use mint_port::arm::Shot;
use mint_tests::world::at_rest;
use mint_types::ServiceName;
use tokio::task::JoinSet;

use crate::Options;
use crate::cases::{self, Case, Issuer, Way};
use crate::stage::Stage;
use crate::turns;
use crate::watch::Watch;
use crate::{history, mutations};

/// How many applications log in all the while.
const WATCHED: usize = 24;
/// How long may pass between two of the first deliveries, however many there are.
const FIRST_DELIVERIES: Duration = Duration::from_mins(2);

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

/// What a world has seen when everything in it is over.
#[derive(Debug, Default)]
struct Seen {
    report: Report,
    fired: Vec<(ServiceName, Shot)>,
    logins: u64,
}

/// Runs everything, the worlds side by side; answers what failed.
pub(crate) async fn run(options: &Options) -> Vec<String> {
    let wanted = |case: &Case| {
        options.only.as_ref().is_none_or(|text| name(case).contains(text.as_str()))
            && (options.mutation.is_none() || mutations::is_walked(case))
    };
    let cases: Vec<Case> = cases::all().into_iter().filter(wanted).collect();
    let started = Instant::now();
    let mut worlds = JoinSet::new();
    for issuer in Issuer::ALL {
        let there: Vec<Case> = cases.iter().filter(|case| case.issuer == issuer).cloned().collect();
        if there.is_empty() {
            continue;
        }
        // one after another: a world's ports are free until it listens there
        let stage = Stage::boot(&there, issuer, options).await;
        println!("{:>4} s, {}: {} cases on a running world", seconds(started), issuer.name(), there.len());
        worlds.spawn(async move { live_through(&stage, &there, started).await });
    }
    let (mut report, mut fired, mut logins) = (Report::default(), Vec::new(), 0);
    while let Some(seen) = worlds.join_next().await {
        let seen = seen.expect("a world does not break off");
        report.passed += seen.report.passed;
        report.failures.extend(seen.report.failures);
        fired.extend(seen.fired);
        logins += seen.logins;
    }
    if options.mutation.is_none() {
        report.note("every listed point fires", unfired(&fired, options));
    }
    summarize(&fired, &cases, &report, logins, started);
    report.failures
}

/// Walks every case of a world and looks at everything.
async fn live_through(stage: &Arc<Stage>, cases: &[Case], started: Instant) -> Seen {
    let (world, mut report) = (stage.issuer.name(), Report::default());
    report.note(&format!("the first deliveries ({world})"), first_deliveries(stage, cases).await);
    println!("{:>4} s, {world}: everybody has the first versions", seconds(started));

    let watch = Arc::new(Watch::default());
    let watching = tokio::spawn(Arc::clone(&watch).run(Arc::clone(stage), watched(cases)));
    for (case, outcome) in turns::walk_all(stage, cases, started).await {
        report.note(&name(&case), outcome.map_err(|trouble| trouble.to_string()));
    }
    println!("{:>4} s, {world}: everything is walked", seconds(started));
    report.note(&format!("everybody is at rest in the end ({world})"), all_rest(stage).await);
    println!("{:>4} s, {world}: everybody is at rest", seconds(started));
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
    println!("{:>4} s, {world}: looked back", seconds(started));
    let here = ServiceName::ALL.map(|service| (service, stage.arming.fired(service)));
    let fired =
        here.into_iter().flat_map(|(service, shots)| shots.into_iter().map(move |shot| (service, shot)));
    Seen { report, fired: fired.collect(), logins }
}

fn seconds(started: Instant) -> u64 {
    started.elapsed().as_secs()
}

fn name(case: &Case) -> String {
    format!("{} {:?} {}", case.point, case.way, case.issuer.name())
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
    let (mut last, mut most) = (Instant::now(), 0);
    let expected: BTreeSet<&str> =
        cases.iter().filter(|case| case.way.is_delivered()).map(|case| case.application.as_str()).collect();
    loop {
        let statuses = stage.world.statuses().await.unwrap_or_default();
        let resting = statuses.iter().filter(|status| at_rest(status));
        let resting: BTreeSet<&str> = resting.map(|status| status.application_id.as_str()).collect();
        if expected.is_subset(&resting) {
            return Ok(());
        }
        if resting.len() > most {
            (last, most) = (Instant::now(), resting.len());
        }
        if last.elapsed() > FIRST_DELIVERIES {
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
