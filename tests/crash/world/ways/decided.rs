//! The ways on which something is taken away, or an operator decides.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use mint_api::identity::v1::identity_service_client::IdentityServiceClient;
use mint_api::identity::v1::{ListOrphansRequest, RemoveIdentityRequest};
use mint_api::registry::v1::{
    GetApplicationRequest, RestoreApplicationRequest, RetireApplicationRequest, Settings,
};
use mint_api::rotation::v1::ResumeIssuerRequest;
use mint_runtime::Channel;
use mint_types::ServiceName;
use serde_json::{Value, json};

use crate::cases::Case;
use crate::slate::Alive;
use crate::stage::{SECOND_BUCKET, Stage, VICTIM, until};
use crate::ways::Trouble;

/// What stands before an application's id in its user's name.
const PREFIX: &str = "stups_";

fn without_second_bucket(settings: &mut Settings) {
    settings.buckets.retain(|bucket| bucket.name != SECOND_BUCKET);
}

/// Its objects lie there, too.
pub(crate) fn with_second_bucket(settings: &mut Settings) {
    if settings.buckets.iter().all(|bucket| bucket.name != SECOND_BUCKET) {
        let mut second = settings.buckets[0].clone();
        SECOND_BUCKET.clone_into(&mut second.name);
        settings.buckets.push(second);
    }
}

impl Stage {
    fn identities(&self) -> IdentityServiceClient<Channel> {
        let operator = self.world.operator();
        IdentityServiceClient::new(self.world.channel(ServiceName::IdentityProvisioner, &operator))
    }

    /// Not before the tombstone period is over, and after its objects.
    pub(super) async fn is_deleted(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.put(json!({"id": id, "active": false})).await;
        self.retired(id).await?;
        self.is_clean(id, Alive::Disabled).await?;
        self.arming.arm(case);
        until("it is deleted", || async {
            self.standing(id).await.ok().filter(|status| status.identity_deleted).map(drop)
        })
        .await?;
        self.fires(case).await?;
        self.is_clean(id, Alive::Deleted).await
    }

    /// The settings name one bucket less; what lies there is overwritten, and the catalog forgets it.
    pub(super) async fn loses_a_bucket(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        self.edit(id, without_second_bucket).await?;
        until("the objects are overwritten", || async { self.overwritten(id).await }).await?;
        self.fires(case).await?;
        self.rests(id, 1).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    /// Nothing that was removed is left.
    async fn overwritten(&self, id: &str) -> Option<()> {
        let request = GetApplicationRequest { application_id: id.to_owned(), ..Default::default() };
        let record = self.registry.clone().get_application(request).await.ok()?.into_inner().application?;
        record.removed_destinations.is_empty().then_some(())
    }

    /// Its user is gone; somebody looks, and it is made again.
    pub(super) async fn vanishes(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        self.by_hand(Method::DELETE, id, &Value::Null).await;
        until("its absence is noticed", || async {
            let _ = self.identities().list_orphans(ListOrphansRequest { fresh: true }).await;
            self.arming.has_fired(case).then_some(())
        })
        .await
        .map_err(Trouble::NotFired)?;
        until("its user is there again", || async {
            let objects = self.objects(id).await.ok()?;
            objects.iter().all(|object| object.state == "enabled").then_some(())
        })
        .await?;
        self.rotate(id, &[]).await?;
        self.rests(id, 2).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    /// Asks the issuer for what nobody announced, as somebody with an account there.
    async fn by_hand(&self, method: Method, id: &str, body: &Value) {
        let token = self.world.data().join("run/secrets/identity-provisioner/issuer-token");
        let token = std::fs::read_to_string(token).unwrap();
        let api = if method == Method::PUT { "service-user.put" } else { "service-user.delete" };
        self.own_calls.lock().unwrap().insert((api.to_owned(), id.to_owned()));
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/services/{PREFIX}{id}", self.world.endpoints.service_user_url))
            .header("authorization", format!("Bearer {}", token.trim()))
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body.to_string()))
            .unwrap();
        let answer = mint_tests::client::send(request).await.unwrap();
        assert!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
    }

    pub(super) async fn is_an_orphan(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let username = format!("{PREFIX}{id}");
        let user = json!({"id": username, "name": id, "owner": "nobody", "subtitle": "",
            "client_config": {"redirect_urls": [], "scopes": [{"realm": "services", "scopes": ["uid"]}], "confidential": true},
            "user_config": {"scopes": ["uid"]}});
        self.by_hand(Method::PUT, id, &user).await;
        self.arming.arm(case);
        until("an operator has it removed", || async {
            let request = RemoveIdentityRequest { username: username.clone() };
            self.identities().remove_identity(request).await.ok()
        })
        .await?;
        self.fires(case).await?;
        self.is_clean(id, Alive::Deleted).await
    }

    /// Its user is there already: that is what is taken over.
    pub(super) async fn is_adopted(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        until("its user is taken over", || async {
            self.world.mint(&["app", "adopt", id]).await.status.success().then_some(())
        })
        .await?;
        self.fires(case).await?;
        self.rests(id, 1).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    /// The registry lost it: an operator retires it, and takes that back.
    pub(super) async fn is_decided_on(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.arming.arm(case);
        self.world.registry(json!({ "remove": id })).await;
        until("an operator retires it", || async {
            let _ = self.sync().await;
            let request = RetireApplicationRequest { application_id: id.to_owned() };
            self.registry.clone().retire_application(request).await.ok()
        })
        .await?;
        let fired = self.fires(case).await;
        until("an operator restores it", || async {
            let request = RestoreApplicationRequest { application_id: id.to_owned() };
            self.registry.clone().restore_application(request).await.ok()
        })
        .await?;
        self.put(json!({"id": id, "team_id": "team", "name": id, "active": true})).await;
        fired?;
        self.rests(id, 1).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    /// Somebody else spent the day's budget, so what lies in the bucket that it no longer names stays; then its owner
    /// names that bucket again. A second removal by the registry would be held by registry-sync, which counts them too.
    pub(super) async fn waits_for_the_budget(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        self.put(json!({"id": VICTIM, "active": false})).await;
        self.retired(VICTIM).await?;
        self.arming.arm(case);
        self.edit(id, without_second_bucket).await?;
        let fired = self.fires(case).await;
        self.edit(id, with_second_bucket).await?;
        fired?;
        self.rests(id, 1).await?;
        self.is_clean(id, Alive::Enabled).await
    }

    pub(super) async fn is_looked_at(&self, case: &Case) -> Result<(), Trouble> {
        self.arming.arm(case);
        until("the issuer's users are looked at", || async {
            self.identities().list_orphans(ListOrphansRequest { fresh: true }).await.ok()
        })
        .await?;
        self.fires(case).await
    }

    pub(super) async fn resumes(&self, case: &Case) -> Result<(), Trouble> {
        self.arming.arm(case);
        until("the issuer is resumed", || async {
            self.rotation.clone().resume_issuer(ResumeIssuerRequest {}).await.ok()
        })
        .await?;
        self.fires(case).await
    }
}
