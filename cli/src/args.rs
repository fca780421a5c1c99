//! The command line. The operator's settings have the flags and variables of `kees-webhook`.

pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod manual;
pub(crate) mod values;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use kees_common::{Domain, RefreshPeriod, output::Format};
use kees_init::settings::Timeout;
use kees_inject::{PullPolicy, Quantity, RunAs, SkipContainers, WiredImage};
use kees_kiss::command_line::with_two_dashes;
use kees_settings::{AwsFlags, DomainFlags, InitEnvFlags, LogLevel, StoreFlags, StsFlags};

use crate::doctor::connect::ClusterArgs;

/// Creates the secrets of annotated pods, and checks and injects manifests, without a cluster.
///
/// It decides about pods with the code of kees-webhook, and creates and writes secrets with the code
/// of kees-init. A flag with an environment variable has the same meaning as for kees-webhook.
#[derive(Debug, Parser)]
#[command(name = "kees", version, after_long_help = EXIT)]
pub(crate) struct Cli {
    /// Which events are logged to standard error
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "warn",
        value_name = "LEVEL"
    )]
    log_level: LogLevel,
    /// Log more: -v is --log-level info, -vv is debug, and -vvv is trace
    #[arg(
        short,
        long,
        global = true,
        action = clap::ArgAction::Count,
        conflicts_with = "log_level"
    )]
    verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads `arguments` (the first is the program's name) and, for flags that are not given, the
    /// environment. An empty variable counts as absent, as in kees-init.
    ///
    /// # Errors
    /// Wrong arguments, or the help or version that is asked for.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let command = <Self as clap::CommandFactory>::command();
        let mut named = arguments.iter().skip(1);
        let named = named.find(|argument| command.find_subcommand(argument).is_some());
        if named.is_some_and(|named| named == "kiss") {
            return kees_settings::parse(with_two_dashes(&command, arguments));
        }
        kees_settings::parse(arguments)
    }

    /// The lowest level of the events that are logged.
    pub(crate) fn log_level(&self) -> LogLevel {
        match self.verbose {
            0 => self.log_level,
            1 => LogLevel::Info,
            2 => LogLevel::Debug,
            _ => LogLevel::Trace,
        }
    }
}

const EXIT: &str = "\
Exit status:
  0   success
  64  wrong usage: a flag, a variable, the policy file, or a manifest that cannot be read
  65  a manifest, an annotation or a stored value is wrong
  69  a store could not be reached
  73  a file could not be written
  75  a value is not in its store
  77  denied by a store

If there are several errors, the status is the first that applies of 64, 65, 77, 73, 69 and 75.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the secrets of a manifest and write the files that its pods would get
    #[command(long_about = RUN, after_long_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Print a manifest with the changes that the webhook would make to its pods
    #[command(long_about = INJECT, after_long_help = INJECT_EXAMPLES)]
    Inject(InjectArgs),
    /// Report what the webhook would deny in a manifest
    #[command(long_about = LINT, after_long_help = LINT_EXAMPLES)]
    Lint(LintArgs),
    /// Explain what the annotations of each pod do
    #[command(long_about = explain::ABOUT, after_long_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Print the AWS permissions that pods need
    #[command(subcommand, after_long_help = EXPORT_EXIT)]
    Export(export::Export),
    /// Store a value by hand
    #[command(long_about = values::PUT, after_long_help = values::PUT_EXAMPLES)]
    Put(values::PutArgs),
    /// Show what a store says about a value
    #[command(long_about = values::SHOW, after_long_help = values::SHOW_EXAMPLES)]
    Show(values::ShowArgs),
    /// List the paths of the values below a prefix
    #[command(long_about = values::LIST, after_long_help = values::LIST_EXAMPLES)]
    List(values::ListArgs),
    /// Delete a value
    #[command(long_about = values::DELETE, after_long_help = values::DELETE_EXAMPLES)]
    Delete(values::DeleteArgs),
    /// Copy the values below a prefix to another store
    #[command(long_about = values::COPY, after_long_help = values::COPY_EXAMPLES)]
    Copy(values::CopyArgs),
    /// Replace a secret by a new generation
    #[command(long_about = values::ROTATE, after_long_help = values::ROTATE_EXAMPLES)]
    Rotate(values::RotateArgs),
    /// Manage the secrets of your namespaces through kiss
    #[command(subcommand, long_about = KISS)]
    Kiss(kees_kiss::client::Command),
    /// Check an installation of the webhook
    #[command(long_about = DOCTOR, after_long_help = DOCTOR_EXIT)]
    Doctor(DoctorArgs),
    /// Print the completions of a shell
    #[command(after_long_help = manual::COMPLETIONS_EXAMPLES)]
    Completions(manual::CompletionsArgs),
    /// Write the manual pages
    ManPages(manual::ManPagesArgs),
    /// Print the versions of this program, of the webhook, and of the init image
    #[command(long_about = VERSION, after_long_help = VERSION_EXIT)]
    Version(VersionArgs),
}

