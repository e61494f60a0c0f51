//! The world's certificates: its own CA, and one certificate per principal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mint_types::{Clock, Principal, SpiffeId, Timestamp, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use x509_parser::extensions::ParsedExtension;

use super::layout::{private_directory, write_private};
use crate::Error;

const DAY: Duration = Duration::from_hours(24);
/// The CA outlives any world of one machine.
const CA_LIFE: Duration = DAY.saturating_mul(3650);
/// A leaf's life: short enough that a forgotten directory is soon worthless.
const LEAF_LIFE: Duration = DAY.saturating_mul(30);
/// A leaf is replaced when less than this is left of it: a third of its life.
const RENEW_BEFORE: Duration = DAY.saturating_mul(10);
/// Certificates are valid a little before now: clocks of one machine jump.
const BACKDATED: Duration = Duration::from_mins(5);

/// The CA of one world.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    key_id: Vec<u8>,
    trust_domain: TrustDomain,
    clock: Arc<dyn Clock>,
}

impl Authority {
    /// Opens the CA below `directory`, or makes it.
    pub(crate) fn open(
        directory: &Path,
        trust_domain: TrustDomain,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let (certificate_file, key_file) = (directory.join("ca.pem"), directory.join("ca.key"));
        let kept =
            std::fs::read_to_string(&certificate_file).ok().zip(std::fs::read_to_string(&key_file).ok());
        let usable = kept.filter(|(certificate, _)| {
            Leaf::read(certificate).is_some_and(|ca| ca.not_after > clock.now().plus(LEAF_LIFE))
        });
        let (certificate, key) = match usable {
            Some((certificate, key)) => (certificate, KeyPair::from_pem(&key).map_err(refused)?),
            None => Self::make(&certificate_file, &key_file, &trust_domain, clock.as_ref())?,
        };
        let key_id = Leaf::read(&certificate).and_then(|ca| ca.own_key_id).unwrap_or_default();
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(refused)?;
        Ok(Self { issuer, key_id, trust_domain, clock })
    }

    fn make(
        certificate_file: &Path,
        key_file: &Path,
        trust_domain: &TrustDomain,
        clock: &dyn Clock,
    ) -> Result<(String, KeyPair), Error> {
        let key = KeyPair::generate().map_err(refused)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, format!("Mint CA of {trust_domain}"));
        let uri = format!("spiffe://{trust_domain}").try_into().map_err(refused)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        limit(&mut params, clock.now(), CA_LIFE);
        let certificate = params.self_signed(&key).map_err(refused)?.pem();
        write_private(key_file, key.serialize_pem())?;
        write_private(certificate_file, &certificate)?;
        Ok((certificate, key))
    }

    /// Sees to it that `directory` holds `cert.pem` and `key.pem` of a principal, with time left; true if it wrote them.
    pub(crate) fn ensure(&self, directory: &Path, principal: Principal) -> Result<bool, Error> {
        let (certificate_file, key_file) = (directory.join("cert.pem"), directory.join("key.pem"));
        let id = SpiffeId { trust_domain: self.trust_domain.clone(), principal };
        if key_file.is_file() && self.is_current(&certificate_file, &id) {
            return Ok(false);
        }
        private_directory(directory)?;
        let (certificate, key) = self.issue(&id)?;
        // the key first: whoever reads between the two sees a pair that does not fit and reads again
        write_private(&key_file, key)?;
        write_private(&certificate_file, certificate)?;
        Ok(true)
    }

    fn is_current(&self, certificate: &PathBuf, id: &SpiffeId) -> bool {
        let leaf = std::fs::read_to_string(certificate).ok().and_then(|text| Leaf::read(&text));
        leaf.is_some_and(|leaf| {
            leaf.uris == [id.to_string()]
                && leaf.not_after > self.clock.now().plus(RENEW_BEFORE)
                && leaf.issuer_key_id.as_deref() == Some(self.key_id.as_slice())
        })
    }

    fn issue(&self, id: &SpiffeId) -> Result<(String, String), Error> {
        let key = KeyPair::generate().map_err(refused)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, id.principal.to_string());
        params.subject_alt_names = vec![SanType::URI(id.to_string().try_into().map_err(refused)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if matches!(id.principal, Principal::Service(_)) {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
            params.subject_alt_names.extend([
                SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
                SanType::DnsName("localhost".try_into().map_err(refused)?),
            ]);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, self.clock.now(), LEAF_LIFE);
        let certificate = params.signed_by(&key, &self.issuer).map_err(refused)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("trust_domain", &self.trust_domain).finish_non_exhaustive()
    }
}

