//! The names of points.

use crate::Side;

/// The points of one port or store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points {
    /// The service that holds it; none for a port that several services hold.
    pub service: Option<&'static str>,
    /// The port.
    pub port: &'static str,
    /// Its methods that are no reads.
    pub methods: &'static [&'static str],
}

impl Points {
    /// The names in a service, in the order of the source.
    pub fn names(&self, service: &str) -> Vec<String> {
        let sides = |method: &'static str| [(method, Side::Before), (method, Side::After)];
        self.methods
            .iter()
            .flat_map(|method| sides(method))
            .map(|(method, side)| name(self.service.unwrap_or(service), self.port, method, side))
            .collect()
    }
}

/// A point's name.
pub(crate) fn name(service: &str, port: &str, method: &str, side: Side) -> String {
    format!("{service}.{port}.{method}.{side}")
}
