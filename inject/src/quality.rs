//! Requests and limits that keep the pod's quality of service.
//!
//! Source: "Pod Quality of Service Classes", Kubernetes documentation: CPU and memory count, of
//! containers and init containers alike, unless the pod has resources of its own.

use crate::{
    PodView, Quantity,
    pod::{Amount, ContainerView, ResourcesView},
    quantity::nanos,
    settings::{Amounts, Resources},
};

/// The resources of our container in `pod`, where those of `wanted` would do otherwise.
pub(crate) fn resources(
    pod: &PodView<'_>,
    injected: Option<usize>,
    wanted: &Resources,
) -> Resources {
    let init = pod.spec.init_containers.iter().enumerate();
    let others: Vec<_> = init
        .filter_map(|(index, container)| (Some(index) != injected).then_some(container))
        .chain(&pod.spec.containers)
        .collect();
    // The pod's own resources (Kubernetes 1.34) decide, and bound our container too.
    let none = !is_empty(&pod.spec.resources) || others.iter().all(|c| is_empty(&c.resources));
    if none {
        Resources {
            requests: Amounts::default(),
            limits: Amounts::default(),
        }
    } else if others.iter().all(|container| is_guaranteed(container)) {
        guaranteed(wanted, &others)
    } else {
        wanted.clone()
    }
}

/// Requests that equal the limits. Of CPU as much as the largest container has: init containers
/// run alone, so this sets nothing more aside, and a key is not generated at a hundredth of a core.
fn guaranteed(wanted: &Resources, others: &[&ContainerView<'_>]) -> Resources {
    let Resources { requests, limits } = wanted;
    let largest_cpu = others
        .iter()
        .filter_map(|c| quantity(c.resources.limits.cpu.as_ref()))
        .max();
    let largest_memory = || {
        others
            .iter()
            .filter_map(|c| quantity(c.resources.limits.memory.as_ref()))
            .max()
    };
    // `None` is the least of all.
    let cpu = largest_cpu.max(limits.cpu.clone().or(requests.cpu.clone()));
    let memory = limits
        .memory
        .clone()
        .or(requests.memory.clone())
        .or_else(largest_memory);
    let amounts = Amounts { cpu, memory };
    Resources {
        requests: amounts.clone(),
        limits: amounts,
    }
}

fn quantity(amount: Option<&Amount<'_>>) -> Option<Quantity> {
    amount?.0.parse().ok()
}

fn is_empty(resources: &ResourcesView<'_>) -> bool {
    let ResourcesView { requests, limits } = resources;
    [&requests.cpu, &requests.memory, &limits.cpu, &limits.memory]
        .into_iter()
        .all(|amount| value(amount.as_ref()).is_none())
}

/// Limits for both, and requests that are absent (Kubernetes then takes the limits) or equal.
fn is_guaranteed(container: &ContainerView<'_>) -> bool {
    let ResourcesView { requests, limits } = &container.resources;
    [
        (&requests.cpu, &limits.cpu),
        (&requests.memory, &limits.memory),
    ]
    .into_iter()
    .all(|(request, limit)| {
        let limit = value(limit.as_ref());
        limit.is_some() && (request.is_none() || value(request.as_ref()) == limit)
    })
}

/// The value of an amount; 0 counts as none.
fn value(amount: Option<&Amount<'_>>) -> Option<u128> {
    nanos(&amount?.0).filter(|nanos| *nanos > 0)
}
