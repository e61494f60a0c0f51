//! The wire: decode, one call, encode.

use std::sync::Arc;

use mint_api::InvalidMessage;
use mint_api::convert::{
    duration_to_wire, fencing_token_from_wire, parse, revision_from_wire, timestamp_to_wire,
};
use mint_api::identity::v1::{
    AdoptIdentityRequest, AdoptIdentityResponse, DeleteIdentityRequest, DeleteIdentityResponse,
    DisableIdentityRequest, DisableIdentityResponse, EnableIdentityRequest, EnableIdentityResponse,
    EnsureIdentityRequest, EnsureIdentityResponse, GetBudgetRequest, GetBudgetResponse, GetIdentityRequest,
    GetIdentityResponse, HeldRemoval, IdentityState, ImportState, ImportStep, ListOrphansRequest,
    ListOrphansResponse, Orphan, PermitRemovalRequest, PermitRemovalResponse, PlanImportRequest,
    PlanImportResponse, ReleaseRequest, ReleaseResponse, RemovalKind, RemoveIdentityRequest,
    RemoveIdentityResponse, RestoreIdentityRequest, RestoreIdentityResponse,
    identity_service_server::IdentityService,
};
use mint_types::Clock;
use tonic::{Request, Response, Status};

use crate::{
    Error,
    compare::Import,
    execute::{Look, Provisioner, Unconfirmed},
    model::{Known, Order, Stage, Stray},
    plan::{self, Taking},
};

/// Longer names are no user names.
const LONGEST_NAME: usize = 255;

/// The identity service over gRPC.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// Acts.
    pub provisioner: Arc<Provisioner>,
    /// For telling a fencing token that no lease can have made.
    pub clock: Arc<dyn Clock>,
}

impl Rpc {
    fn order(
        &self,
        action: &'static str,
        application: &str,
        revision: u64,
        token: u64,
    ) -> Result<Order, Error> {
        let now = self.clock.now();
        let read = || {
            let token = fencing_token_from_wire(token, now)?;
            let revision = revision_from_wire(revision, now)?;
            Ok(Order { application: parse("application_id", application)?, revision, token })
        };
        read().map_err(|invalid| self.provisioner.tell_of_invalid(action, application, invalid))
    }

    fn tombstone_until(&self, known: &Known) -> Option<prost_types::Timestamp> {
        let until = known.disabled_at.map(|since| plan::deletable_at(since, self.provisioner.tombstone));
        until.map(timestamp_to_wire)
    }

    fn orphan(&self, username: String, stray: Option<&Stray>) -> Orphan {
        let application = self.provisioner.naming.application(&username);
        let disabled_at = stray.and_then(|stray| stray.disabled_at);
        let until = disabled_at.map(|since| plan::deletable_at(since, self.provisioner.tombstone));
        Orphan {
            application_id: application.map(String::from).unwrap_or_default(),
            state: stray.map_or(IdentityState::Unspecified, |stray| state(stray.stage)).into(),
            tombstone_until: until.map(timestamp_to_wire),
            username,
        }
    }
}

fn state(stage: Stage) -> IdentityState {
    match stage {
        Stage::None => IdentityState::Unspecified,
        Stage::Enabled => IdentityState::Enabled,
        Stage::Disabled => IdentityState::Disabled,
        Stage::Deleted => IdentityState::Deleted,
    }
}

fn import_state(import: Import) -> ImportState {
    match import {
        Import::Own => ImportState::Own,
        Import::Foreign => ImportState::Foreign,
        Import::Missing => ImportState::Missing,
        Import::NotInUse => ImportState::NotInUse,
    }
}

fn removal(wire: i32) -> Result<Taking, InvalidMessage> {
    match RemovalKind::try_from(wire) {
        Ok(RemovalKind::Application) => Ok(Taking::Tombstone),
        Ok(RemovalKind::Destinations) => Ok(Taking::Destinations),
        Ok(RemovalKind::Unspecified) | Err(_) => {
            Err(InvalidMessage::new("removal", format!("{wire} is no known removal")))
        }
    }
}

