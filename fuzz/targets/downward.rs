//! The downward-API file: read; what was read is written and read again.
#![no_main]

use kees_common::downward;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let annotations = downward::parse(bytes).annotations;
    let text = downward::write(annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let mut expected = annotations;
    expected.sort();
    let file = downward::parse(text.as_bytes());
    assert_eq!((file.annotations, file.errors), (expected, vec![]));
});
