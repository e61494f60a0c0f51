//! What was written, and what is true: flags beat the environment, which beats the file.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use mint_types::{ApplicationId, BucketName, Layout, OutboundUrl, Prefix};
use serde::Deserialize;

use crate::agent::Mode;
use crate::cli::Arguments;
use crate::coordinator::Endpoint;
use crate::error::Error;
use crate::report::instance_of;

/// The store is asked at most this often: every poll is a request per file.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_INTERVAL: Duration = Duration::from_mins(2);

/// Who may read the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Permission bits of a file.
    pub mode: u32,
    /// Owner, by number.
    pub uid: Option<u32>,
    /// Group, by number.
    pub gid: Option<u32>,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the files go.
    pub directory: PathBuf,
    /// Whose credentials.
    pub application: ApplicationId,
    /// Where they are.
    pub bucket: BucketName,
    /// The directory above the application's.
    pub prefix: Prefix,
    /// Which files.
    pub layout: Layout,
    /// Between polls.
    pub interval: Duration,
    /// What is reported as the time until the next poll: with `--once`, when it is run again.
    pub polls_again_within: Duration,
    /// When to end.
    pub mode: Mode,
    /// Who may read them.
    pub access: Access,
    /// A file of static AWS keys, instead of the web identity.
    pub credentials_file: Option<PathBuf>,
    /// To whom to report what is held.
    pub coordinator: Option<Endpoint>,
    /// Who reports.
    pub instance: String,
}

/// The keys of the configuration file that are for berry. It is tolerant: see the crate's *Decisions*.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    application_id: Option<String>,
    mint_bucket: Option<String>,
    mint_prefix: Option<String>,
    mint_layout: Option<String>,
}

impl Config {
    /// Merges the command line, the environment and the file.
    pub(crate) fn resolve(
        arguments: Arguments,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let file = arguments.config_file.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let first = |flag: Option<String>, variable: &str, key: Option<String>| {
            flag.or_else(|| environment(variable).filter(|value| !value.is_empty())).or(key)
        };
        let directory = arguments
            .directory
            .or_else(|| environment("CREDENTIALS_DIR").filter(|value| !value.is_empty()).map(PathBuf::from))
            .ok_or(Error::Missing {
                what: "the local directory",
                how: "name LOCAL_DIR on the command line, or set CREDENTIALS_DIR",
            })?;
        let application = first(arguments.application, "MINT_APPLICATION", file.application_id);
        let application = application.ok_or(Error::Missing {
            what: "the application",
            how: "use -a APPLICATION, MINT_APPLICATION, or application_id in the configuration file",
        })?;
        let bucket = first(arguments.bucket, "MINT_BUCKET", file.mint_bucket);
        let bucket = bucket.ok_or(Error::Missing {
            what: "the bucket",
            how: "use -m BUCKET, MINT_BUCKET, or mint_bucket in the configuration file",
        })?;
        let prefix = first(arguments.prefix, "MINT_PREFIX", file.mint_prefix).unwrap_or_default();
        let layout = first(arguments.layout, "MINT_LAYOUT", file.mint_layout);
        let interval = arguments.interval.map(Duration::from_secs);
        if interval.is_some_and(|interval| interval < SHORTEST_INTERVAL) {
            return Err(invalid("-i", "it must be at least 1 second"));
        }
        let (uid, gid) = owner(arguments.owner.as_deref())?;
        let instance = instance(arguments.instance, &directory)?;
        Ok(Self {
            directory,
            application: parse("the application", &application)?,
            bucket: parse("the bucket", &bucket)?,
            // the older form allowed a trailing slash
            prefix: parse("the prefix", prefix.trim_end_matches('/'))?,
            layout: layout.map_or(Ok(Layout::default()), |layout| parse("the layout", &layout))?,
            interval: interval.unwrap_or(DEFAULT_INTERVAL),
            polls_again_within: match (arguments.once, interval) {
                // who gave no interval promised no next run: nobody is to wait for it
                (true, None) => SHORTEST_INTERVAL,
                (_, interval) => interval.unwrap_or(DEFAULT_INTERVAL),
            },
            mode: Mode { once: arguments.once, wait: arguments.wait },
            access: Access { mode: mode(&arguments.mode)?, uid, gid },
            credentials_file: arguments.credentials_file,
            coordinator: coordinator(environment),
            instance,
        })
    }
}

/// Everything that a report takes, or nothing: half of it is told and not used.
fn coordinator(environment: &dyn Fn(&str) -> Option<String>) -> Option<Endpoint> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let url = set("MINT_COORDINATOR")?;
    let off = |why: String| {
        tracing::warn!(
            code = "REPORTS_OFF",
            why,
            "versions are not reported; set what is missing, or unset MINT_COORDINATOR"
        );
    };
    let url: OutboundUrl = match url.parse() {
        Ok(url) => url,
        Err(error) => {
            off(format!("MINT_COORDINATOR: {error}"));
            return None;
        }
    };
    let (Some(ca), Some(cert), Some(key)) = (set("MINT_CA"), set("MINT_CERT"), set("MINT_KEY")) else {
        off("MINT_CA, MINT_CERT or MINT_KEY is not set".to_owned());
        return None;
    };
    Some(Endpoint { url, ca: ca.into(), cert: cert.into(), key: key.into() })
}

