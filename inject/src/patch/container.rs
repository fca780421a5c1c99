//! What is added to a pod: the init container, the volumes, the mounts.

use crate::{
    names,
    patch::injection::Injection,
    patch::json::JsonWriter,
    patch::security_context::Ownership,
    pod::qos,
    settings::{Amounts, Resources},
};

/// Writes the init container. It passes the `restricted` Pod Security Standard.
pub(crate) fn write_container(json: &mut JsonWriter, injection: &Injection<'_>) {
    let Injection {
        pod,
        settings,
        grant,
        placement,
        identity,
        ..
    } = injection;
    json.object(|json| {
        json.member("name", names::CONTAINER);
        json.member("image", &settings.init_image);
        if let Some(policy) = settings.image_pull_policy {
            json.member("imagePullPolicy", policy.as_str());
        }
        crate::patch::env::write(json.key("env"), injection);
        write_resources(json, &qos::resources(pod, placement, grant.resources));
        write_security(json.key("securityContext"), injection.ownership);
        json.key("volumeMounts").array(|json| {
            write_mount(json, names::PODINFO, names::PODINFO_PATH, true);
            write_mount(json, names::SECRETS, injection.mount_path.as_str(), false);
            // In the place of the service account's token, which nobody needs here.
            write_mount(json, names::NO_TOKEN, names::TOKEN_PATH, true);
            for (volume, path) in &identity.mounts {
                write_mount(json, volume, path, true);
            }
        });
    });
}

fn write_resources(json: &mut JsonWriter, resources: &Resources) {
    let Resources { requests, limits } = resources;
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    json.key("resources").object(|json| {
        for (word, amounts) in [("requests", requests), ("limits", limits)] {
            if !amounts.is_empty() {
                let Amounts { cpu, memory } = amounts;
                json.key(word).object(|json| {
                    for (name, quantity) in [("cpu", cpu), ("memory", memory)] {
                        if let Some(quantity) = quantity {
                            json.member(name, quantity.as_str());
                        }
                    }
                });
            }
        }
    });
}

fn write_security(json: &mut JsonWriter, ownership: Ownership) {
    json.object(|json| {
        json.key("allowPrivilegeEscalation").bool(false);
        json.key("capabilities").object(|json| {
            json.key("drop").array(|json| json.string("ALL"));
        });
        json.key("readOnlyRootFilesystem").bool(true);
        json.key("runAsNonRoot").bool(true);
        for (name, id) in [("runAsUser", ownership.uid), ("runAsGroup", ownership.gid)] {
            if let Some(id) = id {
                json.key(name).raw(&id.to_string());
            }
        }
        json.key("seccompProfile")
            .object(|json| json.member("type", "RuntimeDefault"));
    });
}

/// Writes the mount of the files in a container that reads them.
pub(crate) fn write_target_mount(json: &mut JsonWriter, injection: &Injection<'_>) {
    write_mount(json, names::SECRETS, injection.mount_path.as_str(), true);
}

fn write_mount(json: &mut JsonWriter, volume: &str, path: &str, read_only: bool) {
    json.object(|json| {
        json.member("name", volume);
        json.member("mountPath", path);
        if read_only {
            json.key("readOnly").bool(true);
        }
    });
}

/// Writes the volume of that name.
pub(crate) fn write_volume(json: &mut JsonWriter, name: &str, injection: &Injection<'_>) {
    json.object(|json| {
        json.member("name", name);
        match name {
            names::PODINFO => json.key("downwardAPI").object(|json| {
                json.key("items").array(|json| {
                    json.object(|json| {
                        json.member("path", "annotations");
                        json.key("fieldRef")
                            .object(|json| json.member("fieldPath", "metadata.annotations"));
                    });
                });
            }),
            names::SECRETS => json.key("emptyDir").object(|json| {
                json.member("medium", "Memory");
                json.member("sizeLimit", injection.settings.volume_size.as_str());
            }),
            _ => json.key("emptyDir").object(|_| {}),
        }
    });
}
