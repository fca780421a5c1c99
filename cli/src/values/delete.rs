//! `kees delete`: deletes one value.

use kees_common::StoreName;
use kees_store::{
    ReadStore as _, RetryBudget, Store,
    values::{DeleteStore as _, ListStore as _, Recovery, retrying},
};

use super::{
    ask,
    error::ValueError,
    lease::LeasePath,
    put::field_note,
    store::{Use, check_path, describe, with_store},
};
use crate::{args::values::DeleteArgs, terminal::CommandOutput};

pub(crate) fn delete(args: &DeleteArgs) -> CommandOutput {
    match deleted(args) {
        Ok(message) => CommandOutput {
            stdout: message,
            // Without --yes, the question had it.
            messages: lease_note(args)
                .filter(|_| args.yes)
                .map(|note| format!("warning: {}: {note}", args.path))
                .into_iter()
                .collect(),
            ..CommandOutput::default()
        },
        Err(error) => error.into(),
    }
}

fn deleted(args: &DeleteArgs) -> Result<String, ValueError> {
    let DeleteArgs {
        path,
        yes: _,
        recovery_days,
        no_recovery,
        store,
    } = args;
    let recovery = match (recovery_days, no_recovery) {
        (Some(days), _) => Recovery::Days(*days),
        (None, true) => Recovery::None,
        (None, false) => Recovery::Default,
    };
    check_recovery(store.store, recovery)?;
    check_path(store.store, path)?;
    with_store(store, Use::Read, async |store, budget| {
        delete_value(args, store, budget, recovery).await
    })?;
    let days = match recovery {
        Recovery::Default => Some(30),
        Recovery::Days(days) => Some(days),
        Recovery::None => None,
    };
    let later = match days.filter(|_| store.store.restores_deleted()) {
        Some(days) => format!(
            "; for {days} days it can be restored with `aws {} restore-secret --secret-id {path}`",
            store.store
        ),
        None => String::new(),
    };
    Ok(format!("deleted {path} from {}{later}\n", describe(store)))
}

fn check_recovery(store: StoreName, recovery: Recovery) -> Result<(), ValueError> {
    let flag = match recovery {
        _ if store.restores_deleted() => return Ok(()),
        Recovery::Default => return Ok(()),
        Recovery::Days(_) => "--recovery-days",
        Recovery::None => "--no-recovery",
    };
    Err(ValueError::NoRecovery { flag, store })
}

/// What has to be known about a record of a lease.
fn lease_note(args: &DeleteArgs) -> Option<&'static str> {
    let path = LeasePath::of(&args.path).filter(|_| args.store.store.keeps_leases());
    path.map(LeasePath::note_on_delete)
}

async fn delete_value(
    args: &DeleteArgs,
    store: &Store,
    mut budget: RetryBudget,
    recovery: Recovery,
) -> Result<(), ValueError> {
    let path = &args.path;
    let name = store.name();
    let absent = || ValueError::Absent {
        store: name,
        path: path.clone(),
    };
    if !args.yes {
        let existing = retrying(name, &mut budget, || store.describe(path)).await?;
        existing.ok_or_else(absent)?;
        let place = describe(&args.store);
        let note = lease_note(args).map_or_else(String::new, |note| format!(" ({note})"));
        let question = format!("Delete {path}{}{note} from {place}?", field_note(path));
        ask::confirm(&question)?;
    }
    let delete = || store.delete(path, recovery);
    if retrying(name, &mut budget, delete).await? {
        Ok(())
    } else {
        Err(absent())
    }
}
