//! The world that everything happens in.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_runtime::Channel;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options as WorldOptions, World};
use mint_types::ServiceName;

use crate::arming::Arming;
use crate::cases::{Case, Issuer, Way};
use crate::glewlwyd::Glewlwyd;
use crate::{Options, programs};

/// How long anything may take on a loaded machine while everything dies, in milliseconds.
static PATIENCE: AtomicU64 = AtomicU64::new(240_000);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The issuer's grace in this world, and how long consumers have.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
pub(crate) const OVERLAP: Duration = Duration::from_secs(2);

/// How long a disabled identity is restorable in this world: longer than any walk takes to want it back.
pub(crate) const TOMBSTONE: Duration = Duration::from_secs(60);
/// A second bucket, for those who lose one.
pub(crate) const SECOND_BUCKET: &str = "spare-credentials";

/// An application that nothing happens to: others take its settings.
pub(crate) const TEMPLATE: &str = "crash-template";
/// One that is disabled when the day's budget is to be spent.
pub(crate) const VICTIM: &str = "crash-victim";

/// A world with its points.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) issuer: Issuer,
    /// Where applications log in.
    pub(crate) token_url: String,
    pub(crate) arming: Arming,
    pub(crate) coordination: CoordinationServiceClient<Channel>,
    pub(crate) registry: RegistryServiceClient<Channel>,
    pub(crate) rotation: RotationServiceClient<Channel>,
    /// How many applications something may be taken from beyond the budget.
    pub(crate) released: AtomicU64,
    /// What the harness itself asked of the issuer: which call, of whom.
    pub(crate) own_calls: Mutex<BTreeSet<(String, String)>>,
    _directory: Option<tempfile::TempDir>,
}

/// The application of a case as the registry has it at the start; none if it comes later.
fn entry(case: &Case) -> Option<Entry> {
    let entry = Entry::new(&case.application);
    Some(match case.way {
        Way::Combined => entry.combined(),
        Way::Public => entry.public(),
        Way::First => entry.inactive(),
        Way::Tombstone | Way::OverBudget => entry.buckets(&["team-credentials", SECOND_BUCKET]),
        _ if !case.way.is_registered() => return None,
        _ => entry,
    })
}

impl Stage {
    pub(crate) async fn boot(cases: &[Case], issuer: Issuer, options: &Options) -> Arc<Self> {
        let directory = tempfile::Builder::new().prefix("mint-crash-").tempdir().unwrap();
        let data = directory.path().join("data");
        let arming = Arming::new(&data);
        if let Some(mutation) = &options.mutation {
            arming.mutate(mutation);
        }
        let nobody = [TEMPLATE, VICTIM].map(Entry::new).into_iter();
        let entries: Vec<Entry> = nobody.chain(cases.iter().filter_map(entry)).collect();
        let glewlwyd = (issuer == Issuer::Glewlwyd).then(|| Glewlwyd::in_world(&data));
        let mut environment = environment();
        environment.extend(glewlwyd.iter().flat_map(Glewlwyd::environment));
        let world = WorldOptions {
            registry: Some(registry(&entries, &[&format!("password_grace: {}s", GRACE.as_secs())])),
            arguments: arguments(),
            environment,
            data: Some(data),
            programs: Some(programs::gather(&directory.path().join("bin"))),
        };
        let world = World::boot(world).await;
        let operator = world.operator();
        let channel = |service| world.channel(service, &operator);
        let (coordination, registry, rotation) = (
            CoordinationServiceClient::new(channel(ServiceName::Coordinator)),
            RegistryServiceClient::new(channel(ServiceName::RegistrySync)),
            RotationServiceClient::new(channel(ServiceName::Rotator)),
        );
        if let Some(glewlwyd) = &glewlwyd {
            glewlwyd.provide(&world).await;
        }
        let token_url = glewlwyd
            .as_ref()
            .map_or_else(|| world.endpoints.token_url.clone(), |glewlwyd| glewlwyd.token_url());
        let released = u64::try_from(cases.iter().filter(|case| case.way.takes()).count()).unwrap();
        let kept = if options.keep {
            println!("the world is kept in {}", directory.keep().display());
            None
        } else {
            Some(directory)
        };
        let stage = Arc::new(Self {
            world,
            issuer,
            token_url,
            arming,
            coordination,
            registry,
            rotation,
            released: AtomicU64::new(0),
            own_calls: Mutex::default(),
            _directory: kept,
        });
        if released > 0 {
            stage.release(released).await.unwrap();
        }
        stage
    }

