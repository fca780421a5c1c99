//! Templates of a pod (`init.DOMAIN/template.NAME`): text with the values of entries in it.
//!
//! The language is a small part of Jinja's: values, conditions, loops and a few filters. It is checked
//! when a pod is admitted, before there is a value: [`check_annotations`] finds errors of syntax and names that no
//! entry has. [`render`] needs the values. Nothing here reads a file or a network.
//!
//! A template comes from whoever may create a pod, so each of its dimensions is bounded: tokens of one
//! expression, blocks within blocks, steps, bytes that filters process, and the size of the result.
//!
//! minijinja parses and executes the templates. Its messages may contain values, so none of them is
//! repeated, except those about the syntax, which come before there is a value.

mod annotations;
mod check;
mod details;
mod engine;
mod error;
mod filters;
mod language;
mod lookup;
mod position;
mod render;
mod tokens;
mod values;

pub use annotations::{check_annotations, check_previous, used_entries};
pub use check::{Entries, check};
pub use error::{TemplateError, TemplateErrorKind};
pub use render::render;
pub use values::{TemplateValue, TemplateValues};
