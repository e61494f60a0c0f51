//! A file of static AWS keys, parsed: lines of `<application>:<access key id>:<secret access key>`, or the standard
//! shared-credentials file. Which of the two it is, its content says. Pure: text in, one key or a refusal out.

use mint_secret::Zeroizing;
use mint_types::ApplicationId;

/// The profile of a shared-credentials file when `AWS_PROFILE` names none.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// One static key. It has no `Debug`: two of its parts are secrets.
pub(crate) struct StaticKey {
    /// Public: it is in every signature.
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Zeroizing<String>,
    /// Of temporary credentials only.
    pub(crate) session_token: Option<Zeroizing<String>>,
}

/// Why a text has no key for us. It carries numbers of lines and names of profiles, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysFault {
    /// Lines of both forms.
    #[error("line {line} is of another form than the lines before it: use one form for the whole file")]
    Mixed {
        /// Counted from 1.
        line: usize,
    },
    /// A line of neither form, or a broken one that concerns us.
    #[error("line {line}: {rule}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What it must be.
        rule: &'static str,
    },
    /// There is no key for us in it.
    #[error("it has no {wanted}")]
    Absent {
        /// What was looked for.
        wanted: String,
    },
}

impl KeysFault {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Mixed { .. } => "CREDENTIALS_FILE_MIXED",
            Self::Malformed { .. } => "CREDENTIALS_FILE_MALFORMED",
            Self::Absent { .. } => "CREDENTIALS_FILE_WITHOUT_KEY",
        }
    }
}

/// A line that says something.
enum Line<'t> {
    /// `[profile]`
    Section(&'t str),
    /// `name = value`
    Assignment(&'t str, &'t str),
    /// `application:…`
    Entry(&'t str, &'t str),
}

impl<'t> Line<'t> {
    fn read(text: &'t str) -> Option<Self> {
        if let Some(section) = text.strip_prefix('[') {
            return section.strip_suffix(']').map(|name| Self::Section(name.trim()));
        }
        // the value of an assignment may have colons, and a secret may have an equals sign: what comes first decides
        let at = text.find(['=', ':'])?;
        let (name, rest) = (text[..at].trim(), &text[at + 1..]);
        Some(match text.as_bytes()[at] {
            b'=' => Self::Assignment(name, rest.trim()),
            _ => Self::Entry(name, rest),
        })
    }

    fn is_entry(&self) -> bool {
        match self {
            Self::Entry(..) => true,
            Self::Section(_) | Self::Assignment(..) => false,
        }
    }
}

/// The key of an application, or of a profile, depending on the form of the text.
pub(crate) fn find(text: &str, application: &ApplicationId, profile: &str) -> Result<StaticKey, KeysFault> {
    let lines = lines(text)?;
    match lines.first() {
        Some((_, first)) if first.is_entry() => of_application(&lines, application),
        Some(_) => of_profile(&lines, profile),
        None => Err(KeysFault::Absent { wanted: format!("line of {application}: it is empty") }),
    }
}

/// Every line that says something, all of one form.
fn lines(text: &str) -> Result<Vec<(usize, Line<'_>)>, KeysFault> {
    let mut lines: Vec<(usize, Line<'_>)> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let (number, content) = (index + 1, raw.trim());
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let rule = "it must be <application>:<access key id>:<secret access key>, [profile], or name = value";
        let line = Line::read(content).ok_or(KeysFault::Malformed { line: number, rule })?;
        if lines.first().is_some_and(|(_, first)| first.is_entry() != line.is_entry()) {
            return Err(KeysFault::Mixed { line: number });
        }
        lines.push((number, line));
    }
    Ok(lines)
}

/// Entries of others are not looked at: one application's typing error must not keep another from its credentials.
fn of_application(lines: &[(usize, Line<'_>)], application: &ApplicationId) -> Result<StaticKey, KeysFault> {
    let mut found = None;
    for (number, line) in lines {
        let Line::Entry(id, rest) = line else { continue };
        if *id != application.as_str() {
            continue;
        }
        if found.is_some() {
            return Err(malformed(*number, "the application is listed twice"));
        }
        let rule = "it must be <application>:<access key id>:<secret access key>";
        let (access_key_id, secret) = rest.split_once(':').ok_or(malformed(*number, rule))?;
        if secret.contains(':') {
            return Err(malformed(*number, rule));
        }
        found = Some(StaticKey {
            access_key_id: value(access_key_id, *number)?.to_owned(),
            secret_access_key: Zeroizing::new(value(secret, *number)?.to_owned()),
            session_token: None,
        });
    }
    found.ok_or_else(|| KeysFault::Absent { wanted: format!("line of {application}") })
}

fn of_profile(lines: &[(usize, Line<'_>)], profile: &str) -> Result<StaticKey, KeysFault> {
    let mut section = None;
    let (mut access_key_id, mut secret, mut token) = (None, None, None);
    for (number, line) in lines {
        let (name, text) = match line {
            Line::Section(name) => {
                section = Some(name.strip_prefix("profile ").map_or(*name, str::trim));
                continue;
            }
            Line::Assignment(name, text) => (*name, *text),
            Line::Entry(..) => continue,
        };
        let Some(current) = section else {
            return Err(malformed(*number, "a key stands before the first [profile]"));
        };
        if current != profile {
            continue;
        }
        let slot = match name.to_ascii_lowercase().as_str() {
            "aws_access_key_id" => &mut access_key_id,
            "aws_secret_access_key" => &mut secret,
            "aws_session_token" => &mut token,
            // region, output and the like are for other tools
            _ => continue,
        };
        if slot.replace(value(text, *number)?).is_some() {
            return Err(malformed(*number, "the key is set twice"));
        }
    }
    let missing = |name: &str| KeysFault::Absent { wanted: format!("{name} in the profile {profile}") };
    Ok(StaticKey {
        access_key_id: access_key_id.ok_or_else(|| missing("aws_access_key_id"))?.to_owned(),
        secret_access_key: Zeroizing::new(secret.ok_or_else(|| missing("aws_secret_access_key"))?.to_owned()),
        session_token: token.map(|token| Zeroizing::new(token.to_owned())),
    })
}

fn malformed(line: usize, rule: &'static str) -> KeysFault {
    KeysFault::Malformed { line, rule }
}

/// A part of a key travels in a header: visible characters only.
fn value(text: &str, line: usize) -> Result<&str, KeysFault> {
    let trimmed = text.trim();
    if !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(trimmed);
    }
    Err(malformed(line, "each part of a key must be one word of visible characters"))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
