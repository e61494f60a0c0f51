//! Translates: decode, one call, encode.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, stream};
use mint_api::convert::{kind_from_wire, kind_to_wire, parse, parse_optional};
use mint_api::coordination::v1::{
    self, AdoptIdentityRequest, AdoptIdentityResponse, GetApplicationRequest, GetApplicationResponse,
    ListApplicationsRequest, ListApplicationsResponse, PauseRequest, PauseResponse, ReconcileRequest,
    ReconcileResponse, ReportVersionRequest, ReportVersionResponse, ResumeRequest, ResumeResponse,
    RotateApplicationRequest, RotateApplicationResponse, SubmitStatementRequest, SubmitStatementResponse,
    WatchApplicationsRequest, WatchApplicationsResponse, coordination_service_server::CoordinationService,
};
use mint_api::types::v1::Problem;
use mint_api::{Fault, InvalidMessage};
use mint_types::{ApplicationId, Code, Principal, RequestId, TeamId};
use tonic::{Request, Response, Status};

use crate::convert;
use crate::feed::Feed;
use crate::operator::{Asked, Operator};
use crate::reports::Reports;
use crate::store::Store;

const DEFAULT_PAGE: u32 = 500;
const LARGEST_PAGE: u32 = 5000;
/// A statement is a few fields and signatures.
const LONGEST_STATEMENT: usize = 64 * 1024;

/// The coordination service.
#[derive(Debug, Clone)]
pub struct Rpc {
    operator: Operator,
    reports: Reports,
}

impl Rpc {
    /// In front of the operator's acts and the instances' reports.
    pub fn new(operator: Operator) -> Self {
        let reports = Reports::new(Arc::clone(operator.parts()));
        Self { operator, reports }
    }

    /// Who asked, and the id of the request being served.
    fn asked<T>(&self, request: &Request<T>) -> Result<Asked, Status> {
        let by = mint_runtime::peer_of(request)?.principal;
        let request = mint_runtime::request_id()
            .unwrap_or_else(|| RequestId::random(self.operator.parts().entropy.as_ref()));
        Ok(Asked { by, request })
    }

    /// What is wrong with the coordinator itself.
    fn problems(&self) -> Vec<Problem> {
        self.operator.parts().store.problems().into_iter().map(Into::into).collect()
    }

    async fn page(
        &self,
        after: Option<ApplicationId>,
        team: Option<&TeamId>,
        with_problems: bool,
        size: usize,
    ) -> Result<(Vec<v1::ApplicationStatus>, String), Fault> {
        let store = &self.operator.parts().store;
        let mut found = Vec::new();
        let mut after = after;
        loop {
            let desks = store.desks(after.as_ref(), team, size).await?;
            let read = desks.len();
            for desk in desks {
                after = Some(desk.record.id.clone());
                let status = self.operator.status_of(&desk);
                if with_problems && status.problems.is_empty() {
                    continue;
                }
                found.push(status.into());
                if found.len() == size {
                    let token = after.map(String::from).unwrap_or_default();
                    return Ok((found, token));
                }
            }
            if read < size {
                return Ok((found, String::new()));
            }
        }
    }
}

fn not_owner(application: &ApplicationId, caller: &Principal) -> Fault {
    let message =
        format!("{caller} reports for {application}: only an application itself says what it holds");
    Fault::new(Code::PermissionDenied, "NOT_OWNER", message).with("application", application.as_str())
}

/// A team sees its own: how others' applications stand is not its business.
fn may_read(reader: &Principal, status: &crate::status::Status) -> Result<(), Fault> {
    match reader {
        Principal::Team { team, .. } if *team != status.team => {
            let message = format!("{} does not belong to the team of {reader}", status.application);
            Err(Fault::new(Code::PermissionDenied, "NOT_OWNER", message)
                .with("application", status.application.as_str()))
        }
        _ => Ok(()),
    }
}

fn page_size(asked: u32) -> Result<usize, InvalidMessage> {
    let size = match asked {
        0 => DEFAULT_PAGE,
        1..=LARGEST_PAGE => asked,
        _ => return Err(InvalidMessage::new("page_size", format!("more than {LARGEST_PAGE} is refused"))),
    };
    Ok(usize::try_from(size).unwrap_or(1))
}

#[tonic::async_trait]
impl CoordinationService for Rpc {
    async fn list_applications(
        &self,
        request: Request<ListApplicationsRequest>,
    ) -> Result<Response<ListApplicationsResponse>, Status> {
        let request = request.into_inner();
        let size = page_size(request.page_size)?;
        let team: Option<TeamId> = parse_optional("team_id", &request.team_id)?;
        let after = parse_optional("page_token", &request.page_token)?;
        let (applications, next_page_token) =
            self.page(after, team.as_ref(), request.with_problems, size).await?;
        let store = &self.operator.parts().store;
        let catalog_revision = store.revision().await.map_err(Fault::from)?.0;
        let paused = store.all_paused().await.map_err(Fault::from)?.is_some();
        Ok(Response::new(ListApplicationsResponse {
            applications,
            next_page_token,
            catalog_revision,
            paused,
            problems: self.problems(),
        }))
    }

