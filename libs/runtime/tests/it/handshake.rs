use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mint_api::audit::v1::AppendRequest;
use mint_testkit::{Certificate, TestPki};
use mint_types::ServiceName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stage::{LIMIT, Stage, act, eventually, within};

/// What an HTTP/2 server says first: a SETTINGS frame. Whoever gets one is let in.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

fn roots(stage: &Stage) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(stage.ca()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    roots
}

async fn try_in(address: SocketAddr, config: ClientConfig) -> Result<Vec<CertificateDer<'static>>, String> {
    let stream = let_in(address, config).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap().to_vec())
}

/// A connection on which the server has spoken.
async fn let_in(address: SocketAddr, mut config: ClientConfig) -> Result<TlsStream<TcpStream>, String> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    stream.write_all(PREFACE).await.map_err(|error| error.to_string())?;
    let mut frame = [0; 9];
    match tokio::time::timeout(LIMIT, stream.read_exact(&mut frame)).await.unwrap() {
        Ok(_) => Ok(stream),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) async fn shown_certificate(
    stage: &Stage,
    address: SocketAddr,
    own: &Certificate,
) -> Result<Vec<CertificateDer<'static>>, String> {
    try_in(address, with_certificate(roots(stage), own)).await
}

fn with_certificate(roots: RootCertStore, own: &Certificate) -> ClientConfig {
    let chain = CertificateDer::pem_file_iter(&own.cert).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&own.key).unwrap();
    ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap()
}

#[tokio::test]
async fn without_a_client_certificate_the_handshake_fails() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let anonymous = ClientConfig::builder().with_root_certificates(roots(&stage)).with_no_client_auth();
    let refusal = try_in(audit.address, anonymous).await.unwrap_err();
    assert!(refusal.contains("CertificateRequired"), "{refusal}");

    let own = stage.pki.issue_path("operator/operator");
    assert!(shown_certificate(&stage, audit.address, &own).await.is_ok());
}

#[tokio::test]
async fn an_older_tls_is_refused() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let own = stage.pki.issue_path("operator/operator");
    let chain = CertificateDer::pem_file_iter(&own.cert).unwrap().map(Result::unwrap).collect();
    let old = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(roots(&stage))
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&own.key).unwrap())
        .unwrap();
    let refusal = try_in(audit.address, old).await.unwrap_err();
    assert!(refusal.contains("ProtocolVersion"), "{refusal}");
}

#[tokio::test]
async fn a_certificate_of_another_trust_domain_is_refused() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let good = "spiffe://mint.local/service/coordinator";
    for (name, uris) in [
        ("other-domain", vec!["spiffe://other.local/service/coordinator"]),
        ("no-uri", vec![]),
        ("two-uris", vec![good, "spiffe://mint.local/operator/operator"]),
        ("no-principal", vec!["spiffe://mint.local/coordinator"]),
        ("https", vec!["https://mint.local/service/coordinator"]),
    ] {
        let own = stage.pki.issue_for(name, &uris);
        let refusal = shown_certificate(&stage, audit.address, &own).await.unwrap_err();
        assert!(
            refusal.contains("AccessDenied") || refusal.contains("CertificateUnknown"),
            "{name}: {refusal}"
        );
    }
    let own = stage.pki.issue_for("good", &[good]);
    assert!(shown_certificate(&stage, audit.address, &own).await.is_ok());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let forged = TestPki::new(elsewhere.path(), &stage.trust_domain).issue_path("operator/operator");
    let refusal = shown_certificate(&stage, audit.address, &forged).await.unwrap_err();
    assert!(refusal.contains("UnknownCA") || refusal.contains("DecryptError"), "{refusal}");
}

#[tokio::test]
async fn a_server_with_another_spiffe_id_is_refused() {
    let stage = Stage::new();
    let rotator = stage.serve(ServiceName::Rotator, act(|_| async { Ok(1) })).await;
    let status = within(stage.audit("service/coordinator", rotator.address).append(AppendRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");

    let channel = stage.channel("service/coordinator", rotator.address, ServiceName::Rotator);
    let mut client = mint_api::audit::v1::audit_service_client::AuditServiceClient::new(channel);
    assert!(within(client.append(AppendRequest::default())).await.is_ok());
}

#[tokio::test]
async fn a_service_does_not_start_with_another_services_certificate() {
    let stage = Stage::new();
    let config = stage.config(stage.pki.service(ServiceName::Rotator), &[]);
    let error = mint_runtime::Process::open(ServiceName::Audit, config, &[]).unwrap_err();
    assert_eq!(error.exit_code(), mint_runtime::exit::IDENTITY, "{error}");

    let mut mixed = stage.config(stage.pki.service(ServiceName::Audit), &[]);
    mixed.tls.key = stage.pki.service(ServiceName::Rotator).key;
    let error = mint_runtime::Process::open(ServiceName::Audit, mixed, &[]).unwrap_err();
    assert_eq!(error.exit_code(), mint_runtime::exit::IDENTITY, "{error}");
}

#[tokio::test]
async fn who_never_shakes_hands_is_dropped_and_holds_up_nobody() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let mut silent = TcpStream::connect(audit.address).await.unwrap();
    let mut client = stage.audit("operator/operator", audit.address);
    let answered =
        tokio::time::timeout(Duration::from_secs(3), client.append(AppendRequest::default())).await;
    assert!(answered.unwrap().is_ok());
    let mut rest = [0; 1];
    assert_eq!(within(silent.read(&mut rest)).await.unwrap(), 0, "the server closes the connection");
}

#[tokio::test]
async fn one_application_has_its_share_of_the_connections_and_an_operator_gets_in_beside_it() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let greedy = with_certificate(roots(&stage), &stage.pki.issue_path("application/greedy"));
    let operator = with_certificate(roots(&stage), &stage.pki.issue_path("operator/ada"));
    // at once: who answers no ping is dropped after a while
    let tries = futures::future::join_all((0..200).map(|_| let_in(audit.address, greedy.clone()))).await;
    let held: Vec<_> = tries.into_iter().flatten().collect();
    assert_eq!(held.len(), 128, "an eighth of 1024");
    assert!(let_in(audit.address, operator).await.is_ok());
    drop(held);
    eventually(|| async { let_in(audit.address, greedy.clone()).await.is_ok() }).await;
}
