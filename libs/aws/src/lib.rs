//! AWS as one principal: web-identity credentials and the shared client configuration, and nothing else.
//!
//! # Purpose
//! A process of Mint is one role at AWS. It proves who it is with a token file that the platform's own issuer
//! writes (a projected service-account token), exchanges it at STS, and signs with what STS answers.
//!
//! # Permission
//! `sts:AssumeRoleWithWebIdentity`, which is unsigned: the role's trust policy decides. No service client is here:
//! each `aws-sdk-*` crate belongs to the service whose power needs it.
//!
//! # Never
//! - takes a credential from anywhere else: no profile, instance metadata, container endpoint, static key
//!   (`a_static_key_in_the_environment_is_refused`).
//! - uses a token that it read before: the file is read again for each exchange
//!   (`an_expired_token_is_read_again_and_tried_once_more`).
//! - speaks plain http to another machine: endpoints are `OutboundUrl`s (`an_endpoint_off_this_machine_needs_https`).
//! - prints a token or a key: errors carry STS's code, never its message (`an_error_shows_the_code_and_not_the_token`).
//!
//! # Shape
//! `environment` (the standard variables, parsed), `sts` (the exchange as a port, and its adapter), `identity`
//! (cache, refresh ahead of expiry), `session` (the SDK configuration built from both).
//!
//! # Decisions
//! - The SDK's default chain is not used: it tries six sources, and a missing token file would silently become
//!   somebody else's power.
//! - One cache for all clients of a process: the SDK's own identity cache is switched off.
//! - [`sdk_config_with`] takes a provider from its caller: berry alone has one, a file that its operator named on the
//!   command line (`-c`). No service of Mint calls it.
//! - The SDK's retries are off here as well: what STS answers decides whether asking again can help.

mod environment;
mod error;
mod identity;
mod session;
mod sts;

pub use environment::{Environment, StaticKeys, StoreLocation};
pub use error::{Error, StsFault};
pub use identity::WebIdentity;
pub use session::{Session, sdk_config_with};
pub use sts::{SdkSts, TokenExchange};

pub use aws_credential_types::Credentials;
