//! Whether what the stores hold is what the annotations say.

use kees_common::{Field, Item, Plan, SecretType, SecretValue, Source, StoragePath, StoreName};
use kees_generate::Mismatch;

use crate::{
    EntryProblem, Origin, Request,
    slots::{Slot, Slots},
};

/// Values that belong together, by the index of their item.
struct Group<'a> {
    key: (StoreName, &'a StoragePath),
    secret_type: SecretType,
    values: Vec<(usize, Field, &'a SecretValue)>,
}

/// Fails every value that was read and is not what its annotation says. What this run made itself
/// is not looked at.
///
/// A REFERENCE has a type only as a member of a Secrets Manager secret that a DYNAMIC entry made;
/// anywhere else the original takes whatever is there, and so does this.
pub(crate) fn verify(request: &Request, slots: &mut Slots<'_>) {
    let mut faults = Vec::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (at, item, slot) in slots.iter() {
        let Slot::Had {
            value,
            origin: Origin::Found,
        } = slot
        else {
            continue;
        };
        if value.is_empty() && is_secret(request, item) {
            let what = "the stored value is empty".to_owned();
            faults.push((
                at,
                Mismatch {
                    field: Field::Whole,
                    what,
                },
            ));
        } else if let Some((key, secret_type, field)) = typed(&request.plan, item) {
            match groups.iter_mut().find(|group| group.key == key) {
                Some(group) => group.values.push((at, field, value)),
                None => groups.push(Group {
                    key,
                    secret_type,
                    values: vec![(at, field, value)],
                }),
            }
        }
    }
    for group in groups {
        let values: Vec<_> = group
            .values
            .iter()
            .map(|(_, field, value)| (*field, *value))
            .collect();
        if let Err(mismatch) = kees_generate::verify(group.secret_type, &values) {
            // The entry at fault, or the first where the field is none of the named.
            let of_field = |(_, field, _): &&(usize, Field, _)| *field == mismatch.field;
            let at = group.values.iter().find(of_field).or(group.values.first());
            faults.extend(at.map(|(at, ..)| (*at, mismatch)));
        }
    }
    for (at, mismatch) in faults {
        slots.fail(at, EntryProblem::Mismatch(mismatch));
    }
}

/// What a value belongs to, and as what.
fn typed<'a>(
    plan: &'a Plan,
    item: &'a Item,
) -> Option<((StoreName, &'a StoragePath), SecretType, Field)> {
    if let Some((index, field)) = item.generation {
        let generation = plan.generations.get(index)?;
        return Some((
            (item.store, &generation.path),
            generation.spec.secret_type(),
            field,
        ));
    }
    let member = item.locator.member.as_ref()?;
    (item.store == StoreName::SecretsManager).then_some((
        (item.store, &member.secret),
        member.secret_type,
        member.field,
    ))
}

fn is_secret(request: &Request, item: &Item) -> bool {
    let entry = request.entries.get(item.entry);
    entry.is_some_and(|entry| matches!(entry.source, Source::Secret(_)))
}
