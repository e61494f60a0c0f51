//! Which methods stream, out of the descriptors: those have no deadline once they are open.

use std::collections::HashSet;
use std::sync::LazyLock;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::Error;

/// The streaming methods of a set of services, as `package.Service/Method`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Methods {
    streaming: HashSet<String>,
}

impl Methods {
    /// Of these descriptors, health and reflection.
    pub(crate) fn of(descriptors: &[&[u8]]) -> Result<Self, Error> {
        let always = [
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut streaming = HashSet::new();
        for encoded in descriptors.iter().copied().chain(always) {
            let set = FileDescriptorSet::decode(encoded)
                .map_err(|error| Error::Internal(format!("descriptors: {error}")))?;
            for file in &set.file {
                for service in &file.service {
                    let methods = service.method.iter();
                    streaming.extend(
                        methods
                            .filter(|method| method.server_streaming() || method.client_streaming())
                            .map(|method| format!("{}.{}/{}", file.package(), service.name(), method.name())),
                    );
                }
            }
        }
        Ok(Self { streaming })
    }

    pub(crate) fn streams(&self, method: &str) -> bool {
        self.streaming.contains(method)
    }
}

/// Of all of Mint's services.
pub(crate) fn of_mint() -> &'static Methods {
    static MINT: LazyLock<Methods> =
        LazyLock::new(|| Methods::of(&[mint_api::DESCRIPTORS]).unwrap_or_default());
    &MINT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_and_reflection_stream_and_nothing_else_does() {
        let methods = of_mint();
        assert!(methods.streams("grpc.health.v1.Health/Watch"));
        assert!(methods.streams("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
        assert!(!methods.streams("grpc.health.v1.Health/Check"));
        assert!(!methods.streams("mint.audit.v1.AuditService/Append"));
        let ours: Vec<&String> =
            methods.streaming.iter().filter(|method| method.starts_with("mint.")).collect();
        assert!(!ours.is_empty() && ours.iter().all(|method| method.contains("/Watch")), "{ours:?}");
    }
}
