//! The arguments of `kees completions` and `kees man-pages`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

pub(crate) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  kees completions bash > ~/.local/share/bash-completion/completions/kees
  kees completions zsh > ~/.zfunc/_kees
  kees completions fish > ~/.config/fish/completions/kees.fish";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManPagesArgs {
    /// The folder for the pages, one for each command
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}