fn instance(named: Option<String>, directory: &Path) -> Result<String, Error> {
    let Some(name) = named else {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        return Ok(instance_of(&machine, directory));
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._@+-".contains(letter);
    if !(1..=128).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(invalid("--instance", "it must have 1 to 128 of the characters A-Z a-z 0-9 . _ @ + -"));
    }
    Ok(name)
}

impl File {
    fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::ConfigFile { path: path.to_owned(), source: Box::new(source) })?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_yaml_ng::from_str(&text)
            .map_err(|source| Error::ConfigFile { path: path.to_owned(), source: Box::new(source) })
    }
}

fn invalid(what: &'static str, rule: impl Into<String>) -> Error {
    Error::Invalid { what, rule: rule.into() }
}

fn parse<T>(what: &'static str, text: &str) -> Result<T, Error>
where
    T: FromStr,
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| invalid(what, error.to_string()))
}

fn mode(text: &str) -> Result<u32, Error> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        // the owner must read what others may read, and nobody executes or changes a credential
        Ok(mode) if mode & 0o400 == 0o400 && mode & !0o644 == 0 => Ok(mode),
        _ => Err(invalid(
            "--mode",
            "it must be octal, readable by the owner, and grant others no more than reading, for example 0600 or 0640",
        )),
    }
}

fn owner(text: Option<&str>) -> Result<(Option<u32>, Option<u32>), Error> {
    let Some(text) = text else {
        return Ok((None, None));
    };
    let number = |part: &str| {
        part.parse::<u32>()
            .ok()
            .filter(|number| *number != u32::MAX)
            .ok_or_else(|| invalid("--owner", "it must be UID or UID:GID, by number"))
    };
    match text.split_once(':') {
        None => Ok((Some(number(text)?), None)),
        Some((uid, gid)) => Ok((Some(number(uid)?), Some(number(gid)?))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn resolve(flags: &[&str], environment: &[(&str, &str)], file: Option<&str>) -> Result<Config, Error> {
        let directory = tempfile::tempdir().unwrap();
        let mut words = vec!["berry".to_owned()];
        words.extend(flags.iter().map(|flag| (*flag).to_owned()));
        if let Some(text) = file {
            let path = directory.path().join("berry.yaml");
            std::fs::write(&path, text).unwrap();
            words.extend(["-f".to_owned(), path.to_str().unwrap().to_owned()]);
        }
        let lookup = |name: &str| {
            let found = environment.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::resolve(Arguments::try_parse_from(words).unwrap(), &lookup)
    }

    const FILE: &str = "application_id: from-file\nmint_bucket: bucket-from-file\nssh_ports: [22]\n";

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let environment = [("MINT_APPLICATION", "from-environment"), ("MINT_PREFIX", "a/b/")];
        let config = resolve(&["/tmp/x"], &[], Some(FILE)).unwrap();
        assert_eq!((config.application.as_str(), config.bucket.as_str()), ("from-file", "bucket-from-file"));
        let config = resolve(&["/tmp/x"], &environment, Some(FILE)).unwrap();
        assert_eq!((config.application.as_str(), config.prefix.as_str()), ("from-environment", "a/b"));
        let config = resolve(&["-a", "from-flag", "/tmp/x"], &environment, Some(FILE)).unwrap();
        assert_eq!(config.application.as_str(), "from-flag");
        assert_eq!((config.interval.as_secs(), config.access.mode), (120, 0o600));
    }

    #[test]
    fn an_empty_variable_is_an_absent_one() {
        let environment = [("MINT_APPLICATION", ""), ("CREDENTIALS_DIR", "/meta/credentials")];
        let config = resolve(&[], &environment, Some(FILE)).unwrap();
        assert_eq!(config.application.as_str(), "from-file");
        assert_eq!(config.directory, Path::new("/meta/credentials"));
    }

    #[test]
    fn what_is_missing_is_named_with_the_ways_to_say_it() {
        let sentence = |flags: &[&str]| resolve(flags, &[], None).unwrap_err().to_string();
        assert!(sentence(&[]).contains("CREDENTIALS_DIR"));
        assert!(sentence(&["/tmp/x"]).contains("MINT_APPLICATION"));
        assert!(sentence(&["-a", "kio", "/tmp/x"]).contains("mint_bucket"));
    }

    #[test]
    fn static_keys_are_used_only_if_their_file_is_named() {
        let file = |flags: &[&str]| resolve(flags, &[], Some(FILE)).unwrap().credentials_file;
        assert_eq!(file(&["/tmp/x"]), None);
        assert_eq!(file(&["-c", "/etc/keys", "/tmp/x"]).as_deref(), Some(Path::new("/etc/keys")));
    }

    #[test]
    fn modes_and_owners_are_checked() {
        for good in ["0600", "600", "0640", "0644", "0400"] {
            assert!(mode(good).is_ok(), "{good}");
        }
        for bad in ["", "0200", "0777", "0660", "01600", "rw", "0606"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
        assert_eq!(owner(Some("1000:100")).unwrap(), (Some(1000), Some(100)));
        assert_eq!(owner(Some("0")).unwrap(), (Some(0), None));
        for bad in ["", "root", "1:", ":1", "-1", "4294967295"] {
            assert!(owner(Some(bad)).is_err(), "{bad}");
        }
    }
}
