//! The input and the results of the protocol: the values that a run needs, and their outcomes.

use std::time::Duration;

use kees_common::{Field, Generated, Generation, Locator, SecretValue, StoreName};

use super::machine::WhenAbsent;
use crate::{CreateStore, ReadStore, StoreError};

/// The values of the fields that are asked for, in their order.
pub type Values = Vec<(Field, SecretValue)>;

/// The values that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundValues {
    /// The value of each field that is asked for.
    pub current: Values,
    /// The value of each previous field that is asked for, if there is one.
    pub previous: Values,
}

/// Something that a run needs: fields of one generation, or one value that the run only reads.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Where it is stored.
    pub store: StoreName,
    /// Each field that is asked for, once, and its location. A REFERENCE or resource has one,
    /// [`Field::Whole`].
    pub fields: Vec<(Field, Locator)>,
    /// The fields that are asked for of the generation before the current one, with their locations.
    pub previous: Vec<(Field, Locator)>,
    /// The generation, if this program creates it.
    pub generation: Option<&'a Generation>,
    /// What to do when all fields are absent.
    pub when_absent: WhenAbsent,
}

impl Wanted<'_> {
    /// Everything that is read: the fields, and then the previous ones.
    pub(super) fn locators(&self) -> impl Iterator<Item = &Locator> {
        let all = self.fields.iter().chain(&self.previous);
        all.map(|(_, locator)| locator)
    }
}

/// The outcome for one [`Wanted`]. `E` is the error of the generator.
#[derive(Debug)]
pub enum Obtained<E> {
    /// It was stored, or another writer stored it meanwhile.
    Found(FoundValues),
    /// This run created it.
    Created(Values),
    /// It is absent, and this run does not create it. Contains the store's denial if the run tried
    /// to create it.
    Absent(Option<StoreError>),
    /// Some of its fields cannot be read, each for its own reason.
    NotRead(Vec<(Field, StoreError)>),
    /// It is incomplete, has been deleted meanwhile, or cannot be stored.
    Failed(StoreError),
    /// It cannot be generated.
    NotGenerated(E),
    /// It was absent at the last read. The run did not wait for it, because something else failed.
    Stopped,
}

/// The stores that a run uses.
pub trait StoreSet {
    /// The type of the stores.
    type Store: ReadStore + CreateStore;

    /// The store of that name, or `None` if the run does not use it.
    fn get(&self, name: StoreName) -> Option<&Self::Store>;
}

/// Generates the values of a generation.
pub trait Generator {
    /// Why a generation cannot be generated.
    type Error;

    /// All fields of `generation`. All generations are requested at once. The generator decides
    /// how many of them it generates at the same time.
    fn generate(
        &self,
        generation: &Generation,
    ) -> impl Future<Output = Result<Generated, Self::Error>> + Send;
}

/// Receives the progress of a run. The default of every method does nothing.
///
/// `wanted` is an index into the slice that [`obtain`] was given.
pub trait Observer: Sync {
    /// These are absent and will be generated now.
    fn generating(&self, wanted: &[usize]) {
        let _ = wanted;
    }

    /// This one has been generated, and is stored next.
    fn generated(&self, wanted: usize) {
        let _ = wanted;
    }

    /// These are absent, and another writer has to store them. Called before each pause between two
    /// reads, so several times while a run waits.
    fn waiting(&self, wanted: &[usize]) {
        let _ = wanted;
    }

    /// Some fields of this one are missing while others are stored, so another writer may be
    /// storing it. Called before each pause between two reads.
    fn incomplete(&self, wanted: usize) {
        let _ = wanted;
    }

    /// Creating this one was denied, so the run waits for another writer.
    fn creation_denied(&self, wanted: usize, error: &StoreError) {
        let _ = (wanted, error);
    }

    /// A call of a store failed and will be tried again. Called at the first such error of each
    /// store, within the time of one call, so that a store that cannot be reached can be logged
    /// long before the deadline.
    fn store_unavailable(&self, error: &StoreError) {
        let _ = error;
    }
}

/// Reports nothing.
impl Observer for () {}

/// What the protocol needs to obtain values.
pub struct Run<'a, S, G> {
    /// The stores.
    pub stores: &'a S,
    /// Generates what is absent.
    pub generator: &'a G,
    /// Receives the progress of the run.
    pub observer: &'a dyn Observer,
    /// The pod's namespace, for a store's own tags.
    pub namespace: Option<&'a str>,
    /// The pause between two reads of an absent value. `None`: exponential backoff.
    pub retry_delay: Option<Duration>,
}
