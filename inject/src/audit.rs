//! What may be recorded of a decision: who creates which pod, and the names and paths of the secrets
//! that it asks for. Of the values of annotations, only paths are recorded: they may contain
//! `localModeValue`.

use std::fmt::Write as _;

use kees_common::{Entry, LocalMode, Parsed, Plan};

use crate::{
    error::excerpt,
    pod::{text::Text, view::PodView},
};

/// The most bytes of [`Audit::entries`]. A container runtime splits log lines at 16 KiB.
const ENTRIES_LIMIT: usize = 4096;

/// Who asks for what, for an audit log. Each text is shortened, and control characters in it are
/// escaped. A text is absent if the request does not contain it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// The user of the request. For the pod of a controller, it is the controller's.
    pub user: Option<String>,
    /// The pod's ServiceAccount.
    pub service_account: Option<String>,
    /// The controller that owns the pod, as `KIND/NAME`.
    pub owner: Option<String>,
    /// The pod's name. At admission, only a pod without a controller has one.
    pub name: Option<String>,
    /// The beginning of the name that the API server will choose.
    pub generate_name: Option<String>,
    /// The entries, by comma: each name, and the path in its store if there are no errors.
    pub entries: String,
    /// The names and ARNs of the objects that classes of the pod's volumes ask for, by comma.
    pub class_objects: String,
    /// Whether the request is a dry run.
    pub dry_run: bool,
}

impl Audit {
    /// The record of a request without a pod.
    pub(crate) fn of_request(user: Option<&Text<'_>>, dry_run: bool) -> Self {
        Self {
            user: user.and_then(|user| shortened(user)),
            dry_run,
            ..Self::default()
        }
    }

    /// The same record with the pod and the list of its entries.
    pub(crate) fn with_pod(self, pod: &PodView<'_>, entries: EntryList) -> Self {
        let owner = &pod.metadata.owner;
        let owner = (!owner.kind.is_empty()).then(|| format!("{}/{}", &*owner.kind, &*owner.name));
        let (entries, class_objects) = entries.finish();
        Self {
            service_account: shortened(pod.service_account()),
            owner: owner.and_then(|owner| shortened(&owner)),
            name: pod.metadata.name.as_deref().and_then(shortened),
            generate_name: pod.metadata.generate_name.as_deref().and_then(shortened),
            entries,
            class_objects,
            ..self
        }
    }
}

fn shortened(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| excerpt(text))
}

/// The names and paths of the entries of a pod.
#[derive(Debug, Default)]
pub(crate) struct EntryList {
    text: String,
    omitted: usize,
    objects: String,
    omitted_objects: usize,
}

impl EntryList {
    /// The names alone, because there is no valid plan for them.
    pub(crate) fn names(parsed: &Parsed) -> Self {
        let mut list = Self::default();
        for entry in &parsed.entries {
            list.push(entry, "");
        }
        list
    }

    /// The names, each with the path that is read, or a lease with its range. All entries in local
    /// mode have none.
    pub(crate) fn with_paths(parsed: &Parsed, plan: &Plan) -> Self {
        if parsed.options.local_mode == LocalMode::On {
            return Self::names(parsed);
        }
        let mut list = Self::default();
        let mut items = plan.items.iter().peekable();
        let mut leases = plan.leases.iter().peekable();
        for (index, entry) in parsed.entries.iter().enumerate() {
            let item = items.next_if(|item| item.entry == index);
            let path = item.map(|item| item.locator.name_in(item.store).as_str());
            let lease = leases.next_if(|lease| lease.entry == index);
            let range = lease.map(|lease| lease.range.to_string());
            list.push(entry, path.or(range.as_deref()).unwrap_or_default());
        }
        list
    }

    fn push(&mut self, entry: &Entry, path: &str) {
        let name = entry.name.as_str();
        if self.text.len() + name.len() + path.len() + 2 > ENTRIES_LIMIT {
            self.omitted += 1;
            return;
        }
        let comma = if self.text.is_empty() { "" } else { "," };
        self.text.extend([comma, name]);
        if !path.is_empty() {
            self.text.extend(["=", path]);
        }
    }

    /// Adds the objects of classes.
    pub(crate) fn objects(&mut self, names: &[String]) {
        for name in names {
            let name = excerpt(name);
            if self.objects.len() + name.len() + 1 > ENTRIES_LIMIT {
                self.omitted_objects += 1;
                continue;
            }
            let comma = if self.objects.is_empty() { "" } else { "," };
            self.objects.extend([comma, &name]);
        }
    }

    fn finish(mut self) -> (String, String) {
        for (text, omitted) in [
            (&mut self.text, self.omitted),
            (&mut self.objects, self.omitted_objects),
        ] {
            if omitted > 0 {
                // Writing to a string does not fail.
                let _ = write!(text, ",and {omitted} more");
            }
        }
        (self.text, self.objects)
    }
}
