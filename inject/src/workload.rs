//! What a pod belongs to. The pods of one workload may ask for different contents of one Kubernetes Secret while the workload
//! is rolled out.

use std::ops::Deref;

/// The labels with which controllers mark the `ReplicaSet`s of one workload, and the kind of the workload.
const TEMPLATE_HASHES: [(&str, &str); 2] = [
    ("pod-template-hash", "Deployment"),
    ("rollouts-pod-template-hash", "Rollout"),
];

/// What created a pod, such as `Deployment web`: the workload of its `controller` (kind and name), or the pod `name` itself.
/// `label` returns the value of a label of the pod.
pub fn workload<L: Deref<Target = str>>(
    controller: Option<(&str, &str)>,
    name: &str,
    label: impl Fn(&str) -> Option<L>,
) -> String {
    match controller {
        Some(("ReplicaSet", set)) => {
            // The name of the ReplicaSet ends with the hash.
            let of_hash = |(key, kind): (&str, &str)| {
                let hash = label(key)?;
                let workload = set.strip_suffix(&*hash)?.strip_suffix('-')?;
                Some(format!("{kind} {workload}"))
            };
            let mut workloads = TEMPLATE_HASHES.into_iter().filter_map(of_hash);
            workloads
                .next()
                .unwrap_or_else(|| format!("ReplicaSet {set}"))
        }
        Some(("Job", job)) => match job.rsplit_once('-') {
            // A CronJob appends the minute.
            Some((of_jobs, at)) if at.len() >= 8 && at.bytes().all(|b| b.is_ascii_digit()) => {
                format!("CronJob {of_jobs}")
            }
            _ => format!("Job {job}"),
        },
        Some((kind, name)) => format!("{kind} {name}"),
        None => format!("Pod {name}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ReplicaSet", "web-7f9c", "pod-template-hash", "Deployment web")]
    #[case("ReplicaSet", "web-7f9c", "rollouts-pod-template-hash", "Rollout web")]
    #[case("ReplicaSet", "web-7f9c", "hash", "ReplicaSet web-7f9c")]
    #[case("ReplicaSet", "7f9c", "pod-template-hash", "ReplicaSet 7f9c")]
    #[case("ReplicaSet", "alone", "pod-template-hash", "ReplicaSet alone")]
    #[case("StatefulSet", "db", "pod-template-hash", "StatefulSet db")]
    #[case("DaemonSet", "log", "hash", "DaemonSet log")]
    #[case("Job", "batch", "hash", "Job batch")]
    #[case("Job", "batch-2", "hash", "Job batch-2")]
    #[case("Job", "nightly-29384750", "hash", "CronJob nightly")]
    fn a_pod_belongs_to_the_workload_of_its_controller(
        #[case] kind: &str,
        #[case] name: &str,
        #[case] key: &str,
        #[case] expected: &str,
    ) {
        let label = |wanted: &str| (wanted == key).then(|| "7f9c".to_owned());
        assert_eq!(workload(Some((kind, name)), "web-1", label), expected);
    }

    #[test]
    fn a_pod_without_a_controller_is_its_own_workload() {
        assert_eq!(workload(None, "web-1", |_| None::<String>), "Pod web-1");
    }
}
