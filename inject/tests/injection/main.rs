//! The whole decision, from outside: pods in, patches and refusals out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod eks;
mod hostile;
mod identity;
mod injecting;
mod oracle;
mod pods;
mod policy;
mod quality;
mod refusing;
mod repeating;
mod reviewing;
mod settings;
mod skipping;