    /// Two operators let so much go as the walks take away on purpose, and no more.
    pub(crate) async fn release(&self, acts: u64) -> Result<(), String> {
        let count = acts.to_string();
        let signers = ["--signer", "operator/operator", "--signer", "operator/second"];
        let arguments: Vec<&str> =
            ["registry", "release", "--acts", &count].into_iter().chain(signers).collect();
        let refusal = Mutex::new(String::new());
        // both who count are told; whoever was dead is told again
        let released = until("the operators release", || async {
            let said = self.world.mint(&arguments).await;
            *refusal.lock().unwrap() = String::from_utf8_lossy(&said.stderr).into_owned();
            said.status.success().then_some(())
        });
        released.await.map_err(|late| format!("{late}: {}", refusal.lock().unwrap()))?;
        self.released.fetch_add(acts, Ordering::Relaxed);
        Ok(())
    }
}

fn arguments() -> Vec<String> {
    let seconds = |duration: Duration| format!("{}s", duration.as_secs());
    let (overlap, tombstone) = (seconds(OVERLAP), seconds(TOMBSTONE));
    ["--min-overlap", &overlap, "--tombstone", &tombstone].map(ToOwned::to_owned).to_vec()
}

/// The tempo of a world in which everything dies all the time: short waits, and no budget for trouble on purpose.
fn environment() -> Vec<(String, String)> {
    [
        ("COORDINATOR__ROTATION__RETRY_BASE", "200ms"),
        ("COORDINATOR__ROTATION__RETRY_CAP", "2s"),
        ("COORDINATOR__ROTATION__FAILED_AFTER", "1000"),
        ("ROTATOR__ISSUER__DEADLINE", "3s"),
        ("ROTATOR__ISSUER__REQUEST_LIFE", "3s"),
        ("ROTATOR__ISSUER__ERRORS_PER_HOUR", "1000"),
        ("ROTATOR__ROTATION__UNRESOLVED_HOLD", "3s"),
        ("ROTATOR__ROTATION__MAX_OVERLAP", "5s"),
        ("ROTATOR__ROTATION__RATE_PER_MINUTE", "1000000"),
        // owners change settings without a signature here
        ("DISTRIBUTOR__PINS__WAIT", "1s"),
        ("IDENTITY_PROVISIONER__BUDGET__MINIMUM", "1"),
        ("IDENTITY_PROVISIONER__ISSUER__CHECK_INTERVAL", "5s"),
        ("REGISTRY_SYNC__SOURCE__DELTA_INTERVAL", "5s"),
    ]
    .map(|(name, value)| (format!("MINT_{name}"), value.to_owned()))
    .to_vec()
}

/// From now on waits so long and no longer.
pub(crate) fn be_patient_for(patience: Duration) {
    PATIENCE.store(u64::try_from(patience.as_millis()).unwrap(), Ordering::Relaxed);
}

/// Looks until there is something; an error says what was waited for.
pub(crate) async fn until<T, F>(what: &str, look: impl FnMut() -> F) -> Result<T, String>
where
    F: Future<Output = Option<T>>,
{
    within(Duration::from_millis(PATIENCE.load(Ordering::Relaxed)), what, look).await
}

/// The same with a patience of its own.
pub(crate) async fn within<T, F>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> Result<T, String>
where
    F: Future<Output = Option<T>>,
{
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(patience, looking).await.map_err(|_| format!("not within {patience:?}: {what}"))
}
