//! Tests of the Helm chart and of the kustomize overlays: what they render, and installations on a
//! cluster without kees. Each of these tests installs kees in its own way, so they take turns.

mod apply;
mod bad_input;
mod cert_manager;
mod chart;
mod doctor;
mod documents;
mod migration;
mod objects;
mod release;
mod rendered;
mod server;
mod takeover;
mod world;
