//! Tests that run the program as a user does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod aws;
mod canary;
mod doctor;
mod explain;
mod export;
mod export_classes;
mod export_leases;
mod export_pages;
mod export_rotation;
mod folder;
mod iam;
mod inject;
mod kiss_page;
mod leases_page;
mod lint;
mod lint_classes;
mod lint_formats;
mod lint_inputs;
mod manners;
mod page;
mod prompt;
mod readme;
mod rotate;
mod run;
mod values;
mod wired;
