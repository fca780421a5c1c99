//! Requests and limits of the containers of kees that keep the pod's QoS class.
//!
//! Sources: "Pod Quality of Service Classes" of the Kubernetes documentation: CPU and memory of
//! containers and init containers count, unless the pod has resources of its own. "Sidecar
//! Containers" and `PodRequests` of `k8s.io/component-helpers/resource`: the scheduler reserves the
//! larger of two sums, all containers and sidecars together, or one init container together with
//! the sidecars before it.

use crate::pod::{
    container::{AmountsView, ContainerView, ResourcesView},
    injected::Injected,
    quantity::{Quantity, nanos},
    resources::{Amounts, Resources},
    text::QuantityText,
    view::PodView,
};

/// The resources of the init container that will be at `position` among the others. `injected`
/// are the containers of kees that the pod already has. `configured` is what the operator sets.
pub(crate) fn resources(
    pod: &PodView<'_>,
    injected: Option<Injected>,
    position: usize,
    configured: &Resources,
) -> Resources {
    let others = Others::new(pod, injected, position);
    if others.has_no_class(pod) {
        Resources::none()
    } else if others.iter().all(is_guaranteed) {
        others.guaranteed(configured)
    } else {
        others.burstable(configured)
    }
}

/// The resources of the sidecar, which has `memory`. It rests nearly all the time, so it requests
/// hardly any CPU.
pub(crate) fn of_sidecar(
    pod: &PodView<'_>,
    injected: Option<Injected>,
    memory: &Quantity,
) -> Resources {
    let others = Others::new(pod, injected, 0);
    let amounts = |cpu: Option<u16>| Amounts {
        cpu: cpu.map(Quantity::milli),
        memory: Some(memory.clone()),
    };
    if others.has_no_class(pod) {
        Resources::none()
    } else if others.iter().all(is_guaranteed) {
        Resources {
            requests: amounts(Some(10)),
            limits: amounts(Some(10)),
        }
    } else {
        let limits_cpu = others.iter().all(is_limited);
        Resources {
            requests: amounts(Some(1)),
            limits: amounts(limits_cpu.then_some(100)),
        }
    }
}

/// The CPU of the container of a fast start in a Guaranteed pod: enough to read the values at once.
const FAST_CPU: u16 = 100;

/// The CPU limit of this container where every other one has a limit. It may generate keys.
const FAST_CPU_LIMIT: u16 = 500;

/// The resources of the container of a fast start. It keeps running, so the scheduler adds them to
/// those of the application.
pub(crate) fn of_fast_start(
    pod: &PodView<'_>,
    injected: Option<Injected>,
    configured: &Resources,
) -> Resources {
    let others = Others::new(pod, injected, 0);
    if others.has_no_class(pod) {
        return Resources::none();
    }
    let Resources { requests, limits } = configured;
    if others.iter().all(is_guaranteed) {
        // `None` is less than every amount.
        let cpu = limits.cpu.clone().or(requests.cpu.clone());
        let memory = limits.memory.clone().or(requests.memory.clone());
        let amounts = Amounts {
            cpu: cpu.max(Some(Quantity::milli(FAST_CPU))),
            memory: memory.or(Some(Quantity::mebi(64))),
        };
        return Resources {
            requests: amounts.clone(),
            limits: amounts,
        };
    }
    let mut resources = configured.clone();
    if limits.cpu.is_none() && others.iter().all(is_limited) {
        let limit = Some(Quantity::milli(FAST_CPU_LIMIT));
        resources.limits.cpu = limit.max(requests.cpu.clone());
    }
    resources
}

/// All containers except those of kees.
struct Others<'p, 'a> {
    init: Vec<&'p ContainerView<'a>>,
    /// How many of `init` come before the injected container.
    before: usize,
    app: &'p [ContainerView<'a>],
}

/// Selects CPU or memory.
type Kind = for<'p, 'a> fn(&'p AmountsView<'a>) -> Option<&'p QuantityText<'a>>;

impl<'p, 'a> Others<'p, 'a> {
    fn new(pod: &'p PodView<'a>, injected: Option<Injected>, position: usize) -> Self {
        let init = pod.other_init_containers(injected);
        Self {
            init: init.map(|(_, container)| container).collect(),
            before: position,
            app: &pod.spec.containers,
        }
    }

    /// Whether the containers have no resources that a container of kees has to fit to. Pod-level
    /// resources (Kubernetes 1.34) decide the class, and limit the containers of kees too.
    fn has_no_class(&self, pod: &PodView<'_>) -> bool {
        !is_empty(&pod.spec.resources) || self.iter().all(|c| is_empty(&c.resources))
    }

    fn iter(&self) -> impl Iterator<Item = &'p ContainerView<'a>> {
        self.init.iter().copied().chain(self.app)
    }

    /// The configured resources. If every other container has a CPU limit, a quota probably asks for
    /// one, so the injected container has one too: the largest that does not increase the sum.
    fn burstable(&self, configured: &Resources) -> Resources {
        let mut resources = configured.clone();
        let Resources { requests, limits } = &mut resources;
        if limits.cpu.is_none() && self.iter().all(is_limited) {
            limits.cpu = self.largest(|amounts| amounts.cpu.as_ref());
            if limits.cpu.is_some() && requests.cpu > limits.cpu {
                requests.cpu.clone_from(&limits.cpu);
            }
        }
        resources
    }

    /// Requests equal limits. The CPU is the largest limit of a container that does not increase
    /// what the scheduler reserves, so that a key is not generated at a hundredth of a core; or the
    /// configured amount if that is larger.
    fn guaranteed(&self, configured: &Resources) -> Resources {
        let Resources { requests, limits } = configured;
        // `None` is less than every amount.
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

    /// The largest limit of a container that fits into the room at the position of the injected
    /// container. The limit of every application container fits.
    fn largest(&self, kind: Kind) -> Option<Quantity> {
        let room = self.room(kind);
        self.iter()
            .filter(|container| limit(container, kind) <= room)
            .filter_map(|container| kind(&container.resources.limits)?.0.parse().ok())
            .max()
    }

    /// How much the injected container can have without an increase of what the scheduler
    /// reserves: the largest sum that the pod needs at one time, less the sidecars before the
    /// injected container.
    fn room(&self, kind: Kind) -> u128 {
        let mut sidecars = 0;
        let mut sidecars_before = 0;
        let mut largest = 0;
        for (index, container) in self.init.iter().enumerate() {
            let at_once = limit(container, kind).saturating_add(sidecars);
            largest = at_once.max(largest);
            if container.is_sidecar() {
                sidecars = at_once;
            }
            if index < self.before {
                sidecars_before = sidecars;
            }
        }
        let app = self.app.iter().map(|container| limit(container, kind));
        let together = app.fold(sidecars, u128::saturating_add);
        together.max(largest).saturating_sub(sidecars_before)
    }
}

/// Whether the container has a CPU limit.
fn is_limited(container: &ContainerView<'_>) -> bool {
    limit(container, |amounts| amounts.cpu.as_ref()) > 0
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

/// Whether CPU and memory have limits, and requests that are equal or absent (Kubernetes then uses
/// the limits).
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

/// The value of an amount; 0 counts as absent.
fn value(amount: Option<&QuantityText<'_>>) -> Option<u128> {
    nanos(&amount?.0).filter(|nanos| *nanos > 0)
}
