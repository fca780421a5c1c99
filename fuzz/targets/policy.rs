//! Parses a text as the operator's policy file.
#![no_main]

use kees_inject::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<Policy>();
});
