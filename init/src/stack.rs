//! What functions that have returned left on the stack.

use std::mem::MaybeUninit;

use zeroize::Zeroize as _;

/// How much of the stack is overwritten: more than a run has been seen to use.
const BYTES: usize = 512 * 1024;

/// Overwrites the stack below its caller's frame. A value itself lies on the heap, which is
/// overwritten as it is freed; but who copies, hashes or encodes one may leave a part of it here.
///
/// To be called where little else stands on the stack: at the bottom of a thread.
#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "the stack itself is what is wanted"
)]
pub fn wipe_stack() {
    let mut below = [const { MaybeUninit::<u8>::uninit() }; BYTES];
    below.as_mut_slice().zeroize();
}
