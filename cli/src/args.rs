//! The command line. What the operator settles has the flags and the variables of `kees-webhook`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use kees_common::output::Format;
use kees_init::settings::Timeout;
use kees_inject::{PullPolicy, Quantity, RunAs, WiredImage};
use kees_settings::{AwsFlags, DomainFlags, InitEnvFlags, LogLevel, StoreFlags, StsFlags};

/// What kees would do with a manifest on a cluster, without a cluster.
///
/// The same code: pods are admitted as the webhook admits them, and init's own run makes their
/// files. Every flag with a variable means what it means to kees-webhook.
#[derive(Debug, Parser)]
#[command(name = "kees", version, after_long_help = EXIT)]
pub(crate) struct Cli {
    /// From which level on standard error tells what goes on
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "warn",
        value_name = "LEVEL"
    )]
    pub(crate) log_level: LogLevel,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The flags of `arguments` (the first is the program's name) and, where a flag is not among
    /// them, of the environment. A variable that is empty counts as absent, as in kees-init.
    ///
    /// # Errors
    /// What clap has to say: what is wrong, or the help or version that is asked for.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        kees_settings::parse(arguments)
    }
}

const EXIT: &str = "\
Exit status:
  0   done
  64  wrong usage: a flag, a variable, the policy file, a file that cannot be read
  65  a manifest, an annotation or a stored value is wrong
  69  a store could not be reached
  73  a file could not be written
  75  something is absent from its store
  77  denied";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the files that the pods of a manifest would find
    #[command(long_about = RUN, after_long_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Print a manifest with its pods as the webhook would change them
    #[command(long_about = INJECT, after_long_help = INJECT_EXAMPLES)]
    Inject(InjectArgs),
    /// Say what the webhook would refuse in a manifest
    #[command(long_about = LINT, after_long_help = LINT_EXAMPLES)]
    Lint(LintArgs),
}

const RUN: &str = "\
Make the files that the pods of a manifest would find.

Takes pods and every kind that holds a pod template, injects them as the webhook would, and runs the \
code of kees-init for each, one after the other, against one store: an SQLite file in --out, unless \
--store says otherwise. The files of a container lie in --out under NAMESPACE/KIND-NAME and the mount \
path, with the mode that they would have. Nothing is run unless every pod is sound. Without --policy, \
local mode is allowed, and prefixes and ARNs are taken as they are.

AWS is asked as yourself: profile, credentials and proxies come from your own environment, and so \
does the Region: --aws-region or AWS_REGION, else AWS_DEFAULT_REGION, else that of your profile.";

const RUN_EXAMPLES: &str = "\
Examples:
  kees run examples/web.yaml
  kustomize build overlays/dev | kees run - --policy policy.yaml
  kees run web.yaml --store secretsmanager --aws-region eu-west-1
  kees run web.yaml --store dynamodb --env-label dev --aws-region eu-west-1 \\
    --aws-endpoint http://localhost:8000";

const INJECT: &str = "\
Print a manifest with its pods as the webhook would change them.

Everything else stays, in its order; comments are lost, anchors are written out. What is printed is \
what a cluster without the webhook can run. A webhook of this version, with the same policy file and \
the same values for the flags below, finds nothing to change in it, unless it was given amounts \
(--init-cpu-request and the like), which are its alone, or proxies (--https-proxy and the like), which \
--init-env gives here. It then replaces the init container.";

const INJECT_EXAMPLES: &str = "\
Examples:
  kees inject web.yaml --init-image registry.example.com/kees-init:0.1.0 --env-label dev
  kees inject - --store secretsmanager --policy policy.yaml < web.yaml | kubectl apply -f -";

const LINT: &str = "\
Say what the webhook would refuse in a manifest: every fault of every pod, with what would be right, \
and what has no effect. Give it the webhook's policy file and, of the webhook's flags, those below; its \
flags for the image, the volume, the uid, amounts and proxies are not taken, and as variables \
they are ignored. Without --policy, prefixes are taken as they are and local mode is refused, as by \
the webhook.";

const LINT_EXAMPLES: &str = "\
Examples:
  kees lint --policy policy.yaml manifests/*.yaml
  kees lint --output json web.yaml";

#[derive(Debug, Args)]
#[command(mut_arg("store", |store| store.default_value("embedded")))]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// The folder that takes the files, and the SQLite file of the store embedded
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    /// How the lists are written, whatever the pods say: properties, env, json or files
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Seconds that waiting for the store may take for each pod; generating is not counted
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub(crate) timeout: Timeout,
    /// How the report is printed
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
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) stores: StoreArgs,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

const STORES: &str = "Stores";

/// The manifests.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// Manifests, each with any number of documents; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The namespace of what names none
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,
}

/// The flags about stores that all commands take.
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

/// What the operator settles about pods.
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
    /// A regular expression: an init container whose image it matches is kees's, wired by hand, as
    /// are those named kees-init
    #[arg(long, env, value_name = "EXPRESSION")]
    pub(crate) wired_image: Option<WiredImage>,
}

/// The init container that is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Init container")]
pub(crate) struct ContainerArgs {
    /// Its image
    #[arg(long, env, value_name = "REFERENCE", default_value = DEFAULT_IMAGE)]
    pub(crate) init_image: String,
    /// Its pull policy [default: Kubernetes's own]
    #[arg(long, env, value_name = "POLICY")]
    pub(crate) image_pull_policy: Option<PullPolicy>,
    /// The size limit of the memory volume that holds the files
    #[arg(long, env, default_value = "4Mi", value_name = "QUANTITY")]
    pub(crate) volume_size: Quantity,
    /// Its uid where no container's own can be taken, or none
    #[arg(long, env, default_value_t, value_name = "UID")]
    pub(crate) run_as: RunAs,
}

/// An image that is in no registry, for a cluster that has it loaded.
pub(crate) const DEFAULT_IMAGE: &str = concat!("kees-init:", env!("CARGO_PKG_VERSION"));

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people
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
        for command in kees.get_subcommands() {
            let with_variable = command
                .get_arguments()
                .filter(|flag| flag.get_env().is_some());
            let flags = with_variable.filter_map(|flag| flag.get_long());
            let shared: BTreeSet<_> = flags.filter(|flag| of_webhook.contains(flag)).collect();
            let mut expected: BTreeSet<_> = named("| all three |").collect();
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

    fn help() -> String {
        let mut kees = Cli::command().term_width(92);
        kees.build();
        let commands = kees.get_subcommands().filter(|c| c.get_name() != "help");
        let mut text = String::new();
        for command in std::iter::once(&kees).chain(commands) {
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
