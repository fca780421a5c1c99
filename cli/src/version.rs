//! `kees version`: the versions of this program, of the webhook, and of the init image.

use serde::Serialize;

use crate::{
    args::{Report, VersionArgs},
    doctor::{block_on, connect, unreachable_cluster, versions},
    terminal::CommandOutput,
};

/// The exit status if the versions differ.
const DIFFERENT: u8 = 1;

/// The versions.
#[derive(Debug, Serialize)]
struct Versions {
    kees: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<String>,
}

/// Returns the versions and the exit status.
pub(crate) fn version(args: &VersionArgs) -> (CommandOutput, u8) {
    let mut found = Versions {
        kees: env!("CARGO_PKG_VERSION"),
        webhook: None,
        init: None,
    };
    if !args.client {
        let versions = block_on(async {
            let (client, _) = connect::connect(&args.cluster).await?;
            Ok(versions(&client, &args.cluster).await)
        });
        match versions {
            Ok((webhook, init)) => (found.webhook, found.init) = (webhook, init),
            Err(error) => return unreachable_cluster(&error),
        }
    }
    let stdout = match args.output {
        Report::Text => found.text(args.client),
        // This type always serializes.
        Report::Json => serde_json::to_string_pretty(&found).unwrap_or_default() + "\n",
    };
    let output = CommandOutput {
        stdout,
        ..CommandOutput::default()
    };
    (output, found.status())
}

impl Versions {
    fn status(&self) -> u8 {
        let others = [&self.webhook, &self.init];
        let mut others = others.into_iter().flatten();
        if others.all(|version| version == self.kees) {
            0
        } else {
            DIFFERENT
        }
    }

    fn text(&self, client: bool) -> String {
        let kees = self.kees;
        if client {
            return format!("kees {kees}\n");
        }
        let unknown = || "unknown".to_owned();
        let webhook = self.webhook.clone().unwrap_or_else(unknown);
        let init = self.init.clone().unwrap_or_else(unknown);
        let mut text = format!("kees       {kees}\nwebhook    {webhook}\ninit image {init}\n");
        if self.status() != 0 {
            text.push_str("The versions differ; update all of them together.\n");
        }
        text
    }
}
