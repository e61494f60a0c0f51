//! The keys with which operators, teams and identity-provisioner sign statements, and the file that says whom to believe.

use std::path::{Path, PathBuf};

use mint_statement::{Signer, StatementKey, TrustedKeys};
use mint_types::{Entropy, ServiceName};

use super::layout::{DataDirectory, private_directory, write_private};
use super::provide::OPERATORS;
use crate::Error;
use crate::registry_file::RegistryFile;

/// Beside the certificate of whoever signs.
const FILE: &str = "statement.key";

/// identity-provisioner's own key, in the directory of its secrets.
pub(crate) fn of_provisioner(directory: &DataDirectory) -> PathBuf {
    directory.secret(ServiceName::IdentityProvisioner, FILE)
}

/// The trusted public keys, for every service that verifies statements.
pub(crate) fn trusted(directory: &DataDirectory) -> PathBuf {
    directory.run().join("statement-keys.json")
}

/// Makes the keys that are missing, and writes down the public halves of all.
pub(crate) fn provide(
    directory: &DataDirectory,
    registry: &RegistryFile,
    entropy: &dyn Entropy,
) -> Result<(), Error> {
    let mut signers: Vec<(Signer, PathBuf)> = OPERATORS
        .iter()
        .map(|name| (Signer::Operator((*name).to_owned()), directory.operator(name).join(FILE)))
        .collect();
    let teams = registry.teams.iter();
    signers.extend(
        teams.map(|team| (Signer::Team(team.id.clone()), directory.team(team.id.as_str()).join(FILE))),
    );
    signers.push((Signer::Service(ServiceName::IdentityProvisioner), of_provisioner(directory)));

    let mut keys = Vec::with_capacity(signers.len());
    for (signer, file) in signers {
        keys.push(ensure(signer, &file, entropy)?.trusted());
    }
    write_private(&trusted(directory), TrustedKeys::to_text(keys))
}

/// The key of a file, which is made if there is none. One that cannot be used is not replaced: somebody's signatures
/// would no longer be believed.
fn ensure(signer: Signer, file: &Path, entropy: &dyn Entropy) -> Result<StatementKey, Error> {
    if !file.exists() {
        if let Some(parent) = file.parent() {
            private_directory(parent)?;
        }
        write_private(file, StatementKey::generate(entropy).as_bytes())?;
    }
    StatementKey::read(signer, file).map_err(|error| Error::Identity { what: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use mint_runtime::SystemEntropy;

    use super::*;

    const REGISTRY: &str = "teams: [{id: stups, account_id: '123456789012'}]\napplications: []\n";

    fn provided() -> (tempfile::TempDir, DataDirectory, RegistryFile) {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(parent.path()).unwrap();
        let registry = RegistryFile::parse(REGISTRY, Path::new("x")).unwrap();
        provide(&directory, &registry, &SystemEntropy).unwrap();
        (parent, directory, registry)
    }

    #[test]
    fn everybody_who_signs_has_a_private_key_and_all_are_believed() {
        let (_parent, directory, _) = provided();
        let files = [
            directory.root().join("operators/operator/statement.key"),
            directory.root().join("operators/second/statement.key"),
            directory.root().join("teams/stups/statement.key"),
            directory.root().join("run/secrets/identity-provisioner/statement.key"),
        ];
        for file in files {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.display());
        }
        let text = std::fs::read_to_string(trusted(&directory)).unwrap();
        TrustedKeys::parse(&text).unwrap();
        for signer in ["operator/operator", "operator/second", "team/stups", "service/identity-provisioner"] {
            assert!(text.contains(&format!("\"{signer}\"")), "{signer} is not in {text}");
        }
    }

    #[test]
    fn keys_outlive_a_restart_and_an_unusable_one_is_named_not_replaced() {
        let (_parent, directory, registry) = provided();
        let before = std::fs::read_to_string(trusted(&directory)).unwrap();
        provide(&directory, &registry, &SystemEntropy).unwrap();
        assert_eq!(std::fs::read_to_string(trusted(&directory)).unwrap(), before);
        let file = directory.operator("second").join(FILE);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = provide(&directory, &registry, &SystemEntropy).unwrap_err();
        assert!(error.to_string().contains("second/statement.key"), "{error}");
    }
}
