//! Deaths at random moments, side by side with rotations without end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mint_api::coordination::v1::RotateApplicationRequest;
use mint_tests::world::{World, at_rest};
use mint_types::ServiceName;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::crowd;

/// Between two deaths, in milliseconds.
const PAUSES: std::ops::Range<u64> = 50..700;
/// Between two looks at everybody.
const LOOK: Duration = Duration::from_millis(500);

/// A process that can die.
#[derive(Debug, Clone)]
struct Replica {
    name: String,
    pid_file: PathBuf,
}

impl Replica {
    fn kill(&self) -> bool {
        let text = std::fs::read_to_string(&self.pid_file).unwrap_or_default();
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
    }
}

/// Kills and rotations.
#[derive(Debug)]
pub(crate) struct Storm<'a> {
    world: &'a World,
    ids: &'a [String],
    kills: usize,
    is_over: AtomicBool,
    rotations: AtomicU64,
}

impl<'a> Storm<'a> {
    pub(crate) fn new(world: &'a World, ids: &'a [String], kills: usize) -> Self {
        Self { world, ids, kills, is_over: AtomicBool::new(false), rotations: AtomicU64::new(0) }
    }

    fn replicas(&self) -> Vec<Replica> {
        let of = |service: ServiceName| {
            (0..crowd::replicas(service)).map(move |number| Replica {
                name: format!("{service}-{number}"),
                pid_file: crowd::pid_file(self.world.data(), service, number),
            })
        };
        ServiceName::ALL.into_iter().flat_map(of).collect()
    }

    /// Answers who died how often.
    pub(crate) async fn kill_everything(
        &self,
        mut random: StdRng,
        started: Instant,
    ) -> BTreeMap<String, usize> {
        let replicas = self.replicas();
        let mut killed: BTreeMap<String, usize> =
            replicas.iter().map(|replica| (replica.name.clone(), 0)).collect();
        // everybody once in a random order, then everybody in another one: who died just now lives for a while
        let mut round: Vec<usize> = Vec::new();
        let mut deaths = 0;
        while deaths < self.kills {
            tokio::time::sleep(Duration::from_millis(random.random_range(PAUSES))).await;
            if round.is_empty() {
                round = (0..replicas.len()).collect();
                round.shuffle(&mut random);
            }
            let Some(victim) = round.pop().map(|number| &replicas[number]) else { continue };
            if !victim.kill() {
                continue;
            }
            deaths += 1;
            *killed.entry(victim.name.clone()).or_default() += 1;
            if deaths.is_multiple_of(100) {
                let rotations = self.rotations.load(Ordering::Relaxed);
                println!("{:>4} s: {deaths} kills, {rotations} rotations", started.elapsed().as_secs());
            }
        }
        self.is_over.store(true, Ordering::Relaxed);
        killed
    }

    /// Rotates whoever rests, until nobody dies any more; answers how many rotations were asked for and taken.
    pub(crate) async fn rotate_everything(&self) -> u64 {
        let coordination = self.world.coordination();
        while !self.is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(LOOK).await;
            let Ok(statuses) = self.world.statuses().await else { continue };
            let resting = statuses.iter().filter(|status| at_rest(status));
            for id in resting.map(|status| &status.application_id).filter(|id| self.ids.contains(id)) {
                let request = RotateApplicationRequest { application_id: id.clone(), kinds: Vec::new() };
                // a coordinator that dies while it is asked may have heard it or not: the next look tells
                if coordination.clone().rotate_application(request).await.is_ok() {
                    self.rotations.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        self.rotations.load(Ordering::Relaxed)
    }
}
