//! One entry of a pod: what it asks for, where it is stored, and who creates it.

use kees_common::{
    Entry, Field, Item, Lease, LocalMode, Locator, PlannedLease, Rotation, Secret, Source,
    StoreName, output::Format,
};
use kees_init::{Request, settings::CreatePolicy};
use serde::Serialize;

use crate::put_command::{PutCommand, PutFlags};

/// One entry.
#[derive(Debug, Serialize)]
pub(crate) struct EntryReport {
    pub(crate) annotation: String,
    /// Whether this is the previous value of the entry (`previous=true`).
    pub(crate) is_previous: bool,
    pub(crate) asks_for: String,
    /// The store, unless the pod uses none for this entry.
    pub(crate) store: Option<&'static str>,
    /// The name or path in the store.
    pub(crate) path: Option<String>,
    /// The member of the stored JSON object, if the value is one.
    pub(crate) member: Option<String>,
    /// All names or paths that are stored together with it.
    pub(crate) stored_together: Vec<String>,
    pub(crate) created_by: Creator,
    /// How often it is rotated, and how long the previous generation is kept.
    pub(crate) rotated: Option<String>,
    pub(crate) files: Vec<FileReport>,
    /// The command that stores it, if people can.
    pub(crate) put_command: Option<String>,
}

/// Who creates the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Creator {
    /// kees-init, if it is absent.
    Init,
    /// kees-controller.
    Controller,
    /// Not kees: it must be there before the pod starts.
    ByHand,
    /// Not kees: where it is absent, local mode derives it.
    LocalModeIfAbsent,
    /// No store: local mode derives it.
    LocalMode,
    /// A rotation stores it: it is a previous value.
    Rotation,
}

/// A file with the value.
#[derive(Debug, Serialize)]
pub(crate) struct FileReport {
    pub(crate) path: String,
    /// The name in a list; `None` if the file has this value alone.
    pub(crate) key: Option<String>,
}

impl Creator {
    /// For people: one line or more.
    pub(crate) fn describe(self, entry: &EntryReport) -> Vec<String> {
        let line = match self {
            Self::Init => "kees-init, if it is absent",
            Self::Controller => "kees-controller; the pod waits for it",
            Self::ByHand => {
                return match &entry.put_command {
                    Some(command) => vec![
                        "you, or another program. Before the pod starts, run:".to_owned(),
                        command.clone(),
                    ],
                    None => vec!["another program, before the pod starts".to_owned()],
                };
            }
            Self::LocalModeIfAbsent => {
                "you, or another program. If it is absent, the pod gets its local value"
            }
            Self::LocalMode => "nothing is stored: the pod gets its local value",
            Self::Rotation => "a rotation. kees-init never creates it",
        };
        vec![line.to_owned()]
    }
}

impl EntryReport {
    /// Each entry of a request, in its order.
    pub(crate) fn all(request: &Request, to: PutFlags<'_>) -> Vec<Self> {
        let plan = request.plan();
        let entries = request.entries().iter().enumerate();
        entries
            .map(|(index, entry)| {
                let item = plan.items.iter().find(|item| item.entry == index);
                let lease = plan.leases.iter().find(|lease| lease.entry == index);
                match lease {
                    Some(lease) => Self::of_lease(request, entry, lease),
                    None => Self::new(request, entry, item, to),
                }
            })
            .collect()
    }

    fn of_lease(request: &Request, entry: &Entry, lease: &PlannedLease) -> Self {
        let records = records(request, lease);
        Self {
            annotation: entry.annotation.clone(),
            is_previous: false,
            asks_for: asks_for(entry),
            store: Some(lease.store.as_str()),
            path: records.first().cloned(),
            member: None,
            stored_together: records,
            created_by: giver(request, lease),
            rotated: None,
            files: files(request, entry),
            put_command: None,
        }
    }

