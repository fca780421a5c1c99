//! End-to-end tests of annotated pods on a real cluster, with the webhook behind its Service, and with
//! DynamoDB Local and moto as stores.

mod admission;
mod downward;
mod examples;
mod exec;
mod files;
mod identity;
mod install;
mod no_secrets;
mod pods;
mod refreshing;
mod replicas;
mod secrecy;
mod starting;
mod wired;
mod world;
