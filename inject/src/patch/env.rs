//! The environment of the init container: everything that was admitted is said there, so that an
//! annotation cannot say otherwise later.

use kees_common::{names::env, output::Format};

use crate::{names, patch::injection::Injection, patch::json::JsonWriter};

/// What the decision sets for each pod, and an operator cannot.
pub(crate) const DECIDED: &[&str] = &[
    env::POD_NAME,
    env::POD_NAMESPACE,
    env::POD_UID,
    env::ANNOTATION_DOMAIN,
    env::ANNOTATIONS_FILE,
    env::SECRETS_FILE,
    env::RESOURCES_FILE,
    env::LEASES_FILE,
    env::RESOURCES_FILE_PATH,
    env::LEASES_FILE_PATH,
    env::STORE,
    env::STORES,
    env::CREATE,
    env::FORMAT,
    env::FILE_MODE,
    env::STORAGE_PREFIX,
    env::LOCAL_MODE,
    env::TERMINATION_LOG,
];

/// Keeps the SDK from asking the node who it is.
const METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";

/// Writes `env` of the init container.
pub(crate) fn write(json: &mut JsonWriter, injection: &Injection<'_>) {
    json.array(|json| {
        let mut env = Variables { json };
        env.field(env::POD_NAME, "metadata.name");
        env.field(env::POD_NAMESPACE, "metadata.namespace");
        env.field(env::POD_UID, "metadata.uid");
        env.files(injection);
        env.granted(injection);
        env.operator(injection);
        for (name, value) in &injection.identity.variables {
            env.as_written(name, value);
        }
    });
}

struct Variables<'j> {
    json: &'j mut JsonWriter,
}

impl Variables<'_> {
    /// Where the files are.
    fn files(&mut self, injection: &Injection<'_>) {
        let path = &injection.mount_path;
        self.literal(env::ANNOTATION_DOMAIN, injection.settings.domain.as_str());
        self.literal(env::ANNOTATIONS_FILE, names::PODINFO_FILE);
        self.literal(env::SECRETS_FILE, &path.file("secrets.properties"));
        self.literal(env::RESOURCES_FILE, &path.file("resources.properties"));
        self.literal(env::LEASES_FILE, &path.file("leases.properties"));
        self.literal(env::RESOURCES_FILE_PATH, path.as_str());
        self.literal(env::LEASES_FILE_PATH, path.as_str());
        let format = injection.options.format.unwrap_or(Format::Properties);
        self.literal(env::FORMAT, format.as_str());
        self.literal(env::FILE_MODE, &injection.file_mode().to_string());
    }

    /// What the policy gives.
    fn granted(&mut self, injection: &Injection<'_>) {
        let grant = &injection.grant;
        let stores = grant
            .stores
            .iter()
            .map(|store| store.as_str())
            .collect::<Vec<_>>()
            .join(",");
        self.literal(env::STORE, grant.store.as_str());
        self.literal(env::STORES, &stores);
        self.literal(env::CREATE, grant.create.as_str());
        if let Some(prefix) = &grant.prefix {
            self.literal(env::STORAGE_PREFIX, prefix.as_str());
        }
        self.literal(
            env::LOCAL_MODE,
            if grant.local_mode { "allow" } else { "deny" },
        );
    }

    /// What the operator gives, and what holds where the operator gives nothing.
    fn operator(&mut self, injection: &Injection<'_>) {
        let settings = injection.settings;
        if !injection.grant.instance_metadata && !settings.gives(METADATA_DISABLED) {
            self.literal(METADATA_DISABLED, "true");
        }
        for (name, value) in &settings.init_env {
            if !value.is_empty() && !DECIDED.contains(&name.as_str()) {
                self.as_written(name, value);
            }
        }
    }

    /// A value of the pod's own making. Kubernetes replaces `$(NAME)` in it by other variables,
    /// which could change what was admitted: `$$` stands for a plain `$`.
    fn literal(&mut self, name: &str, value: &str) {
        if value.contains('$') {
            self.as_written(name, &value.replace('$', "$$"));
        } else {
            self.as_written(name, value);
        }
    }

    fn as_written(&mut self, name: &str, value: &str) {
        self.json.object(|json| {
            json.member("name", name);
            json.member("value", value);
        });
    }

    fn field(&mut self, name: &str, path: &str) {
        self.json.object(|json| {
            json.member("name", name);
            json.key("valueFrom").object(|json| {
                json.key("fieldRef")
                    .object(|json| json.member("fieldPath", path));
            });
        });
    }
}
