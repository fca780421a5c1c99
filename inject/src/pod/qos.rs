//! Requests and limits that keep the pod's quality of service.
//!
//! Source: "Pod Quality of Service Classes", Kubernetes documentation: CPU and memory count, of
//! containers and init containers alike, unless the pod has resources of its own. "Sidecar
//! Containers" and `PodRequests` of `k8s.io/component-helpers/resource` have what a pod sets aside:
//! what all sidecars and containers of the application need together, or where that is more, what
//! one init container needs together with the sidecars before it.

use crate::{
    PodView, Quantity,
    patch::placement::Placement,
    pod::quantity::nanos,
    pod::view::{Amount, AmountsView, ContainerView, ResourcesView},
    settings::{Amounts, Resources},
};

/// The resources of our container in `pod`, where those of `wanted` would do otherwise.
pub(crate) fn resources(pod: &PodView<'_>, placement: &Placement, wanted: &Resources) -> Resources {
    let others = Others::of(pod, placement);
    // The pod's own resources (Kubernetes 1.34) decide, and bound our container too.
    if !is_empty(&pod.spec.resources) || others.iter().all(|c| is_empty(&c.resources)) {
        Resources {
            requests: Amounts::default(),
            limits: Amounts::default(),
        }
    } else if others.iter().all(is_guaranteed) {
        others.guaranteed(wanted)
    } else {
        wanted.clone()
    }
}

/// The containers but ours.
struct Others<'p, 'a> {
    init: Vec<&'p ContainerView<'a>>,
    /// How many of `init` come before ours.
    before: usize,
    app: &'p [ContainerView<'a>],
}

/// One of the amounts.
type Kind = for<'p, 'a> fn(&'p AmountsView<'a>) -> Option<&'p Amount<'a>>;

impl<'p, 'a> Others<'p, 'a> {
    fn of(pod: &'p PodView<'a>, placement: &Placement) -> Self {
        let init = pod.spec.init_containers.iter().enumerate();
        Self {
            init: init
                .filter_map(|(index, c)| (Some(index) != placement.injected).then_some(c))
                .collect(),
            before: placement.position,
            app: &pod.spec.containers,
        }
    }

    fn iter(&self) -> impl Iterator<Item = &'p ContainerView<'a>> {
        self.init.iter().copied().chain(self.app)
    }

    /// Requests that equal the limits. Of CPU as much as the largest container has for which the
    /// pod sets no more aside, so that a key is not generated at a hundredth of a core; what is
    /// configured where that is more.
    fn guaranteed(&self, wanted: &Resources) -> Resources {
        let Resources { requests, limits } = wanted;
        // `None` is the least of all.
        let cpu = self
            .largest(|amounts| amounts.cpu.as_ref())
            .max(limits.cpu.clone().or(requests.cpu.clone()));
        let memory = limits
            .memory
            .clone()
            .or(requests.memory.clone())
            .or_else(|| self.largest(|amounts| amounts.memory.as_ref()));
        let amounts = Amounts { cpu, memory };
        Resources {
            requests: amounts.clone(),
            limits: amounts,
        }
    }

    /// The largest limit of a container for which there is room where ours stands. There is for
    /// each of the application's.
    fn largest(&self, kind: Kind) -> Option<Quantity> {
        let room = self.room(kind);
        self.iter()
            .filter(|container| limit(container, kind) <= room)
            .filter_map(|container| kind(&container.resources.limits)?.0.parse().ok())
            .max()
    }

    /// How much our container can have without the pod setting more aside: what the pod needs
    /// at most at once, less what runs beside ours, the sidecars before it.
    fn room(&self, kind: Kind) -> u128 {
        let mut sidecars = 0;
        let mut beside_ours = 0;
        let mut most = 0;
        for (index, container) in self.init.iter().enumerate() {
            let at_once = limit(container, kind).saturating_add(sidecars);
            most = at_once.max(most);
            if container.is_sidecar() {
                sidecars = at_once;
            }
            if index < self.before {
                beside_ours = sidecars;
            }
        }
        let app = self.app.iter().map(|container| limit(container, kind));
        let together = app.fold(sidecars, u128::saturating_add);
        together.max(most).saturating_sub(beside_ours)
    }
}

fn limit(container: &ContainerView<'_>, kind: Kind) -> u128 {
    value(kind(&container.resources.limits)).unwrap_or_default()
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
