//! The world that everything happens in.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_runtime::Channel;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options as WorldOptions, World};
use mint_types::ServiceName;

use crate::arming::Arming;
use crate::cases::{Case, Way};
use crate::{Options, programs};

/// How long anything may take on a loaded machine while everything dies.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The issuer's grace in this world, and how long consumers have.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
pub(crate) const OVERLAP: Duration = Duration::from_secs(2);

/// An application that nothing happens to: others take its settings.
pub(crate) const TEMPLATE: &str = "crash-template";

/// A world with its points.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) arming: Arming,
    pub(crate) coordination: CoordinationServiceClient<Channel>,
    pub(crate) registry: RegistryServiceClient<Channel>,
    pub(crate) rotation: RotationServiceClient<Channel>,
    _directory: Option<tempfile::TempDir>,
}

/// The application of a case as the registry has it at the start; none if it comes later.
fn entry(case: &Case) -> Option<Entry> {
    let entry = Entry::new(&case.application);
    Some(match case.way {
        Way::Combined => entry.combined(),
        Way::Public => entry.public(),
        Way::First => entry.inactive(),
        Way::Lookup => return None,
        _ => entry,
    })
}

impl Stage {
    pub(crate) async fn boot(cases: &[Case], options: &Options) -> Arc<Self> {
        let directory = tempfile::Builder::new().prefix("mint-crash-").tempdir().unwrap();
        let data = directory.path().join("data");
        let arming = Arming::new(&data);
        if let Some(mutation) = &options.mutation {
            arming.mutate(mutation);
        }
        let entries: Vec<Entry> =
            std::iter::once(Entry::new(TEMPLATE)).chain(cases.iter().filter_map(entry)).collect();
        let world = WorldOptions {
            registry: Some(registry(&entries, &[&format!("password_grace: {}s", GRACE.as_secs())])),
            arguments: ["--min-overlap", &format!("{}s", OVERLAP.as_secs())].map(ToOwned::to_owned).to_vec(),
            environment: environment(),
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
        let kept = if options.keep {
            println!("the world is kept in {}", directory.keep().display());
            None
        } else {
            Some(directory)
        };
        Arc::new(Self { world, arming, coordination, registry, rotation, _directory: kept })
    }
}

/// The tempo of a world in which everything dies all the time: short waits, large budgets.
fn environment() -> Vec<(String, String)> {
    [
        ("COORDINATOR__ROTATION__RETRY_BASE", "200ms"),
        ("COORDINATOR__ROTATION__RETRY_CAP", "2s"),
        ("COORDINATOR__ROTATION__FAILED_AFTER", "1000"),
        ("ROTATOR__ISSUER__DEADLINE", "3s"),
        ("ROTATOR__ISSUER__REQUEST_LIFE", "3s"),
        ("ROTATOR__ROTATION__UNRESOLVED_HOLD", "3s"),
        ("ROTATOR__ROTATION__MAX_OVERLAP", "5s"),
        ("ROTATOR__ROTATION__RATE_PER_MINUTE", "1000000"),
        ("IDENTITY_PROVISIONER__BUDGET__MINIMUM", "1000"),
        ("REGISTRY_SYNC__SOURCE__DELTA_INTERVAL", "5s"),
    ]
    .map(|(name, value)| (format!("MINT_{name}"), value.to_owned()))
    .to_vec()
}

/// Looks until there is something; an error says what was waited for.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> Result<T, String>
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
    tokio::time::timeout(PATIENCE, looking).await.map_err(|_| format!("not within {PATIENCE:?}: {what}"))
}
