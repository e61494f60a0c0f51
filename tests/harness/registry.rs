//! Registry files for small worlds.

use std::fmt::Write as _;

/// An application of a small world.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its buckets.
    pub buckets: Vec<String>,
    /// The directory above its own.
    pub prefix: Option<String>,
    /// `split` or `combined`.
    pub layout: &'static str,
    /// Whether its client has a secret.
    pub confidential: bool,
    /// Whether the registry has not retired it.
    pub active: bool,
}

impl Entry {
    /// A confidential split application with one bucket.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            buckets: vec!["team-credentials".to_owned()],
            prefix: None,
            layout: "split",
            confidential: true,
            active: true,
        }
    }

    /// With these buckets.
    pub fn buckets(mut self, buckets: &[&str]) -> Self {
        self.buckets = buckets.iter().map(|bucket| (*bucket).to_owned()).collect();
        self
    }

    /// Below this directory.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// With the combined layout.
    pub fn combined(mut self) -> Self {
        self.layout = "combined";
        self
    }

    /// With a public client.
    pub fn public(mut self) -> Self {
        self.confidential = false;
        self
    }

    /// Retired by the registry.
    pub fn inactive(mut self) -> Self {
        self.active = false;
        self
    }
}

/// The registry file of these applications: one team, long periods, and more lines below `world:`.
///
/// # Panics
/// Never: writing to a string cannot fail.
pub fn registry(entries: &[Entry], world: &[&str]) -> String {
    let mut text = "teams:\n  - { id: team, account_id: \"111122223333\" }\napplications:\n".to_owned();
    for entry in entries {
        let prefix = entry.prefix.as_ref().map(|prefix| format!(", prefix: {prefix}")).unwrap_or_default();
        writeln!(
            text,
            "  - {{ id: {id}, team_id: team, name: {id}, active: {active}, settings: {{ buckets: [{buckets}]{prefix}, \
             layout: {layout}, confidential: {confidential}, rotation: {{ password: 30d, client: 30d }} }} }}",
            id = entry.id,
            active = entry.active,
            buckets = entry.buckets.join(", "),
            layout = entry.layout,
            confidential = entry.confidential,
        )
        .expect("a string takes what is written");
    }
    text.push_str("world:\n  buckets: [spare-credentials]\n");
    for line in world {
        writeln!(text, "  {line}").expect("a string takes what is written");
    }
    text
}
