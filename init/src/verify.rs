//! Whether what the stores hold is what the annotations say.

use kees_common::{Field, Item, Plan, SecretType, SecretValue, Source, StoragePath, StoreName};
use kees_generate::VerifyError;

use crate::{
    EntryError, Origin, Request,
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
            let error = VerifyError::new(Field::Whole, "the stored value is empty");
            faults.push((at, error));
        } else if value.is_verbatim() && item.generation.is_some() {
            let error = VerifyError::new(Field::Whole, "the stored text is not canonical base64");
            faults.push((at, error));
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
        match kees_generate::verify(group.secret_type, &values) {
            Ok(bits) => tell_other_size(&request.plan, group.key.1, bits),
            Err(mismatch) => {
                // The entry at fault, or the first where the field is none of the named.
                let of_field = |(_, field, _): &&(usize, Field, _)| *field == mismatch.field;
                let at = group.values.iter().find(of_field).or(group.values.first());
                faults.extend(at.map(|(at, ..)| (*at, mismatch)));
            }
        }
    }
    for (at, mismatch) in faults {
        slots.fail(at, EntryError::Verify(mismatch));
    }
}

/// Says that a stored key is not of the size that an annotation asks for by now, which changes
/// nothing: what exists is handed out, as by the original, and never replaced.
fn tell_other_size(plan: &Plan, path: &StoragePath, stored: Option<usize>) {
    let asked = plan.generations.iter().find(|each| each.path == *path);
    let asked = asked.map(|generation| usize::from(generation.spec.bits()));
    if let (Some(stored), Some(asked)) = (stored, asked)
        && stored != asked
    {
        tracing::warn!(
            %path,
            stored,
            asked,
            "the stored key has another size than its annotation; what exists is never replaced: \
             give the entry another name for a key of that size"
        );
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
    item.store.has_members().then_some((
        (item.store, &member.secret),
        member.secret_type,
        member.field,
    ))
}

fn is_secret(request: &Request, item: &Item) -> bool {
    let entry = request.entries.get(item.entry);
    entry.is_some_and(|entry| matches!(entry.source, Source::Secret(_)))
}
