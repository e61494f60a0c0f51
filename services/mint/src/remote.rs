//! The gRPC clients, each call with a deadline and its failure in words.

mod decisions;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::broker::v1 as broker;
use mint_api::broker::v1::broker_service_client::BrokerServiceClient;
use mint_api::coordination::v1 as coordination;
use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_api::registry::v1 as registry;
use mint_api::registry::v1::registry_service_client::RegistryServiceClient;
use mint_api::{WireFault, audit};
use mint_runtime::Channel;
use mint_types::{Application, ApplicationId, Problem, ServiceName, Settings};
use tonic::{Request, Response, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Error;
use crate::reach::Reach;
use crate::standing::Standing;

/// What a unary call may take; the services answer in milliseconds when they are well.
const DEADLINE: Duration = Duration::from_secs(15);
/// A complete read of a registry may take a while.
const SYNC_DEADLINE: Duration = Duration::from_mins(1);
/// What a health check may take.
const HEALTH_DEADLINE: Duration = Duration::from_secs(2);
/// As many records as a page may hold.
const PAGE: u32 = 1000;

/// A running world, spoken to as one principal. Connections are kept.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    reach: Reach,
    channels: Arc<Mutex<BTreeMap<ServiceName, Channel>>>,
}

/// What the coordinator knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    pub(crate) standings: Vec<Standing>,
    pub(crate) catalog_revision: u64,
    pub(crate) paused: bool,
    /// What is wrong with the coordinator itself.
    pub(crate) problems: Vec<Problem>,
}

