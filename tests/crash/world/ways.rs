//! Walks an application to a point, and on until it has converged.

use std::time::Duration;

use mint_api::coordination::v1::{
    ApplicationState, ApplicationStatus, GetApplicationRequest, RotateApplicationRequest,
};
use mint_api::registry::v1::{
    GetApplicationRequest as GetRecordRequest, SyncSourceRequest, UpdateSettingsRequest,
};
use mint_api::types::v1::CredentialKind;
use mint_tests::world::at_rest;
use serde_json::json;

use crate::cases::{Case, Way};
use crate::slate;
use crate::stage::{Stage, until, within};

mod decided;
mod ordered;
mod particular;

pub(crate) use decided::with_second_bucket;

/// How long a point may take to fire before its case is walked on another application: longer than any walk to it.
const PATIENCE_TO_FIRE: Duration = Duration::from_secs(90);

/// What a walk met.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The point did not fire. Whoever died between what a point follows and the point never comes back to it, so that
    /// says nothing while others die for their own points.
    NotFired(String),
    /// Something is as it must not be.
    Broken(String),
}

impl From<String> for Trouble {
    fn from(problem: String) -> Self {
        Self::Broken(problem)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFired(problem) => write!(formatter, "the point did not fire: {problem}"),
            Self::Broken(problem) => formatter.write_str(problem),
        }
    }
}

impl Stage {
    /// Fires a case's point and sees everything come to rest.
    pub(crate) async fn walk(&self, case: &Case) -> Result<(), Trouble> {
        let walked = self.walk_armed(case).await;
        self.arming.disarm(case);
        walked
    }

    async fn walk_armed(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        match case.way {
            Way::Password => self.rotates(case, &[CredentialKind::Password]).await,
            Way::Client => self.rotates(case, &[CredentialKind::Client]).await,
            Way::Combined => self.rotates(case, &[CredentialKind::Combined]).await,
            Way::Public => self.rotates(case, &[CredentialKind::PublicClient]).await,
            Way::OtherMachine => self.continues_elsewhere(case).await,
            Way::Restored => self.is_restored(case).await,
            Way::Anybody => self.somebody(case).await,
            Way::First => {
                self.arming.arm(case);
                self.put(json!({"id": id, "active": true})).await;
                self.fires(case).await?;
                self.rests(id, 1).await?;
                self.is_clean(id, slate::Alive::Enabled).await
            }
            Way::Disable => {
                self.arming.arm(case);
                self.put(json!({"id": id, "active": false})).await;
                self.fires(case).await?;
                self.retired(id).await?;
                self.is_clean(id, slate::Alive::Disabled).await?;
                self.comes_back(id).await
            }
            Way::Enable => {
                self.put(json!({"id": id, "active": false})).await;
                self.retired(id).await?;
                // inactive is what the registry says at once; disabled is what there is to be enabled, and whoever died
                // before it was written down only ensures it again
                self.is_clean(id, slate::Alive::Disabled).await?;
                until("it is known to be disabled", || async {
                    self.status(id).await.filter(|status| status.tombstone_until.is_some()).map(drop)
                })
                .await?;
                self.arming.arm(case);
                self.put(json!({"id": id, "active": true})).await;
                self.fires(case).await?;
                self.comes_back(id).await
            }
            Way::Settings => {
                self.arming.arm(case);
                self.edit(id, |settings| settings.scopes = vec!["sales_order.read".to_owned()]).await?;
                self.fires(case).await?;
                self.rests(id, 1).await?;
                self.is_clean(id, slate::Alive::Enabled).await
            }
            Way::Facts => {
                self.arming.arm(case);
                self.put(json!({"id": id, "name": "another name"})).await;
                self.fires(case).await?;
                self.rests(id, 1).await?;
                self.is_clean(id, slate::Alive::Enabled).await
            }
            Way::Lookup => self.is_looked_up(case).await,
            Way::Refused => self.is_refused(case).await,
            Way::RateLimited => self.is_rate_limited(case).await,
            Way::KeepUnknown => self.is_not_known(case).await,
            Way::EndRefused => self.is_refused_an_end(case).await,
            Way::Lied => self.is_lied_to(case).await,
            Way::Abandoned => self.is_abandoned(case).await,
            Way::Report => self.is_reported(case).await,
            Way::Tombstone => self.loses_a_bucket(case).await,
            Way::Vanished => self.vanishes(case).await,
            Way::Adopted => self.is_adopted(case).await,
            Way::Release => self.is_released(case).await,
            Way::Decision => self.is_decided_on(case).await,
            Way::Orphan => self.is_an_orphan(case).await,
            Way::Revoke => self.is_revoked(case).await,
            Way::Reconcile => self.is_reconciled(case).await,
            Way::MadeNothing => self.made_nothing(case).await,
            Way::OverBudget => self.waits_for_the_budget(case).await,
            Way::Look => self.is_looked_at(case).await,
            Way::Resume => self.resumes(case).await,
            Way::Pause => self.is_paused(case).await,
            Way::PauseAll => self.all_pause(case).await,
            Way::Delete => self.is_deleted(case).await,
            Way::Start => {
                self.arming.arm(case);
                self.arming.kill(case.service);
                self.fires(case).await
            }
            Way::Sync => {
                self.arming.arm(case);
                self.sync().await?;
                self.fires(case).await
            }
        }
    }

