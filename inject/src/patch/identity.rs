//! The pod's AWS identity, which an identity webhook may have put into the application's
//! containers alone: IRSA and EKS Pod Identity.
//!
//! Whoever writes a pod can write what looks like one. It is taken over only where it is what EKS
//! makes: a projected volume, mounted whole in a folder that nothing else of ours needs, with the
//! token in it.
//!
//! Source: `amazon-eks-pod-identity-webhook` and the EKS user guide, for names and places.

use kees_common::{MountPath, Options, names::env};

use crate::{
    InjectSettings, PodError, PodView,
    error::{Place, PodErrorKind, shown},
    names,
    patch::placement::List,
    pod::path::{depth, goes_up, is_at_or_below, overlap},
    pod::view::{ContainerView, MountView, Text},
};

/// One way of telling a pod who it is.
struct Scheme {
    /// Who that is, or where to ask.
    subject: &'static str,
    /// What an address to ask at begins with; none where the subject is no address.
    addresses: &'static [&'static str],
    /// The path of the token.
    token_file: &'static str,
    /// The volume that has the token.
    volume: &'static str,
    /// Where EKS mounts it.
    folder: &'static str,
}

const SCHEMES: [Scheme; 2] = [
    Scheme {
        subject: "AWS_ROLE_ARN",
        addresses: &[],
        token_file: env::AWS_WEB_IDENTITY_TOKEN_FILE,
        volume: "aws-iam-token",
        folder: "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    },
    Scheme {
        subject: "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        addresses: &["http://169.254.170.23/", "http://[fd00:ec2::23]/"],
        token_file: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        volume: "eks-pod-identity-token",
        folder: "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
    },
];

/// Where tokens are mounted: nothing that the init container runs or reads lies there but them.
const TOKENS: &str = "/var/run/secrets";

/// What the identity webhook adds beside the identity itself. It stays where it was put into our
/// own container beside one, and is not looked for elsewhere.
const BESIDE: [&str; 3] = [
    env::AWS_REGION,
    "AWS_DEFAULT_REGION",
    "AWS_STS_REGIONAL_ENDPOINTS",
];

/// Whether one of [`BESIDE`] has a value that the identity webhook gives it. A Region becomes part
/// of the name of every endpoint, and must not end it.
fn is_beside(name: &str, value: &str) -> bool {
    if name == "AWS_STS_REGIONAL_ENDPOINTS" {
        return value == "regional";
    }
    let of_a_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    value.len() <= 63 && value.bytes().all(of_a_label)
}

/// Variables and mounts of an identity.
#[derive(Default)]
pub(crate) struct Identity<'a> {
    pub(crate) variables: Vec<(&'static str, Text<'a>)>,
    /// Volume and path; always mounted whole and read-only.
    pub(crate) mounts: Vec<(&'a str, &'a str)>,
}

impl<'a> Identity<'a> {
    /// For each scheme the identity that our container has already, else that of an application
    /// container: the first that is as EKS makes it. Where there are only others, what is wrong
    /// with the first of them is added to `faults`.
    pub(crate) fn of(
        pod: &'a PodView<'a>,
        options: &Options,
        settings: &InjectSettings,
        injected: Option<usize>,
        faults: &mut Vec<PodError>,
    ) -> Self {
        let own = injected.and_then(|index| pod.spec.init_containers.get(index));
        let mut identity = Self::default();
        for scheme in &SCHEMES {
            let own = own.map(|container| (List::Init, container));
            let app = pod.spec.containers.iter().map(|c| (List::App, c));
            let bearers = own
                .into_iter()
                .chain(app)
                .filter_map(|(list, c)| scheme.borne(list, c, settings));
            let is_projected = scheme.is_projected(pod);
            let mut unsound = None;
            for bearer in bearers {
                let found = bearer.faults(is_projected, options, settings, &identity);
                if found.is_empty() {
                    identity.take(bearer);
                    unsound = None;
                    break;
                }
                unsound.get_or_insert(found);
            }
            faults.extend(unsound.into_iter().flatten());
        }
        if let Some(own) = own.filter(|_| !identity.mounts.is_empty()) {
            let beside = BESIDE.into_iter().zip(own.variables(BESIDE));
            let beside = beside.filter_map(|(name, value)| Some((name, value?)));
            identity
                .variables
                .extend(beside.filter(|(name, value)| is_beside(name, value)));
        }
        identity.variables.retain(|(name, _)| !settings.gives(name));
        identity
    }

    fn take(&mut self, bearer: Bearer<'a>) {
        let Bearer {
            scheme,
            subject,
            token_file,
            mount,
            ..
        } = bearer;
        self.variables
            .extend([(scheme.subject, subject), (scheme.token_file, token_file)]);
        self.mounts.push((&mount.name, &mount.mount_path));
    }
}

