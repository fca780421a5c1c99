//! The stores of AWS in each Region that a class names, with the identity of the controller.

use std::{collections::HashMap, fmt, sync::Arc};

use kees_common::Region;
use kees_secret_provider_class::Service;
use kees_store::{ReadStore, StoreError, StoreSettings, Stores, protocol::StoreSet};
use tokio::sync::Mutex;

/// The stores of each Region.
pub trait RegionStores: Send + Sync + 'static {
    /// The stores of one Region.
    type Set: StoreSet<Store: ReadStore + Sync> + Send + Sync;

    /// The stores of a Region. Without one, it is that of the process.
    fn open(
        &self,
        region: Option<&Region>,
    ) -> impl Future<Output = Result<Arc<Self::Set>, StoreError>> + Send;
}

/// The stores of AWS, which are opened when they are needed first.
pub struct AwsRegions {
    settings: StoreSettings,
    opened: Mutex<HashMap<Option<String>, Arc<Stores>>>,
}

impl AwsRegions {
    /// Those with these settings, in any Region.
    pub fn new(settings: StoreSettings) -> Self {
        Self {
            settings,
            opened: Mutex::default(),
        }
    }
}

impl fmt::Debug for AwsRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsRegions").finish_non_exhaustive()
    }
}

impl RegionStores for AwsRegions {
    type Set = Stores;

    async fn open(&self, region: Option<&Region>) -> Result<Arc<Stores>, StoreError> {
        let name = region.map(ToString::to_string);
        let mut opened = self.opened.lock().await;
        if let Some(stores) = opened.get(&name) {
            return Ok(Arc::clone(stores));
        }
        let mut settings = self.settings.clone();
        if let Some(region) = region {
            settings.aws.region = Some(region.clone());
        }
        let services = [Service::SecretsManager, Service::ParameterStore];
        let stores = Stores::open(services.map(Service::store), &settings).await?;
        let stores = Arc::new(stores);
        opened.insert(name, Arc::clone(&stores));
        Ok(stores)
    }
}
