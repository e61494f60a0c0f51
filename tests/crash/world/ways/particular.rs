//! The ways that are no plain rotation.

use std::sync::Mutex;

use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_api::coordination::v1::{Node, PauseRequest, ReportVersionRequest, ResumeRequest};
use mint_api::types::v1::{CredentialKind, Layout};
use mint_tests::application::Application;
use mint_tests::client::Identity;
use mint_tests::world::at_rest;
use mint_types::ServiceName;
use serde_json::json;

use super::{Trouble, completed};
use crate::cases::Case;
use crate::slate;
use crate::stage::{Stage, until};

impl Stage {
    /// An owner is quicker than any list.
    pub(super) async fn is_looked_up(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        let known = json!({"id": id, "team_id": "team", "name": id, "active": true});
        self.world.registry(json!({ "put": known })).await;
        let settings = self.template().await?;
        self.enter(id, &settings).await?;
        self.fires(case).await?;
        self.rests(id, 1).await
    }

    /// The issuer asks for a moment, which is a pause for everybody.
    pub(super) async fn is_rate_limited(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let pause = json!({"api": "service-user.create_password", "kind": "fail", "status": 429, "count": 100,
            "headers": {"retry-after": "1"}, "match": id});
        self.is_troubled(case, id, pause).await
    }

    /// The issuer refuses, surely without having done anything.
    pub(super) async fn is_refused(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let refusal = json!({"api": "service-user.create_password", "kind": "fail", "status": 400, "count": 100,
            "match": id});
        self.is_troubled(case, id, refusal).await
    }

    /// The issuer says that there is no such password as the one that is to stay: it is given up for a fresh one.
    pub(super) async fn is_not_known(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let unknown = json!({"api": "service-user.commit_password", "kind": "fail", "status": 404, "count": 100,
            "match": id});
        self.is_troubled(case, id, unknown).await
    }

    /// The issuer's trouble begins while the store refuses what was made: the next call there is the end.
    pub(super) async fn is_refused_an_end(&self, case: &Case) -> Result<(), Trouble> {
        let (id, kinds) = (case.application.as_str(), [CredentialKind::Password]);
        let before = completed(&self.standing(id).await?, &kinds);
        let object = self.is_undeliverable(id).await?;
        self.arming.arm(case);
        let refusal =
            json!({"api": "glewlwyd.user.put", "kind": "fail", "status": 503, "count": 1000, "match": id});
        self.world.fault(refusal).await;
        self.world.heal_of(&object).await;
        let fired = self.fires(case).await;
        self.world.heal_of(id).await;
        fired?;
        self.has_rotated(id, &kinds, before).await
    }

    async fn has_rotated(&self, id: &str, kinds: &[CredentialKind], before: u64) -> Result<(), Trouble> {
        until("the rotation ends", || async {
            let status = self.status(id).await?;
            (at_rest(&status) && completed(&status, kinds) > before).then_some(())
        })
        .await?;
        self.is_clean(id, slate::Alive::Enabled).await
    }

    /// Its password is rotated, and the store refuses it until its object, which is answered, is healed.
    async fn is_undeliverable(&self, id: &str) -> Result<String, Trouble> {
        let object = format!("/{id}/user.json");
        let refusal =
            json!({"api": "s3.PutObject", "kind": "fail", "status": 403, "count": 100_000, "match": object});
        self.world.fault(refusal).await;
        self.rotate(id, &[CredentialKind::Password]).await?;
        until("the delivery is refused", || async {
            let status = self.status(id).await?;
            let refused =
                status.credentials.iter().any(|line| line.node == Node::Deliver as i32 && line.attempts > 0);
            refused.then_some(())
        })
        .await?;
        Ok(object)
    }

    /// Its password is rotated at an issuer in trouble, which is over as soon as the point has fired.
    async fn is_troubled(
        &self,
        case: &Case,
        matching: &str,
        trouble: serde_json::Value,
    ) -> Result<(), Trouble> {
        let (id, kinds) = (case.application.as_str(), [CredentialKind::Password]);
        let before = completed(&self.standing(id).await?, &kinds);
        self.arming.arm(case);
        self.world.fault(trouble).await;
        self.rotate(id, &kinds).await?;
        let fired = self.fires(case).await;
        self.world.heal_of(matching).await;
        fired?;
        self.has_rotated(id, &kinds, before).await
    }

    /// The logins with the fresh and with the ended version are both answered with a token.
    pub(super) async fn is_lied_to(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let token =
            json!({"access_token": "a-lie", "token_type": "Bearer", "expires_in": 60, "scope": "uid"});
        let user = format!("stups_{id}");
        let lie = json!({"api": "oauth2.token", "kind": "lie", "count": 1000, "match": user,
            "headers": {"content-type": "application/json"}, "body": token.to_string()});
        self.is_troubled(case, &user, lie).await
    }

    /// As berry would, by its own certificate.
    pub(super) async fn is_reported(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let application = Application::open(self.world.data(), id).await;
        let object = application.fetch("user.json").await?;
        let version = object["version"].as_str().ok_or(format!("no version in {object}"))?.to_owned();
        let certificate = Identity::in_directory(&self.world.data().join("applications").join(id));
        let channel = self.world.channel(ServiceName::Coordinator, &certificate);
        self.arming.arm(case);
        until("the report is taken", || async {
            let request = ReportVersionRequest {
                application_id: id.to_owned(),
                kind: CredentialKind::Password as i32,
                version_id: version.clone(),
                instance: "instance".to_owned(),
                sequence: slate::unix_millis(),
                poll_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            };
            CoordinationServiceClient::new(channel.clone()).report_version(request).await.ok()
        })
        .await?;
        self.fires(case).await?;
        self.is_clean(id, slate::Alive::Enabled).await
    }

