//! The rows of a store in which each value has a name of its own, and what a reader gets of them.
//!
//! A rotation marks the rows that it writes, because a reader of several rows may read some of them
//! before a rotation and the others after it. The marks tell whether rows belong together. A row
//! that no rotation wrote has none: kees and the original store a new generation without marks.
//!
//! The functions have no I/O, so that the model checker executes them for its readers.

#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
use kees_common::{Locator, SecretValue, StoragePath};

#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
use crate::{Found, StoreError};

/// A value with its marks. `I` identifies a generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row<V, I = String> {
    /// The value.
    pub value: V,
    /// What a rotation has written beside it.
    pub marks: Marks<I>,
}

impl<V, I> Row<V, I> {
    /// A value without marks.
    pub fn new(value: V) -> Self {
        Self {
            value,
            marks: Marks::default(),
        }
    }
}

/// What a rotation writes beside a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Marks<I = String> {
    /// The generation of the value. `None`: the first one at its path.
    pub generation: Option<I>,
    /// For a previous value: the generation that has replaced it.
    pub superseded_by: Option<I>,
    /// Since when it is the current value, in seconds since 1970, if that is known.
    pub since: Option<u64>,
}

impl<I> Default for Marks<I> {
    fn default() -> Self {
        Self {
            generation: None,
            superseded_by: None,
            since: None,
        }
    }
}

/// A row that a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<G> {
    /// The same for all rows of one secret, its previous ones included.
    pub secret: G,
    /// Whether it is a row of the generation before the current one.
    pub is_previous: bool,
}

/// The rows that may be of different generations, because they were read at different moments. They
/// have to be read again, in one snapshot. `rows` are those of `asked`, `None` where there is none.
pub fn doubtful<G: PartialEq, V, I: PartialEq>(
    asked: &[Asked<G>],
    rows: &[Option<&Row<V, I>>],
) -> Vec<usize> {
    let is_doubtful = |secret: &G| {
        let of_secret = || of_secret(asked, rows, secret);
        let Some(current) = current(of_secret()) else {
            return false;
        };
        of_secret().any(|(is_previous, row)| match row {
            Some(row) if is_previous => row.marks.superseded_by.as_ref() != current.as_ref(),
            Some(row) => row.marks.generation != *current,
            // After a rotation there is a previous row, until it is removed.
            None => is_previous && current.is_some(),
        })
    };
    (0..asked.len())
        .filter(|index| is_doubtful(&asked[*index].secret))
        .collect()
}

/// Which of the rows of one snapshot a reader gets: current rows of one generation, and previous rows
/// that this generation has replaced. Any other row looks absent.
pub fn readable<G: PartialEq, V, I: PartialEq>(
    asked: &[Asked<G>],
    rows: &[Option<&Row<V, I>>],
) -> Vec<bool> {
    let is_readable = |(asked_for, row): (&Asked<G>, Option<&Row<V, I>>)| {
        let of_secret = of_secret(asked, rows, &asked_for.secret);
        let (Some(current), Some(row)) = (current(of_secret), row) else {
            return false;
        };
        if asked_for.is_previous {
            current.is_some() && row.marks.superseded_by.as_ref() == current.as_ref()
        } else {
            row.marks.generation == *current
        }
    };
    let rows = rows.iter().copied();
    asked.iter().zip(rows).map(is_readable).collect()
}

/// A stored row, or why it cannot be read.
#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
pub(crate) type FoundRow = Result<Option<Row<SecretValue>>, StoreError>;

/// What `locators` ask for.
#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
pub(crate) fn asked(locators: &[Locator]) -> Vec<Asked<&StoragePath>> {
    let locators = locators.iter();
    let asked = locators.map(|locator| Asked {
        secret: locator.secret_id(),
        is_previous: locator.is_previous,
    });
    asked.collect()
}

/// Each row that was read. A row that could not be read counts as none: its error is the answer.
#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
pub(crate) fn rows(found: &[FoundRow]) -> Vec<Option<&Row<SecretValue>>> {
    let found = found.iter();
    let rows = found.map(|row| row.as_ref().ok().and_then(Option::as_ref));
    rows.collect()
}

