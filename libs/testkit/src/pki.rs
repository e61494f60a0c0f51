//! A certificate authority for tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use mint_types::{Principal, ServiceName, SpiffeId, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Issues certificates for any SPIFFE id into a directory.
pub struct TestPki {
    directory: PathBuf,
    trust_domain: TrustDomain,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for TestPki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestPki").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

impl TestPki {
    /// A fresh authority, whose certificate is `ca.pem` in `directory` (made if missing, replaced if there is one).
    pub fn new(directory: impl Into<PathBuf>, trust_domain: &TrustDomain) -> Self {
        let directory = directory.into();
        std::fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::new(Vec::default()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("test CA of {trust_domain}"));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        replace(&directory.join("ca.pem"), &params.self_signed(&key).unwrap().pem());
        Self { directory, trust_domain: trust_domain.clone(), issuer: Issuer::new(params, key) }
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A certificate for `principal` of our trust domain, valid on this machine; replaces an earlier one.
    pub fn issue(&self, principal: &Principal) -> Certificate {
        let id = SpiffeId { trust_domain: self.trust_domain.clone(), principal: principal.clone() };
        self.issue_for(&principal.to_string().replace('/', "-"), &[&id.to_string()])
    }

    /// A certificate for a service.
    pub fn service(&self, service: ServiceName) -> Certificate {
        self.issue(&Principal::Service(service))
    }

    /// A certificate for `principal/…` as text, for example `operator/operator` or `team/stups/member`.
    pub fn issue_path(&self, principal: &str) -> Certificate {
        let id: SpiffeId = format!("spiffe://{}/{principal}", self.trust_domain).parse().unwrap();
        self.issue(&id.principal)
    }

    /// A certificate with exactly these URI names, whatever they are, in files called `name`.
    pub fn issue_for(&self, name: &str, uris: &[&str]) -> Certificate {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            params.subject_alt_names.push(SanType::IpAddress(address));
        }
        for uri in uris {
            params.subject_alt_names.push(SanType::URI((*uri).try_into().unwrap()));
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = Certificate {
            cert: self.directory.join(format!("{name}.cert.pem")),
            key: self.directory.join(format!("{name}.key.pem")),
        };
        replace(&files.key, &key.serialize_pem());
        replace(&files.cert, &certificate.pem());
        files
    }
}

/// By rename: a reader sees the old file or the new one.
fn replace(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    std::fs::rename(&new, path).unwrap();
}
