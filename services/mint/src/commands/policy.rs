//! `mint policy`: what an account's administrator applies, and what is wrong with a policy document.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mint_policy::{Config, File};
use serde::Serialize;

use crate::cli::{GlobalOptions, Output, PolicyLint, PolicyRender};
use crate::error::{FAILED, USAGE};
use crate::{Error, talk};

/// Nobody's policy is a megabyte: AWS takes some ten thousand characters.
const LONGEST_DOCUMENT: u64 = 1024 * 1024;

/// Renders the policies into a directory, or to stdout.
pub(crate) fn render(options: &PolicyRender) -> Result<ExitCode, Error> {
    let (text, source) = match &options.config {
        Some(file) => (read(file)?, file.display().to_string()),
        None => (mint_policy::EXAMPLE.to_owned(), "the built-in example".to_owned()),
    };
    let files = Config::parse(&text).and_then(|config| mint_policy::render(&config)).map_err(|error| {
        Error::Usage {
            what: format!("{source}: {error} [{}]", error.code()),
            advice: "correct the configuration; its format is that of deploy/aws/example.toml".to_owned(),
        }
    })?;
    if options.config.is_none() {
        talk::say(
            "mint: no --config: these are the policies of the built-in example's accounts, not of yours",
        );
    }
    match &options.out {
        None => print(&files)?,
        Some(directory) => {
            write(directory, &files)?;
            talk::say(format_args!("mint: {} files are in {}", files.len(), directory.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(files: &[File]) -> Result<(), Error> {
    let mut documents: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
    for file in files {
        let document = serde_json::from_str(&file.text)
            .map_err(|error| Error::io(format!("print {}", file.path))(error.into()))?;
        documents.insert(&file.path, document);
    }
    talk::print_json(&documents);
    Ok(())
}

/// Writes every file. What else is there would be applied together with them, so it is refused before anything is written.
fn write(directory: &Path, files: &[File]) -> Result<(), Error> {
    let rendered: BTreeSet<PathBuf> = files.iter().map(|file| directory.join(&file.path)).collect();
    let mut found = Vec::new();
    files_below(directory, &mut found).map_err(Error::io(format!("look into {}", directory.display())))?;
    if let Some(stranger) = found.iter().find(|path| !rendered.contains(*path)) {
        return Err(Error::Usage {
            what: format!("{} is not of this configuration", stranger.display()),
            advice: "nothing is written: remove what is left of another rendering, or choose another directory with --out"
                .to_owned(),
        });
    }
    for file in files {
        let path = directory.join(&file.path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(Error::io(format!("make {}", parent.display())))?;
        fs::write(&path, &file.text).map_err(Error::io(format!("write {}", path.display())))?;
    }
    Ok(())
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // a link is a stranger, wherever it leads
        if entry.file_type()?.is_dir() {
            files_below(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(())
}

#[derive(Debug, Serialize)]
struct Found {
    file: String,
    statement: String,
    code: &'static str,
    sentence: String,
}

/// Says what is wrong with each document. One that cannot be read stops no other, and is never clean.
pub(crate) fn lint(global: &GlobalOptions, options: &PolicyLint) -> ExitCode {
    let mut found = Vec::new();
    let mut unread = 0_usize;
    for path in &options.files {
        let file = path.display().to_string();
        let looked_at = read(path).map_err(|error| error.to_string()).and_then(|text| {
            mint_policy::lint(&text).map_err(|error| format!("{file}: {error} [{}]", error.code()))
        });
        match looked_at {
            Ok(findings) => found.extend(findings.into_iter().map(|finding| Found {
                file: file.clone(),
                statement: finding.statement,
                code: finding.code.as_str(),
                sentence: finding.sentence,
            })),
            Err(refusal) => {
                unread += 1;
                talk::say(format_args!("mint: {refusal}"));
            }
        }
    }
    match global.output {
        Output::Json => {
            talk::print_json(&found);
        }
        Output::Text => {
            for Found { file, statement, code, sentence } in &found {
                talk::print(format_args!("{file}: statement {statement}: {code}: {sentence}\n"));
            }
        }
    }
    if unread > 0 {
        talk::say("mint: give policy documents as IAM takes them: {\"Version\": …, \"Statement\": …}");
        return ExitCode::from(USAGE);
    }
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn read(file: &Path) -> Result<String, Error> {
    use io::Read as _;
    let refuse = |what: String| Error::Usage {
        what: format!("cannot read {}: {what}", file.display()),
        advice: "name a file that is there, is UTF-8 and shorter than a megabyte".to_owned(),
    };
    let mut text = String::new();
    fs::File::open(file)
        .and_then(|opened| opened.take(LONGEST_DOCUMENT + 1).read_to_string(&mut text))
        .map_err(|error| refuse(error.to_string()))?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= LONGEST_DOCUMENT) {
        return Ok(text);
    }
    Err(refuse("it is longer than a megabyte".to_owned()))
}