impl Scheme {
    /// The container's identity of this scheme. EKS adds the mount also where the author has set
    /// variables, which it leaves alone: a token outside of the mount is another identity, which
    /// is none of ours. One that the operator names is not compared.
    fn borne<'a>(
        &'static self,
        list: List,
        container: &'a ContainerView<'a>,
        settings: &InjectSettings,
    ) -> Option<Bearer<'a>> {
        let mut mounts = container.volume_mounts.iter();
        let mount = mounts.find(|mount| &*mount.name == self.volume)?;
        let [subject, token_file] = container.variables([self.subject, self.token_file]);
        let (subject, token_file) = (subject?, token_file?);
        let is_of_it =
            settings.gives(self.token_file) || is_at_or_below(&token_file, &mount.mount_path);
        is_of_it.then_some(Bearer {
            scheme: self,
            list,
            container,
            subject,
            token_file,
            mount,
        })
    }

    /// Whether the volume, where it is there, is of the kind that EKS makes.
    fn is_projected(&self, pod: &PodView<'_>) -> bool {
        let mut volumes = pod.spec.volumes.iter();
        volumes.all(|v| &*v.name != self.volume || v.projected.is_some())
    }
}

/// A container that has an identity of the scheme.
struct Bearer<'a> {
    scheme: &'static Scheme,
    list: List,
    container: &'a ContainerView<'a>,
    subject: Text<'a>,
    token_file: Text<'a>,
    mount: &'a MountView<'a>,
}

impl Bearer<'_> {
    /// Where this is not what EKS makes, beside our own mounts and those of `others`.
    fn faults(
        &self,
        is_projected: bool,
        options: &Options,
        settings: &InjectSettings,
        others: &Identity<'_>,
    ) -> Vec<PodError> {
        let mut faults = Vec::new();
        let Scheme { volume, folder, .. } = *self.scheme;
        let at: &str = &self.mount.mount_path;
        let mut found = |field: String, problem| {
            faults.push(PodError::at(
                Place::Field(field),
                PodErrorKind::Identity { volume, problem },
            ));
        };
        let mount = || self.field("volumeMounts", volume);
        if !is_folder_of_tokens(at) {
            let (at, right) = (shown(at), folder);
            found(mount(), IdentityError::Path { at, right });
        } else if let Some((other, path)) = in_the_way(at, options, others) {
            let (at, other, path) = (shown(at), other.to_owned(), shown(path));
            found(mount(), IdentityError::Overlap { at, other, path });
        }
        if self.mount.is_of_a_part() {
            found(mount(), IdentityError::Part);
        }
        if !is_projected {
            found(
                format!("spec.volumes[{volume}]"),
                IdentityError::NotProjected,
            );
        }
        let (name, addresses) = (self.scheme.subject, self.scheme.addresses);
        let is_address = || addresses.iter().any(|a| self.subject.starts_with(a));
        if !addresses.is_empty() && !settings.gives(name) && !is_address() {
            found(self.field("env", name), IdentityError::Address);
        }
        let name = self.scheme.token_file;
        if !settings.gives(name) && !is_file_in(&self.token_file, at) {
            let at = shown(at);
            found(self.field("env", name), IdentityError::TokenFile { at });
        }
        faults
    }

    /// A named element of a list of the container.
    fn field(&self, list: &str, name: &str) -> String {
        format!(
            "spec.{}[{}].{list}[{name}]",
            self.list.as_str(),
            shown(&self.container.name)
        )
    }
}

/// Whether a mount there can hide nothing that the init container runs or reads.
fn is_folder_of_tokens(at: &str) -> bool {
    at.starts_with('/')
        && !goes_up(at)
        && is_at_or_below(at, TOKENS)
        && !is_at_or_below(TOKENS, at)
        && !overlap(at, names::TOKEN_PATH)
}

/// The mount of our container, if there is one, that one at `at` would hide or lie in.
fn in_the_way<'a>(
    at: &str,
    options: &'a Options,
    others: &Identity<'a>,
) -> Option<(&'a str, &'a str)> {
    let files = options
        .mount_path
        .as_ref()
        .map_or(MountPath::DEFAULT, MountPath::as_str);
    [(names::SECRETS, files)]
        .into_iter()
        .chain(others.mounts.iter().copied())
        .find(|(_, path)| overlap(at, path))
}

/// Whether a path names a file in that folder, whatever the variables of the container are.
fn is_file_in(path: &str, folder: &str) -> bool {
    path.starts_with('/')
        && !goes_up(path)
        && !path.contains('$')
        && is_at_or_below(path, folder)
        && depth(path) > depth(folder)
}

/// Why an identity is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It could hide what the init container runs or reads.
    #[error(
        "{at} is no folder for it; mount it in one of its own below /var/run/secrets, such as {right}"
    )]
    Path {
        /// Where it is mounted.
        at: String,
        /// Where EKS mounts it.
        right: &'static str,
    },
    /// It could hide another mount of the init container.
    #[error(
        "{at} and {path}, where kees-init mounts {other}, lie in one another; use another path"
    )]
    Overlap {
        /// Where it is mounted.
        at: String,
        /// The other volume.
        other: String,
        /// Where that is mounted.
        path: String,
    },
    /// `subPath` or `subPathExpr`
    #[error("a part of it is mounted; mount the whole volume, without subPath")]
    Part,
    /// A volume of another kind.
    #[error("it is no projected volume; make it one, or give it another name")]
    NotProjected,
    /// The token would be sent to somebody else.
    #[error(
        "it is no address of EKS Pod Identity; use http://169.254.170.23/v1/credentials or, with \
         IPv6, http://[fd00:ec2::23]/v1/credentials"
    )]
    Address,
    /// The token is elsewhere.
    #[error("the token must be a file below {at}; name one, with neither '..' nor '$'")]
    TokenFile {
        /// Where the volume is mounted.
        at: String,
    },
}
