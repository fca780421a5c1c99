//! A pod whose volumes are filled as `SecretProviderClass` objects say.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use kees_common::StoreName;
use kees_secret_provider_class::{
    Around, ClassSpec, ClassVolume, ClassVolumes, Mount, Surroundings, parse,
};
use serde_json::json;

use crate::{
    cloud::{Call, Cloud, Instead},
    container::{Container, run},
};

/// A pod with volumes of classes.
pub(crate) struct Pod {
    pub(crate) container: Container,
    pub(crate) cloud: Cloud,
    volumes: ClassVolumes,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Pod {
    /// A pod whose AWS executes every call.
    pub(crate) fn new(annotations: &[(&str, &str)]) -> Self {
        Self::scripted(annotations, |_| None)
    }

    /// A pod whose AWS executes the calls for which the script returns `None`.
    pub(crate) fn scripted(
        annotations: &[(&str, &str)],
        script: impl Fn(&Call) -> Option<Instead> + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&calls);
        let cloud = Cloud::scripted(move |call, _| {
            let Call {
                operation,
                region,
                access_key,
                ..
            } = call;
            let noting = format!("{operation} {region} {access_key}");
            noted.lock().unwrap().push(noting.trim().to_owned());
            script(call)
        });
        Self {
            container: Container::new(annotations),
            cloud,
            volumes: ClassVolumes::default(),
            calls,
        }
    }

    /// Adds the volume `name`, of a class with this list of objects and these parameters.
    pub(crate) fn add(&mut self, name: &str, objects: &str, parameters: &[(&str, &str)]) {
        let all = [("objects", objects)];
        let all = all.iter().chain(parameters);
        let all: BTreeMap<_, _> = all
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let class = ClassSpec {
            provider: Some("aws".to_owned()),
            parameters: Some(all),
            secret_objects: None,
        };
        let surroundings = Surroundings {
            region: Around::Unknown,
            role: Around::Unknown,
        };
        self.fill(
            name,
            parse(&class, &BTreeMap::new(), &surroundings).unwrap(),
        );
    }

    /// Adds the volume `name`, which asks for this.
    pub(crate) fn fill(&mut self, name: &str, mount: Mount) {
        let path = self.container.path(name);
        fs::create_dir_all(&path).unwrap();
        self.volumes.0.push(ClassVolume {
            name: name.to_owned(),
            class: format!("class-of-{name}"),
            path: path.to_str().unwrap().to_owned(),
            mount,
        });
    }

    pub(crate) fn secret(&self, name: &str, text: &str) {
        self.cloud.put(name, json!({"SecretString": text}));
    }

    pub(crate) fn parameter(&self, name: &str, text: &str) {
        self.cloud.put(name, json!(text));
    }

    /// The text of `CLASS_VOLUMES`.
    pub(crate) fn variable(&self) -> String {
        self.volumes.to_string()
    }

    pub(crate) fn command(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_kees-init"))
    }

    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = self.container.program(program);
        let store = StoreName::SecretsManager;
        self.cloud
            .configure(&mut command, store)
            .env("CLASS_VOLUMES", self.variable())
            .env("TIMEOUT", "4");
        command
    }

    /// A run that succeeds. Returns the log.
    pub(crate) fn run(&self) -> String {
        let (status, stderr) = run(&mut self.command());
        assert_eq!(status, 0, "{stderr}");
        stderr
    }

    /// A run that fails, and leaves no files. Returns the status and the termination message.
    pub(crate) fn fails(&self) -> (i32, String) {
        let (status, stderr) = run(&mut self.command());
        assert_ne!(status, 0, "{stderr}");
        for volume in &self.volumes.0 {
            assert_eq!(self.files(&volume.name), BTreeMap::new());
        }
        (status, self.container.read("termination-log"))
    }

    /// The calls so far: operation, Region and access key.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The files and folders of a volume, with mode and content.
    pub(crate) fn files(&self, volume: &str) -> BTreeMap<String, (String, String)> {
        let mut files = BTreeMap::new();
        list(&self.container.path(volume), "", &mut files);
        files
    }
}

fn list(folder: &Path, within: &str, files: &mut BTreeMap<String, (String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{within}{}", entry.file_name().into_string().unwrap());
        let mode = fs::symlink_metadata(entry.path())
            .unwrap()
            .permissions()
            .mode();
        let mode = format!("{:04o}", mode & 0o7777);
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), files);
            files.insert(format!("{name}/"), (mode, String::new()));
        } else {
            // Reading a FIFO would wait for a writer.
            let is_file = entry.file_type().unwrap().is_file();
            let content = is_file.then(|| fs::read(entry.path()).unwrap());
            let content = content.unwrap_or_default();
            let content = String::from_utf8_lossy(&content).into_owned();
            files.insert(name, (mode, content));
        }
    }
}

/// As [`Pod::files`] returns them.
pub(crate) fn files<const N: usize>(
    expected: [(&str, &str, &str); N],
) -> BTreeMap<String, (String, String)> {
    let file = |(name, mode, content): (&str, &str, &str)| {
        (name.to_owned(), (mode.to_owned(), content.to_owned()))
    };
    expected.into_iter().map(file).collect()
}