const KISS: &str = "\
Manage the secrets of your namespaces through kiss.

The server of kiss keeps them in AWS Secrets Manager. It knows you by the token that kubectl uses, so you need \
no access to AWS. These are the commands of the program kiss. A flag may have one dash.";

const RUN: &str = "\
Create the secrets of a manifest and write the files that its pods would get.

Each pod and pod template is injected as the webhook would do it. Then the code of kees-init runs for \
each of them, one after the other. The store is an SQLite file in --out, unless --store names another. \
The files of a pod are written to --out, in the folder NAMESPACE/KIND-NAME and the mount path, with the \
mode that they would have in the pod. Nothing is run if any pod has an error. Without --policy, local \
mode is allowed, and every storage prefix and ARN is accepted.

Calls to AWS use your own profile, credentials and proxies, not those of the pod. The Region is \
--aws-region or AWS_REGION, else AWS_DEFAULT_REGION, else the Region of your profile.";

const RUN_EXAMPLES: &str = "\
Examples:
  kees run examples/web.yaml
  kustomize build overlays/dev | kees run - --policy policy.yaml
  kees run web.yaml --store secretsmanager --aws-region eu-west-1
  kees run web.yaml --store dynamodb --env-label dev --aws-region eu-west-1 \\
    --aws-endpoint http://localhost:8000";

const INJECT: &str = "\
Print a manifest with the changes that the webhook would make to its pods.

Nothing else is changed, and keys keep their order. Comments are lost, and anchors are replaced by their \
content.

The output can be applied to a cluster with or without the webhook. A webhook of the same version, with \
the same policy file and the same flags, changes nothing in it. Otherwise the webhook replaces the init \
container. It also does so if it has flags that this command does not have: amounts (--init-cpu-request \
and the like) and proxies (--https-proxy and the like; use --init-env here).";

const INJECT_EXAMPLES: &str = "\
Examples:
  kees inject web.yaml --init-image registry.example.com/kees-init:0.1.0 --env-label dev
  kees inject - --store secretsmanager --policy policy.yaml < web.yaml | kubectl apply -f -";

const LINT: &str = "\
Report what the webhook would deny in a manifest: every error of every pod, with the correction, and \
warnings about what has no effect. Warnings do not change the exit status, unless --strict makes them \
errors.

Use the policy file of the webhook, and the values that the webhook has for the flags below. The webhook's flags for the image, the \
volume, the uid, amounts and proxies are not accepted, and their variables are ignored. Without --policy, \
every storage prefix is accepted and local mode is denied, as by a webhook without a policy file.";

const LINT_EXAMPLES: &str = "\
Examples:
  kees lint --policy policy.yaml manifests
  helm template my-chart | kees lint -
  kees lint --strict --format json 'overlays/**/*.yaml'
  kees lint --format sarif manifests > kees.sarif

Exit status:
  0   no error; there may be warnings
  64  wrong usage: a flag, a variable, the policy file, or a manifest that cannot be read
  65  an error in a manifest";

const EXPORT_EXIT: &str = "\
Exit status:
  0   success
  64  wrong usage: a flag, a variable, the policy file, or a manifest that cannot be read
  65  a manifest or an annotation is wrong, or the policy would be longer than IAM accepts";

const DOCTOR: &str = "\
Check an installation of the webhook, with your kubeconfig.

It reads the objects of the installation, and creates two pods as a dry run: one that must be injected, \
and one that must be denied. Nothing is changed. Each check has a name, under which \
docs/troubleshooting.md explains it.";

const DOCTOR_EXIT: &str = "\
Exit status:
  0   no check failed; there may be warnings
  1   a check failed
  2   the kubeconfig cannot be used, or the API server does not respond
  64  wrong usage

Examples:
  kees doctor --pre
  kees doctor --context staging --test-namespace team-a --output json";

const VERSION: &str = "\
Print the versions of this program, of the webhook, and of the init image.

The webhook's version is what a replica says through the API server's proxy, else the tag of its image. \
The init image's version is its tag.";

