//! Another application for a case whose point did not fire the first time.

use mint_api::registry::v1::{GetApplicationRequest, Settings, UpdateSettingsRequest};
use mint_api::types::v1::Layout;
use serde_json::json;

use crate::cases::{Case, Way};
use crate::stage::{Stage, TEMPLATE, until};
use crate::ways::{Trouble, with_second_bucket};

impl Stage {
    /// The same case for an application that nothing happened to, registered and delivered as the first one was.
    pub(crate) async fn again(&self, case: &Case) -> Result<Case, Trouble> {
        let case = Case { application: case.application.replace("crash", "again"), ..case.clone() };
        if case.way.takes() {
            self.release(1).await?;
        }
        if case.way.is_registered() {
            self.register(&case).await?;
        }
        Ok(case)
    }

    async fn register(&self, case: &Case) -> Result<(), Trouble> {
        let id = case.application.as_str();
        let active = case.way != Way::First;
        self.put(json!({"id": id, "team_id": "team", "name": id, "active": active})).await;
        let mut settings = self.template().await?;
        match case.way {
            Way::Combined => settings.layout = Layout::Combined as i32,
            Way::Public => settings.confidential = false,
            Way::Tombstone | Way::OverBudget => with_second_bucket(&mut settings),
            _ => {}
        }
        self.enter(id, &settings).await?;
        // what it logs in with is written by the world as soon as that knows it
        let environment = self.world.data().join("applications").join(id).join("env");
        until("its environment is there", || async { environment.exists().then_some(()) }).await?;
        if case.way.is_delivered() {
            self.rests(id, 1).await?;
        }
        Ok(())
    }

    /// The settings of the application that nothing happens to.
    pub(crate) async fn template(&self) -> Result<Settings, String> {
        until("the template is known", || async {
            let request = GetApplicationRequest { application_id: TEMPLATE.to_owned(), ..Default::default() };
            self.registry.clone().get_application(request).await.ok()?.into_inner().application?.settings
        })
        .await
    }

    /// Enters the first settings of an application, which the registry may have told to nobody yet.
    pub(crate) async fn enter(&self, id: &str, settings: &Settings) -> Result<(), String> {
        let refusal = std::sync::Mutex::new(String::new());
        let entered = until("its settings are entered", || async {
            let request = UpdateSettingsRequest {
                application_id: id.to_owned(),
                settings: Some(settings.clone()),
                expected_generation: 0,
                ..Default::default()
            };
            match self.registry.clone().update_settings(request).await {
                Ok(_) => Some(()),
                // the answer to the one before was lost
                Err(refused) => {
                    *refusal.lock().unwrap() = format!("{refused:?}");
                    refused.message().contains("generation").then_some(())
                }
            }
        });
        entered.await.map_err(|late| format!("{late}: {}", refusal.lock().unwrap()))
    }
}
