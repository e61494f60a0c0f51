//! `DIR/endpoints.json`: how a running world is reached, written last, removed first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::REGION;
use super::layout::{DataDirectory, write_private};
use super::urls::Urls;
use crate::Error;

/// The document. Other programs read it: its keys are a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    pub(crate) token_url: String,
    pub(crate) kio_url: String,
    pub(crate) service_user_url: String,
    pub(crate) s3_endpoint: String,
    pub(crate) s3_region: String,
    pub(crate) sts_endpoint: String,
    pub(crate) sandbox_url: String,
    pub(crate) broker_url: String,
    pub(crate) ca: String,
    pub(crate) operator_cert: String,
    pub(crate) operator_key: String,
    pub(crate) services: BTreeMap<String, String>,
}

impl Endpoints {
    pub(crate) fn of(directory: &DataDirectory, urls: &Urls) -> Self {
        let operator = directory.operator("operator");
        Self {
            token_url: urls.token(),
            kio_url: urls.kio(),
            service_user_url: urls.service_user(),
            s3_endpoint: urls.s3(),
            s3_region: REGION.to_owned(),
            sts_endpoint: urls.sts(),
            sandbox_url: urls.sandbox(),
            broker_url: urls.broker_http(),
            ca: directory.ca().display().to_string(),
            operator_cert: operator.join("cert.pem").display().to_string(),
            operator_key: operator.join("key.pem").display().to_string(),
            services: super::services().map(|service| (service.to_string(), urls.service(service))).collect(),
        }
    }

    pub(crate) fn write(&self, directory: &DataDirectory) -> Result<(), Error> {
        write_private(&directory.endpoints(), serde_json::to_string_pretty(self).unwrap_or_default() + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::ports::Ports;
    use super::*;

    #[test]
    fn the_document_has_exactly_the_promised_keys() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(parent.path()).unwrap();
        Endpoints::of(&directory, &Urls::new(&Ports::from_first(7000))).write(&directory).unwrap();
        let text = std::fs::read_to_string(directory.endpoints()).unwrap();
        let text = text.replace(directory.root().to_str().unwrap(), "/data");
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "token_url": "http://127.0.0.1:7000/oauth2/token",
            "kio_url": "http://127.0.0.1:7000/kio",
            "service_user_url": "http://127.0.0.1:7000/service-user",
            "s3_endpoint": "http://127.0.0.1:7001",
            "s3_region": "eu-central-1",
            "sts_endpoint": "http://127.0.0.1:7000/sts",
            "sandbox_url": "http://127.0.0.1:7000",
            "broker_url": "http://127.0.0.1:7009",
            "ca": "/data/pki/ca.pem",
            "operator_cert": "/data/operators/operator/cert.pem",
            "operator_key": "/data/operators/operator/key.pem",
            "services": {
                "registry-sync": "https://127.0.0.1:7002",
                "identity-provisioner": "https://127.0.0.1:7003",
                "rotator": "https://127.0.0.1:7004",
                "distributor": "https://127.0.0.1:7005",
                "coordinator": "https://127.0.0.1:7006",
                "audit": "https://127.0.0.1:7007",
                "broker": "https://127.0.0.1:7008",
            },
        });
        assert_eq!(document, expected);
    }
}
