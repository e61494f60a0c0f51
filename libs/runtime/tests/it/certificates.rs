use std::time::Duration;

use mint_api::audit::v1::AppendRequest;
use mint_runtime::Process;
use mint_types::ServiceName;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::handshake::shown_certificate;
use crate::stage::{Running, Stage, act, eventually, within};

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_old_connections_go_on() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let own = stage.pki.issue_path("operator/operator");
    let before = shown_certificate(&stage, audit.address, &own).await.unwrap();

    let channel = stage.channel("operator/second", audit.address, ServiceName::Audit);
    let mut watch =
        within(HealthClient::new(channel).watch(HealthCheckRequest::default())).await.unwrap().into_inner();
    assert!(within(watch.message()).await.unwrap().is_some());

    stage.pki.service(ServiceName::Audit);
    eventually(|| async { shown_certificate(&stage, audit.address, &own).await.unwrap() != before }).await;

    let still_open = tokio::time::timeout(Duration::from_millis(200), watch.message()).await;
    assert!(still_open.is_err(), "the old connection has ended: {still_open:?}");
    audit.process.readiness().require("something");
    let message = within(watch.message()).await.unwrap().expect("the old connection carries on");
    assert_eq!(message.status, 2, "NOT_SERVING");
}

#[tokio::test]
async fn a_broken_new_certificate_leaves_the_old_one_in_force() {
    let stage = Stage::new();
    let certificate = stage.pki.service(ServiceName::Audit);
    let config = stage.config(certificate.clone(), &[]);
    let process = Process::open(ServiceName::Audit, config, &[]).unwrap();
    let audit = Running::start(process, act(|_| async { Ok(1) })).await;
    let own = stage.pki.issue_path("operator/operator");
    let before = shown_certificate(&stage, audit.address, &own).await.unwrap();

    std::fs::write(&certificate.cert, "-----BEGIN CERTIFICATE-----\nhalf").unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(shown_certificate(&stage, audit.address, &own).await.unwrap(), before);

    stage.pki.service(ServiceName::Audit);
    eventually(|| async { shown_certificate(&stage, audit.address, &own).await.unwrap() != before }).await;
}

#[tokio::test]
async fn a_new_authority_is_in_force_without_a_restart() {
    let mut stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let old = stage.pki.issue_for("old-operator", &["spiffe://mint.local/operator/operator"]);
    assert!(shown_certificate(&stage, audit.address, &old).await.is_ok());

    stage.pki = mint_testkit::TestPki::new(stage.directory.path(), &stage.trust_domain);
    stage.pki.service(ServiceName::Audit);
    let new = stage.pki.issue_for("new-operator", &["spiffe://mint.local/operator/operator"]);
    eventually(|| async { shown_certificate(&stage, audit.address, &new).await.is_ok() }).await;
    assert!(
        shown_certificate(&stage, audit.address, &old).await.is_err(),
        "the old authority is not trusted any more"
    );
}

#[tokio::test]
async fn a_client_uses_its_new_certificate_for_its_next_connection() {
    let mut stage = Stage::new();
    let own = stage.pki.issue_path("service/coordinator");
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let address = audit.address;
    let channel = stage.channel_with(own, address, ServiceName::Audit);
    let mut client = mint_api::audit::v1::audit_service_client::AuditServiceClient::new(channel);
    assert!(within(client.append(AppendRequest::default())).await.is_ok());
    audit.stop();
    audit.ended().await.unwrap();

    stage.pki = mint_testkit::TestPki::new(stage.directory.path(), &stage.trust_domain);
    stage.pki.issue_path("service/coordinator");
    let mut config = stage.config(stage.pki.service(ServiceName::Audit), &[]);
    config.listen = address;
    let process = Process::open(ServiceName::Audit, config, &[]).unwrap();
    let _again = Running::start(process, act(|_| async { Ok(2) })).await;
    eventually(|| {
        let mut client = client.clone();
        async move {
            client
                .append(AppendRequest::default())
                .await
                .is_ok_and(|answer| answer.into_inner().leaf_index == 2)
        }
    })
    .await;
}
