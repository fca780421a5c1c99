//! Pods with `on-change: restart` that the controller cannot restart.

use kees_common::{OnChange, names::init};

use crate::{
    admission::{Admission, Verdict, Warning},
    input::Input,
    place::Place,
    workload::Workload,
};

/// The workloads that the controller restarts. Other kinds, such as custom resources, may create one of
/// them.
const NEVER_RESTARTED: [&str; 3] = ["Pod", "Job", "CronJob"];

/// A warning if the pods of a workload ask for restarts, and the controller does not restart it.
pub(crate) fn warning(
    input: &Input,
    workload: &Workload,
    admission: &Admission,
) -> Option<Warning> {
    let Verdict::Injected(pod) = &admission.verdict else {
        return None;
    };
    let kind = &workload.name.kind;
    let key = input.settings.domain.init(init::ON_CHANGE);
    let on_change = pod["metadata"]["annotations"][&key].as_str()?;
    let asks = on_change.trim().parse() == Ok(OnChange::Restart);
    if !asks || !NEVER_RESTARTED.contains(&kind.as_str()) {
        return None;
    }
    let message = format!(
        "{key}: the controller restarts Deployments, StatefulSets and DaemonSets, and this is a {kind}"
    );
    let place = Place::of_warning(&message, [&key]);
    let location = workload.locate(&input.documents, &place);
    Some(Warning { location, message })
}
