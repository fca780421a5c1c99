//! `docs/controller.md` lists every flag and every metric.

use clap::CommandFactory as _;
use kees_controller::{Args, metrics::Metrics};
use kees_server::documentation::{compare, flags, metrics};

const PAGE: &str = "controller.md";

#[test]
fn the_page_lists_every_flag() {
    let flags = flags(&Args::command());
    compare("kees-controller", PAGE, "flags", &flags);
}

#[test]
fn the_page_lists_every_metric_with_its_labels() {
    let metrics = metrics(&Metrics::new().render().unwrap());
    compare("kees-controller", PAGE, "metrics", &metrics);
}
