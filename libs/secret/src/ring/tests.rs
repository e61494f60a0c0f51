use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::testing::Noise;

const USES: [KeyUse; 3] = [KeyUse::RotatorSign, KeyUse::RotatorProbe, KeyUse::RotatorFingerprint];

fn load(directory: &Path, generate: Generate) -> Result<KeyRing, Error> {
    KeyRing::load(directory, &USES, generate, &Noise::new(9))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    key_files(directory).unwrap()
}

#[test]
fn generated_keys_are_private_files_and_load_again_as_the_same_keys() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    let made = load(&keys, Generate::WhenMissing).unwrap();
    let again = load(&keys, Generate::Never).unwrap();
    assert_eq!(made.published(), again.published());
    assert_eq!(made.published().len(), 2, "the fingerprint key has no public half");
    assert_eq!(files(&keys).len(), 3);
    for path in files(&keys) {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_missing_key_is_a_fault_where_nothing_may_be_generated() {
    let directory = tempfile::tempdir().unwrap();
    let refused = load(directory.path(), Generate::Never).unwrap_err();
    assert!(refused.to_string().contains("there is no active key for rotator-sign"), "{refused}");
    assert!(files(directory.path()).is_empty());
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    load(directory.path(), Generate::WhenMissing).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o602] {
        let path = &files(directory.path())[0];
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = load(directory.path(), Generate::Never).unwrap_err();
        assert!(refused.to_string().contains("set it to 0600"), "{refused}");
    }
}

#[test]
fn a_key_under_another_keys_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    load(directory.path(), Generate::WhenMissing).unwrap();
    let path =
        files(directory.path()).into_iter().find(|path| path.to_string_lossy().contains("sign")).unwrap();
    fs::rename(&path, directory.path().join("rotator-sign-0123456789abcdef.key")).unwrap();
    let refused = load(directory.path(), Generate::Never).unwrap_err();
    assert!(refused.to_string().contains("the name must say so"), "{refused}");
}

#[test]
fn another_services_key_in_the_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    load(directory.path(), Generate::WhenMissing).unwrap();
    fs::write(directory.path().join("distributor-seal-0123456789abcdef.key"), "x").unwrap();
    let refused = load(directory.path(), Generate::Never).unwrap_err();
    assert!(refused.to_string().contains("with a use of rotator-sign"), "{refused}");
}

#[test]
fn a_key_goes_from_next_over_active_to_retiring_by_renaming() {
    let directory = tempfile::tempdir().unwrap();
    let old = load(directory.path(), Generate::WhenMissing).unwrap();
    let old_id = old.signing(KeyUse::RotatorSign).unwrap().id().clone();
    let name = format!("rotator-sign-{old_id}");
    let rename = |from: &str, to: &str| {
        fs::rename(
            directory.path().join(format!("{name}{from}")),
            directory.path().join(format!("{name}{to}")),
        )
        .unwrap();
    };
    rename(".key", ".retiring.key");
    assert!(load(directory.path(), Generate::Never).is_err(), "retiring alone is not active");
    let renewed = KeyRing::load(directory.path(), &USES, Generate::WhenMissing, &Noise::new(10)).unwrap();
    assert_ne!(*renewed.signing(KeyUse::RotatorSign).unwrap().id(), old_id);
    let stages: Vec<_> = renewed.published().iter().map(|key| (key.id == old_id, key.stage)).collect();
    assert!(stages.contains(&(true, KeyStage::Retiring)), "{stages:?}");
    rename(".retiring.key", ".key");
    let refused = load(directory.path(), Generate::Never).unwrap_err();
    assert!(refused.to_string().contains("more than one active key"), "{refused}");
}
