//! Client authentication, and the prober: Mint's own client, with which the rotator tests passwords.

use std::io;
use std::path::Path;

use mint_types::Entropy;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Server;
use super::error::OauthError;
use super::form::Basic;
use crate::calls::Caller;
use crate::issuer::User;
use crate::private_file;
use crate::vault::{Vault, fresh_secret};

/// A client that has shown who it is.
#[derive(Debug)]
pub(crate) enum Authenticated {
    /// May use the password grant for any user.
    Prober,
    Confidential {
        client_id: String,
        owner: User,
    },
    /// Is known, and has shown nothing: it has no secret.
    Public {
        client_id: String,
        owner: User,
    },
}

#[derive(Debug)]
pub(crate) struct Prober {
    hash: String,
}

const PROBER: &str = "mint-prober";
/// Not one of the canaries: this secret stands in a file by intention.
const PROBER_SECRET_MARK: &str = "mint-prober-secret-";

#[derive(Serialize, Deserialize)]
struct ProberFile {
    client_id: String,
    client_secret: String,
}

impl Prober {
    /// Reads the rotator's `prober.json`, or writes a fresh one.
    pub(crate) async fn provide(directory: &Path, entropy: &dyn Entropy, vault: &Vault) -> io::Result<Self> {
        let path = directory.join("run/secrets/rotator/prober.json");
        let kept = private_file::keep_or_make(&path, || {
            let secret = fresh_secret(entropy, PROBER_SECRET_MARK);
            Zeroizing::new(format!("{{\"client_id\": \"{PROBER}\", \"client_secret\": \"{}\"}}\n", &*secret))
        })?;
        let file: ProberFile = serde_json::from_str(&kept)?;
        let hash = vault.hash(&Zeroizing::new(file.client_secret)).await.map_err(io::Error::other)?;
        Ok(Self { hash })
    }
}

impl Authenticated {
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::Prober => PROBER,
            Self::Confidential { client_id, .. } | Self::Public { client_id, .. } => client_id,
        }
    }

    /// As the request log names it.
    pub(crate) fn caller(&self, username_prefix: &str) -> Caller {
        let caller = Caller::principal(self.client_id());
        match self {
            Self::Prober => caller,
            Self::Confidential { owner, .. } | Self::Public { owner, .. } => {
                match owner.username.strip_prefix(username_prefix) {
                    Some(application) => caller.with_application(application),
                    None => caller,
                }
            }
        }
    }
}

impl Server {
    /// Unknown, ended, disabled and wrong look the same from outside.
    pub(crate) async fn authenticate(&self, basic: Basic) -> Result<Authenticated, OauthError> {
        let vault = &self.issuer.vault;
        if basic.client_id == PROBER {
            let right = vault.opens(basic.secret, vec![self.prober.hash.clone()]).await;
            return if right { Ok(Authenticated::Prober) } else { Err(OauthError::InvalidClient) };
        }
        let client = self.issuer.client(&basic.client_id).await?.ok_or(OauthError::InvalidClient)?;
        if client.owner.is_disabled() {
            return Err(OauthError::InvalidClient);
        }
        let (client_id, owner) = (client.id, client.owner);
        if client.public && basic.secret.is_empty() {
            return Ok(Authenticated::Public { client_id, owner });
        }
        if vault.opens(basic.secret, Vec::from_iter(client.hash)).await {
            return Ok(Authenticated::Confidential { client_id, owner });
        }
        Err(OauthError::InvalidClient)
    }
}
