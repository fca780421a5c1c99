//! The pod's AWS identity. EKS may have added it to the application's containers only: with IRSA or
//! with EKS Pod Identity.
//!
//! A pod author can write something that looks like an identity. It is used only in the form that
//! EKS gives it: a projected volume, mounted whole in a folder that nothing else of the init
//! container needs, with the token in it.
//!
//! Source: `amazon-eks-pod-identity-webhook` and the EKS user guide, for names and paths.

use kees_common::{MountPath, Options, names::env};

use crate::{
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    names,
    patch::scope::Scope,
    pod::{
        container::{ContainerList, ContainerView, MountView},
        path::{depth, goes_up, is_at_or_below, overlap},
        text::Text,
        view::PodView,
    },
    settings::InjectSettings,
};

/// One way in which EKS gives credentials to a pod.
struct CredentialSource {
    /// The variable that names the role, or the address of the agent.
    subject: &'static str,
    /// The prefixes that the address must have; empty if the subject is a role.
    addresses: &'static [&'static str],
    /// The variable with the path of the token.
    token_file: &'static str,
    /// The volume of the token.
    volume: &'static str,
    /// Where EKS mounts the volume.
    folder: &'static str,
}

/// The variable with the role.
pub(crate) const ROLE: &str = "AWS_ROLE_ARN";
/// The volume of the token for the role.
pub(crate) const ROLE_VOLUME: &str = "aws-iam-token";
/// The variable with the file of the token for EKS Pod Identity.
pub(crate) const POD_IDENTITY_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// The volume of that token.
pub(crate) const POD_IDENTITY_VOLUME: &str = "eks-pod-identity-token";

const SOURCES: [CredentialSource; 2] = [
    CredentialSource {
        subject: ROLE,
        addresses: &[],
        token_file: env::AWS_WEB_IDENTITY_TOKEN_FILE,
        volume: ROLE_VOLUME,
        folder: "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    },
    CredentialSource {
        subject: "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        addresses: &["http://169.254.170.23/", "http://[fd00:ec2::23]/"],
        token_file: POD_IDENTITY_TOKEN_FILE,
        volume: POD_IDENTITY_VOLUME,
        folder: "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
    },
];

/// The folder of all tokens. The init container runs and reads nothing else there.
const TOKENS: &str = "/var/run/secrets";

/// Variables that the identity webhook adds besides the identity. They are kept in the init
/// container if it has an identity, and never copied from another container.
const REGION_VARIABLES: [&str; 3] = [
    env::AWS_REGION,
    "AWS_DEFAULT_REGION",
    "AWS_STS_REGIONAL_ENDPOINTS",
];

/// Whether one of [`REGION_VARIABLES`] has a value that the identity webhook gives it. The SDK
/// makes a Region a part of each endpoint's name, so it must not contain a `/`, for example.
fn is_region_value(name: &str, value: &str) -> bool {
    if name == "AWS_STS_REGIONAL_ENDPOINTS" {
        return value == "regional";
    }
    let is_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    value.len() <= 63 && value.bytes().all(is_label)
}

/// The variables and mounts of an identity.
#[derive(Default)]
pub(crate) struct Identity<'a> {
    pub(crate) variables: Vec<(&'static str, Text<'a>)>,
    /// Volume and path. The init container mounts the volume whole and read-only.
    pub(crate) mounts: Vec<(&'a str, &'a str)>,
}

impl<'a> Identity<'a> {
    /// Whether EKS gives this kind of credentials: the volume of its token is mounted.
    pub(crate) fn mounts_volume(&self, volume: &str) -> bool {
        self.mounts.iter().any(|(mounted, _)| *mounted == volume)
    }

    /// For each source, the credentials that the existing init container has, or else those of the
    /// first application container that has them in the form of EKS. If no container has, the
    /// errors of the first one are added to `findings`.
    pub(crate) fn new(
        pod: &'a PodView<'a>,
        options: &Options,
        settings: &InjectSettings,
        scope: &Scope,
        findings: &mut Findings,
    ) -> Self {
        let injected = scope.injected;
        let own = injected.and_then(|own| pod.spec.init_containers.get(own.init));
        let mut identity = Self::default();
        for source in &SOURCES {
            let own = own.map(|container| (ContainerList::InitContainers, container));
            let app = pod.spec.containers.iter();
            let app = app.map(|container| (ContainerList::Containers, container));
            let candidates = own
                .into_iter()
                .chain(app)
                .filter_map(|(list, c)| source.credentials(list, c, settings));
            let is_projected = source.is_projected(pod);
            let mut first_errors = None;
            for credentials in candidates {
                let mut found = Findings::default();
                let has_classes = scope.classes.is_some();
                credentials.check(
                    is_projected,
                    has_classes,
                    options,
                    settings,
                    &identity,
                    &mut found,
                );
                if found.errors.is_empty() {
                    identity.add(credentials);
                    first_errors = None;
                    break;
                }
                first_errors.get_or_insert(found.errors);
            }
            findings.errors.extend(first_errors.into_iter().flatten());
        }
        if let Some(own) = own.filter(|_| !identity.mounts.is_empty()) {
            let region = REGION_VARIABLES.into_iter();
            let region = region.zip(own.variables(REGION_VARIABLES));
            let region = region.filter_map(|(name, value)| Some((name, value?)));
            let region = region.filter(|(name, value)| is_region_value(name, value));
            identity.variables.extend(region);
        }
        identity.variables.retain(|(name, _)| !settings.sets(name));
        identity
    }

