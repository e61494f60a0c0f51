//! What `mint up` shows: talk and the children's lines on stderr, live progress only on a terminal.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::layout::SANDBOX;
use crate::talk;

/// How often the progress line is redrawn while nothing happens.
const TICK: Duration = Duration::from_millis(120);

/// The stderr of `mint up`.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    bar: Option<ProgressBar>,
}

impl Console {
    /// A console for this process's stderr.
    pub(crate) fn open() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: None };
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        // until it is known how much there is to do: no part of nothing is shown as all of it
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message("starting");
        bar.enable_steady_tick(TICK);
        Self { bar: Some(bar) }
    }

    /// One line of talk.
    pub(crate) fn say(&self, line: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| talk::say(line)),
            None => talk::say(line),
        }
    }

    /// One line that a child wrote. On a terminal only what is a warning or worse, or no log line at all, and in
    /// words for people; of the embedded world, whose refusals are what it is for, only what is no log line.
    /// Everything is in the child's log file.
    pub(crate) fn child(&self, name: &str, line: &str) {
        if self.bar.is_none() {
            self.say(format_args!("{name} | {line}"));
        } else if let Some(line) = for_people(line).filter(|_| name != SANDBOX || !line.starts_with('{')) {
            self.say(format_args!("{name} | {line}"));
        }
    }

    /// How far it is; on a terminal only.
    pub(crate) fn progress(&self, done: usize, all: usize, message: impl Display) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(all as u64)
                && let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} {msg}")
            {
                bar.set_style(style);
            }
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(message.to_string());
        }
    }

    /// Takes the progress line away.
    pub(crate) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The log lines of Mint's processes are JSON objects; what is none is shown as it is.
fn for_people(line: &str) -> Option<String> {
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, serde_json::Value>>(line) else {
        return Some(line.to_owned());
    };
    let level = fields.get("level").and_then(serde_json::Value::as_str).unwrap_or("");
    if !matches!(level, "WARN" | "ERROR") {
        return None;
    }
    let facts = fields.get("fields").and_then(serde_json::Value::as_object);
    let mut text = level.to_owned();
    for (key, value) in facts.into_iter().flatten().chain(fields.iter()) {
        if matches!(key.as_str(), "level" | "timestamp" | "target" | "fields" | "span" | "spans" | "threadId")
        {
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if key == "message" {
            text.insert_str(level.len(), &format!(" {value}"));
        } else {
            let _ = write!(text, " {key}={value}");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_terminal_a_warning_is_shown_in_words_and_chatter_is_not() {
        let line = |level: &str| {
            format!(
                r#"{{"timestamp":"t","level":"{level}","fields":{{"message":"delivery failed","bucket":"b"}},"target":"x"}}"#
            )
        };
        assert_eq!(for_people(&line("WARN")).unwrap(), "WARN delivery failed bucket=b");
        assert_eq!(for_people(&line("INFO")), None);
        assert_eq!(for_people("a panic at x.rs:1").unwrap(), "a panic at x.rs:1");
    }
}
