//! The volumes of a run: their Regions, their stores, and what is read for them.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use futures_util::future;
use kees_common::{Region, StoreName};
use kees_secret_provider_class::{
    AddressType, ClassVolume, Identity, LocateError, Mount, OutputFile, Service, Site,
};
use kees_store::{
    ErrorKind, Store, StoreError, StoreSettings, Stores,
    aws::{AgentAddresses, CredentialSource, RegionError, region_of_environment},
};

use crate::{
    error::{InitError, VolumeOfClass},
    progress::Progress,
    request::Request,
    run_error::RunError,
    volume::read_volume,
};

/// The volumes of a run, and the stores that they need, each once.
#[derive(Debug, Default)]
pub struct Volumes {
    volumes: Vec<Located>,
    stores: Vec<(Place, Stores)>,
}

/// A volume whose Regions are known.
#[derive(Debug)]
struct Located {
    volume: VolumeOfClass,
    path: PathBuf,
    mount: Mount,
    region: Region,
    failover_region: Option<Region>,
}

/// Where stores are, and as whom they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    region: Region,
    source: CredentialSource,
}

/// The files of one volume.
pub(crate) struct FilledVolume {
    pub(crate) volume: VolumeOfClass,
    /// Where it is mounted.
    pub(crate) path: PathBuf,
    pub(crate) files: Vec<OutputFile>,
}

impl FilledVolume {
    /// The paths of its files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().map(|file| self.path.join(&file.path))
    }
}

impl Volumes {
    /// Opens the stores that the volumes of `request` need. No store is called yet.
    ///
    /// # Errors
    /// Every volume whose Region is not known or does not fit to its class, and stores that cannot be used.
    pub async fn open(request: &Request, settings: &StoreSettings) -> Result<Self, RunError> {
        let (mut volumes, mut errors) = (Vec::new(), Vec::new());
        for volume in &request.volumes {
            match located(volume, settings).await {
                Ok(volume) => volumes.push(volume),
                Err(more) => errors.extend(more),
            }
        }
        RunError::check(errors)?;
        let mut stores = Vec::new();
        for (place, names, volume) in needed(&volumes) {
            let mut settings = settings.clone();
            settings.aws.region = Some(place.region.clone());
            settings.aws.source = place.source;
            let opened = Stores::open(names, &settings).await;
            let opened = opened.map_err(|error| InitError::VolumeStore {
                volume: volume.clone(),
                error,
            })?;
            stores.push((place, opened));
        }
        Ok(Self { volumes, stores })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.volumes.is_empty()
    }

    /// Reads what all volumes ask for, side by side. What may pass is tried again until `limit` is over.
    ///
    /// # Errors
    /// Everything that was not read, of all volumes.
    pub(crate) async fn read(
        &self,
        limit: Duration,
        progress: &dyn Progress,
    ) -> Result<Vec<FilledVolume>, Vec<InitError>> {
        let reads = self.volumes.iter().map(async |located| {
            let store = |site, service| self.store(located, site, service);
            // Boxed, because the compiler limits how deep futures may be nested.
            let read = Box::pin(read_volume(&located.mount, store, limit, progress));
            (located, read.await)
        });
        let (mut filled, mut errors) = (Vec::new(), Vec::new());
        for (Located { volume, path, .. }, read) in future::join_all(reads).await {
            let (volume, path) = (volume.clone(), path.clone());
            match read {
                Ok(files) => filled.push(FilledVolume {
                    volume,
                    path,
                    files,
                }),
                Err(more) => errors.extend(more.into_iter().map(|source| {
                    let volume = volume.clone();
                    InitError::Objects { volume, source }
                })),
            }
        }
        if errors.is_empty() {
            Ok(filled)
        } else {
            Err(errors)
        }
    }

    /// The store of a service for a volume.
    fn store(&self, located: &Located, site: Site, service: Service) -> Result<&Store, StoreError> {
        let place = located.place(site);
        let stores = self
            .stores
            .iter()
            .find(|(other, _)| Some(other) == place.as_ref());
        let name = service.store();
        let store = stores.and_then(|(_, stores)| stores.get(name));
        store.ok_or_else(|| {
            let message = format!("the store {name} was not opened");
            StoreError::new(ErrorKind::Setting, name, message, "report this error")
        })
    }
}

impl Located {
    /// The Region and the credentials of a site.
    fn place(&self, site: Site) -> Option<Place> {
        let region = match site {
            Site::Primary => Some(&self.region),
            Site::Failover => self.failover_region.as_ref(),
        };
        let source = match self.mount.identity {
            Identity::ServiceAccountRole => CredentialSource::ServiceAccountRole,
            Identity::PodIdentity(AddressType::Auto) => {
                CredentialSource::PodIdentity(AgentAddresses::Both)
            }
            Identity::PodIdentity(AddressType::Ipv4) => {
                CredentialSource::PodIdentity(AgentAddresses::Ipv4)
            }
            Identity::PodIdentity(AddressType::Ipv6) => {
                CredentialSource::PodIdentity(AgentAddresses::Ipv6)
            }
        };
        let region = region?.clone();
        Some(Place { region, source })
    }
}

/// The stores that volumes need, each once, with one of the volumes.
fn needed(volumes: &[Located]) -> Vec<(Place, BTreeSet<StoreName>, &VolumeOfClass)> {
    let mut needed: Vec<(Place, BTreeSet<StoreName>, &VolumeOfClass)> = Vec::new();
    for located in volumes {
        let services = located.mount.objects.iter().map(|object| object.service);
        let names: BTreeSet<_> = services.map(Service::store).collect();
        for site in [Site::Primary, Site::Failover] {
            let Some(place) = located.place(site) else {
                continue;
            };
            match needed.iter_mut().find(|(other, _, _)| *other == place) {
                Some((_, of_place, _)) => of_place.extend(&names),
                None => needed.push((place, names.clone(), &located.volume)),
            }
        }
    }
    needed
}

/// The volume in its Regions. The first one is that of its class, else that of the pod.
async fn located(
    volume: &ClassVolume,
    settings: &StoreSettings,
) -> Result<Located, Vec<InitError>> {
    let ClassVolume {
        name,
        class,
        path,
        mount,
    } = volume;
    let volume = VolumeOfClass {
        name: name.clone(),
        class: class.clone(),
    };
    let region = match (&mount.region, &settings.aws.region) {
        (Some(region), _) => region.clone(),
        (None, Some(region)) => region.to_string(),
        (None, None) => {
            let region = region_of_environment().await;
            let region = region.map_err(|error| {
                let volume = volume.clone();
                let is_wrong = matches!(error, RegionError::Invalid { .. });
                let source = is_wrong.then_some(error);
                vec![InitError::NoRegion { volume, source }]
            })?;
            region.to_string()
        }
    };
    let wrong = |source| InitError::Located {
        volume: volume.clone(),
        source,
    };
    let mount = mount.clone().located(&region);
    let mount = mount.map_err(|errors| errors.into_iter().map(wrong).collect::<Vec<_>>())?;
    let parse = |name: &str| {
        let region = name.parse::<Region>();
        region.map_err(|source| {
            let name = name.to_owned();
            vec![wrong(LocateError::Name { name, source })]
        })
    };
    Ok(Located {
        region: parse(&region)?,
        failover_region: mount.failover_region.as_deref().map(parse).transpose()?,
        path: path.into(),
        mount,
        volume,
    })
}
