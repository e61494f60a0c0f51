//! One call on its way through its points.

use std::fmt;

/// Which of a call's two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Nothing was asked yet.
    Before,
    /// It was answered, and nobody has the answer yet.
    After,
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// Whose call of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The service.
    pub service: &'static str,
    /// The port or store.
    pub port: &'static str,
    /// The method.
    pub method: &'static str,
}

/// A call, as generated code drives it.
#[derive(Debug)]
#[cfg_attr(not(feature = "fault-points"), expect(dead_code, reason = "without the feature nobody looks"))]
pub struct Call {
    site: Site,
    text: String,
}

impl Call {
    /// A call that says nothing of itself yet.
    pub fn of(site: Site) -> Self {
        Self { site, text: String::new() }
    }

    /// Lets it say its arguments or its answer, if somebody listens.
    #[cfg(feature = "fault-points")]
    pub fn says(&mut self, say: impl FnOnce(&mut String)) {
        if crate::probe::is_installed() {
            say(&mut self.text);
        }
    }

    /// Nobody listens.
    #[cfg(not(feature = "fault-points"))]
    pub fn says(&mut self, _: impl FnOnce(&mut String)) {}

    /// Its first point.
    #[cfg(feature = "fault-points")]
    pub async fn before(&self) {
        crate::probe::pass(self.site, Side::Before, &self.text).await;
    }

    /// Its second point.
    #[cfg(feature = "fault-points")]
    pub async fn after(&self) {
        crate::probe::pass(self.site, Side::After, &self.text).await;
    }

    /// No point.
    #[cfg(not(feature = "fault-points"))]
    pub fn before(&self) -> std::future::Ready<()> {
        std::future::ready(())
    }

    /// No point.
    #[cfg(not(feature = "fault-points"))]
    pub fn after(&self) -> std::future::Ready<()> {
        std::future::ready(())
    }
}
