//! The ways on which operators order by their own program; whoever died meanwhile is asked again.

use std::sync::atomic::{AtomicUsize, Ordering};

use mint_tests::world::at_rest;
use serde_json::json;

use crate::cases::Case;
use crate::slate::Alive;
use crate::stage::{Stage, until};
use crate::ways::Trouble;

/// After so many looks another order is given.
const LOOKS_AN_ORDER: usize = 100;
/// Two operators sign.
const SIGNERS: [&str; 4] = ["--signer", "operator/operator", "--signer", "operator/second"];

impl Stage {
    /// Has an order carried out however often it must be given.
    async fn order(&self, arguments: &[&str]) -> Result<(), String> {
        let said = std::sync::Mutex::new(String::new());
        let done = until("the order is carried out", || async {
            let output = self.world.mint(arguments).await;
            *said.lock().unwrap() = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.success().then_some(())
        })
        .await;
        done.map_err(|late| format!("{late}: {arguments:?}: {}", said.lock().unwrap()))
    }

    /// Both who count are told; whoever died is told again, with a fresh statement.
    pub(super) async fn is_released(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        let arguments = ["registry", "release", "--acts", "1", "--application", id];
        self.order(&[&arguments[..], &SIGNERS[..]].concat()).await?;
        self.fires(case).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    /// What it has ends before anybody has what takes its place; then it has that.
    pub(super) async fn is_revoked(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        let arguments = ["revoke", "--now", id, "--kind", "password"];
        let looks = AtomicUsize::new(0);
        // what takes the place may be retired in its turn before the order is carried that far: then another one is given
        until("the point fires", || async {
            if looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS_AN_ORDER) {
                self.order(&[&arguments[..], &SIGNERS[..]].concat()).await.ok()?;
            }
            self.arming.has_fired(case).then_some(())
        })
        .await
        .map_err(Trouble::NotFired)?;
        self.rests(id, 1).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    pub(super) async fn is_reconciled(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        self.order(&["reconcile", id]).await?;
        self.fires(case).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    /// The issuer answers nothing to a call that it did not carry out, until somebody asks it what it has.
    pub(super) async fn made_nothing(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        let refusal =
            json!({"api": "glewlwyd.user.put", "kind": "fail", "status": 503, "count": 1000, "match": id});
        self.world.fault(refusal).await;
        self.rotate(id, &[mint_api::types::v1::CredentialKind::Password]).await?;
        let fired = until("it is reconciled", || async {
            let _ = self.world.mint(&["reconcile", id]).await;
            self.arming.has_fired(case).then_some(())
        })
        .await;
        self.world.heal_of(id).await;
        fired.map_err(Trouble::NotFired)?;
        until("the rotation ends", || async {
            let status = self.status(id).await?;
            at_rest(&status).then_some(())
        })
        .await?;
        self.is_clean(id, Alive::Enabled).await
    }
}
