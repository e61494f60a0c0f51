use mint_runtime::Process;
use mint_testkit::free_port;
use mint_types::ServiceName;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::stage::{Running, Stage, act, eventually, within};

async fn status(stage: &Stage, of: &Running, by: &str, service: &str) -> Result<ServingStatus, tonic::Code> {
    let mut client = HealthClient::new(stage.channel(by, of.address, ServiceName::Coordinator));
    let request = HealthCheckRequest { service: service.into() };
    within(client.check(request))
        .await
        .map(|answer| answer.into_inner().status())
        .map_err(|status| status.code())
}

#[tokio::test]
async fn health_is_serving_only_after_every_dependency_answered() {
    let stage = Stage::new();
    let audit_address = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let certificate = stage.pki.service(ServiceName::Coordinator);
    let config = stage.config(certificate, &[(ServiceName::Audit, audit_address)]);
    let process = Process::open(ServiceName::Coordinator, config, &[ServiceName::Audit]).unwrap();
    process.readiness().require("catalog");
    let coordinator = Running::start(process, act(|_| async { Ok(1) })).await;
    let ours = "mint.audit.v1.AuditService";
    for service in ["", ours] {
        let answer = status(&stage, &coordinator, "application/kio", service).await;
        assert_eq!(answer, Ok(ServingStatus::NotServing), "nobody has answered yet");
    }

    coordinator.process.readiness().answered("catalog");
    assert_eq!(coordinator.process.readiness().waiting_for(), ["audit"]);
    assert_eq!(status(&stage, &coordinator, "operator/operator", "").await, Ok(ServingStatus::NotServing));

    let mut config = stage.config(stage.pki.service(ServiceName::Audit), &[]);
    config.listen = audit_address;
    let audit = Process::open(ServiceName::Audit, config, &[]).unwrap();
    let _audit = Running::start(audit, act(|_| async { Ok(1) })).await;
    for service in ["", ours] {
        eventually(|| async {
            status(&stage, &coordinator, "team/stups/member", service).await == Ok(ServingStatus::Serving)
        })
        .await;
    }
    assert_eq!(
        status(&stage, &coordinator, "operator/operator", "no.Such").await,
        Err(tonic::Code::NotFound)
    );
}

#[tokio::test]
async fn two_services_that_depend_on_each_other_both_become_ready() {
    let stage = Stage::new();
    let addresses = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}").parse().unwrap());
    let names = [ServiceName::Rotator, ServiceName::Distributor];
    let mut running = Vec::new();
    for (own, other) in [(0, 1), (1, 0)] {
        let mut config = stage.config(stage.pki.service(names[own]), &[(names[other], addresses[other])]);
        config.listen = addresses[own];
        let peers: &'static [ServiceName] =
            if own == 0 { &[ServiceName::Distributor] } else { &[ServiceName::Rotator] };
        let process = Process::open(names[own], config, peers).unwrap();
        running.push(Running::start(process, act(|_| async { Ok(1) })).await);
    }
    eventually(|| async { running.iter().all(|one| one.process.readiness().waiting_for().is_empty()) }).await;
}
