//! A restored backup: the issuer and the applications are further than the ledger knows.

use super::*;
use mint_store::Database;

/// How far a rotation had come when the backup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backup {
    Made,
    Delivered,
    Retired,
}

impl Bench {
    fn file(&self) -> &str {
        self.state.url.strip_prefix("sqlite://").unwrap()
    }

    async fn reopen(&mut self) {
        self.state.database = Database::open(&self.state.url, SCHEMA, MIGRATIONS, true).await.unwrap();
        self.restart();
    }

    async fn back_up(&mut self) -> Vec<u8> {
        self.state.database.close().await;
        let copy = std::fs::read(self.file()).unwrap();
        self.reopen().await;
        copy
    }

    async fn restore(&mut self, copy: &[u8]) {
        self.state.database.close().await;
        std::fs::write(self.file(), copy).unwrap();
        self.reopen().await;
        self.rotator.parts.ledger.close_what_was_open(self.world.clock.now()).await.unwrap();
    }
}

fn password(bench: &Bench, order: &Order, made: &Made) -> String {
    let Object::User { password, .. } = bench.opened(order, made) else { panic!("a password") };
    password.expose().to_owned()
}

async fn a_backup_of(stage: Backup) {
    let (mut bench, shop) = Bench::with_shop().await;
    bench.rotate(&shop, CredentialKind::Password).await;
    bench.world.clock.advance(Duration::from_hours(1));
    let (create, made) = bench.made(&shop, CredentialKind::Password).await;
    let mut copy = bench.back_up().await;
    bench.deliver(&create.order, &made).await;
    if stage != Backup::Made {
        copy = bench.back_up().await;
    }
    bench.world.clock.advance(MIN_OVERLAP);
    bench.rotator.retire(&create.order).await.unwrap();
    if stage == Backup::Retired {
        copy = bench.back_up().await;
    }
    bench.world.clock.advance(Duration::from_hours(1));
    let (latest, made_latest) = bench.delivered(&shop, CredentialKind::Password).await;
    let in_use = password(&bench, &latest.order, &made_latest);
    bench.world.clock.advance(Duration::from_mins(5));

    bench.restore(&copy).await;
    let calls = bench.world.issuer_calls().len();
    if stage != Backup::Retired {
        let refused = bench.rotator.retire(&create.order).await.unwrap_err();
        assert_eq!(refused.reason(), "ROTATION_CLOSED", "{stage:?}: a late commit would end what is in use");
        let refused = bench.rotator.create(&create).await.unwrap_err();
        assert_eq!(refused.reason(), "ROTATION_CLOSED", "{stage:?}");
        bench.rotator.abandon(&create.order).await.unwrap();
    }
    assert_eq!(bench.world.issuer_calls().len(), calls, "{stage:?}: the issuer is not called");

    let (fresh, made_fresh) = bench.delivered(&shop, CredentialKind::Password).await;
    assert!(made_fresh.version > made_latest.version, "{stage:?}: numbers never run backwards");
    bench.world.clock.advance(MIN_OVERLAP.saturating_sub(Duration::from_secs(1)));
    assert!(bench.world.opens(&shop, Some(&in_use), None), "{stage:?}: what is in use keeps its overlap");
    bench.world.clock.advance(Duration::from_secs(2));
    bench.rotator.retire(&fresh.order).await.unwrap();
    bench.world.clock.advance(Duration::from_hours(1));
    let now = password(&bench, &fresh.order, &made_fresh);
    assert!(bench.world.opens(&shop, Some(&now), None), "{stage:?}");
    assert!(!bench.world.opens(&shop, Some(&in_use), None), "{stage:?}: nothing is left over");
    assert_eq!(bench.world.live_passwords(&shop), 1, "{stage:?}");
}

#[tokio::test]
async fn after_a_restored_backup_nothing_that_was_open_goes_on() {
    for stage in [Backup::Made, Backup::Delivered, Backup::Retired] {
        a_backup_of(stage).await;
    }
}
