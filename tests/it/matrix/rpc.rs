//! Every RPC of every service, tried with each certificate.

use std::collections::BTreeSet;

use mint_permissions::RpcTable;
use mint_tests::client::Identity;
use mint_tests::world::World;
use mint_types::{ServiceName, SpiffeId};
use prost::Message as _;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::small_world;

/// Sends and takes bytes as they are.
#[derive(Debug, Default, Clone)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;
    fn encode(&mut self, item: Vec<u8>, target: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        bytes::BufMut::put_slice(target, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;
    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, tonic::Status> {
        let length = bytes::Buf::remaining(source);
        Ok(Some(bytes::Buf::copy_to_bytes(source, length).to_vec()))
    }
}

/// Every method of a running service, by reflection as an operator.
async fn reflected_methods(world: &World, service: ServiceName) -> BTreeSet<String> {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

    async fn ask(world: &World, service: ServiceName, request: MessageRequest) -> Option<MessageResponse> {
        let mut client = ServerReflectionClient::new(world.channel(service, &world.operator()));
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let mut answers = client
            .server_reflection_info(tokio_stream::once(request))
            .await
            .expect("reflection")
            .into_inner();
        let answer: Option<ServerReflectionResponse> = answers.message().await.expect("an answer");
        answer.and_then(|answer| answer.message_response)
    }

    let listed = ask(world, service, MessageRequest::ListServices(String::new())).await;
    let Some(MessageResponse::ListServicesResponse(listed)) = listed else { panic!("{service}: {listed:?}") };
    let mut methods = BTreeSet::new();
    for name in listed.service.into_iter().map(|service| service.name) {
        let file = ask(world, service, MessageRequest::FileContainingSymbol(name.clone())).await;
        let Some(MessageResponse::FileDescriptorResponse(file)) = file else { panic!("{name}: {file:?}") };
        for bytes in file.file_descriptor_proto {
            let file = prost_types::FileDescriptorProto::decode(bytes.as_slice()).expect("a descriptor");
            for declared in &file.service {
                let full = format!("{}.{}", file.package(), declared.name());
                methods.extend(
                    declared
                        .method
                        .iter()
                        .filter(|_| full == name)
                        .map(|method| format!("{full}/{}", method.name())),
                );
            }
        }
    }
    methods
}

#[tokio::test(flavor = "multi_thread")]
async fn with_any_certificate_exactly_the_rpcs_of_its_row_are_let_through() {
    let world = small_world().await;
    let mut identities: Vec<(SpiffeId, Identity)> = ServiceName::ALL
        .into_iter()
        .map(|service| {
            (format!("spiffe://mint.local/service/{service}").parse().expect("an id"), world.service(service))
        })
        .collect();
    for (principal, directory) in [
        ("operator/operator", "operators/operator"),
        ("operator/second", "operators/second"),
        ("team/team/member", "teams/team"),
        ("application/alpha", "applications/alpha"),
    ] {
        let id = format!("spiffe://mint.local/{principal}").parse().expect("an id");
        identities.push((id, Identity::in_directory(&world.data().join(directory))));
    }
    let mut tried = 0;
    for service in ServiceName::ALL {
        let path = mint_tests::repository::root()
            .join("services")
            .join(service.as_str())
            .join("permissions/rpc.json");
        let table =
            RpcTable::parse(&std::fs::read_to_string(path).expect("rpc.json")).expect("rpc.json parses");
        let methods = reflected_methods(&world, service).await;
        assert!(methods.len() >= 5, "{service}: reflection shows its methods: {methods:?}");
        for (id, identity) in &identities {
            let channel = world.channel(service, identity);
            for method in methods.iter().map(String::as_str).chain(["mint.nobody.v1.NobodyService/Nothing"]) {
                let mut client = tonic::client::Grpc::new(channel.clone());
                client.ready().await.unwrap_or_else(|error| panic!("{service} as {id}: {error}"));
                // bytes that no message of ours parses: nothing that is let through does anything
                let garbage = tonic::Request::new(tokio_stream::once(vec![0xff; 3]));
                let path = http::uri::PathAndQuery::try_from(format!("/{method}")).expect("a path");
                let answer = client.streaming(garbage, path, Raw).await;
                let code = match answer {
                    Ok(mut answers) => answers.get_mut().message().await.err().map(|status| status.code()),
                    Err(status) => Some(status.code()),
                };
                let refused = code == Some(tonic::Code::PermissionDenied);
                let allowed = table.allows(method, &id.principal.to_string());
                assert_eq!(refused, !allowed, "{method} as {id}: {code:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 400, "only {tried} calls were tried");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fencing_token_from_the_future_is_refused_and_locks_nobody_out() {
    use mint_api::identity::v1::DisableIdentityRequest;
    use mint_api::identity::v1::identity_service_client::IdentityServiceClient;
    use mint_api::rotation::v1::RetireRequest;
    use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;

    let world = small_world().await;
    let coordinator = world.service(ServiceName::Coordinator);
    let mut rotator = RotationServiceClient::new(world.channel(ServiceName::Rotator, &coordinator));
    let mut identities =
        IdentityServiceClient::new(world.channel(ServiceName::IdentityProvisioner, &coordinator));
    for fencing_token in [i64::MAX.unsigned_abs(), u64::MAX] {
        let retire = RetireRequest {
            application_id: "alpha".to_owned(),
            kind: mint_api::types::v1::CredentialKind::Password.into(),
            rotation_id: "5f0c8a52-6f3f-4d6b-9d2a-0a4f3d6f1c11".to_owned(),
            fencing_token,
        };
        let refused = rotator.retire(retire).await.expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
        let disable =
            DisableIdentityRequest { application_id: "alpha".to_owned(), catalog_revision: 0, fencing_token };
        let refused = identities.disable_identity(disable).await.expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    }
    let disable = DisableIdentityRequest {
        application_id: "alpha".to_owned(),
        catalog_revision: 0,
        fencing_token: 4_000_000_000,
    };
    let refused =
        identities.disable_identity(disable).await.expect_err("an active application is not disabled");
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");

    let request = mint_api::coordination::v1::RotateApplicationRequest {
        application_id: "alpha".to_owned(),
        kinds: vec![mint_api::types::v1::CredentialKind::Password.into()],
    };
    world.coordination().rotate_application(request).await.expect("started");
    let rotated = |status: &mint_api::coordination::v1::ApplicationStatus| {
        status.credentials.iter().any(|credential| credential.completed_rotations == 2)
    };
    world.until("alpha", "rotated all the same", std::time::Duration::from_mins(2), rotated).await;
    world.stop().await;
}
