//! The issuer in memory keeps the contract that every driver keeps.

use async_trait::async_trait;
use mint_issuer_contract::suite::{self, Identity, Trouble};
use mint_issuer_contract::{Login, suite::check};
use mint_types::Entropy;

use super::*;

#[derive(Debug)]
struct InMemory {
    world: World,
    entropy: SeededEntropy,
    added: std::sync::atomic::AtomicU32,
}

#[async_trait]
impl suite::Bench for InMemory {
    fn driver(&self) -> &dyn Driver {
        &self.world
    }

    fn login(&self) -> &dyn Login {
        &self.world
    }

    fn entropy(&self) -> &dyn Entropy {
        &self.entropy
    }

    async fn identity(&self) -> Identity {
        let number = self.added.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let application = self.world.add(&format!("app{number}"), Layout::Split, true, false);
        Identity { username: format!("stups_{application}"), client_id: format!("client-of-{number}") }
    }

    async fn pass(&self, time: Duration) {
        self.world.clock.advance(time);
    }

    async fn arm(&self, trouble: Trouble) -> bool {
        let loses = trouble == Trouble::LosesTheAnswer;
        if loses {
            self.world.fail_at(0, Fault::Unanswered);
        }
        loses
    }
}

#[tokio::test]
async fn the_issuer_in_memory_keeps_the_contract_of_each_kind() {
    let grace = Duration::from_secs(10);
    let kinds = [
        None,
        Some((Ends::OwnCall, Ends::Set)),
        Some((Ends::Create { grace }, Ends::CommitAtOnce)),
        Some((Ends::Set, Ends::CommitAtOnce)),
    ];
    for kind in kinds {
        let world = World::new();
        if let Some((user, client)) = kind {
            world.declare(user, client);
        }
        let bench = InMemory { world, entropy: SeededEntropy::new(9), added: 0.into() };
        let report = check(&bench).await;
        assert_eq!(report.broken, [], "{kind:?}");
        assert!(report.kept.len() >= 5, "{kind:?}: {report:?}");
    }
}