const VERSION_EXIT: &str = "\
Exit status:
  0   the versions that are known are the same
  1   they differ
  2   the kubeconfig cannot be used, or the API server does not respond
  64  wrong usage";

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Check before installing: the version of Kubernetes, its APIs, and your permissions
    #[arg(long)]
    pub(crate) pre: bool,
    /// The namespace of the dry-run pods; the policy should allow them
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) test_namespace: String,
    /// The domain of the annotations [default: that of the webhook]
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) annotation_domain: Option<Domain>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Report,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Ask no cluster
    #[arg(long)]
    pub(crate) client: bool,
    /// The form of the output
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Report,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// The form of what `kees doctor` and `kees version` print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Report {
    /// Text for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
#[command(mut_arg("store", |store| store.default_value("embedded")))]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// The folder for the files and for the SQLite file of the embedded store
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    /// The format of the lists: properties, env, dotenv, json, yaml or files [default: the pod's, else properties]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// How many seconds each pod may wait for the store; the time to generate keys is not counted
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub(crate) timeout: Timeout,
    /// The form of the report
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) stores: StoreArgs,
    #[command(flatten, next_help_heading = STORES)]
    pub(crate) sts: StsFlags,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InjectArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    #[command(flatten)]
    pub(crate) stores: StoreArgs,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
    #[command(flatten)]
    pub(crate) container: ContainerArgs,
    /// Replace the CSI volumes of SecretProviderClass objects in all pods, not only in those with the label; the classes and
    /// the ServiceAccounts are in the manifests
    #[arg(long)]
    pub(crate) secret_provider_classes: bool,
    #[command(flatten)]
    pub(crate) classes: SecretSyncArgs,
}

/// What a webhook for classes has as a flag too.
#[derive(Debug, Args)]
pub(crate) struct SecretSyncArgs {
    /// kees-controller writes the Secrets that classes ask for (--secret-sync of the webhook), so pods may mount them
    #[arg(long)]
    pub(crate) secret_sync: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// Make every warning an error
    #[arg(long)]
    pub(crate) strict: bool,
    /// The form of the report
    #[arg(
        long,
        visible_alias = "output",
        value_enum,
        default_value_t,
        value_name = "AS"
    )]
    pub(crate) format: LintFormat,
    #[command(flatten)]
    pub(crate) classes: SecretSyncArgs,
    #[command(flatten)]
    pub(crate) stores: StoreArgs,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// The form of what `kees lint` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LintFormat {
    /// Text for people
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

const STORES: &str = "Stores";

/// The manifests.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// YAML or JSON files with any number of documents, folders, and patterns in quotes such as
    /// 'k8s/**/*.yaml'; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The namespace of objects that name none
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,
}

/// The flags about stores, which all commands have.
#[derive(Debug, Args)]
#[command(next_help_heading = STORES)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) store: StoreFlags,
    #[command(flatten)]
    pub(crate) aws: AwsFlags,
    #[command(flatten)]
    pub(crate) env: InitEnvFlags,
}

/// The operator's settings for pods.
#[derive(Debug, Args)]
#[command(next_help_heading = "Operator")]
pub(crate) struct OperatorArgs {
    /// The policy file
    #[arg(long, env, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The cluster's name, for {cluster} in the policy
    #[arg(long, env, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    #[command(flatten)]
    pub(crate) domain: DomainFlags,
    /// A regular expression for the images of init containers that are wired by hand, in addition to
    /// images named kees-init
    #[arg(long, env, value_name = "EXPRESSION")]
    pub(crate) wired_image: Option<WiredImage>,
    /// Names and globs, by comma, of the containers that get no files unless the pod names them, or
    /// none
    #[arg(long, env, default_value_t, value_name = "GLOBS")]
    pub(crate) skip_containers: SkipContainers,
    /// The shortest period of init.DOMAIN/refresh
    #[arg(long, env, default_value = "30s", value_name = "PERIOD")]
    pub(crate) refresh_minimum: RefreshPeriod,
}

/// The init container that `kees inject` adds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Init container")]
pub(crate) struct ContainerArgs {
    /// The image of the init container
    #[arg(long, env, value_name = "REFERENCE", default_value = DEFAULT_IMAGE)]
    pub(crate) init_image: String,
    /// The pull policy of the image [default: that of Kubernetes]
    #[arg(long, env, value_name = "POLICY")]
    pub(crate) image_pull_policy: Option<PullPolicy>,
    /// The size limit of the memory volume that holds the files
    #[arg(long, env, default_value = "4Mi", value_name = "QUANTITY")]
    pub(crate) volume_size: Quantity,
    /// The uid of the init container if no container of the pod declares one, or none
    #[arg(long, env, default_value_t, value_name = "UID")]
    pub(crate) run_as: RunAs,
}

