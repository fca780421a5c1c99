//! Checks that stored values are what their annotations say.

use kees_common::{
    Encoding, Field, Generation, Item, SecretType, SecretValue, Source, StoragePath, StoreName,
};
use kees_generate::VerifyError;

use crate::{
    error::EntryError,
    report::Origin,
    request::Request,
    size,
    slots::{Slot, Slots},
};

/// A generation: its store and path, and whether it is the one before the current one.
type Key<'a> = (StoreName, &'a StoragePath, bool);

/// The values of one generation that the pod names.
struct Group<'a> {
    key: Key<'a>,
    secret_type: SecretType,
    /// Each with the index of its item.
    values: Vec<(usize, Field, &'a SecretValue)>,
}

/// Turns each value that was read, and is not what its annotation says, into an error. Values that
/// this run has created are not checked.
///
/// A REFERENCE is checked only if it names a member of a secret that a DYNAMIC entry created. Like
/// the original, kees accepts any other value for a REFERENCE.
pub(crate) fn verify(request: &Request, slots: &mut Slots<'_>) {
    let mut errors = Vec::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (at, item, slot) in slots.iter() {
        let Slot::Found {
            value,
            origin: Origin::Found,
        } = slot
        else {
            continue;
        };
        if value.is_empty() && is_secret(request, item) {
            let error = VerifyError::new(Field::Whole, "the stored value is empty");
            errors.push((at, error));
        } else if value.is_verbatim() && item.generation.is_some() {
            let error = VerifyError::new(Field::Whole, "the stored text is not canonical base64");
            errors.push((at, error));
        } else if let Some((key, secret_type, field)) = typed(request, item) {
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
    errors.extend(groups.iter().filter_map(|group| group.verify(request)));
    for (at, error) in errors {
        slots.fail(at, EntryError::Verify(error));
    }
}

impl Group<'_> {
    /// The error in the values, with the index of its item. Logs a warning for a difference that is not
    /// an error.
    fn verify(&self, request: &Request) -> Option<(usize, VerifyError)> {
        let values: Vec<_> = self
            .values
            .iter()
            .map(|(_, field, value)| (*field, *value))
            .collect();
        match kees_generate::verify(self.secret_type, &values) {
            Ok(key_bits) => {
                let (store, path, _) = self.key;
                let is_own = |each: &&Generation| each.store == store && each.path == *path;
                let generation = request.plan.generations.iter().find(is_own);
                if let (Some(generation), Some((_, value))) = (generation, values.first()) {
                    size::warn_of_difference(generation, key_bits, value);
                }
                None
            }
            Err(error) => {
                // The first item if the pod does not name the field of the error.
                let of_field = |(_, field, _): &&(usize, Field, _)| *field == error.field;
                let item = self.values.iter().find(of_field).or(self.values.first());
                item.map(|(at, ..)| (*at, error))
            }
        }
    }
}

/// The generation of a value, its type, and the field of the value. A REFERENCE with an encoding is
/// a key without a generation.
fn typed<'a>(request: &'a Request, item: &'a Item) -> Option<(Key<'a>, SecretType, Field)> {
    let is_previous = item.locator.is_previous;
    if let Some((index, field)) = item.generation {
        let generation = request.plan.generations.get(index)?;
        return Some((
            (item.store, &generation.path, is_previous),
            generation.spec.secret_type(),
            field,
        ));
    }
    if let Some(member) = &item.locator.member
        && item.store.has_members()
    {
        let key = (item.store, &member.secret, is_previous);
        return Some((key, member.secret_type, member.field));
    }
    let entry = request.entries.get(item.entry)?;
    let (secret_type, field) = entry.key().filter(|_| entry.encoding != Encoding::Der)?;
    Some((
        (item.store, &item.locator.path, is_previous),
        secret_type,
        field,
    ))
}

fn is_secret(request: &Request, item: &Item) -> bool {
    let entry = request.entries.get(item.entry);
    entry.is_some_and(|entry| matches!(entry.source, Source::Secret(_)))
}
