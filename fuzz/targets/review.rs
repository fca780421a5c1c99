//! The body of a review, as anybody who reaches the port may send it.
#![no_main]

use std::sync::LazyLock;

use kees_inject::{InjectSettings, review};
use libfuzzer_sys::fuzz_target;

static SETTINGS: LazyLock<InjectSettings> =
    LazyLock::new(|| InjectSettings::new("registry.example.com/kees-init:0.1.0"));

fuzz_target!(|body: &[u8]| {
    let reply = review(body, &SETTINGS);
    assert!(reply.json.starts_with(b"{"), "a reply is always a review");
});
