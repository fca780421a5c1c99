//! The values of each entry that a run of `kees-init refresh` has read, so that it never goes back to
//! an earlier one.
//!
//! Reads of some stores may lag behind writes, so a store can answer an earlier value after a newer
//! one. The values themselves are not kept: a keyed hash of 64 bits tells them apart, and its random
//! key never leaves the process.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
};

use kees_common::{Entry, Secret, SecretValue, Source};

/// How many earlier values of each entry are remembered. The oldest are forgotten first.
const REMEMBERED: usize = 32;

/// After so many reads in a row with the same earlier value of a REFERENCE or resource, its owner has
/// probably put it back by hand, and no replica lags behind for so long.
const READS_OF_A_VALUE_PUT_BACK: u8 = 3;

/// What was read of each entry.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    key: RandomState,
    entries: Vec<History>,
}

#[derive(Debug, Default)]
struct History {
    current: Option<u64>,
    earlier: VecDeque<u64>,
    /// The earlier value that was read last, and how often in a row.
    put_back: Option<(u64, u8)>,
}

/// What a read means for the files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// No entry goes back. The entries with these indexes have another value than at the last read.
    Forward(Vec<usize>),
    /// The entries with these indexes have an earlier value, so the files keep theirs.
    Back(Vec<usize>),
}

impl Seen {
    /// Takes the values of a read, one for each of `entries`.
    pub(crate) fn read<'a>(
        &mut self,
        entries: &[Entry],
        values: impl Iterator<Item = Option<&'a SecretValue>>,
    ) -> Step {
        self.entries.resize_with(entries.len(), History::default);
        let hash = |value: Option<&SecretValue>| {
            let value = value.map(|value| (value.expose(), value.is_verbatim()));
            self.key.hash_one(value)
        };
        let hashes: Vec<u64> = values.map(hash).collect();
        let mut back = Vec::new();
        for (index, (entry, hash)) in entries.iter().zip(&hashes).enumerate() {
            // A previous value is removed when it is retired, again and again.
            if let Some(history) = self.entries.get_mut(index)
                && !entry.is_previous
                && history.goes_back(*hash, is_generated(entry))
            {
                back.push(index);
            }
        }
        if !back.is_empty() {
            return Step::Back(back);
        }
        let histories = self.entries.iter_mut().zip(hashes).enumerate();
        let changed = histories.filter_map(|(index, (history, hash))| {
            let is_change = history.take(hash);
            is_change.then_some(index)
        });
        Step::Forward(changed.collect())
    }
}

impl History {
    fn goes_back(&mut self, hash: u64, is_generated: bool) -> bool {
        if self.current == Some(hash) || !self.earlier.contains(&hash) {
            self.put_back = None;
            return false;
        }
        let reads = match self.put_back {
            Some((earlier, reads)) if earlier == hash => reads.saturating_add(1),
            _ => 1,
        };
        self.put_back = Some((hash, reads));
        is_generated || reads < READS_OF_A_VALUE_PUT_BACK
    }

    /// Makes a value the current one. Whether another one was.
    fn take(&mut self, hash: u64) -> bool {
        self.put_back = None;
        let Some(before) = self.current.replace(hash).filter(|before| *before != hash) else {
            return false;
        };
        self.earlier.retain(|earlier| *earlier != hash);
        self.earlier.push_back(before);
        if self.earlier.len() > REMEMBERED {
            self.earlier.pop_front();
        }
        true
    }
}

/// Whether kees generates the value. Then only a rotation changes it, and no earlier one is right.
fn is_generated(entry: &Entry) -> bool {
    matches!(entry.source, Source::Secret(Secret::Dynamic { .. }))
}

#[cfg(test)]
mod tests {
    use kees_common::{Domain, Parsed};

    use super::*;

    const DYNAMIC: (&str, &str) = ("secret.d/a", "kind=DYNAMIC,type=RANDOM,size=128");
    const REFERENCE: (&str, &str) = ("secret.d/b", "kind=REFERENCE");

    /// The steps of an entry with these values, one after another.
    fn steps<const N: usize>(annotation: (&str, &str), values: [&str; N]) -> [Step; N] {
        let domain: Domain = "d".parse().unwrap();
        let parsed = Parsed::from_annotations(&domain, [annotation]);
        let mut seen = Seen::default();
        values.map(|value| {
            let value = SecretValue::new(value.as_bytes().to_vec());
            seen.read(&parsed.entries, [Some(&value)].into_iter())
        })
    }

    fn forward(changed: &[usize]) -> Step {
        Step::Forward(changed.to_vec())
    }

    fn back() -> Step {
        Step::Back(vec![0])
    }

    #[test]
    fn an_earlier_generation_never_comes_back() {
        assert_eq!(
            steps(
                DYNAMIC,
                ["1", "1", "2", "1", "2", "1", "1", "1", "1", "3", "2"]
            ),
            [
                forward(&[]),
                forward(&[]),
                forward(&[0]),
                back(),
                forward(&[]),
                back(),
                back(),
                back(),
                back(),
                forward(&[0]),
                back()
            ]
        );
    }

    #[test]
    fn a_value_that_its_owner_puts_back_is_taken_at_the_third_read() {
        assert_eq!(
            steps(REFERENCE, ["1", "2", "1", "1", "2", "1", "1", "1", "2"]),
            [
                forward(&[]),
                forward(&[0]),
                back(),
                back(),
                forward(&[]),
                back(),
                back(),
                forward(&[0]),
                back()
            ]
        );
    }

    #[test]
    fn the_last_thirty_two_earlier_values_are_remembered() {
        let numbers: Vec<String> = (0..34).map(|number| number.to_string()).collect();
        let mut values = [""; 36];
        for (value, number) in values.iter_mut().zip(&numbers) {
            *value = number;
        }
        (values[34], values[35]) = ("1", "0");
        let steps = steps(DYNAMIC, values);
        assert_eq!(steps[34], back());
        assert_eq!(steps[35], forward(&[0]));
    }

    #[test]
    fn one_entry_that_goes_back_keeps_all_of_them() {
        let domain: Domain = "d".parse().unwrap();
        let parsed = Parsed::from_annotations(&domain, [DYNAMIC, REFERENCE]);
        let mut seen = Seen::default();
        let mut read = |a: &str, b: &str| {
            let values = [a, b].map(|value| SecretValue::new(value.as_bytes().to_vec()));
            seen.read(&parsed.entries, values.iter().map(Some))
        };
        assert_eq!(read("1", "x"), forward(&[]));
        assert_eq!(read("2", "x"), forward(&[0]));
        assert_eq!(read("1", "y"), back());
        assert_eq!(read("2", "y"), forward(&[1]));
    }
}