    async fn get_application(
        &self,
        request: Request<GetApplicationRequest>,
    ) -> Result<Response<GetApplicationResponse>, Status> {
        let reader = mint_runtime::peer_of(&request)?.principal;
        let id = parse("application_id", &request.into_inner().application_id)?;
        let status = self.operator.application(&id).await?;
        may_read(&reader, &status)?;
        // what is wrong with the coordinator itself is its operators' business
        let problems = if matches!(reader, Principal::Operator(_)) { self.problems() } else { Vec::new() };
        Ok(Response::new(GetApplicationResponse { application: Some(status.into()), problems }))
    }

    async fn rotate_application(
        &self,
        request: Request<RotateApplicationRequest>,
    ) -> Result<Response<RotateApplicationResponse>, Status> {
        let asked = self.asked(&request)?;
        let request = request.into_inner();
        let id = parse("application_id", &request.application_id)?;
        let kinds = request
            .kinds
            .into_iter()
            .map(|kind| kind_from_wire("kinds", kind))
            .collect::<Result<Vec<_>, _>>()?;
        let started = self.operator.rotate(&id, &kinds, &asked).await?;
        let rotations = started.into_iter().map(Into::into).collect();
        Ok(Response::new(RotateApplicationResponse { rotations }))
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        let asked = self.asked(&request)?;
        let request = request.into_inner();
        let id = parse_optional("application_id", &request.application_id)?;
        self.operator.pause(id.as_ref(), &request.reason, &asked).await?;
        Ok(Response::new(PauseResponse {}))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        let asked = self.asked(&request)?;
        let id = parse_optional("application_id", &request.into_inner().application_id)?;
        self.operator.resume(id.as_ref(), &asked).await?;
        Ok(Response::new(ResumeResponse {}))
    }

    async fn adopt_identity(
        &self,
        request: Request<AdoptIdentityRequest>,
    ) -> Result<Response<AdoptIdentityResponse>, Status> {
        let asked = self.asked(&request)?;
        let id = parse("application_id", &request.into_inner().application_id)?;
        let client_id = self.operator.adopt(&id, &asked).await?;
        Ok(Response::new(AdoptIdentityResponse { client_id }))
    }

    async fn report_version(
        &self,
        request: Request<ReportVersionRequest>,
    ) -> Result<Response<ReportVersionResponse>, Status> {
        let caller = mint_runtime::peer_of(&request)?.principal;
        let reported = convert::reported(&request.into_inner())?;
        if caller != Principal::Application(reported.application.clone()) {
            return Err(not_owner(&reported.application, &caller).into());
        }
        self.reports.keep(reported).await?;
        Ok(Response::new(ReportVersionResponse {}))
    }

    async fn submit_statement(
        &self,
        request: Request<SubmitStatementRequest>,
    ) -> Result<Response<SubmitStatementResponse>, Status> {
        let asked = self.asked(&request)?;
        let statement = request.into_inner().statement;
        if statement.is_empty() || statement.len() > LONGEST_STATEMENT {
            let problem = format!("it must have 1 to {LONGEST_STATEMENT} bytes");
            return Err(InvalidMessage::new("statement", problem).into());
        }
        let (application, kinds) = self.operator.revoke(statement, &asked).await?;
        let kinds = kinds.into_iter().map(|kind| kind_to_wire(kind).into()).collect();
        Ok(Response::new(SubmitStatementResponse { application_id: application.to_string(), kinds }))
    }

    async fn reconcile(
        &self,
        request: Request<ReconcileRequest>,
    ) -> Result<Response<ReconcileResponse>, Status> {
        let request = request.into_inner();
        let id = parse("application_id", &request.application_id)?;
        let findings = self.operator.reconcile(&id, request.dry_run).await?;
        let findings = findings.into_iter().map(|found| v1::Finding {
            object: found.object,
            reason: found.reason,
            detail: found.detail,
            next_action: found.next_action,
        });
        Ok(Response::new(ReconcileResponse { findings: findings.collect() }))
    }

    type WatchApplicationsStream =
        Pin<Box<dyn Stream<Item = Result<WatchApplicationsResponse, Status>> + Send>>;

    async fn watch_applications(
        &self,
        request: Request<WatchApplicationsRequest>,
    ) -> Result<Response<Self::WatchApplicationsStream>, Status> {
        let only: Option<ApplicationId> =
            parse_optional("application_id", &request.into_inner().application_id)?;
        if let Some(id) = &only {
            self.operator.application(id).await?;
        }
        let feed = Feed::new(self.operator.clone(), only);
        let changes = stream::unfold(Some(feed), |feed| async {
            let mut feed = feed?;
            match feed.next().await {
                Ok(status) => {
                    let change = WatchApplicationsResponse { application: Some(status.into()) };
                    Some((Ok(change), Some(feed)))
                }
                Err(error) => Some((Err(Fault::from(error).into()), None)),
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