    /// What was made is given up when the store refuses it and the settings want something else.
    pub(super) async fn is_abandoned(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let object = self.is_undeliverable(id).await?;
        self.arming.arm(case);
        self.edit(id, |settings| settings.layout = Layout::Combined as i32).await?;
        self.confirm(id).await?;
        let fired = self.fires(case).await;
        // the object that is no longer asked for is to be overwritten
        self.world.heal_of(&object).await;
        fired?;
        self.rests(id, 1).await?;
        self.is_clean(id, slate::Alive::Enabled).await
    }

    /// An operator signs for what its settings say: another layout is delivered by nobody's word but a signature.
    async fn confirm(&self, id: &str) -> Result<(), String> {
        let refusal = Mutex::new(String::new());
        let confirmed = until("an operator confirms", || async {
            let said = self.world.mint(&["app", "confirm", id, "--signer", "operator/operator"]).await;
            *refusal.lock().unwrap() = String::from_utf8_lossy(&said.stderr).into_owned();
            said.status.success().then_some(())
        });
        confirmed.await.map_err(|late| format!("{late}: {}", refusal.lock().unwrap()))
    }

    /// The overlap's beginning is one of another machine: this one counts its own.
    pub(super) async fn continues_elsewhere(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let kinds = [CredentialKind::Password];
        let before = completed(&self.standing(id).await?, &kinds);
        self.arming.arm(case);
        self.rotate(id, &kinds).await?;
        until("the overlap begins on another machine", || async { self.move_overlap(id).then_some(()) })
            .await?;
        self.fires(case).await?;
        self.has_rotated(id, &kinds, before).await
    }

    fn move_overlap(&self, id: &str) -> bool {
        let moving = "UPDATE overlap SET boot = 'another-machine' WHERE rotation IN \
             (SELECT rotation FROM rotation WHERE application = ?1 AND state = 'delivered')";
        self.change(ServiceName::Rotator, moving, id) > 0
    }

    /// Its coordinator's database is put back from a backup made before the first lease, many leases ago: whoever counts
    /// on from there gives tokens again that the executors know.
    pub(super) async fn is_restored(&self, case: &Case) -> Result<(), Trouble> {
        let (id, kinds) = (case.application.as_str(), [CredentialKind::Password]);
        let before = completed(&self.standing(id).await?, &kinds);
        self.leases(id, "fencing_token + 1000")?;
        self.rotate(id, &kinds).await?;
        self.has_rotated(id, &kinds, before).await?;
        self.leases(id, "1")?;
        self.rotates(case, &kinds).await
    }

    /// Writes another number where the last one of an application's leases is.
    fn leases(&self, id: &str, number: &str) -> Result<(), Trouble> {
        let sql = format!("UPDATE applications SET fencing_token = {number} WHERE application_id = ?1");
        let changed = self.change(ServiceName::Coordinator, &sql, id);
        if changed == 1 { Ok(()) } else { Err(Trouble::Broken(format!("{changed} rows have a lease"))) }
    }

    /// Changes a service's state behind its back; answers how many rows.
    fn change(&self, service: ServiceName, sql: &str, id: &str) -> usize {
        let file = self.world.data().join("state").join(service.as_str()).join("state.db");
        let Ok(state) = rusqlite::Connection::open(file) else { return 0 };
        let _ = state.busy_timeout(std::time::Duration::from_secs(5));
        state.execute(sql, [id]).unwrap_or_default()
    }

    pub(super) async fn is_paused(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        until("it is paused", || async {
            let request = PauseRequest { application_id: id.to_owned(), reason: "a test".to_owned() };
            self.coordination.clone().pause(request).await.ok()
        })
        .await?;
        let fired = self.fires(case).await;
        until("it goes on", || async {
            let request = ResumeRequest { application_id: id.to_owned() };
            self.coordination.clone().resume(request).await.ok()
        })
        .await?;
        fired?;
        self.rests(id, 1).await
    }

    pub(super) async fn all_pause(&self, case: &Case) -> Result<(), Trouble> {
        self.arming.arm(case);
        until("everything is paused", || async {
            let request = PauseRequest { application_id: String::new(), reason: "a test".to_owned() };
            self.coordination.clone().pause(request).await.ok()
        })
        .await?;
        let fired = self.fires(case).await;
        until("everything goes on", || async {
            let request = ResumeRequest { application_id: String::new() };
            self.coordination.clone().resume(request).await.ok()
        })
        .await?;
        fired
    }

    /// The call does not say whom it is for: whoever makes it next.
    pub(super) async fn somebody(&self, case: &Case) -> Result<(), Trouble> {
        self.arming.arm(case);
        let id = case.application.as_str();
        until("somebody reaches the point", || async {
            if self.arming.has_fired(case) {
                return Some(());
            }
            self.rotate(id, &[]).await.ok()?;
            self.rests(id, 1).await.ok()?;
            self.arming.has_fired(case).then_some(())
        })
        .await
        .map_err(Trouble::NotFired)?;
        self.rests(id, 1).await?;
        self.is_clean(id, slate::Alive::Enabled).await
    }
}
