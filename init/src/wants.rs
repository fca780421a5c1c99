//! What a run asks its stores for: each generation and each other value once, even if several
//! annotations name it.

use std::cmp::Reverse;

use kees_common::{Field, Item, LocalMode, Locator, Plan};
use kees_store::{
    StoreError,
    protocol::{Observer, Wanted, WhenAbsent},
};

use crate::{Progress, Request, local, settings::CreatePolicy};

/// One generation or value that is asked for, and the items that need it.
pub(crate) struct Want<'a> {
    pub(crate) wanted: Wanted<'a>,
    /// The index of each item in [`Plan::items`], with the field that it needs.
    pub(crate) items: Vec<(usize, Field)>,
    /// The index of its generation, if it belongs to one.
    generation: Option<usize>,
}

/// What `request` asks for. Keys that take long to generate come first, so that no core is idle while
/// another core generates the last big key.
pub(crate) fn wants(request: &Request) -> Vec<Want<'_>> {
    let mut wants: Vec<Want<'_>> = Vec::new();
    for (at, item) in request.plan.items.iter().enumerate() {
        let field = item.generation.map_or(Field::Whole, |(_, field)| field);
        let want = match wants.iter_mut().find(|want| want.is_for(item)) {
            Some(want) => want,
            None => wants.push_mut(Want::new(request, item)),
        };
        let fields = if item.locator.is_previous {
            &mut want.wanted.previous
        } else {
            &mut want.wanted.fields
        };
        // Two annotations may name one value.
        if !fields.iter().any(|(named, _)| *named == field) {
            fields.push((field, item.locator.clone()));
        }
        want.items.push((at, field));
    }
    wants.sort_by_key(|want| {
        let generation = want.wanted.generation;
        Reverse(generation.and_then(|generation| generation.spec.rsa_bits()))
    });
    wants
}

impl<'a> Want<'a> {
    fn new(request: &'a Request, item: &Item) -> Self {
        let generation = item.generation.map(|(index, _)| index);
        Self {
            wanted: Wanted {
                store: item.store,
                fields: Vec::new(),
                previous: Vec::new(),
                generation: generation.and_then(|index| request.plan.generations.get(index)),
                when_absent: when_absent(request, item),
            },
            items: Vec::new(),
            generation,
        }
    }

    fn is_for(&self, item: &Item) -> bool {
        match (self.generation, item.generation) {
            (Some(index), Some((other, _))) => index == other,
            (None, None) => {
                // A previous value is read together with the current one.
                let current = Locator {
                    is_previous: false,
                    ..item.locator.clone()
                };
                self.wanted.store == item.store
                    && matches!(&self.wanted.fields[..], [(_, at)] if *at == current)
            }
            _ => false,
        }
    }
}

fn when_absent(request: &Request, item: &Item) -> WhenAbsent {
    let entry = request.entries.get(item.entry);
    match (request.local_mode, item.generation, request.create) {
        (LocalMode::RemoteThenLocal, ..) if entry.is_some_and(local::has_value) => {
            WhenAbsent::Report
        }
        _ if request.is_refresh || request.is_for_secret => WhenAbsent::Fail,
        (LocalMode::RemoteThenLocal, ..) | (_, None, _) | (_, _, CreatePolicy::Creator) => {
            WhenAbsent::Wait
        }
        (_, Some(_), CreatePolicy::Init) if !request.waits_when_denied => WhenAbsent::CreateOrFail,
        (_, Some(_), CreatePolicy::Init) => WhenAbsent::Create,
        (_, Some(_), CreatePolicy::Never) => WhenAbsent::Fail,
    }
}

/// Translates what the protocol reports into annotations, and passes it to the [`Progress`] of a run.
pub(crate) struct Annotations<'a> {
    pub(crate) request: &'a Request,
    pub(crate) wants: &'a [Want<'a>],
    pub(crate) progress: &'a dyn Progress,
}

impl Annotations<'_> {
    fn of(&self, wanted: &[usize]) -> Vec<&str> {
        let Plan { items, .. } = &self.request.plan;
        wanted
            .iter()
            .filter_map(|index| self.wants.get(*index))
            .flat_map(|want| &want.items)
            .filter_map(|(at, _)| self.request.entries.get(items.get(*at)?.entry))
            .map(|entry| entry.annotation.as_str())
            .collect()
    }
}

impl Observer for Annotations<'_> {
    fn generating(&self, wanted: &[usize]) {
        self.progress.generating(wanted.len());
    }

    fn generated(&self, wanted: usize) {
        let want = self.wants.get(wanted);
        if let Some(generation) = want.and_then(|want| want.wanted.generation) {
            self.progress.generated(&generation.spec);
        }
    }

    fn waiting(&self, wanted: &[usize]) {
        self.progress.waiting(&self.of(wanted));
    }

    fn incomplete(&self, wanted: usize) {
        self.progress.incomplete(&self.of(&[wanted]));
    }

    fn creation_denied(&self, wanted: usize, error: &StoreError) {
        self.progress.creation_denied(&self.of(&[wanted]), error);
    }

    fn store_unavailable(&self, error: &StoreError) {
        self.progress.store_unavailable(error);
    }
}