impl Remote {
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach, channels: Arc::default() }
    }

    /// The constellation, and the broker if this world is said to have one.
    pub(crate) fn services(&self) -> impl Iterator<Item = ServiceName> {
        let broker = self.reach.url(ServiceName::Broker).is_ok().then_some(ServiceName::Broker);
        ServiceName::ALL.into_iter().chain(broker)
    }

    fn channel(&self, service: ServiceName) -> Result<Channel, Error> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&service) {
            return Ok(channel.clone());
        }
        let channel = connect(&self.reach, service)?;
        channels.insert(service, channel.clone());
        Ok(channel)
    }

    fn coordinator(&self) -> Result<CoordinationServiceClient<Channel>, Error> {
        self.channel(ServiceName::Coordinator).map(CoordinationServiceClient::new)
    }

    fn registry(&self) -> Result<RegistryServiceClient<Channel>, Error> {
        self.channel(ServiceName::RegistrySync).map(RegistryServiceClient::new)
    }

    /// An identity token for the certificate's own grant.
    pub(crate) async fn sign_token(&self) -> Result<broker::SignTokenResponse, Error> {
        let mut client = self.channel(ServiceName::Broker).map(BrokerServiceClient::new)?;
        let request = timed(broker::SignTokenRequest::default(), DEADLINE);
        call(ServiceName::Broker, DEADLINE, client.sign_token(request)).await
    }

    /// Every application's status.
    pub(crate) async fn overview(&self, team: &str, with_problems: bool) -> Result<Overview, Error> {
        let mut client = self.coordinator()?;
        let mut overview = Overview::default();
        let mut page_token = String::new();
        loop {
            let request = coordination::ListApplicationsRequest {
                team_id: team.to_owned(),
                with_problems,
                page_size: PAGE,
                page_token,
            };
            let page =
                call(ServiceName::Coordinator, DEADLINE, client.list_applications(timed(request, DEADLINE)))
                    .await?;
            overview.standings.extend(page.applications.into_iter().map(Standing::from));
            overview.catalog_revision = page.catalog_revision;
            overview.paused = page.paused;
            overview.problems = problems(page.problems);
            if page.next_page_token.is_empty() {
                return Ok(overview);
            }
            page_token = page.next_page_token;
        }
    }

    /// One application's status, and what is wrong with the coordinator itself.
    pub(crate) async fn standing(
        &self,
        application: &ApplicationId,
    ) -> Result<(Standing, Vec<Problem>), Error> {
        let request = coordination::GetApplicationRequest { application_id: application.to_string() };
        let mut client = self.coordinator()?;
        let answer =
            call(ServiceName::Coordinator, DEADLINE, client.get_application(timed(request, DEADLINE)));
        let answer = answer.await?;
        let status = answer.application.ok_or_else(|| empty_answer(ServiceName::Coordinator))?;
        Ok((status.into(), problems(answer.problems)))
    }

    /// Statuses as they change; all of them once at the beginning.
    pub(crate) async fn watch_standings(
        &self,
        application: Option<&ApplicationId>,
    ) -> Result<Streaming<coordination::WatchApplicationsResponse>, Error> {
        let application_id = application.map(ToString::to_string).unwrap_or_default();
        let request = Request::new(coordination::WatchApplicationsRequest { application_id });
        let mut client = self.coordinator()?;
        call(ServiceName::Coordinator, DEADLINE, client.watch_applications(request)).await
    }

    pub(crate) async fn rotate(
        &self,
        request: coordination::RotateApplicationRequest,
    ) -> Result<coordination::RotateApplicationResponse, Error> {
        let mut client = self.coordinator()?;
        call(ServiceName::Coordinator, DEADLINE, client.rotate_application(timed(request, DEADLINE))).await
    }

    pub(crate) async fn pause(&self, application: Option<&ApplicationId>, reason: &str) -> Result<(), Error> {
        let application_id = application.map(ToString::to_string).unwrap_or_default();
        let request = coordination::PauseRequest { application_id, reason: reason.to_owned() };
        let mut client = self.coordinator()?;
        call(ServiceName::Coordinator, DEADLINE, client.pause(timed(request, DEADLINE))).await.map(drop)
    }

    pub(crate) async fn resume(&self, application: Option<&ApplicationId>) -> Result<(), Error> {
        let application_id = application.map(ToString::to_string).unwrap_or_default();
        let request = coordination::ResumeRequest { application_id };
        let mut client = self.coordinator()?;
        call(ServiceName::Coordinator, DEADLINE, client.resume(timed(request, DEADLINE))).await.map(drop)
    }

    /// Every record of the catalog, and its revision.
    pub(crate) async fn catalog(&self) -> Result<(Vec<Application>, u64), Error> {
        let mut client = self.registry()?;
        let (mut applications, mut page_token) = (Vec::new(), String::new());
        loop {
            let request =
                registry::ListApplicationsRequest { since_revision: 0, page_size: PAGE, page_token };
            let page =
                call(ServiceName::RegistrySync, DEADLINE, client.list_applications(timed(request, DEADLINE)))
                    .await?;
            for wire in page.applications {
                applications.push(record(wire)?);
            }
            if page.next_page_token.is_empty() {
                return Ok((applications, page.revision));
            }
            page_token = page.next_page_token;
        }
    }

    /// One record of the catalog.
    pub(crate) async fn application(&self, application: &ApplicationId) -> Result<Application, Error> {
        let request =
            registry::GetApplicationRequest { application_id: application.to_string(), min_revision: 0 };
        let mut client = self.registry()?;
        let answer =
            call(ServiceName::RegistrySync, DEADLINE, client.get_application(timed(request, DEADLINE)));
        answer.await?.application.map_or_else(|| Err(empty_answer(ServiceName::RegistrySync)), record)
    }

    /// Records as they change; all of them once at the beginning.
    pub(crate) async fn watch_catalog(
        &self,
    ) -> Result<Streaming<registry::WatchApplicationsResponse>, Error> {
        let request = Request::new(registry::WatchApplicationsRequest { since_revision: 0 });
        let mut client = self.registry()?;
        call(ServiceName::RegistrySync, DEADLINE, client.watch_applications(request)).await
    }

    /// Replaces settings, if they are still those of `expected_generation`; with a destinations statement, if there is one.
    pub(crate) async fn update_settings(
        &self,
        application: &ApplicationId,
        settings: Settings,
        expected_generation: u64,
        statement: Vec<u8>,
    ) -> Result<Application, Error> {
        let request = registry::UpdateSettingsRequest {
            application_id: application.to_string(),
            settings: Some(settings.into()),
            expected_generation,
            statement,
        };
        let mut client = self.registry()?;
        let answer =
            call(ServiceName::RegistrySync, DEADLINE, client.update_settings(timed(request, DEADLINE)));
        answer.await?.application.map_or_else(|| Err(empty_answer(ServiceName::RegistrySync)), record)
    }

    /// How reading the registry goes.
    pub(crate) async fn source(&self) -> Result<registry::GetSourceResponse, Error> {
        let mut client = self.registry()?;
        let request = timed(registry::GetSourceRequest {}, DEADLINE);
        call(ServiceName::RegistrySync, DEADLINE, client.get_source(request)).await
    }

    /// Reads the registry completely, now.
    pub(crate) async fn sync_source(&self) -> Result<(), Error> {
        let mut client = self.registry()?;
        let request = timed(registry::SyncSourceRequest {}, SYNC_DEADLINE);
        call(ServiceName::RegistrySync, SYNC_DEADLINE, client.sync_source(request)).await.map(drop)
    }

    pub(crate) async fn audit_entries(
        &self,
        request: audit::v1::ListEntriesRequest,
    ) -> Result<audit::v1::ListEntriesResponse, Error> {
        let mut client = self.channel(ServiceName::Audit).map(AuditServiceClient::new)?;
        call(ServiceName::Audit, DEADLINE, client.list_entries(timed(request, DEADLINE))).await
    }

    /// Whether a service is SERVING; if not, what it says instead.
    pub(crate) async fn health(&self, service: ServiceName) -> Result<(), String> {
        let channel = self.channel(service).map_err(|error| error.to_string())?;
        let request = tonic_health::pb::HealthCheckRequest { service: String::new() };
        let mut client = HealthClient::new(channel);
        let answer = call(service, HEALTH_DEADLINE, client.check(timed(request, HEALTH_DEADLINE))).await;
        match answer.map(|answer| answer.status()) {
            Ok(ServingStatus::Serving) => Ok(()),
            Ok(other) => Err(other.as_str_name().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn connect(reach: &Reach, service: ServiceName) -> Result<Channel, Error> {
    let url = reach.url(service)?;
    mint_runtime::connect(url, &reach.ca, &reach.cert, &reach.key, Some(&reach.trust_domain), service)
        .map_err(|error| Error::Identity { what: format!("{service} cannot be spoken to: {error}") })
}

fn timed<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

async fn call<T>(
    service: ServiceName,
    deadline: Duration,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Error> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(refusal(service, &status)),
        Err(_) => {
            Err(Error::Unanswered { service, what: format!("nothing came within {} s", deadline.as_secs()) })
        }
    }
}

/// A service's refusal, in words.
pub(crate) fn refusal(service: ServiceName, status: &Status) -> Error {
    let fault = WireFault::from_status(status);
    let ours = fault.reason != WireFault::TRANSPORT;
    let lost = matches!(
        status.code(),
        tonic::Code::Unavailable
            | tonic::Code::DeadlineExceeded
            | tonic::Code::Cancelled
            | tonic::Code::Unknown
    );
    if lost && !ours {
        return Error::Unanswered { service, what: fault.message };
    }
    let reason = if ours { fault.reason } else { "-".to_owned() };
    Error::Refused { service, code: status.code(), reason, message: fault.message }
}

/// Problems as they are told; one that nobody can read is left out.
pub(crate) fn problems(wire: Vec<mint_api::types::v1::Problem>) -> Vec<Problem> {
    wire.into_iter().filter_map(|problem| Problem::try_from(problem).ok()).collect()
}

fn record(wire: registry::Application) -> Result<Application, Error> {
    Application::try_from(wire).map_err(|error| Error::Refused {
        service: ServiceName::RegistrySync,
        code: tonic::Code::DataLoss,
        reason: "INVALID_MESSAGE".to_owned(),
        message: error.to_string(),
    })
}

fn empty_answer(service: ServiceName) -> Error {
    Error::Refused {
        service,
        code: tonic::Code::DataLoss,
        reason: "INVALID_MESSAGE".to_owned(),
        message: "the answer is empty".to_owned(),
    }
}
