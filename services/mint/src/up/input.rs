//! Which registry file a world runs on.

use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;

use super::layout::{DataDirectory, write_private};
use crate::Error;
use crate::registry_file::{EXAMPLE, RegistryFile};
use crate::supported::supported_part;

/// The copy of the whole file; registry-sync tells what of its settings cannot be entered.
pub(crate) fn kept(directory: &DataDirectory) -> PathBuf {
    directory.run().join("registry.yaml")
}

/// The part that the embedded world reads.
pub(crate) fn of_world(directory: &DataDirectory) -> PathBuf {
    directory.run().join("world.yaml")
}

fn remembered(directory: &DataDirectory) -> PathBuf {
    directory.run().join("registry.path")
}

/// The named file, else the one of the last start (or its copy, if it is gone), else the built-in example.
pub(crate) fn choose(directory: &DataDirectory, named: Option<&Path>) -> Result<RegistryFile, Error> {
    let (text, origin) = match named {
        Some(file) => {
            let text = read(file)?;
            let absolute = file.canonicalize().map_err(Error::io(format!("open {}", file.display())))?;
            (text, absolute)
        }
        None => last(directory)?
            .unwrap_or_else(|| (EXAMPLE.to_owned(), PathBuf::from("deploy/examples/registry.yaml"))),
    };
    let text = with_account_ids_as_text(text);
    let (supported, unsupported) = supported_part(text.clone());
    let registry = RegistryFile { unsupported, ..RegistryFile::parse(&supported, &origin)? };
    write_private(&kept(directory), &text)?;
    write_private(&of_world(directory), &supported)?;
    if named.is_some() {
        write_private(&remembered(directory), origin.display().to_string())?;
    }
    Ok(registry)
}

/// Only what is not there leads on to the next: a file that cannot be read must not become another fleet.
fn last(directory: &DataDirectory) -> Result<Option<(String, PathBuf)>, Error> {
    if let Some(original) = existing(&remembered(directory))?.map(PathBuf::from)
        && let Some(text) = existing(&original)?
    {
        return Ok(Some((text, original)));
    }
    let copy = kept(directory);
    Ok(existing(&copy)?.map(|text| (text, copy)))
}

fn existing(file: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(file, &error)),
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    Error::Usage {
        what: format!("the registry file {} cannot be read: {error}", file.display()),
        advice: "name a readable file with --registry".to_owned(),
    }
}

/// YAML takes an account id without quotes for a number; nobody means one.
fn with_account_ids_as_text(text: String) -> String {
    let Ok(mut document) = serde_yaml_ng::from_str::<Value>(&text) else { return text };
    let teams = document.get_mut("teams").and_then(Value::as_sequence_mut);
    let mut changed = false;
    for account in teams.into_iter().flatten().filter_map(|team| team.get_mut("account_id")) {
        if let Some(number) = account.as_u64() {
            *account = Value::String(format!("{number:012}"));
            changed = true;
        }
    }
    if !changed {
        return text;
    }
    serde_yaml_ng::to_string(&document).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "teams: [{id: stups, account_id: 123456789012}]\napplications: []\n";

    #[test]
    fn the_last_file_is_used_again_and_its_copy_when_it_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(&parent.path().join("data")).unwrap();
        assert_eq!(choose(&directory, None).unwrap().applications.len(), 33, "the example");
        let file = parent.path().join("small.yaml");
        std::fs::write(&file, SMALL).unwrap();
        assert_eq!(choose(&directory, Some(&file)).unwrap().applications.len(), 0);
        assert_eq!(choose(&directory, None).unwrap().teams.len(), 1);
        std::fs::write(&file, SMALL.replace("[{id: stups, account_id: 123456789012}]", "[]")).unwrap();
        assert_eq!(choose(&directory, None).unwrap().teams.len(), 0, "the file as it is now");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(choose(&directory, None).unwrap().teams.len(), 0);
    }

    #[test]
    fn what_is_not_supported_stays_in_the_copy_and_is_kept_from_the_embedded_world() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(&parent.path().join("data")).unwrap();
        let file = parent.path().join("registry.yaml");
        let text = "teams: [{id: stups, account_id: '123456789012'}]\n\
            applications: [{id: kio, team_id: stups, name: Kio, settings: {layout: sealed}}]\n";
        std::fs::write(&file, text).unwrap();
        for named in [Some(file.as_path()), None] {
            let registry = choose(&directory, named).unwrap();
            assert!(registry.unsupported.contains("kio") && registry.applications.len() == 1);
            assert_eq!(std::fs::read_to_string(kept(&directory)).unwrap(), text);
            assert!(!std::fs::read_to_string(of_world(&directory)).unwrap().contains("sealed"));
        }
    }

    #[test]
    fn a_last_file_that_cannot_be_read_does_not_become_another_fleet() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(&parent.path().join("data")).unwrap();
        let file = parent.path().join("small.yaml");
        std::fs::write(&file, SMALL).unwrap();
        choose(&directory, Some(&file)).unwrap();
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(choose(&directory, None).unwrap_err().exit_code(), 64);
    }

    #[test]
    fn an_account_id_needs_no_quotes() {
        let text = with_account_ids_as_text(SMALL.to_owned());
        let registry = RegistryFile::parse(&text, Path::new("x")).unwrap();
        assert_eq!(registry.teams[0].account_id.as_str(), "123456789012");
        let quoted = SMALL.replace("123456789012", "'123456789012'");
        assert_eq!(with_account_ids_as_text(quoted.clone()), quoted);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_wrong_command_line() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(parent.path()).unwrap();
        let error = choose(&directory, Some(Path::new("/nowhere.yaml"))).unwrap_err();
        assert_eq!(error.exit_code(), 64);
    }
}
