//! `kees put`, `show`, `list`, `delete`, `copy` and `rotate`: single values in a store, by hand.
//!
//! ```text
//! flags -> store -> put | show | list | delete | copy | rotate -> output
//! ```
//!
//! A value comes from standard input or a file, never from an argument, which other users of the
//! machine could see. It leaves the program only to a store, or by `kees show --reveal`.

mod ask;
mod copy;
mod delete;
mod error;
mod input;
mod lease;
mod list;
mod put;
mod report;
mod rotate;
mod show;
mod store;

pub(crate) use self::{
    copy::copy, delete::delete, list::list, put::put, rotate::rotate, show::show,
};
