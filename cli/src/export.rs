//! `kees export`: prints what AWS must allow, as an IAM policy, as Terraform, or as a CloudFormation
//! template.
//!
//! ```text
//! manifests, prefix or namespace -> Access -> Statement -> IAM JSON, Terraform, CloudFormation
//! source                            access    store crate  iam, terraform, cloudformation
//! ```

pub(crate) mod access;
mod class_objects;
mod cloudformation;
pub(crate) mod iam;
pub(crate) mod source;
mod terraform;
mod trust;
mod variable;

use std::mem;

use kees_common::{Region, escaped_beginning, names::env};
use kees_inject::InjectSettings;

use kees_store::{
    aws::partition,
    permissions::{Pattern, Place, Statement, statements},
};

use self::{
    iam::{Document, Kind},
    source::{Exported, Source, Subject},
};
use crate::{
    args::{
        StoreArgs,
        export::{CloudformationArgs, Export, IamPolicyArgs, TerraformArgs, Use, UseArgs},
    },
    error::{CliError, exit, sort},
    export_error::ExportError,
    json,
    terminal::CommandOutput,
};

/// Prints nothing unless everything that is asked for can be exported.
pub(crate) fn export(args: &Export) -> CommandOutput {
    let printed = match args {
        Export::IamPolicy(args) => iam_policy(args),
        Export::Terraform(args) => terraform(args),
        Export::Cloudformation(args) => cloudformation(args),
    };
    printed.unwrap_or_else(|mut errors| {
        sort(&mut errors);
        CommandOutput {
            stdout: String::new(),
            messages: errors.iter().map(ToString::to_string).collect(),
            exit: exit(&errors),
        }
    })
}

type Printed = Result<CommandOutput, Vec<CliError>>;

fn iam_policy(args: &IamPolicyArgs) -> Printed {
    let IamPolicyArgs {
        role,
        inline,
        trust,
        source,
    } = args;
    let region = region(&source.stores);
    let account = source.account.as_deref();
    let (mut settings, mut errors) = source::settings(&source.stores, &source.operator);
    if let Some(kind) = trust.trust {
        errors = source::without_place(&mut settings, errors);
        let subjects = source::subjects(&Source::from(source), settings, errors)?;
        let partition = region.map_or("aws", partition);
        let provider = account.map(|account| trust::provider_of(partition, account));
        let document = trust::document(kind, trust, provider, &subjects)?;
        check_length(iam::length(&document), Kind::Trust, SEPARATE_ROLES)?;
        return Ok(printed(json::print(&document), Vec::new()));
    }
    let source_of = Source::from(source);
    if matches!(source_of, Source::Nothing) {
        return Err(vec![ExportError::NoSource.into()]);
    }
    let Some(region) = region else {
        return Err(vec![ExportError::NoRegion.into()]);
    };
    let label = label(&settings);
    let mut exported = source::read(&source_of, settings, errors)?;
    let place = Place {
        partition: partition(region).into(),
        region: region.into(),
        account: account.map_or_else(any, Pattern::from),
        label: Pattern::from(label.as_deref().unwrap_or_default()),
        kms_key: source.stores.store.kms_key_id.clone(),
        denies_empty_keys: true,
    };
    let statements = allow(&mut exported, role, None, &place)?;
    let document = Document::new(&statements);
    let length = document.length();
    if *inline {
        check_length(length, Kind::Inline, NARROW)?;
    } else {
        let fits = length <= Kind::Inline.limit();
        check_length(length, Kind::Managed, if fits { INLINE } else { NARROW })?;
    }
    Ok(printed(json::print(&document), exported.messages))
}

fn terraform(args: &TerraformArgs) -> Printed {
    let TerraformArgs {
        module,
        role,
        attach_to,
        account,
        files,
        namespace,
        service_account,
        service_account_role_prefix,
        bind,
        secret_prefix,
        trust,
        stores,
        operator,
    } = args;
    if trust.trust.is_some() && service_account.is_none() {
        return Err(vec![ExportError::NoRole.into()]);
    }
    let (mut settings, errors) = source::settings(stores, operator);
    let errors = source::without_place(&mut settings, errors);
    let namespace = namespace.as_deref().unwrap_or("default").to_owned();
    let source = match service_account {
        Some(_) => Source::Policy {
            subject: Subject {
                namespace: namespace.clone(),
                service_account: service_account.clone(),
            },
            has_policy: operator.policy.is_some(),
        },
        None => Source::Manifests {
            files: files.clone(),
            namespace: namespace.clone(),
            environment: Some(variable::ENVIRONMENT),
        },
    };
    let mut exported = source::read(&source, settings, errors)?;
    let region = region(stores);
    let place = Place {
        partition: region.map_or("aws", partition).into(),
        region: region.map_or_else(any, Pattern::from),
        account: account.as_deref().map_or_else(any, Pattern::from),
        label: variable::ENVIRONMENT.into(),
        kms_key: stores.store.kms_key_id.clone(),
        denies_empty_keys: service_account.is_some(),
    };
    let statements = allow(&mut exported, role, Some(Use::InitReads), &place)?;
    check_length(
        Document::new(&statements).length(),
        Kind::Managed,
        NARROW_TERRAFORM,
    )?;
    let mut text = terraform::print(module, attach_to.as_deref(), &statements);
    if let (Some(service_account), Some(kind)) = (service_account, trust.trust) {
        let name = role_name(service_account_role_prefix, &namespace, service_account)?;
        let partition = region.map_or("aws", partition);
        let provider = account.as_deref();
        let provider = provider.map(|account| trust::provider_of(partition, account));
        let document = trust::document(kind, trust, provider, &exported.subjects)?;
        check_length(iam::length(&document), Kind::Trust, SEPARATE_ROLES)?;
        text = format!("{}\n{text}", terraform::role(module, &name, &document));
        for secret in bind {
            let policy = policy_name(secret_prefix, &namespace, secret)?;
            text.push_str(&terraform::binding(module, secret, &policy));
        }
    }
    Ok(printed(text, exported.messages))
}

