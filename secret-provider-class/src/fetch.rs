//! What is read in which Region, as a state machine without I/O.
//!
//! Everything is asked for in the first Region at once, each version of an object once. What fails there, and can succeed
//! elsewhere, is asked for in the failover Region. Whoever drives the machine reads what [`Fetch::wanted`] says, with
//! the retries of its stores, and gives the results to [`Fetch::answer`] until there is nothing more to read.

use std::{collections::BTreeMap, fmt};

use kees_common::{Locator, ParsePathError, SecretValue, Service, StoragePath};

use crate::{
    expression::ExtractError,
    files::{OutputFile, object_files},
    mount::{Mount, Object, Selector},
};

/// One of the Regions of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The Region that is asked first.
    Primary,
    /// The failover Region.
    Failover,
}

/// Values of one service and one Region, to be read in as few calls as possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The Region.
    pub site: Site,
    /// The service.
    pub service: Service,
    /// What is read, each once.
    pub locators: Vec<Locator>,
    /// For each locator, the objects that it is for.
    objects: Vec<Vec<usize>>,
}

/// Why an object was not fetched from a Region. `E` is the error of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause<E> {
    /// The name cannot be asked for.
    Name(ParsePathError),
    /// There is no such object.
    Absent,
    /// The store failed, or denied the call.
    Store(E),
    /// An expression finds no text in the value.
    Extract(Vec<ExtractError>),
}

impl<E: fmt::Display> fmt::Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => write!(f, "{error}"),
            Self::Absent => f.write_str("it does not exist"),
            Self::Store(error) => write!(f, "{error}"),
            Self::Extract(errors) => {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&errors.join("; "))
            }
        }
    }
}

/// An object that was not fetched, with the cause in each Region that was asked. The first is that of the first Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError<E> {
    /// The service of the object.
    pub service: Service,
    /// For each Region: its name, if it is known, the name of the object there, and the cause.
    pub causes: Vec<(Option<String>, String, Cause<E>)>,
}

impl<E: fmt::Display> fmt::Display for FetchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (region, name, cause)) in self.causes.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            let region = region.as_deref().unwrap_or("the default Region");
            write!(f, "{} {name} in {region}: {cause}", self.service)?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for FetchError<E> {}

/// The fetch of a mount.
pub struct Fetch<'m, E> {
    mount: &'m Mount,
    slots: Vec<Slot<E>>,
}

/// What has become of an object.
struct Slot<E> {
    state: State,
    causes: Vec<(Site, Cause<E>)>,
}

enum State {
    Wanted(Site),
    Fetched(Vec<OutputFile>),
    Failed,
}

impl<'m, E> Fetch<'m, E> {
    /// Nothing is fetched yet.
    pub fn new(mount: &'m Mount) -> Self {
        let slot = |_: &Object| Slot {
            state: State::Wanted(Site::Primary),
            causes: Vec::new(),
        };
        let slots = mount.objects.iter().map(slot).collect();
        Self { mount, slots }
    }

    /// What is to be read now: at most one read of each service. All of them can be made at the same time, and each must
    /// be answered before this is called again. Empty at the end.
    pub fn wanted(&mut self) -> Vec<Read> {
        let primary = self.reads(Site::Primary);
        if primary.is_empty() {
            self.reads(Site::Failover)
        } else {
            primary
        }
    }

    fn reads(&mut self, site: Site) -> Vec<Read> {
        let mut by_selector: BTreeMap<(Service, &Selector), Vec<usize>> = BTreeMap::new();
        let mut order = Vec::new();
        for (index, (object, slot)) in self.mount.objects.iter().zip(&self.slots).enumerate() {
            if matches!(slot.state, State::Wanted(wanted) if wanted == site) {
                let key = (object.service, selector(object, site));
                let objects = by_selector.entry(key).or_insert_with(|| {
                    order.push(key);
                    Vec::new()
                });
                objects.push(index);
            }
        }
        let mut reads: Vec<Read> = Vec::new();
        for (service, selector) in order {
            let objects = by_selector.remove(&(service, selector)).unwrap_or_default();
            let locator = match locator(service, selector) {
                Ok(locator) => locator,
                Err(error) => {
                    for index in objects {
                        self.fail(index, site, Cause::Name(error), false);
                    }
                    continue;
                }
            };
            let read = reads.iter_mut().find(|read| read.service == service);
            match read {
                Some(read) => {
                    read.locators.push(locator);
                    read.objects.push(objects);
                }
                None => reads.push(Read {
                    site,
                    service,
                    locators: vec![locator],
                    objects: vec![objects],
                }),
            }
        }
        reads
    }

