//! Where words go: data to stdout, talk to stderr.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::Error;

/// One line of talk to stderr. A closed stderr is no reason to stop.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Data to stdout; false if nobody reads it.
pub(crate) fn print(text: impl Display) -> bool {
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "{text}").and_then(|()| stdout.flush()).is_ok()
}

/// A JSON document to stdout.
pub(crate) fn print_json(value: &impl Serialize) -> bool {
    serde_json::to_string_pretty(value).is_ok_and(|text| print(format_args!("{text}\n")))
}

/// One line of JSON to stdout.
pub(crate) fn print_json_line(value: &impl Serialize) -> bool {
    serde_json::to_string(value).is_ok_and(|text| print(format_args!("{text}\n")))
}

/// Says why a command failed and what to do, and answers its exit code.
pub(crate) fn report(error: &Error) -> ExitCode {
    say(format_args!("mint: {error} [{}]", error.code()));
    say(format_args!("mint: {}", error.advice()));
    ExitCode::from(error.exit_code())
}
