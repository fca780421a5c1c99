//! The commands that get environment variables: `kees-init exec` starts them. Its program and the
//! values are in the volume of the files.

use std::collections::BTreeSet;

use kees_common::{
    Environment, MountPath, Parsed, Start,
    environment::PROGRAM_FILE,
    names::init::{self, env_of},
};

use crate::{
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    pod::{
        container::{ContainerList, ContainerRef, ContainerView},
        injected::Injected,
        text::Text,
        view::PodView,
    },
    settings::InjectSettings,
};

/// The first argument of the program.
const EXEC: &str = "exec";

/// What ends the arguments of the program.
const END: &str = "--";

/// For a fast start: if the kubelet starts the container before the files are complete, it waits for
/// them, at most for this number of seconds.
const WAIT: [&str; 2] = ["--wait", "120"];

/// A container and the command that it gets.
pub(crate) struct WrappedCommand<'a> {
    pub(crate) container: ContainerRef,
    pub(crate) words: Vec<Text<'a>>,
    /// Whether the container has this command already.
    pub(crate) is_there: bool,
}

/// Wraps the command of each container that gets variables. `targets` are the containers that read
/// the files.
pub(crate) fn wrap<'a>(
    pod: &PodView<'a>,
    parsed: &Parsed,
    settings: &InjectSettings,
    injected: Option<Injected>,
    targets: &[ContainerRef],
    findings: &mut Findings,
) -> Vec<WrappedCommand<'a>> {
    if !parsed.options.environments.is_some() {
        return Vec::new();
    }
    let mut wrapper = Wrapper {
        parsed,
        settings,
        path: parsed.options.mount_path.clone().unwrap_or_default(),
        findings,
    };
    let environments = &parsed.options.environments;
    let mut missing: BTreeSet<&str> = environments
        .of_containers
        .keys()
        .map(String::as_str)
        .collect();
    let mut commands = Vec::new();
    for (at, container) in pod.other_containers(injected) {
        missing.remove(&*container.name);
        let own = environments.of_containers.get(&*container.name);
        let is_target = targets.contains(&at);
        let (option, environment) = match (own, &environments.of_pod) {
            (Some(own), _) => (env_of(&container.name), own),
            // An init container gets variables only if it is named.
            (None, Some(of_pod)) if is_target && at.list == ContainerList::Containers => {
                (init::ENV.to_owned(), of_pod)
            }
            _ => continue,
        };
        if !environment.is_some() {
        } else if is_target {
            commands.extend(wrapper.container(at, container, &option, environment));
        } else {
            wrapper.not_mounted(container, &option);
        }
    }
    for name in missing {
        let kind = PodErrorKind::NoContainer {
            name: excerpt(name),
        };
        wrapper.error(&env_of(name), kind);
    }
    commands
}

struct Wrapper<'w> {
    parsed: &'w Parsed,
    settings: &'w InjectSettings,
    path: MountPath,
    findings: &'w mut Findings,
}

impl Wrapper<'_> {
    /// The command of a container that reads the files; `option` is the annotation that asks for it.
    fn container<'a>(
        &mut self,
        at: ContainerRef,
        container: &ContainerView<'a>,
        option: &str,
        environment: &Environment,
    ) -> Option<WrappedCommand<'a>> {
        self.defined(at, container, option, environment);
        let existing = container.command();
        let own = unwrapped(&existing);
        if own.is_empty() {
            let place = format!("spec.{}[{}]", at.list.as_str(), excerpt(&container.name));
            let kind = PodErrorKind::NoCommand {
                option: self.settings.domain.init(option),
            };
            self.findings.error(Place::field(place), kind);
            return None;
        }
        let mut words = self.program(environment);
        words.extend(own.iter().cloned());
        Some(WrappedCommand {
            container: at,
            is_there: words == existing,
            words,
        })
    }

    /// The program and its arguments.
    fn program<'a>(&self, environment: &Environment) -> Vec<Text<'a>> {
        // Kubernetes replaces `$(NAME)` in a command.
        let program = self.path.file(PROGRAM_FILE).replace('$', "$$");
        let mut words = vec![program.into(), EXEC.into()];
        if self.parsed.options.start == Start::Fast {
            words.extend(WAIT.map(Text::from));
        }
        if let Environment::Listed(variables) = environment {
            for variable in variables {
                words.extend(["--env".into(), variable.to_string().into()]);
            }
        }
        words.push(END.into());
        words
    }

    /// Reports the variables that the container has already.
    fn defined(
        &mut self,
        at: ContainerRef,
        container: &ContainerView<'_>,
        option: &str,
        environment: &Environment,
    ) {
        let entries = self.parsed.entries.iter().map(|entry| entry.name.as_str());
        let variables = environment.variables(entries);
        let names: BTreeSet<_> = variables.iter().map(|(name, _)| name.as_str()).collect();
        for variable in container.defined_among(&names) {
            let place = format!(
                "spec.{}[{}].env",
                at.list.as_str(),
                excerpt(&container.name)
            );
            let kind = PodErrorKind::VariableDefined {
                variable: variable.to_owned(),
                option: self.settings.domain.init(option),
            };
            self.findings.error(Place::field(place), kind);
        }
    }

    fn not_mounted(&mut self, container: &ContainerView<'_>, option: &str) {
        let kind = PodErrorKind::NotMounted {
            name: excerpt(&container.name),
            containers: self.settings.domain.init(init::CONTAINERS),
            order: self.settings.domain.init(init::ORDER),
        };
        self.error(option, kind);
    }

    fn error(&mut self, option: &str, kind: PodErrorKind) {
        let key = self.settings.domain.init(option);
        self.findings.error(Place::annotation(&key), kind);
    }
}

/// The command without the program that an earlier call put before it.
fn unwrapped<'c, 'a>(command: &'c [Text<'a>]) -> &'c [Text<'a>] {
    let is_program = |word: &Text<'_>| {
        let folder = word.strip_suffix(PROGRAM_FILE);
        folder.is_some_and(|folder| folder.ends_with('/'))
    };
    match command {
        [program, exec, rest @ ..] if is_program(program) && **exec == *EXEC => {
            let end = rest.iter().position(|word| **word == *END);
            end.and_then(|end| rest.get(end + 1..)).unwrap_or_default()
        }
        _ => command,
    }
}
