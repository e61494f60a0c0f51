//! The wire: generated messages, clients and servers, and the conversions between them and `mint-types`.
//!
//! # Purpose
//! Wire types stop here and in each service's `rpc.rs`: what comes in becomes a type of `mint-types` or an
//! [`InvalidMessage`]; errors travel as `google.rpc.Status` with `ErrorInfo`, never inside a text.
//!
//! # Never
//! - knows a plaintext secret: envelopes are opaque bytes here (`tests/it`: `plaintext_is_reachable_from_its_carriers_only`).
//! - calls a system `protoc`: CI builds with `PROTOC=/nonexistent`.
//!
//! # Shape
//! `generated` modules per package · `convert` (ids, kinds, records) · `fault` (errors on the wire) · `audit_log`
//! (the port through which every service announces its acts, with its gRPC adapter and a fake).
//!
//! # Decisions
//! - The audit port lives here and not in each service: "said before done" (I5) has one definition.

pub mod audit_log;
pub mod convert;
mod fault;

pub use convert::InvalidMessage;
pub use fault::{ERROR_DOMAIN, Fault, WireFault, grpc_code};

/// Encoded `FileDescriptorSet` of every proto, imports included, for reflection and permission tests.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("descriptors");

macro_rules! package {
    ($(#[$doc:meta])* $name:ident, $package:literal) => {
        $(#[$doc])*
        pub mod $name {
            /// Version 1.
            #[allow(
                clippy::all,
                clippy::pedantic,
                missing_debug_implementations,
                unreachable_pub,
                reason = "generated code"
            )]
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

package!(
    /// Words that several services share.
    types,
    "mint.types.v1"
);
package!(
    /// The catalog, served by `registry-sync`.
    registry,
    "mint.registry.v1"
);
package!(
    /// Service users and clients, served by `identity-provisioner`.
    identity,
    "mint.identity.v1"
);
package!(
    /// The issuer's side of a rotation, served by `rotator`.
    rotation,
    "mint.rotation.v1"
);
package!(
    /// Delivery, served by `distributor`.
    distribution,
    "mint.distribution.v1"
);
package!(
    /// The log, served by `audit`.
    audit,
    "mint.audit.v1"
);
package!(
    /// Identity tokens for readers, served by `broker`.
    broker,
    "mint.broker.v1"
);
package!(
    /// What operators see and say, served by `coordinator`.
    coordination,
    "mint.coordination.v1"
);