/// The name of the role to which kiss binds the secrets of a `ServiceAccount`.
fn role_name(prefix: &str, namespace: &str, account: &str) -> Result<String, ExportError> {
    let name = joined(prefix, namespace, account);
    iam_name("role", name, 64, "a shorter --service-account-role-prefix")
}

/// The name of the policy that kiss creates for a secret. It has none of the slashes of the prefix.
fn policy_name(prefix: &str, namespace: &str, secret: &str) -> Result<String, ExportError> {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if secret.is_empty() || !secret.bytes().all(is_allowed) {
        return Err(ExportError::BoundSecret(escaped_beginning(secret, 100)));
    }
    let prefix = prefix.trim_matches('/').replace('/', "_");
    let name = joined(&prefix, namespace, secret);
    iam_name("policy", name, 128, "a shorter --secret-prefix")
}

fn joined(prefix: &str, namespace: &str, name: &str) -> String {
    let separator = if prefix.is_empty() { "" } else { "_" };
    format!("{prefix}{separator}{namespace}_{name}")
}

fn iam_name(
    what: &'static str,
    name: String,
    longest: usize,
    remedy: &'static str,
) -> Result<String, ExportError> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if name.len() <= longest && name.bytes().all(is_allowed) {
        return Ok(name);
    }
    Err(ExportError::IamName {
        what,
        name: escaped_beginning(&name, 150),
        longest,
        remedy,
    })
}

fn cloudformation(args: &CloudformationArgs) -> Printed {
    let CloudformationArgs {
        role,
        trust,
        source,
    } = args;
    let (mut settings, errors) = source::settings(&source.stores, &source.operator);
    let label = label(&settings);
    let errors = source::without_place(&mut settings, errors);
    let mut exported = source::read(&Source::from(source), settings, errors)?;
    let place = Place {
        partition: variable::PARTITION.into(),
        region: variable::REGION.into(),
        account: variable::ACCOUNT.into(),
        label: variable::ENV_LABEL.into(),
        kms_key: source.stores.store.kms_key_id.clone(),
        denies_empty_keys: true,
    };
    let statements = allow(&mut exported, role, None, &place)?;
    check_length(Document::new(&statements).length(), Kind::Managed, NARROW)?;
    let trust = match trust.trust {
        Some(kind) => {
            let provider = Some(cloudformation::provider());
            let document = trust::document(kind, trust, provider, &exported.subjects)?;
            check_length(iam::length(&document), Kind::Trust, SEPARATE_ROLES)?;
            Some(document)
        }
        None => None,
    };
    let template = cloudformation::template(&statements, trust, label.as_deref());
    Ok(printed(json::print(&template), exported.messages))
}

const LARGE_LEASES: &str = "warning: a lease has more than 1,000 numbers, and the controller may not \
     search for the pods that hold them; add --large-leases";
const INLINE: &str = "with --inline, print it as an inline policy of the role, which may have 10240, \
     or allow the whole prefix with --prefix";
const NARROW: &str = "export the manifests one by one, each for a role of its own, or allow the whole \
     prefix with --prefix";
const NARROW_TERRAFORM: &str = "export the manifests one by one, each for a role of its own, or allow the \
     whole prefix with kees export iam-policy --prefix";
const SEPARATE_ROLES: &str = "export the manifests one by one, each for a role of its own";

/// Checks that IAM accepts a policy of this length. A long policy is not split: `BatchGetItem` names the
/// keys of several values in one call, and IAM allows it only if one statement has all of them.
fn check_length(length: usize, kind: Kind, remedy: &'static str) -> Result<(), ExportError> {
    let limit = kind.limit();
    if length <= limit {
        return Ok(());
    }
    Err(ExportError::TooLong {
        length,
        limit,
        what: match kind {
            Kind::Managed => "a managed policy",
            Kind::Inline => "the inline policies of a role",
            Kind::Trust => "a trust policy",
        },
        remedy,
    })
}

/// The statements for who uses the role: as the arguments say, else `default`, else as the source says.
fn allow(
    exported: &mut Exported,
    args: &UseArgs,
    default: Option<Use>,
    place: &Place,
) -> Result<Vec<Statement>, ExportError> {
    let UseArgs {
        role,
        large_leases,
        rotation,
        secret_sync,
    } = args;
    let role = role.or(default).unwrap_or(exported.default_use);
    let access = mem::take(&mut exported.access);
    if role == Use::Controller && access.has_large_lease() && !large_leases {
        exported.messages.push(LARGE_LEASES.to_owned());
    }
    Ok(statements(
        &access.needs(role, *large_leases, *rotation, *secret_sync),
        place,
    )?)
}

/// Every Region or account.
fn any() -> Pattern {
    Pattern::iam("*")
}

fn printed(stdout: String, messages: Vec<String>) -> CommandOutput {
    CommandOutput {
        stdout,
        messages,
        exit: None,
    }
}

fn region(stores: &StoreArgs) -> Option<&str> {
    stores.aws.aws_region.as_ref().map(Region::as_str)
}

fn label(settings: &InjectSettings) -> Option<String> {
    settings.init_env.get(env::ENV_LABEL).cloned()
}
