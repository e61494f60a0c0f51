//! This process's identity: certificate, key and CA out of files, re-read when they change.

mod material;
mod verify;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use mint_types::{Principal, ServiceName, SpiffeId, TrustDomain};
use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};

pub(crate) use material::Material;
pub(crate) use verify::spiffe_id_of;

use crate::{Error, TlsConfig};

/// How often the files are looked at: certificates are replaced hours before they end.
const LOOK: Duration = Duration::from_secs(2);

/// The one protocol between services (RFC 9113 over TLS, ALPN).
const ALPN: &[u8] = b"h2";

/// Makes aws-lc-rs the provider of every rustls in the process. Idempotent; first thing in every main and test.
pub fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Two threads may race here; both install the same.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }
}

/// What changes when a file is replaced.
type Stamp = [Option<(SystemTime, u64, u64)>; 3];

/// The current certificate, key and CA.
#[derive(Debug)]
pub(crate) struct Identity {
    files: TlsConfig,
    trust_domain: TrustDomain,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    material: Arc<Material>,
    server: Arc<ServerConfig>,
    /// The files that `material` was read from.
    stamp: Stamp,
    /// Files that could not be used, so that it is logged once.
    refused: Option<Stamp>,
}

impl Identity {
    /// Reads the files. Without a trust domain, the certificate's own is taken.
    pub(crate) fn open(files: TlsConfig, trust_domain: Option<&TrustDomain>) -> Result<Arc<Self>, Error> {
        install_crypto_provider();
        let stamp = stamp(&files);
        let material = Material::read(&files, trust_domain)?;
        let trust_domain = material.id.trust_domain.clone();
        let server =
            server_config(&material, &trust_domain).map_err(|error| cannot_use(&files.cert, &error))?;
        let state = State { material: Arc::new(material), server, stamp, refused: None };
        Ok(Arc::new(Self { files, trust_domain, state: Mutex::new(state) }))
    }

    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    pub(crate) fn id(&self) -> SpiffeId {
        self.locked().material.id.clone()
    }

    /// For the next connection that is accepted.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.locked().server)
    }

    /// For the next connection to `service`.
    pub(crate) fn client_for(&self, service: ServiceName) -> Result<Arc<ClientConfig>, rustls::Error> {
        let material = Arc::clone(&self.locked().material);
        let expected =
            SpiffeId { trust_domain: self.trust_domain.clone(), principal: Principal::Service(service) };
        let verifier = verify::server(&material.roots, expected);
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(material.chain.clone(), material.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// Reads the files again if they changed. Files that cannot be used leave everything as it is.
    pub(crate) fn refresh(&self) {
        let stamp = stamp(&self.files);
        {
            let state = self.locked();
            if stamp == state.stamp || Some(&stamp) == state.refused.as_ref() {
                return;
            }
        }
        let renewed = Material::read(&self.files, Some(&self.trust_domain)).and_then(|material| {
            let server = server_config(&material, &self.trust_domain)
                .map_err(|error| cannot_use(&self.files.cert, &error))?;
            Ok((material, server))
        });
        let mut state = self.locked();
        match renewed {
            Ok((material, server)) => {
                tracing::info!(id = %material.id, "certificates reloaded");
                *state = State { material: Arc::new(material), server, stamp, refused: None };
            }
            Err(error) => {
                tracing::warn!(code = "CERTIFICATE_UNUSABLE", %error, "new certificates are not used; the old ones stay");
                state.refused = Some(stamp);
            }
        }
    }

    /// Looks at the files until the process ends.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: tokio_util::sync::CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => self.refresh(),
            }
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot_use(file: &Path, error: &rustls::Error) -> Error {
    Error::Identity { file: file.to_owned(), problem: error.to_string() }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn server_config(
    material: &Material,
    trust_domain: &TrustDomain,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let verifier = verify::clients(&material.roots, trust_domain.clone())?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(material.chain.clone(), material.key.clone_key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn stamp(files: &TlsConfig) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    [&files.ca, &files.cert, &files.key].map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    })
}