/// This image is in no registry. It is for clusters whose nodes have loaded it.
pub(crate) const DEFAULT_IMAGE: &str = concat!("kees-init:", env!("CARGO_PKG_VERSION"));

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// Text for people
    #[default]
    Table,
    /// One JSON object
    Json,
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use clap::CommandFactory as _;

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    const WEBHOOKS_PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/webhook.md");
    const BEGIN: &str = "<!-- help -->\n";
    const END: &str = "<!-- end of help -->\n";

    #[test]
    fn each_v_logs_more() {
        let level = |flags: &str| {
            let arguments = format!("kees {flags} version");
            let cli = Cli::read(arguments.split_whitespace().map(OsString::from));
            cli.map(|cli| cli.log_level()).map_err(|error| error.kind())
        };
        assert_eq!(level(""), Ok(LogLevel::Warn));
        assert_eq!(level("-v"), Ok(LogLevel::Info));
        assert_eq!(level("-vv"), Ok(LogLevel::Debug));
        assert_eq!(level("-v -v --verbose"), Ok(LogLevel::Trace));
        assert_eq!(level("--log-level error"), Ok(LogLevel::Error));
        let both = clap::error::ErrorKind::ArgumentConflict;
        assert_eq!(level("-v --log-level error"), Err(both));
    }

    #[test]
    fn clap_accepts_the_definition() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_page_has_the_help_of_every_command() {
        let written = fs::read_to_string(PAGE).unwrap();
        let (before, rest) = written.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let rendered = format!("{before}{BEGIN}{}{END}{after}", help());
        if std::env::var_os("KEES_BLESS").is_some() {
            fs::write(PAGE, &rendered).unwrap();
        } else {
            assert!(
                written == rendered,
                "docs/cli.md is not what the code says; run KEES_BLESS=1 cargo test -p kees \
                 the_page_has, and look at what it changed\n{rendered}"
            );
        }
    }

    #[test]
    fn the_page_names_the_flags_that_each_command_shares_with_the_webhook() {
        let page = fs::read_to_string(PAGE).unwrap();
        let of_webhook = fs::read_to_string(WEBHOOKS_PAGE).unwrap();
        let of_webhook: BTreeSet<_> = of_webhook.lines().flat_map(row_flags).collect();
        let named = |first: &str| {
            let row = page.lines().find(|row| row.starts_with(first)).unwrap();
            row_flags(row)
        };
        let kees = Cli::command();
        // The others take no settings of the webhook.
        let about_manifests = |command: &&clap::Command| {
            ["run", "inject", "lint", "explain"].contains(&command.get_name())
        };
        for command in kees.get_subcommands().filter(about_manifests) {
            let with_variable = command
                .get_arguments()
                .filter(|flag| flag.get_env().is_some());
            let flags = with_variable.filter_map(|flag| flag.get_long());
            let shared: BTreeSet<_> = flags.filter(|flag| of_webhook.contains(flag)).collect();
            let mut expected: BTreeSet<_> =
                named("| `kees run`, `kees inject`, `kees lint`, `kees explain` |").collect();
            if command.get_name() == "inject" {
                expected.extend(named("| `kees inject` alone |"));
            }
            assert_eq!(shared, expected, "kees {}", command.get_name());
        }
    }

    /// The flags in a row of a table, without their dashes.
    fn row_flags(row: &str) -> impl Iterator<Item = &str> {
        let in_table = row.split('`').skip(1).filter(|_| row.starts_with('|'));
        in_table.filter_map(|code| code.strip_prefix("--")?.split(' ').next())
    }

    /// A command, and all commands in it.
    fn list<'c>(command: &'c clap::Command, commands: &mut Vec<&'c clap::Command>) {
        commands.push(command);
        let inner = command.get_subcommands();
        for command in inner.filter(|command| command.get_name() != "help") {
            list(command, commands);
        }
    }

    fn help() -> String {
        let mut kees = Cli::command().term_width(92);
        kees.build();
        let mut commands = Vec::new();
        list(&kees, &mut commands);
        let mut text = String::new();
        for command in commands {
            let mut command = command
                .clone()
                .mut_args(|argument| argument.hide_env_values(true));
            let help = command.render_long_help().to_string();
            let name = command.get_bin_name().unwrap_or("kees");
            let help = help.trim_end();
            text.extend(["\n### ", name, "\n\n```text\n", help, "\n```\n"]);
        }
        // No line of it ends in blanks.
        let lines = text.lines().map(|line| line.trim_end().to_owned() + "\n");
        lines.collect::<String>() + "\n"
    }
}
