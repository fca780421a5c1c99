//! What Linux allows for the arguments and the environment of a program (`execve(2)`, "Limits on size
//! of arguments and environment").

use rustix::{
    param::page_size,
    process::{Resource, getrlimit},
};

/// The most that all of them can have, whatever the limit of the stack is: three quarters of 8 MiB.
const MOST: usize = 6 << 20;

/// What they can have with any limit of the stack.
const LEAST: usize = 128 << 10;

/// The most bytes of one argument or variable, with the byte at its end: 32 pages.
pub(super) fn string_limit() -> usize {
    32 * page_size()
}

/// The most bytes of all of them together.
pub(super) fn total_limit() -> usize {
    of_stack(getrlimit(Resource::Stack).current)
}

/// The most bytes with this limit of the stack; `None` for no limit.
fn of_stack(stack: Option<u64>) -> usize {
    let stack = stack.and_then(|stack| usize::try_from(stack).ok());
    let quarter = stack.map_or(MOST, |stack| stack / 4);
    quarter.clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some(8 << 20), 2 << 20)]
    #[case(Some(64 << 10), 128 << 10)]
    #[case(Some(1 << 30), 6 << 20)]
    #[case(None, 6 << 20)]
    fn the_limit_follows_that_of_the_stack(#[case] stack: Option<u64>, #[case] bytes: usize) {
        assert_eq!(of_stack(stack), bytes);
    }
}
