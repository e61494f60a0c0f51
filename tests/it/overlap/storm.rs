//! Rotations of everything, side by side with the deaths of everything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_api::coordination::v1::{ApplicationStatus, ListApplicationsRequest, RotateApplicationRequest};
use mint_runtime::client::Channel;
use mint_tests::application::eventually;
use mint_tests::world::{World, at_rest, completed_rotations};
use mint_types::ServiceName;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

/// How often each application is rotated, all its kinds.
pub(super) const ROUNDS: u64 = 10;
/// How often each service is killed.
pub(super) const KILLS: usize = 20;
/// Between two deaths, in milliseconds: two seconds in the middle, so that a service dies on average when it has lived
/// for twelve, and several are dead at once often enough.
const PAUSES: std::ops::Range<u64> = 100..3900;

/// Between two looks at everybody, which are work for the coordinator too.
const LOOK: Duration = Duration::from_millis(400);

/// Kills and rotations, which know of each other how far they are.
pub(super) struct Storm<'a> {
    world: &'a World,
    ids: &'a [String],
    deaths: AtomicUsize,
}

impl<'a> Storm<'a> {
    pub(super) fn new(world: &'a World, ids: &'a [String]) -> Self {
        Self { world, ids, deaths: AtomicUsize::new(0) }
    }

    fn all_deaths() -> usize {
        ServiceName::ALL.len() * KILLS
    }

    /// Kills each service once in a random order at random moments, then each again, and so on. Answers who died how
    /// often.
    pub(super) async fn kill_everything(&self, mut random: StdRng) -> BTreeMap<ServiceName, usize> {
        let mut killed = BTreeMap::new();
        let mut last_victims: BTreeMap<ServiceName, i32> = BTreeMap::new();
        for _ in 0..KILLS {
            let mut victims = ServiceName::ALL;
            victims.shuffle(&mut random);
            for service in victims {
                tokio::time::sleep(Duration::from_millis(random.random_range(PAUSES))).await;
                let dead = last_victims.get(&service).copied();
                let pid = self.kill(service, dead).await;
                last_victims.insert(service, pid);
                *killed.entry(service).or_default() += 1;
                self.deaths.fetch_add(1, Ordering::Relaxed);
            }
        }
        killed
    }

    /// Kills the process that came after the one that died last.
    async fn kill(&self, service: ServiceName, dead: Option<i32>) -> i32 {
        eventually(&format!("{service} is there to be killed"), Duration::from_mins(1), || async move {
            let pid = self.world.child_pid(service.as_str()).filter(|pid| Some(*pid) != dead)?;
            self.world.signal(service.as_str(), rustix::process::Signal::KILL).then_some(pid)
        })
        .await
    }

    /// Rotates each application [`ROUNDS`] times, spread over all the deaths and no two applications at the same moment;
    /// ends when all have come to rest after it and nobody dies any more.
    pub(super) async fn rotate_everything(&self) {
        let coordination = self.world.coordination();
        let coordination = &coordination;
        eventually("all have rotated and rest", Duration::from_mins(20), || async move {
            tokio::time::sleep(LOOK).await;
            let statuses = statuses(coordination.clone()).await?;
            let mut open = self.ids.len();
            for (index, id) in self.ids.iter().enumerate() {
                let status = statuses.iter().find(|status| status.application_id == *id)?;
                if !at_rest(status) {
                    continue;
                }
                // the first delivery counts as one
                let next = completed_rotations(status);
                if next > ROUNDS {
                    open -= 1;
                } else if self.deaths.load(Ordering::Relaxed) >= self.due(index, next) {
                    rotate(coordination.clone(), id).await;
                }
            }
            (open == 0 && self.deaths.load(Ordering::Relaxed) == Self::all_deaths()).then_some(())
        })
        .await;
    }

    /// After how many deaths an application is rotated for the n-th time.
    fn due(&self, index: usize, round: u64) -> usize {
        let rounds = usize::try_from(ROUNDS).expect("few");
        let before = usize::try_from(round.saturating_sub(1)).expect("few") * self.ids.len() + index;
        Self::all_deaths() * before / (rounds * self.ids.len())
    }
}

async fn statuses(mut coordination: CoordinationServiceClient<Channel>) -> Option<Vec<ApplicationStatus>> {
    let request = ListApplicationsRequest { page_size: 5000, ..Default::default() };
    Some(coordination.list_applications(request).await.ok()?.into_inner().applications)
}

/// A coordinator that dies while it is asked may have heard it or not: the next look at the application tells.
async fn rotate(mut coordination: CoordinationServiceClient<Channel>, id: &str) {
    let request = RotateApplicationRequest { application_id: id.to_owned(), kinds: Vec::new() };
    let _unanswered = coordination.rotate_application(request).await.is_err();
}
