//! Templates as pods have them: checked without values, and rendered with values.

#![expect(clippy::unwrap_used, reason = "a test may fail like this")]

mod bounds;
mod checking;
mod pod;
mod rendering;