    fn add(&mut self, credentials: Credentials<'a>) {
        let Credentials {
            source,
            subject,
            token_file,
            mount,
            ..
        } = credentials;
        self.variables
            .extend([(source.subject, subject), (source.token_file, token_file)]);
        self.mounts.push((&mount.name, &mount.mount_path));
    }
}

impl CredentialSource {
    /// The container's credentials from this source. EKS adds the mount also to a container whose
    /// author set the variables, and does not change the variables. A token outside of the mount
    /// is therefore the author's own identity, which is ignored. If the operator sets the path of
    /// the token, the container's path does not count.
    fn credentials<'a>(
        &'static self,
        list: ContainerList,
        container: &'a ContainerView<'a>,
        settings: &InjectSettings,
    ) -> Option<Credentials<'a>> {
        let mut mounts = container.volume_mounts.iter();
        let mount = mounts.find(|mount| &*mount.name == self.volume)?;
        let [subject, token_file] = container.variables([self.subject, self.token_file]);
        let (subject, token_file) = (subject?, token_file?);
        let is_from_eks =
            settings.sets(self.token_file) || is_at_or_below(&token_file, &mount.mount_path);
        is_from_eks.then_some(Credentials {
            source: self,
            list,
            container,
            subject,
            token_file,
            mount,
        })
    }

    /// Whether the volume, if the pod has it, is a projected volume, as from EKS.
    fn is_projected(&self, pod: &PodView<'_>) -> bool {
        let mut volumes = pod.spec.volumes.iter();
        volumes.all(|v| &*v.name != self.volume || v.projected.is_some())
    }
}

/// The credentials of a container.
struct Credentials<'a> {
    source: &'static CredentialSource,
    list: ContainerList,
    container: &'a ContainerView<'a>,
    subject: Text<'a>,
    token_file: Text<'a>,
    mount: &'a MountView<'a>,
}

impl Credentials<'_> {
    /// Checks that the credentials have the form of EKS, and that their mount does not overlap with
    /// another mount of the init container. `others` are the credentials from other sources.
    fn check(
        &self,
        is_projected: bool,
        has_classes: bool,
        options: &Options,
        settings: &InjectSettings,
        others: &Identity<'_>,
        findings: &mut Findings,
    ) {
        let volume = self.source.volume;
        let at: &str = &self.mount.mount_path;
        let mount = || self.place("volumeMounts", volume);
        if !is_token_folder(at) {
            let (at, expected) = (excerpt(at), self.source.folder);
            let kind = PodErrorKind::IdentityPath {
                volume,
                at,
                expected,
            };
            findings.error(mount(), kind);
        } else if let Some((other, path)) = overlapping_mount(at, has_classes, options, others) {
            let kind = PodErrorKind::IdentityOverlap {
                volume,
                at: excerpt(at),
                other: other.to_owned(),
                path: excerpt(path),
            };
            findings.error(mount(), kind);
        }
        if self.mount.has_sub_path() {
            findings.error(mount(), PodErrorKind::IdentitySubPath { volume });
        }
        if !is_projected {
            let place = Place::field(format!("spec.volumes[{volume}]"));
            findings.error(place, PodErrorKind::IdentityVolume { volume });
        }
        self.check_variables(settings, findings);
    }

    fn check_variables(&self, settings: &InjectSettings, findings: &mut Findings) {
        let volume = self.source.volume;
        let (name, addresses) = (self.source.subject, self.source.addresses);
        let is_address = || addresses.iter().any(|a| self.subject.starts_with(a));
        if !addresses.is_empty() && !settings.sets(name) && !is_address() {
            let place = self.place("env", name);
            findings.error(place, PodErrorKind::IdentityAddress { volume });
        }
        let (name, at) = (self.source.token_file, &*self.mount.mount_path);
        if !settings.sets(name) && !is_file_in(&self.token_file, at) {
            let at = excerpt(at);
            let place = self.place("env", name);
            findings.error(place, PodErrorKind::IdentityTokenFile { volume, at });
        }
    }

    /// A named element of a list of the container.
    fn place(&self, list: &str, name: &str) -> Place {
        Place::field(format!(
            "spec.{}[{}].{list}[{name}]",
            self.list.as_str(),
            excerpt(&self.container.name)
        ))
    }
}

/// Whether a mount at that path hides nothing that the init container runs or reads.
fn is_token_folder(at: &str) -> bool {
    at.starts_with('/')
        && !goes_up(at)
        && is_at_or_below(at, TOKENS)
        && !is_at_or_below(TOKENS, at)
        && !overlap(at, names::TOKEN_PATH)
}

/// The mount of the init container, by volume and path, that a mount at `at` would overlap with.
fn overlapping_mount<'a>(
    at: &str,
    has_classes: bool,
    options: &'a Options,
    others: &Identity<'a>,
) -> Option<(&'a str, &'a str)> {
    let files = options
        .mount_path
        .as_ref()
        .map_or(MountPath::DEFAULT, MountPath::as_str);
    let of_classes = has_classes.then_some((names::AWS_TOKEN, names::TOKENS_PATH));
    [(names::SECRETS, files)]
        .into_iter()
        .chain(of_classes)
        .chain(others.mounts.iter().copied())
        .find(|(_, path)| overlap(at, path))
}

/// Whether a path names a file in that folder, for all values of the container's variables.
fn is_file_in(path: &str, folder: &str) -> bool {
    path.starts_with('/')
        && !goes_up(path)
        && !path.contains('$')
        && is_at_or_below(path, folder)
        && depth(path) > depth(folder)
}