fn limit(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let seconds = u64::try_from(now.unix_micros()).unwrap_or(0) / 1_000_000;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(seconds).saturating_sub(BACKDATED);
    params.not_after = epoch + Duration::from_secs(seconds) + life;
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn refused(error: rcgen::Error) -> Error {
    Error::Identity { what: format!("a certificate of this world cannot be made: {error}") }
}

/// What a certificate says about itself.
struct Leaf {
    uris: Vec<String>,
    not_after: Timestamp,
    own_key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
}

impl Leaf {
    fn read(pem: &str) -> Option<Self> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
        let certificate = pem.parse_x509().ok()?;
        let mut leaf = Self {
            uris: Vec::new(),
            not_after: Timestamp::from_unix_micros(
                certificate.validity().not_after.timestamp().checked_mul(1_000_000)?,
            ),
            own_key_id: None,
            issuer_key_id: None,
        };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => leaf.own_key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(authority) => {
                    leaf.issuer_key_id = authority.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::SubjectAlternativeName(names) => {
                    leaf.uris = names
                        .general_names
                        .iter()
                        .filter_map(|name| match name {
                            x509_parser::extensions::GeneralName::URI(uri) => Some((*uri).to_owned()),
                            _ => None,
                        })
                        .collect();
                }
                _ => {}
            }
        }
        Some(leaf)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use mint_types::{Monotonic, ServiceName};

    use super::*;

    #[derive(Debug)]
    struct At(Timestamp);
    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
        fn monotonic(&self) -> Monotonic {
            Monotonic { boot: "test".to_owned(), nanos: 0 }
        }
    }

    fn authority(directory: &Path, days: u32) -> Authority {
        let start: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let clock = Arc::new(At(start.plus(DAY * days)));
        Authority::open(directory, "mint.local".parse().unwrap(), clock).unwrap()
    }

    #[test]
    fn a_services_certificate_carries_its_spiffe_id_and_the_names_of_this_machine() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("tls/audit");
        assert!(authority(parent.path(), 0).ensure(&place, Principal::Service(ServiceName::Audit)).unwrap());
        let text = std::fs::read_to_string(place.join("cert.pem")).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let names =
            format!("{:?}", certificate.subject_alternative_name().unwrap().unwrap().value.general_names);
        for part in ["spiffe://mint.local/service/audit", "[127, 0, 0, 1]", "localhost", "0, 0, 0, 1]"] {
            assert!(names.contains(part), "{part} is not in {names}");
        }
        for file in ["cert.pem", "key.pem"] {
            let mode = std::fs::metadata(place.join(file)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file}");
        }
    }

    #[test]
    fn a_certificate_is_kept_until_a_third_of_its_life_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("operator");
        let operator = || Principal::Operator("operator".to_owned());
        assert!(authority(parent.path(), 0).ensure(&place, operator()).unwrap());
        assert!(!authority(parent.path(), 19).ensure(&place, operator()).unwrap());
        assert!(authority(parent.path(), 21).ensure(&place, operator()).unwrap());
        assert!(
            authority(parent.path(), 21).ensure(&place, Principal::Operator("second".to_owned())).unwrap()
        );
    }

    #[test]
    fn a_new_authority_replaces_every_certificate() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("operator");
        let operator = || Principal::Operator("operator".to_owned());
        authority(parent.path(), 0).ensure(&place, operator()).unwrap();
        std::fs::remove_file(parent.path().join("ca.key")).unwrap();
        assert!(authority(parent.path(), 0).ensure(&place, operator()).unwrap());
        assert!(!authority(parent.path(), 0).ensure(&place, operator()).unwrap());
    }
}