/// The result for each locator, in order, of the rows of one snapshot.
#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
pub(crate) fn answers(locators: &[Locator], found: Vec<FoundRow>) -> Vec<Found> {
    let is_readable = readable(&asked(locators), &rows(&found));
    let value = |(found, is_readable): (FoundRow, bool)| {
        found.map(|row| row.filter(|_| is_readable).map(|row| row.value))
    };
    found.into_iter().zip(is_readable).map(value).collect()
}

/// The rows of one secret, and whether each is a previous one.
fn of_secret<'a, G: PartialEq, V, I>(
    asked: &'a [Asked<G>],
    rows: &'a [Option<&'a Row<V, I>>],
    secret: &'a G,
) -> impl Iterator<Item = (bool, Option<&'a Row<V, I>>)> {
    let all = asked.iter().zip(rows);
    all.filter(move |(asked, _)| asked.secret == *secret)
        .map(|(asked, row)| (asked.is_previous, *row))
}

/// The generation of the first current row; `None` if there is no current row.
fn current<'a, V: 'a, I>(
    rows: impl Iterator<Item = (bool, Option<&'a Row<V, I>>)>,
) -> Option<&'a Option<I>> {
    rows.filter(|(is_previous, _)| !is_previous)
        .find_map(|(_, row)| row)
        .map(|row| &row.marks.generation)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    type Two = Row<u8, u8>;

    #[expect(
        clippy::unnecessary_wraps,
        reason = "a row that is there, beside one that is not"
    )]
    fn row(generation: Option<u8>, superseded_by: Option<u8>) -> Option<Two> {
        let marks = Marks {
            generation,
            superseded_by,
            since: None,
        };
        Some(Row { value: 0, marks })
    }

    /// A public key, a private key and the previous public key.
    const ASKED: [Asked<char>; 3] = [
        Asked {
            secret: 'a',
            is_previous: false,
        },
        Asked {
            secret: 'a',
            is_previous: false,
        },
        Asked {
            secret: 'a',
            is_previous: true,
        },
    ];

    #[rstest]
    #[case::never_rotated([row(None, None), row(None, None), None], false, [true, true, false])]
    #[case::rotated([row(Some(1), None), row(Some(1), None), row(None, Some(1))], false, [true, true, true])]
    #[case::absent([None, None, None], false, [false, false, false])]
    #[case::across_the_first_rotation([row(None, None), row(Some(1), None), row(None, Some(1))], true, [true, false, false])]
    #[case::across_the_second([row(Some(2), None), row(Some(1), None), row(None, Some(1))], true, [true, false, false])]
    #[case::previous_before_the_rotation([row(Some(1), None), row(Some(1), None), None], true, [true, true, false])]
    #[case::previous_too_old([row(Some(2), None), row(Some(2), None), row(None, Some(1))], true, [true, true, false])]
    #[case::previous_too_new([row(None, None), row(None, None), row(None, Some(1))], true, [true, true, false])]
    #[case::half_of_it([row(Some(1), None), None, row(None, Some(1))], false, [true, false, true])]
    #[case::somebody_s_own([row(None, None), row(None, None), row(None, None)], false, [true, true, false])]
    fn rows_that_may_be_of_two_generations_are_doubtful(
        #[case] rows: [Option<Two>; 3],
        #[case] is_doubtful: bool,
        #[case] is_readable: [bool; 3],
    ) {
        let rows: Vec<_> = rows.iter().map(Option::as_ref).collect();
        let doubtful = doubtful(&ASKED, &rows);
        assert_eq!(doubtful, if is_doubtful { vec![0, 1, 2] } else { vec![] });
        assert_eq!(readable(&ASKED, &rows), is_readable);
    }

    #[test]
    fn other_secrets_are_not_read_again() {
        let asked = [('a', false), ('b', false), ('a', true)];
        let asked = asked.map(|(secret, is_previous)| Asked {
            secret,
            is_previous,
        });
        let rows = [row(Some(1), None), row(None, None), None];
        let rows: Vec<_> = rows.iter().map(Option::as_ref).collect();
        assert_eq!(doubtful(&asked, &rows), [0, 2]);
    }
}
