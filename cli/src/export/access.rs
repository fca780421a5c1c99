//! What a role needs: the names that are read and created in each store.

use std::collections::BTreeMap;

use kees_common::{Generation, Plan, PlannedLease, StoragePath, StoreName};
use kees_store::permissions::{Names, Need, ObjectName, Pattern};

use crate::args::export::Use;

/// What is read and created, store by store.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) stores: BTreeMap<StoreName, StoreAccess>,
}

/// What is read and created in one store.
#[derive(Debug, Default)]
pub(crate) struct StoreAccess {
    /// What pods read.
    pub(crate) read: Names,
    /// What is created if it is absent, and so is read first.
    pub(crate) create: Names,
    /// What a program reads that creates for pods: the fields that they ask for.
    pub(crate) read_to_create: Names,
    /// What the controller replaces by new generations, with the names of the previous ones.
    pub(crate) rotate: Names,
    /// What the controller reads for the Secrets of classes.
    pub(crate) sync: Names,
    /// The records of leases, which the controller writes and deletes.
    pub(crate) leases: Names,
    /// Whether a lease has too many numbers to read each of them.
    has_large_lease: bool,
}

impl Access {
    /// What a role needs that is used by `role`. `large_leases`: a range has more numbers than are read
    /// one by one. `rotation`: everything below the prefixes may be rotated. `secret_sync`: the controller writes the
    /// Secrets of classes.
    pub(crate) fn needs(
        self,
        role: Use,
        large_leases: bool,
        rotation: bool,
        secret_sync: bool,
    ) -> Vec<Need> {
        let need = |(store, access): (StoreName, StoreAccess)| {
            let StoreAccess {
                read,
                create,
                mut read_to_create,
                sync,
                mut rotate,
                leases,
                has_large_lease: _,
            } = access;
            let none = Names::default;
            if secret_sync {
                read_to_create.objects.extend(sync.objects);
            }
            if !rotation {
                rotate.below.clear();
            }
            let (read, create, leases, rotate) = match role {
                Use::InitReads => (read, none(), none(), none()),
                Use::InitCreates => (read, create, none(), none()),
                Use::Controller => (read_to_create, create, leases, rotate),
            };
            Need {
                store,
                read,
                create,
                leases,
                rotate,
                searches_leases: large_leases,
            }
        };
        self.stores.into_iter().map(need).collect()
    }

    /// Adds everything below `prefix`.
    pub(crate) fn add_prefix(&mut self, store: StoreName, prefix: &Pattern) {
        let access = self.stores.entry(store).or_default();
        for names in [
            &mut access.read,
            &mut access.create,
            &mut access.read_to_create,
            &mut access.rotate,
        ] {
            names.below.insert(prefix.clone());
        }
        if store.keeps_leases() {
            let leases = prefix.then("/leases");
            access.leases.below.insert(leases);
        }
    }

    /// Adds the records of the leases of one pod: those of pods of its namespace, which the pod reads,
    /// and everything below `leases`, where the controller writes.
    pub(crate) fn add_leases(
        &mut self,
        plan: &Plan,
        namespace: &str,
        leases: &Pattern,
        name: impl Fn(&StoragePath) -> Pattern,
    ) {
        for PlannedLease { store, range, .. } in &plan.leases {
            let access = self.stores.entry(*store).or_default();
            let own = range.namespace_path(namespace);
            access.read.below.insert(name(&own));
            access.leases.below.insert(leases.clone());
            access.has_large_lease |= range.is_large();
        }
    }

    /// Whether a lease in AWS has too many numbers to read each of them.
    pub(crate) fn has_large_lease(&self) -> bool {
        let mut stores = self.stores.iter();
        stores.any(|(store, access)| store.is_in_aws() && access.has_large_lease)
    }

    /// Adds ARNs that pods may read in a store that takes ARNs.
    pub(crate) fn add_references(
        &mut self,
        store: StoreName,
        arns: impl IntoIterator<Item = Pattern>,
    ) {
        let access = self.stores.entry(store).or_default();
        access.read.arns.extend(arns);
    }

    /// Adds what a class names. `is_synced`: the controller writes Secrets of the class.
    pub(crate) fn add_object(&mut self, store: StoreName, name: &ObjectName, is_synced: bool) {
        let access = self.stores.entry(store).or_default();
        access.read.objects.insert(name.clone());
        if is_synced {
            access.sync.objects.insert(name.clone());
        }
    }

    /// Adds what the entries of one pod read and, if `creates`, create and rotate. `name` is the text for a
    /// path.
    pub(crate) fn add_plan(
        &mut self,
        plan: &Plan,
        creates: bool,
        is_rotated: impl Fn(&Generation) -> bool,
        name: impl Fn(&StoragePath) -> Pattern,
    ) {
        for item in &plan.items {
            let access = self.stores.entry(item.store).or_default();
            let path = item.locator.name_in(item.store);
            if path.is_arn() && item.store.takes_arns() {
                access.read.add_arn(path);
                continue;
            }
            if item.locator.is_previous && !item.store.has_members() {
                access.read.exact.insert(name(&item.locator.key()));
                continue;
            }
            access.read.exact.insert(name(path));
            if creates && item.generation.is_some() {
                access.read_to_create.exact.insert(name(path));
            }
        }
        for generation in plan.generations.iter().filter(|_| creates) {
            let access = self.stores.entry(generation.store).or_default();
            let paths = stored_at(generation).into_iter().map(&name);
            access.create.exact.extend(paths);
            if is_rotated(generation) {
                let paths = stored_at(generation).into_iter();
                access.rotate.exact.extend(paths.clone().map(&name));
                if !generation.store.has_members() {
                    let previous = paths.map(|path| name(&path.previous()));
                    access.rotate.exact.extend(previous);
                }
            }
        }
    }
}

/// The names under which a generation is stored.
fn stored_at(generation: &Generation) -> Vec<&StoragePath> {
    if generation.store.has_members() {
        vec![&generation.path]
    } else {
        generation.fields.iter().map(|(_, path)| path).collect()
    }
}
