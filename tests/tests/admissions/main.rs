//! Tests that no admission is lost while the webhook is updated, moved or given new certificates: pods are
//! created through the API server, as a dry run, while something happens to the webhook.

mod certificates;
mod latency;
mod load;
mod restarts;
mod world;
