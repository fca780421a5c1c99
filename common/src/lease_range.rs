//! The numbers of a lease, and the paths under which a store keeps who holds them.

use std::fmt;

use crate::{
    entry::Lease,
    path::{ParsePathError, StoragePath, StoragePrefix},
};

/// The most bytes after the base: a namespace (63), a pod's name (253), two numbers, and separators.
const LONGEST_END: usize = 64 + 254 + 24;

/// The most numbers of a range whose records are read by their paths: 10 calls of DynamoDB.
const READ_BY_PATH: u64 = 1000;

/// The numbers from `start` to `end`, both included, of one key prefix.
///
/// Two kinds of record are stored. The record of a number, at `PREFIX/leases/KEYPREFIX.NUMBER`, holds
/// the pod's name: it is the original's. The record of a pod, at
/// `PREFIX/leases/KEYPREFIX/NAMESPACE/POD/START-END`, holds the number, so that a pod finds its number
/// with one read, and two controllers cannot give it two. The last segment of the first has a dot
/// before the number and that of the second has none, so that no path is both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseRange {
    base: String,
    start: i32,
    end: i32,
}

impl LeaseRange {
    /// The numbers of `lease` below the pod's prefix.
    ///
    /// # Errors
    /// A path is invalid, or too long for a table.
    pub fn new(prefix: &StoragePrefix, lease: &Lease) -> Result<Self, ParsePathError> {
        let base = format!("leases/{}", lease.key_prefix);
        prefix.join(&format!("{base}{:x<LONGEST_END$}", ""))?;
        let Lease { start, end, .. } = *lease;
        Ok(Self {
            base: prefix.join(&base)?.as_str().to_owned(),
            start,
            end,
        })
    }

    /// The first number.
    pub fn start(&self) -> i32 {
        self.start
    }

    /// The last number.
    pub fn end(&self) -> i32 {
        self.end
    }

    /// How many numbers there are: at least one.
    pub fn size(&self) -> u64 {
        let (start, end) = (i64::from(self.start), i64::from(self.end));
        u64::try_from(end - start + 1).unwrap_or(1)
    }

    /// Whether there are too many numbers to read the record of each. Who holds them is then found by
    /// reading all records of the key prefix, which in DynamoDB is a scan of the table.
    pub fn is_large(&self) -> bool {
        self.size() > READ_BY_PATH
    }

    /// Whether `number` is one of them.
    pub fn contains(&self, number: i32) -> bool {
        (self.start..=self.end).contains(&number)
    }

    /// The path of the record of `number`.
    pub fn number_path(&self, number: i32) -> StoragePath {
        StoragePath::checked(format!("{}.{number}", self.base))
    }

    /// The number whose record has the path `path`, if it is one of this range.
    pub fn number_at(&self, path: &str) -> Option<i32> {
        let number = path.strip_prefix(&self.base)?.strip_prefix('.')?;
        // "+5" and "05" are not how a number is written in a path.
        let parsed = number
            .parse()
            .ok()
            .filter(|n: &i32| n.to_string() == number);
        parsed.filter(|number| self.contains(*number))
    }

    /// What the paths of all numbers of this key prefix begin with.
    pub fn number_prefix(&self) -> String {
        format!("{}.", self.base)
    }

    /// The path above the records of all pods of a namespace.
    pub fn namespace_path(&self, namespace: &str) -> StoragePath {
        StoragePath::checked(format!("{}/{namespace}", self.base))
    }

    /// The path of the record of a pod.
    pub fn pod_path(&self, namespace: &str, pod: &str) -> StoragePath {
        let Self { base, start, end } = self;
        StoragePath::checked(format!("{base}/{namespace}/{pod}/{start}-{end}"))
    }
}

/// For messages: `/dev/team/leases/worker.0-99`.
impl fmt::Display for LeaseRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, start, end } = self;
        write!(f, "{base}.{start}-{end}")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn range(prefix: &str, key_prefix: &str) -> Result<LeaseRange, ParsePathError> {
        let lease = Lease {
            key_prefix: key_prefix.to_owned(),
            start: 0,
            end: 99,
        };
        LeaseRange::new(&prefix.parse().unwrap(), &lease)
    }

    #[test]
    fn a_number_has_the_path_of_the_original() {
        let range = range("/dev/team/", "worker").unwrap();
        assert_eq!(range.number_path(7).as_str(), "/dev/team/leases/worker.7");
        assert_eq!(
            range.pod_path("shop", "web-0.x").as_str(),
            "/dev/team/leases/worker/shop/web-0.x/0-99"
        );
        assert_eq!(
            range.namespace_path("shop").as_str(),
            "/dev/team/leases/worker/shop"
        );
        assert_eq!(range.size(), 100);
    }

    #[rstest]
    #[case("/dev/leases/worker.7", Some(7))]
    #[case("/dev/leases/worker.07", None)]
    #[case("/dev/leases/worker.+7", None)]
    #[case("/dev/leases/worker.100", None)]
    #[case("/dev/leases/worker.99999999999", None)]
    #[case("/dev/leases/worker.shop.7", None)]
    #[case("/dev/leases/worker2.7", None)]
    fn a_number_is_read_off_its_path(#[case] path: &str, #[case] number: Option<i32>) {
        assert_eq!(range("/dev", "worker").unwrap().number_at(path), number);
    }

    #[rstest]
    #[case(0, 999, false)]
    #[case(1, 1001, true)]
    #[case(0, i32::MAX, true)]
    fn more_than_a_thousand_numbers_are_searched(
        #[case] start: i32,
        #[case] end: i32,
        #[case] expected: bool,
    ) {
        let lease = Lease {
            key_prefix: "worker".to_owned(),
            start,
            end,
        };
        let range = LeaseRange::new(&"/dev".parse().unwrap(), &lease).unwrap();
        assert_eq!(range.is_large(), expected);
    }

    #[test]
    fn every_path_of_a_range_is_valid() {
        assert_eq!(range("/dev", "a//b"), Err(ParsePathError::Empty));
        assert_eq!(range("/dev", "../b"), Err(ParsePathError::Dots));
        assert_eq!(
            range("/dev", &"x".repeat(1800)),
            Err(ParsePathError::TooLong)
        );
        let longest = range("/dev", &"x".repeat(1600)).unwrap();
        let path = longest.pod_path(&"n".repeat(63), &"p".repeat(253));
        assert_eq!(path.as_str().parse::<StoragePath>(), Ok(path));
    }
}
