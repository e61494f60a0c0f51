//! Who is walked when: most cases side by side, those that hit whoever comes one after another, and again those whose
//! point did not fire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use mint_types::ServiceName;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cases::{Case, Way};
use crate::stage::Stage;
use crate::ways::Trouble;

/// Cases under way at once: enough that each service always has somebody to die for, few enough for two cores.
const AT_ONCE: usize = 24;
/// Cases under way at once for which one service dies: few enough that it lives in between, however slowly it starts.
const AT_ONCE_FOR_ONE: usize = 8;

/// A case and what came of it.
pub(crate) type Walked = (Case, Result<(), Trouble>);

/// Walks every case. In the second half each service dies for one case at a time: what does not fire then does not fire.
pub(crate) async fn walk_all(stage: &Arc<Stage>, cases: &[Case], started: Instant) -> Vec<Walked> {
    let (beside, alone): (Vec<Case>, Vec<Case>) =
        cases.iter().cloned().partition(|case| is_walked_beside(case.way));
    let first = side_by_side(stage, mixed(beside), started).await;
    let (missed, mut walked): (Vec<Walked>, Vec<Walked>) =
        first.into_iter().partition(|(_, outcome)| matches!(outcome, Err(Trouble::NotFired(_))));
    println!(
        "{:>4} s, {}: now {} that hit whoever comes, and again {} whose point was missed",
        started.elapsed().as_secs(),
        stage.issuer.name(),
        alone.len(),
        missed.len()
    );
    for (case, outcome) in &missed {
        println!("         again: {} {:?}: {}", case.point, case.way, outcome.as_ref().unwrap_err());
    }
    walked.extend(one_for_each_service(stage, alone, missed.into_iter().map(|(case, _)| case)).await);
    walked
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

async fn side_by_side(stage: &Arc<Stage>, cases: Vec<Case>, started: Instant) -> Vec<Walked> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let deaths = ServiceName::ALL.map(|service| (service, Arc::new(Semaphore::new(AT_ONCE_FOR_ONE))));
    let deaths = BTreeMap::from(deaths);
    let mut walks = JoinSet::new();
    let total = cases.len();
    for case in cases {
        let (stage, places, deaths) =
            (Arc::clone(stage), Arc::clone(&places), Arc::clone(&deaths[&case.service]));
        walks.spawn(async move {
            // who mostly waits needs no place
            let waits = case.way.takes_long();
            let _death = if waits { None } else { deaths.acquire_owned().await.ok() };
            let _place = if waits { None } else { places.acquire_owned().await.ok() };
            let outcome = stage.walk(&case).await;
            (case, outcome)
        });
    }
    let mut outcomes: Vec<Walked> = Vec::new();
    while let Some(walked) = walks.join_next().await {
        outcomes.push(walked.expect("a walk does not panic"));
        if outcomes.len().is_multiple_of(25) {
            let bad = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
            let (seconds, world) = (started.elapsed().as_secs(), stage.issuer.name());
            println!("{seconds:>4} s, {world}: {} of {total} walked, {bad} of them badly", outcomes.len());
        }
    }
    outcomes
}

/// The services side by side, and the cases of each one after another.
async fn one_for_each_service(
    stage: &Arc<Stage>,
    alone: Vec<Case>,
    again: impl Iterator<Item = Case>,
) -> Vec<Walked> {
    let mut turns: BTreeMap<ServiceName, Vec<(Case, bool)>> = BTreeMap::new();
    for (case, is_again) in alone.into_iter().map(|case| (case, false)).chain(again.map(|case| (case, true)))
    {
        turns.entry(case.service).or_default().push((case, is_again));
    }
    let mut services = JoinSet::new();
    for cases in turns.into_values() {
        let stage = Arc::clone(stage);
        services.spawn(async move {
            let mut walked = Vec::new();
            for (case, is_again) in cases {
                let outcome =
                    if is_again { walk_again(&stage, &case).await } else { stage.walk(&case).await };
                walked.push((case, outcome));
            }
            walked
        });
    }
    let mut walked = Vec::new();
    while let Some(service) = services.join_next().await {
        walked.extend(service.expect("a walk does not panic"));
    }
    walked
}

async fn walk_again(stage: &Stage, case: &Case) -> Result<(), Trouble> {
    let other = stage.again(case).await?;
    stage.walk(&other).await
}