    /// Waits until the point has fired.
    pub(crate) async fn fires(&self, case: &Case) -> Result<(), Trouble> {
        let fired = || async { self.arming.has_fired(case).then_some(()) };
        within(PATIENCE_TO_FIRE, "the point fires", fired).await.map_err(Trouble::NotFired)
    }

    /// Rotates, sees the point fire on the way and the rotation end.
    pub(crate) async fn rotates(&self, case: &Case, kinds: &[CredentialKind]) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let before = completed(&self.standing(id).await?, kinds);
        self.arming.arm(case);
        self.rotate(id, kinds).await?;
        let ended = until("the rotation ends", || async {
            let status = self.status(id).await?;
            (at_rest(&status) && completed(&status, kinds) > before).then_some(())
        });
        if let Err(late) = ended.await {
            let status =
                self.standing(id).await.map(|status| format!("{status:?}")).unwrap_or_else(|error| error);
            return Err(Trouble::Broken(format!("{late}; fired: {}; {status}", self.arming.has_fired(case))));
        }
        if !self.arming.has_fired(case) {
            return Err(Trouble::NotFired("the rotation ended".to_owned()));
        }
        self.is_clean(id, slate::Alive::Enabled).await
    }

    /// Asks for a rotation until somebody says yes.
    pub(crate) async fn rotate(&self, id: &str, kinds: &[CredentialKind]) -> Result<(), String> {
        let kinds: Vec<i32> = kinds.iter().map(|kind| *kind as i32).collect();
        until("a rotation is started", || async {
            let request = RotateApplicationRequest { application_id: id.to_owned(), kinds: kinds.clone() };
            self.coordination.clone().rotate_application(request).await.ok()
        })
        .await
        .map(drop)
    }

    /// How it stands, if the coordinator answers; over one channel for all.
    pub(crate) async fn status(&self, id: &str) -> Option<ApplicationStatus> {
        let request = GetApplicationRequest { application_id: id.to_owned() };
        self.coordination.clone().get_application(request).await.ok()?.into_inner().application
    }

    pub(crate) async fn standing(&self, id: &str) -> Result<ApplicationStatus, String> {
        until("the coordinator says how it stands", || async { self.status(id).await }).await
    }

    /// Waits until everything of an application is delivered and nothing is under way.
    pub(crate) async fn rests(&self, id: &str, deliveries: u64) -> Result<(), Trouble> {
        let rests = until("it is delivered and at rest", || async {
            let status = self.status(id).await?;
            let delivered = status.credentials.iter().all(|line| line.completed_rotations >= deliveries);
            (at_rest(&status) && !status.credentials.is_empty() && delivered).then_some(())
        });
        match rests.await {
            Ok(()) => Ok(()),
            Err(late) => Err(Trouble::Broken(format!("{late}; {:?}", self.standing(id).await))),
        }
    }

    pub(crate) async fn retired(&self, id: &str) -> Result<(), String> {
        until("it is inactive", || async {
            let status = self.status(id).await?;
            let inactive = status.state == ApplicationState::Inactive as i32 && status.problems.is_empty();
            inactive.then_some(())
        })
        .await
    }

    pub(crate) async fn comes_back(&self, id: &str) -> Result<(), Trouble> {
        self.put(json!({"id": id, "active": true})).await;
        self.rests(id, 1).await?;
        self.is_clean(id, slate::Alive::Enabled).await
    }

    /// Changes the registry and has it read.
    pub(crate) async fn put(&self, fields: serde_json::Value) {
        self.world.registry(json!({ "put": fields })).await;
        // whoever dies while reading reads again by itself
        let _ = self.registry.clone().sync_source(SyncSourceRequest {}).await;
    }

    pub(crate) async fn sync(&self) -> Result<(), String> {
        until("the registry is read", || async {
            self.registry.clone().sync_source(SyncSourceRequest {}).await.ok()
        })
        .await
        .map(drop)
    }

    /// Enters settings until they are in force.
    pub(crate) async fn edit(
        &self,
        id: &str,
        edit: impl Fn(&mut mint_api::registry::v1::Settings),
    ) -> Result<(), String> {
        until("the settings are in force", || async {
            let request = GetRecordRequest { application_id: id.to_owned(), ..Default::default() };
            let record =
                self.registry.clone().get_application(request).await.ok()?.into_inner().application?;
            let before = record.settings?;
            let mut settings = before.clone();
            edit(&mut settings);
            if settings == before {
                return Some(());
            }
            let request = UpdateSettingsRequest {
                application_id: id.to_owned(),
                settings: Some(settings),
                expected_generation: record.settings_generation,
                ..Default::default()
            };
            self.registry.clone().update_settings(request).await.ok().map(drop)
        })
        .await
    }
}

pub(crate) fn completed(status: &ApplicationStatus, kinds: &[CredentialKind]) -> u64 {
    let of = |kind: i32| kinds.iter().any(|wanted| *wanted as i32 == kind);
    let lines = status.credentials.iter().filter(|line| of(line.kind));
    lines.map(|line| line.completed_rotations).min().unwrap_or_default()
}
