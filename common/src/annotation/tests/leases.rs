//! Tests of leases.

use rstest::rstest;

use super::*;
use crate::{Lease, Source};

#[rstest]
#[case("kind=INDEX,rangeStart=0,rangeEnd=0", "node", 0, 0)]
#[case("kind=INDEX,rangeStart=7,rangeEnd=+7", "node", 7, 7)]
#[case("kind=INDEX,rangeStart=0,rangeEnd=2147483647", "node", 0, i32::MAX)]
#[case("kind=INDEX,storageKeyPrefix=a/b,rangeStart=1,rangeEnd=9", "a/b", 1, 9)]
fn a_lease_is_a_range(
    #[case] value: &str,
    #[case] key_prefix: &str,
    #[case] start: i32,
    #[case] end: i32,
) {
    let entry = valid("lease.d/node_id", value);
    let key_prefix = key_prefix.to_owned();
    assert_eq!(
        entry.source,
        Source::Lease(Lease {
            key_prefix,
            start,
            end
        })
    );
}

#[rstest]
#[case("rangeStart=0,rangeEnd=1", "kind= is missing; a lease has kind=INDEX")]
#[case(
    "kind=DYNAMIC,rangeStart=0,rangeEnd=1",
    "kind=DYNAMIC is wrong; a lease has kind=INDEX"
)]
#[case(
    "kind=INDEX,rangeEnd=1",
    "rangeStart= is missing; a lease has rangeStart= and rangeEnd=, whole numbers"
)]
#[case(
    "kind=INDEX,rangeStart=0,rangeEnd=1.5",
    "rangeEnd=1.5 is wrong; use a whole number from 0 to 2147483647"
)]
#[case(
    "kind=INDEX,rangeStart=0,rangeEnd=2147483648",
    "rangeEnd=2147483648 is wrong; use a whole number from 0 to 2147483647"
)]
#[case(
    "kind=INDEX,rangeStart=-1,rangeEnd=4",
    "rangeStart=-1 is wrong; use a whole number from 0 to 2147483647"
)]
#[case(
    "kind=INDEX,rangeStart=5,rangeEnd=4",
    "rangeEnd=4 is wrong; it must not be below rangeStart=5"
)]
fn an_invalid_lease_has_an_error_that_says_what_is_right(
    #[case] value: &str,
    #[case] message: &str,
) {
    assert_eq!(error("lease.d/a", value), message);
}