#[tonic::async_trait]
impl IdentityService for Rpc {
    async fn ensure_identity(
        &self,
        request: Request<EnsureIdentityRequest>,
    ) -> Result<Response<EnsureIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(
            "identity.ensure",
            &request.application_id,
            request.catalog_revision,
            request.fencing_token,
        )?;
        let known = self.provisioner.ensure(&order).await?;
        let Unconfirmed { url, client_type, look_again_after } =
            self.provisioner.unconfirmed(&order.application).await?;
        Ok(Response::new(EnsureIdentityResponse {
            unconfirmed_redirect_url: url,
            unconfirmed_client_type: client_type,
            look_again_after: look_again_after.map(duration_to_wire),
            username: known.username,
            client_id: known.client_id.unwrap_or_default(),
            foreign: known.foreign,
            applied_revision: known.applied.0,
            incarnation: known.incarnation,
        }))
    }

    async fn disable_identity(
        &self,
        request: Request<DisableIdentityRequest>,
    ) -> Result<Response<DisableIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(
            "identity.disable",
            &request.application_id,
            request.catalog_revision,
            request.fencing_token,
        )?;
        let known = self.provisioner.disable(&order).await?;
        Ok(Response::new(DisableIdentityResponse {
            existed: known.is_some(),
            tombstone_until: known.and_then(|known| self.tombstone_until(&known)),
        }))
    }

    async fn restore_identity(
        &self,
        request: Request<RestoreIdentityRequest>,
    ) -> Result<Response<RestoreIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(
            "identity.restore",
            &request.application_id,
            request.catalog_revision,
            request.fencing_token,
        )?;
        let known = self.provisioner.restore(&order).await?;
        Ok(Response::new(RestoreIdentityResponse {
            username: known.username,
            client_id: known.client_id.unwrap_or_default(),
            applied_revision: known.applied.0,
        }))
    }

    async fn adopt_identity(
        &self,
        request: Request<AdoptIdentityRequest>,
    ) -> Result<Response<AdoptIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(
            "identity.adopt",
            &request.application_id,
            request.catalog_revision,
            request.fencing_token,
        )?;
        let known = self.provisioner.adopt(&order).await?;
        Ok(Response::new(AdoptIdentityResponse {
            username: known.username,
            client_id: known.client_id.unwrap_or_default(),
            applied_revision: known.applied.0,
        }))
    }

    async fn remove_identity(
        &self,
        request: Request<RemoveIdentityRequest>,
    ) -> Result<Response<RemoveIdentityResponse>, Status> {
        let username = request.into_inner().username;
        if username.is_empty() || username.len() > LONGEST_NAME || username.chars().any(char::is_control) {
            return Err(InvalidMessage::new("username", "it must be a name of at most 255 characters").into());
        }
        let removed = self.provisioner.remove(&username).await?;
        Ok(Response::new(RemoveIdentityResponse {
            state: state(removed.stage).into(),
            tombstone_until: removed.until.map(timestamp_to_wire),
        }))
    }

    async fn list_orphans(
        &self,
        request: Request<ListOrphansRequest>,
    ) -> Result<Response<ListOrphansResponse>, Status> {
        let look = if request.into_inner().fresh {
            Some(self.provisioner.look().await?)
        } else {
            self.provisioner.seen()
        };
        let Some(Look { orphans, vanished, at }) = look else {
            return Ok(Response::new(ListOrphansResponse::default()));
        };
        let orphans = orphans.into_iter().map(|(username, stray)| self.orphan(username, stray.as_ref()));
        Ok(Response::new(ListOrphansResponse {
            orphans: orphans.collect(),
            looked_at: Some(timestamp_to_wire(at)),
            vanished: vanished.into_iter().map(String::from).collect(),
        }))
    }

    async fn plan_import(
        &self,
        _request: Request<PlanImportRequest>,
    ) -> Result<Response<PlanImportResponse>, Status> {
        let plan = self.provisioner.plan_import().await?;
        let steps = plan.steps.into_iter().map(|(application, username, import)| ImportStep {
            application_id: application.into(),
            username,
            state: import_state(import).into(),
        });
        Ok(Response::new(PlanImportResponse {
            steps: steps.collect(),
            strangers: plan.strangers,
            others: plan.others,
        }))
    }

    async fn permit_removal(
        &self,
        request: Request<PermitRemovalRequest>,
    ) -> Result<Response<PermitRemovalResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(
            "removal.permit",
            &request.application_id,
            request.catalog_revision,
            request.fencing_token,
        )?;
        let permit = self.provisioner.permit(&order, removal(request.removal)?).await?;
        Ok(Response::new(PermitRemovalResponse {
            permit: permit.text,
            expires_at: Some(timestamp_to_wire(permit.expires_at)),
        }))
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let release = self.provisioner.release(request.into_inner().statement.as_bytes()).await?;
        Ok(Response::new(ReleaseResponse {
            remaining: release.remaining(),
            expires_at: Some(timestamp_to_wire(release.expires_at)),
            statement_id: release.id,
        }))
    }

    async fn get_budget(
        &self,
        _request: Request<GetBudgetRequest>,
    ) -> Result<Response<GetBudgetResponse>, Status> {
        let budget = self.provisioner.budget().await?;
        let held = budget.accounts.waiting.into_iter().map(|waiting| HeldRemoval {
            subject: waiting.subject,
            act: waiting.act,
            since: Some(timestamp_to_wire(waiting.since)),
        });
        Ok(Response::new(GetBudgetResponse {
            allowed: budget.accounts.standing.allowed,
            spent: budget.accounts.standing.spent,
            released: budget.accounts.released,
            fleet: budget.accounts.standing.fleet,
            held: held.collect(),
            tombstone: Some(duration_to_wire(budget.tombstone)),
        }))
    }

    async fn enable_identity(
        &self,
        request: Request<EnableIdentityRequest>,
    ) -> Result<Response<EnableIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(
            "identity.enable",
            &request.application_id,
            request.catalog_revision,
            request.fencing_token,
        )?;
        self.provisioner.enable(&order).await?;
        Ok(Response::new(EnableIdentityResponse {}))
    }

    async fn delete_identity(
        &self,
        request: Request<DeleteIdentityRequest>,
    ) -> Result<Response<DeleteIdentityResponse>, Status> {
        let request = request.into_inner();
        let order = self.order(
            "identity.delete",
            &request.application_id,
            request.catalog_revision,
            request.fencing_token,
        )?;
        self.provisioner.delete(&order).await?;
        Ok(Response::new(DeleteIdentityResponse {}))
    }

    async fn get_identity(
        &self,
        request: Request<GetIdentityRequest>,
    ) -> Result<Response<GetIdentityResponse>, Status> {
        let application = parse("application_id", &request.into_inner().application_id)?;
        let known = self.provisioner.identity(&application).await?;
        Ok(Response::new(GetIdentityResponse {
            state: state(known.intended.unwrap_or(known.stage)).into(),
            foreign: known.foreign,
            changed_at: Some(timestamp_to_wire(known.changed_at)),
            disabled_since: known.disabled_at.map(timestamp_to_wire),
            tombstone_until: self.tombstone_until(&known),
            vanished_since: known.vanished_at.map(timestamp_to_wire),
            incarnation: known.incarnation,
            username: known.username,
            client_id: known.client_id.unwrap_or_default(),
        }))
    }
}
