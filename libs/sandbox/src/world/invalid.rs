//! Why a registry file cannot be a world.

use mint_types::InvalidId;

/// Why a registry file cannot be a world; every one is a mistake of whoever wrote the file.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// There is no such file, or this process may not read it.
    #[error("the registry file {path} cannot be read")]
    Unreadable {
        /// As it was given on the command line.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It is no YAML, or it has a key that nobody knows.
    #[error("the registry file is malformed: {0}")]
    Malformed(#[from] serde_yaml_ng::Error),
    /// A team's id stands there twice.
    #[error("the registry file has two teams {0:?}")]
    DuplicateTeam(String),
    /// An application's id stands there twice.
    #[error("the registry file has two applications {0:?}")]
    DuplicateApplication(String),
    /// An application belongs to a team that the file does not have.
    #[error("application {application:?} names the team {team:?}, which is not among the teams")]
    UnknownTeam {
        /// The application's id.
        application: String,
        /// The team that it names.
        team: String,
    },
    /// The id of an application or the name of one of its buckets is none.
    #[error("application {application:?}: {problem}")]
    Application {
        /// The id as the file has it.
        application: String,
        /// What is wrong.
        problem: InvalidId,
    },
    /// The id of a team or of its account is none.
    #[error("team {team:?}: {problem} (YAML: put it in quotes)")]
    Team {
        /// The id as the file has it.
        team: String,
        /// What is wrong.
        problem: InvalidId,
    },
    /// A bucket that no application names has no bucket's name or account.
    #[error("world.buckets: {0}")]
    SpareBucket(InvalidId),
}
