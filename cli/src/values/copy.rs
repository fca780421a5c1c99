//! `kees copy`: copies the values below a prefix from one store to another.
//!
//! ```text
//! list -> group -> read -> Unit -> compare with the other store -> write -> read back
//! ```

mod bar;
mod report;
mod transfer;
mod unit;

use kees_common::{StoragePath, StoragePrefix};
use kees_store::values::{Metadata, list_all};

use self::{
    bar::Bar,
    report::{CopyReport, State},
    transfer::Transfer,
    unit::Group,
};
use super::{
    error::ValueError,
    lease::LeasePath,
    store::{Use, block_on, open},
};
use crate::{args::values::CopyArgs, terminal::CommandOutput};

/// How many groups are read from both stores at once.
const CHUNK: usize = 25;

pub(crate) fn copy(args: &CopyArgs) -> CommandOutput {
    let mut report = CopyReport::default();
    let end = block_on(copy_into(args, &mut report));
    // What was copied before an error that ends the command is reported too.
    report.output(args, end.err())
}

async fn copy_into(args: &CopyArgs, report: &mut CopyReport) -> Result<(), ValueError> {
    let CopyArgs {
        prefix,
        from,
        to,
        dry_run,
        output: _,
        settings,
    } = args;
    if from == to {
        return Err(ValueError::SameStore(*from));
    }
    let written = if *dry_run { Use::Read } else { Use::Write };
    let opened = open([(*from, Use::Read), (*to, written)], settings).await?;
    let transfer = Transfer {
        from: opened.get(*from)?,
        to: opened.get(*to)?,
        timeout: settings.timeout.get(),
        is_dry: *dry_run,
    };
    copy_below(prefix, &transfer, report).await
}

async fn copy_below(
    prefix: &StoragePrefix,
    transfer: &Transfer<'_>,
    report: &mut CopyReport,
) -> Result<(), ValueError> {
    let bar = Bar::new();
    let from = transfer.from;
    let budget = || transfer.budget();
    let listed = list_all(from, prefix, budget, |seen| bar.listed(seen)).await?;
    let groups = unit::group(from, copied_paths(listed, report));
    bar.begin(groups.iter().map(Group::len).sum());
    for chunk in groups.chunks(CHUNK) {
        transfer.copy(chunk, report, &bar).await?;
    }
    Ok(())
}

/// The paths to copy. Leases, and names that are no path of kees, are reported.
fn copied_paths(listed: Vec<Metadata>, report: &mut CopyReport) -> Vec<StoragePath> {
    let mut paths = Vec::new();
    for Metadata { name, .. } in listed {
        match name.parse::<StoragePath>() {
            Ok(path) if LeasePath::of(&path).is_some() => {
                report.add(path.as_str(), &[], State::Lease);
            }
            Ok(path) => paths.push(path),
            Err(error) => {
                let message = format!("the name is no path of kees: {error}");
                report.add(&name, &[], State::Failed(message, kees_init::Exit::Data));
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests;
