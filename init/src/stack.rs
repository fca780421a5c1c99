//! Overwrites what functions that have returned left on the stack.

use std::mem::MaybeUninit;

use zeroize::Zeroize as _;

/// How much of the stack is overwritten: more than a run was measured to use.
const BYTES: usize = 512 * 1024;

/// Overwrites the stack below the frame of the caller. A value itself is on the heap, which is
/// overwritten when it is freed, but code that copies, hashes or encodes a value may leave parts of
/// it on the stack.
///
/// Call it where the stack is short: in the first function of a thread.
#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "the purpose is to overwrite the stack"
)]
pub fn wipe_stack() {
    let mut below = [const { MaybeUninit::<u8>::uninit() }; BYTES];
    below.as_mut_slice().zeroize();
}
