//! The certificate of the HTTP side, read again when its files change. Nobody is asked for one of theirs: callers bring
//! sessions, and relying parties fetch what is public.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use crate::config::HttpTls;
use crate::error::Error;

/// How often the files are looked at: certificates are replaced hours before they end.
const LOOK: Duration = Duration::from_secs(2);

/// What changes when a file is replaced.
type Stamp = [Option<(SystemTime, u64, u64)>; 2];

/// The current certificate and key.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: HttpTls,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ServerConfig>,
    /// The files that it was read from.
    stamp: Stamp,
    /// Files that could not be used, so that it is logged once.
    refused: Option<Stamp>,
}

impl Certificate {
    /// Reads the files.
    pub(crate) fn open(files: HttpTls) -> Result<Arc<Self>, Error> {
        mint_runtime::install_crypto_provider();
        let stamp = stamp(&files);
        let state = Mutex::new(State { config: read(&files)?, stamp, refused: None });
        Ok(Arc::new(Self { files, state }))
    }

    /// For the next connection.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.locked().config)
    }

    /// Reads the files again if they changed. Files that cannot be used leave everything as it is.
    pub(crate) fn refresh(&self) {
        let stamp = stamp(&self.files);
        let mut state = self.locked();
        if stamp == state.stamp || Some(&stamp) == state.refused.as_ref() {
            return;
        }
        match read(&self.files) {
            Ok(config) => {
                tracing::info!("the certificate of the http side is reloaded");
                *state = State { config, stamp, refused: None };
            }
            Err(error) => {
                tracing::warn!(code = "CERTIFICATE_UNUSABLE", %error, "a new certificate of the http side is not used; the old one stays");
                state.refused = Some(stamp);
            }
        }
    }

    /// Looks at the files until the process ends.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
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

fn read(files: &HttpTls) -> Result<Arc<ServerConfig>, Error> {
    let chain = chain(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| Error::keys(&files.key, format!("it is no private key in PEM: {error}")))?;
    // two halves that do not belong together are refused here
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| Error::keys(&files.cert, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let malformed = |error| Error::keys(file, format!("it is no certificate in PEM: {error}"));
    let found = CertificateDer::pem_file_iter(file).map_err(malformed)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(malformed)?;
    if found.is_empty() { Err(Error::keys(file, "it holds no certificate")) } else { Ok(found) }
}

fn stamp(files: &HttpTls) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    [&files.cert, &files.key].map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    })
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use bytes::Bytes;
    use mint_runtime::http::HttpClient;
    use tokio::net::TcpListener;

    use super::*;
    use crate::door::Door;

    fn put(directory: &Path, name: &str) -> HttpTls {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        std::fs::write(directory.join(format!("{name}-ca.pem")), &certificate).unwrap();
        let files = HttpTls { cert: directory.join("cert.pem"), key: directory.join("key.pem") };
        for (file, text) in [(&files.cert, certificate), (&files.key, key.serialize_pem())] {
            // by rename, as whoever renews certificates does: another inode
            let beside = file.with_extension("new");
            std::fs::write(&beside, text).unwrap();
            std::fs::rename(beside, file).unwrap();
        }
        files
    }

    #[tokio::test]
    async fn the_http_side_speaks_tls_takes_a_renewed_certificate_and_keeps_the_old_one_for_a_broken_one() {
        let directory = tempfile::tempdir().unwrap();
        let files = put(directory.path(), "first");
        let certificate = Certificate::open(files.clone()).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = axum::Router::new().route("/", get(async || "public"));
        let door = Door { socket, certificate: Some(Arc::clone(&certificate)), router };
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(door.serve_until(shutdown.clone()));
        // each call with a client of its own: connections would be kept
        let ask = async |scheme: &str, trusted: &str| {
            let client = HttpClient::with_ca(&directory.path().join(format!("{trusted}-ca.pem"))).unwrap();
            let request = http::Request::get(format!("{scheme}://{address}/")).body(Bytes::new()).unwrap();
            client.send(request, Duration::from_mins(1), 1024).await.map(|answer| answer.body.to_vec())
        };
        assert_eq!(ask("https", "first").await.unwrap(), b"public");
        assert!(ask("http", "first").await.is_err(), "nothing is said in the clear");

        put(directory.path(), "second");
        certificate.refresh();
        assert_eq!(ask("https", "second").await.unwrap(), b"public");
        assert!(ask("https", "first").await.is_err(), "it is the new one");

        std::fs::write(&files.key, "nothing").unwrap();
        certificate.refresh();
        assert_eq!(ask("https", "second").await.unwrap(), b"public");
        assert!(Certificate::open(files).unwrap_err().to_string().contains("key.pem"));
        shutdown.cancel();
        serving.await.unwrap();
    }
}
