//! Certificate, key and CA as read from files.

use std::path::Path;
use std::sync::Arc;

use mint_types::{SpiffeId, TrustDomain};
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::spiffe_id_of;
use crate::{Error, TlsConfig};

/// One consistent set.
pub(crate) struct Material {
    pub(crate) id: SpiffeId,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) roots: Arc<RootCertStore>,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Material {
    /// Reads the files and checks that they belong together, and to `trust_domain` if one is given.
    pub(crate) fn read(files: &TlsConfig, trust_domain: Option<&TrustDomain>) -> Result<Self, Error> {
        let chain = certificates(&files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| unusable(&files.key, &format!("it is no private key in PEM: {error}")))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider).map_err(|error| {
            unusable(&files.key, &format!("it does not belong to {}: {error}", files.cert.display()))
        })?;
        let first = chain.first().ok_or_else(|| unusable(&files.cert, "it holds no certificate"))?;
        let id = spiffe_id_of(first).map_err(|problem| unusable(&files.cert, &problem))?;
        if let Some(expected) = trust_domain
            && *expected != id.trust_domain
        {
            return Err(unusable(&files.cert, &format!("{id} is not of the trust domain {expected}")));
        }
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca)? {
            roots.add(certificate).map_err(|error| unusable(&files.ca, &error.to_string()))?;
        }
        Ok(Self { id, chain, key, roots: Arc::new(roots) })
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let malformed = |error| unusable(file, &format!("it is no certificate in PEM: {error}"));
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(malformed)?
        .collect::<Result<_, _>>()
        .map_err(malformed)?;
    if found.is_empty() {
        return Err(unusable(file, "it holds no certificate"));
    }
    Ok(found)
}

fn unusable(file: &Path, problem: &str) -> Error {
    Error::Identity { file: file.to_owned(), problem: problem.to_owned() }
}