    /// Takes the results of a read, one for each locator in its order. `is_final` says whether an error of a store
    /// fails the object, although the failover Region was not asked. An absent object always does, as with the provider.
    pub fn answer(
        &mut self,
        read: &Read,
        results: Vec<Result<Option<SecretValue>, E>>,
        is_final: impl Fn(&E) -> bool,
    ) where
        E: Clone,
    {
        for (objects, result) in read.objects.iter().zip(results) {
            for index in objects {
                match &result {
                    Ok(Some(value)) => self.found(*index, read.site, value),
                    Ok(None) => self.fail(*index, read.site, Cause::Absent, false),
                    Err(error) => {
                        let cause = Cause::Store(error.clone());
                        self.fail(*index, read.site, cause, !is_final(error));
                    }
                }
            }
        }
    }

    fn found(&mut self, index: usize, site: Site, value: &SecretValue) {
        let Some(object) = self.mount.objects.get(index) else {
            return;
        };
        match object_files(object, value) {
            Ok(files) => {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.state = State::Fetched(files);
                }
            }
            Err(errors) => self.fail(index, site, Cause::Extract(errors), true),
        }
    }

    fn fail(&mut self, index: usize, site: Site, cause: Cause<E>, may_fail_over: bool) {
        let has_failover = site == Site::Primary && self.mount.failover_region.is_some();
        if let Some(slot) = self.slots.get_mut(index) {
            slot.causes.push((site, cause));
            slot.state = if has_failover && may_fail_over {
                State::Wanted(Site::Failover)
            } else {
                State::Failed
            };
        }
    }

    /// Why the objects of a read of the failover Region were not fetched from the first one: the name of each there, and
    /// the cause.
    pub fn first_causes(&self, read: &Read) -> Vec<(String, &Cause<E>)> {
        let indexes = read.objects.iter().flatten();
        let causes = indexes.filter_map(|index| {
            let object = self.mount.objects.get(*index)?;
            let (site, cause) = self.slots.get(*index)?.causes.first()?;
            Some((named(object.service, selector(object, *site)), cause))
        });
        causes.collect()
    }

    /// All files, or what failed.
    ///
    /// # Errors
    /// Each object that was not fetched. Then there are no files.
    pub fn finish(self) -> Result<Vec<OutputFile>, Vec<FetchError<E>>> {
        let mut files = Vec::new();
        let mut errors = Vec::new();
        for (object, slot) in self.mount.objects.iter().zip(self.slots) {
            match slot.state {
                State::Fetched(of_object) => files.extend(of_object),
                State::Wanted(_) | State::Failed => {
                    let causes = slot.causes.into_iter().map(|(site, cause)| {
                        let region = match site {
                            Site::Primary => self.mount.region.clone(),
                            Site::Failover => self.mount.failover_region.clone(),
                        };
                        (region, named(object.service, selector(object, site)), cause)
                    });
                    errors.push(FetchError {
                        service: object.service,
                        causes: causes.collect(),
                    });
                }
            }
        }
        if errors.is_empty() {
            Ok(files)
        } else {
            Err(errors)
        }
    }
}

fn selector(object: &Object, site: Site) -> &Selector {
    match site {
        Site::Primary => &object.selector,
        Site::Failover => object.failover_selector(),
    }
}

/// The name of an object in messages, with its version and label. Those of a parameter are a part of its name, as in
/// Parameter Store's own messages.
fn named(service: Service, selector: &Selector) -> String {
    let Selector {
        name,
        version,
        label,
    } = selector;
    match (service, version, label) {
        (_, None, None) => name.clone(),
        (Service::ParameterStore, Some(version), _) => format!("{name}:{version}"),
        (Service::ParameterStore, None, Some(label)) => format!("{name}:{label}"),
        (Service::SecretsManager, Some(version), None) => format!("{name} (version {version})"),
        (Service::SecretsManager, None, Some(label)) => format!("{name} (label {label})"),
        (Service::SecretsManager, Some(version), Some(label)) => {
            format!("{name} (version {version}, label {label})")
        }
    }
}

/// What a store reads. A parameter has either a version or a label, and the version counts.
fn locator(service: Service, selector: &Selector) -> Result<Locator, ParsePathError> {
    let is_numbered = service == Service::ParameterStore && selector.version.is_some();
    Ok(Locator {
        path: selector.name.parse::<StoragePath>()?,
        member: None,
        property: None,
        version_stage: selector.label.clone().filter(|_| !is_numbered),
        version_id: selector.version.clone(),
        is_previous: false,
    })
}
