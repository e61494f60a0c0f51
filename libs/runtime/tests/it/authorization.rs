use mint_api::WireFault;
use mint_api::audit::v1::{AppendRequest, ListEntriesRequest};
use mint_runtime::peer_of;
use mint_types::{Code, ServiceName};
use tonic::Request;
use tonic_reflection::pb::{v1, v1alpha};

use crate::stage::{Stage, act, within};

#[tokio::test]
async fn every_row_of_the_table_decides() {
    let stage = Stage::new();
    let audit = stage
        .serve(
            ServiceName::Audit,
            act(|request| async move { Ok(peer_of(&request)?.to_string().len() as u64) }),
        )
        .await;
    for (principal, allowed) in [
        ("service/coordinator", true),
        ("operator/operator", true),
        ("operator/second", true),
        ("service/audit", false),
        ("service/rotator", false),
        ("team/stups/member", false),
        ("application/kio", false),
    ] {
        let answer = within(stage.audit(principal, audit.address).append(AppendRequest::default())).await;
        match answer {
            Ok(response) => {
                assert!(allowed, "{principal}");
                let peer = format!("spiffe://mint.local/{principal}");
                assert_eq!(response.into_inner().leaf_index, peer.len() as u64, "the peer is the caller");
            }
            Err(status) => {
                let fault = WireFault::from_status(&status);
                assert!(!allowed, "{principal}: {fault}");
                assert_eq!((fault.code, fault.reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
                assert_eq!(fault.metadata["principal"], principal);
                assert_eq!(fault.metadata["method"], "mint.audit.v1.AuditService/Append");
            }
        }
    }
}

#[tokio::test]
async fn a_method_without_a_row_is_refused() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let mut client = stage.audit("operator/operator", audit.address);
    let status = within(client.list_entries(ListEntriesRequest::default())).await.unwrap_err();
    let fault = WireFault::from_status(&status);
    assert_eq!((fault.code, fault.reason.as_str()), (Code::PermissionDenied, "METHOD_WITHOUT_ROW"));
}

#[tokio::test]
async fn a_forged_peer_header_changes_nothing() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let mut request = Request::new(AppendRequest::default());
    for header in ["x-forwarded-client-cert", "x-spiffe-id", "authorization"] {
        request.metadata_mut().insert(header, "spiffe://mint.local/operator/operator".parse().unwrap());
    }
    let status = within(stage.audit("service/rotator", audit.address).append(request)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
}

#[tokio::test]
async fn operators_see_the_services_by_both_versions_of_reflection() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let channel = stage.channel("operator/operator", audit.address, ServiceName::Audit);
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "mint.audit.v1.AuditService",
    ];

    let ask = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers =
        within(client.server_reflection_info(tokio_stream::once(ask))).await.unwrap().into_inner();
    let answer = within(answers.message()).await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("another answer: {answer:?}");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, expected);

    let ask = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            "mint.audit.v1.AuditService.Append".into(),
        )),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers =
        within(client.server_reflection_info(tokio_stream::once(ask))).await.unwrap().into_inner();
    let answer = within(answers.message()).await.unwrap().unwrap().message_response.unwrap();
    assert!(
        matches!(answer, v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_)),
        "{answer:?}"
    );

    let channel = stage.channel("service/coordinator", audit.address, ServiceName::Audit);
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let ask = v1::ServerReflectionRequest { host: String::new(), message_request: None };
    let status = within(client.server_reflection_info(tokio_stream::once(ask))).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
}