    fn new(request: &Request, entry: &Entry, item: Option<&Item>, to: PutFlags<'_>) -> Self {
        let item = item.filter(|_| request.local_mode() != LocalMode::On);
        let generation = item.and_then(|item| {
            let (index, field) = item.generation?;
            Some((request.plan().generations.get(index)?, field))
        });
        let stored_together = generation.map_or_else(Vec::new, |(generation, _)| {
            let fields = generation.fields.iter();
            let locators = fields.map(|(field, _)| generation.locator(*field));
            let locators = locators.map(|locator| {
                if entry.is_previous {
                    locator.previous()
                } else {
                    locator
                }
            });
            let mut paths: Vec<_> = locators
                .map(|locator| stored_at(&locator, generation.store))
                .collect();
            paths.dedup();
            paths
        });
        let member = item
            .filter(|item| item.store.has_members())
            .and_then(|item| item.locator.member.as_ref())
            .filter(|member| member.field != Field::Whole)
            .map(|member| member.field.to_string());
        Self {
            annotation: entry.annotation.clone(),
            is_previous: entry.is_previous,
            asks_for: asks_for(entry),
            store: item.map(|item| item.store.as_str()),
            path: item.map(|item| stored_at(&item.locator, item.store)),
            member,
            stored_together,
            created_by: if entry.is_previous {
                Creator::Rotation
            } else {
                creator(request, generation.is_some())
            },
            rotated: rotated(entry),
            files: files(request, entry),
            put_command: item
                .filter(|_| !entry.is_previous && request.is_stored_by_hand(&entry.annotation))
                .map(|item| put_command(item, to)),
        }
    }
}

/// The path of a value. Stores with versions have the previous value at the path of the current one.
fn stored_at(locator: &Locator, store: StoreName) -> String {
    if store.has_versions() {
        locator.name_in(store).to_string()
    } else {
        locator.key().to_string()
    }
}

/// What `rotate=` and `retain=` say.
fn rotated(entry: &Entry) -> Option<String> {
    let Rotation { every, retain } = entry.rotation?;
    Some(match retain {
        Some(retain) => {
            format!(
                "every {every}, by kees-controller. The previous generation is kept for {retain}"
            )
        }
        None => format!(
            "every {every}, by kees-controller. The previous generation is kept until the next rotation"
        ),
    })
}

/// The records of a lease, with placeholders for what is known only when the pod runs.
fn records(request: &Request, lease: &PlannedLease) -> Vec<String> {
    let namespace = request.namespace().unwrap_or("NAMESPACE");
    vec![
        format!("{}NUMBER", lease.range.number_prefix()),
        lease.range.pod_path(namespace, "POD").to_string(),
    ]
}

fn put_command(item: &Item, to: PutFlags<'_>) -> String {
    let command = PutCommand {
        path: item.locator.name_in(item.store).as_str(),
        store: item.store,
        embedded_file: None,
        to,
    };
    command.to_string()
}

fn asks_for(entry: &Entry) -> String {
    if entry.is_previous {
        return "the value of the previous generation, if there is one".to_owned();
    }
    match &entry.source {
        Source::Secret(Secret::Dynamic { spec, field, .. }) => match field {
            Field::Whole => format!("a secret: {spec}"),
            field => format!("the field {field} of a secret: {spec}"),
        },
        Source::Secret(Secret::Reference { .. }) => "an existing secret".to_owned(),
        Source::Resource(_) => "an existing resource".to_owned(),
        Source::Lease(Lease { start, end, .. }) => {
            format!("a number from {start} to {end} that no other pod has")
        }
    }
}

/// Who gives the number of a lease.
fn giver(request: &Request, lease: &PlannedLease) -> Creator {
    match request.local_mode() {
        LocalMode::On => Creator::LocalMode,
        LocalMode::RemoteThenLocal => Creator::LocalModeIfAbsent,
        LocalMode::Off if lease.store.is_in_aws() => Creator::Controller,
        LocalMode::Off => Creator::Init,
    }
}

fn creator(request: &Request, is_generated: bool) -> Creator {
    let mode = request.local_mode();
    match (mode, is_generated, request.create()) {
        (LocalMode::On, ..) => Creator::LocalMode,
        (LocalMode::Off, true, CreatePolicy::Init) => Creator::Init,
        (LocalMode::Off, true, CreatePolicy::Creator) => Creator::Controller,
        (LocalMode::RemoteThenLocal, ..) => Creator::LocalModeIfAbsent,
        _ => Creator::ByHand,
    }
}

fn files(request: &Request, entry: &Entry) -> Vec<FileReport> {
    let layout = request.layout();
    let list = match entry.source {
        Source::Secret(_) => &layout.secrets,
        Source::Resource(_) => &layout.resources,
        Source::Lease(_) => &layout.leases,
    };
    let name = if entry.has_every_member() {
        format!("{}.MEMBER", entry.name)
    } else {
        entry.name.to_string()
    };
    let own = if entry.has_every_member() {
        layout.member_file(entry, &name)
    } else {
        layout.own_file(entry, request.file_options())
    };
    let list = (layout.format != Format::Files).then(|| FileReport {
        path: list.display().to_string(),
        key: Some(name),
    });
    let own = own.map(|path| FileReport {
        path: path.display().to_string(),
        key: None,
    });
    list.into_iter().chain(own).collect()
}
