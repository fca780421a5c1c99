//! Reviews any body, because every client that reaches the port can send one.
#![no_main]

use std::sync::LazyLock;

use kees_inject::{InjectSettings, review};
use libfuzzer_sys::fuzz_target;

static SETTINGS: LazyLock<InjectSettings> =
    LazyLock::new(|| InjectSettings::new("registry.example.com/kees-init:0.1.0"));

fuzz_target!(|body: &[u8]| {
    let response = review(body, &SETTINGS);
    assert!(response.json.starts_with(b"{"), "the response is always a review");
});
