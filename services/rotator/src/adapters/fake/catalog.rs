//! The catalog in memory.

use async_trait::async_trait;
use mint_types::{
    Application, ApplicationId, Bucket, Identity, Layout, Period, Prefix, Presence, Revision, Settings,
};

use super::issuer::{Password, User};
use super::{Course, PUBLIC_CLIENT, World, outage};
use crate::Error;
use crate::ports::Catalog;

impl World {
    /// Adds an application with one bucket.
    pub(crate) fn add(&self, id: &str, layout: Layout, confidential: bool, foreign: bool) -> ApplicationId {
        let id: ApplicationId = id.parse().unwrap();
        let bucket =
            Bucket { name: "team-bucket".parse().unwrap(), region: None, endpoint: None, kms_key_id: None };
        let settings = Settings {
            buckets: vec![bucket],
            account_id: Some("123456789012".parse().unwrap()),
            prefix: Prefix::default(),
            layout,
            scopes: Vec::new(),
            redirect_url: None,
            confidential,
            password_period: Period::from_seconds(7200),
            client_period: Period::from_seconds(86400),
        };
        let username = format!("stups_{id}");
        let record = Application {
            id: id.clone(),
            team_id: "team".parse().unwrap(),
            name: id.to_string(),
            active: true,
            subtitle: String::new(),
            service_url: String::new(),
            presence: Presence::Present,
            revision: Revision(1),
            identity_revision: Revision(1),
            settings: Some(settings),
            settings_generation: 1,
            identity: Some(Identity {
                username: username.clone(),
                client_id: PUBLIC_CLIENT.to_owned(),
                foreign,
            }),
            modified_at: None,
            problems: Vec::new(),
            destinations_statement: Vec::new(),
            removed_destinations: Vec::new(),
        };
        let mut inner = self.locked();
        inner.records.insert(id.clone(), record);
        let mut user = User::default();
        if foreign {
            let plaintext = "a-foreign-password".to_owned();
            user.passwords.push(Password { txid: "foreign".to_owned(), plaintext, valid_until: None });
        }
        inner.users.insert(username, user);
        id
    }

    /// Changes an application's record.
    pub(crate) fn change(&self, application: &ApplicationId, change: impl FnOnce(&mut Application)) {
        change(self.locked().records.get_mut(application).unwrap());
    }
}

#[async_trait]
impl Catalog for World {
    async fn application(
        &self,
        application: &ApplicationId,
        _at_least: Revision,
    ) -> Result<Application, Error> {
        match self.course("catalog").await {
            Course::Normal => self.locked().records.get(application).cloned().ok_or(Error::Catalog(outage())),
            Course::DiesAfter => self.die().await,
            Course::Refused | Course::Unanswered => Err(Error::CatalogUnavailable(outage())),
        }
    }
}
