//! Pods with `start: fast` that would try to start for ever, although their pod says that nothing is started
//! again.

use kees_common::{Start, names::init};

use crate::{
    admission::{Admission, Verdict, Warning},
    input::Input,
    place::Place,
    workload::Workload,
};

/// A warning if a failed start does not end the pod, and nothing limits its time.
pub(crate) fn warning(
    input: &Input,
    workload: &Workload,
    admission: &Admission,
) -> Option<Warning> {
    let Verdict::Injected(pod) = &admission.verdict else {
        return None;
    };
    let spec = &pod["spec"];
    let key = input.settings.domain.init(init::START);
    let start = pod["metadata"]["annotations"][&key].as_str()?;
    let is_fast = start.trim().parse() == Ok(Start::Fast);
    let is_limited = spec["activeDeadlineSeconds"].is_number();
    if !is_fast || is_limited || spec["restartPolicy"] != "Never" {
        return None;
    }
    let message = format!(
        "{key}: the pod has restartPolicy: Never, but a failed start does not end it: the kubelet tries again. Set \
         activeDeadlineSeconds, or use start: init"
    );
    let place = Place::of_warning(&message, [&key]);
    let location = workload.locate(&input.documents, &place);
    Some(Warning { location, message })
}
