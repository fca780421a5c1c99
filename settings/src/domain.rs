//! The domain of the annotations.

use clap::Args;
use kees_common::{Domain, names::env::ANNOTATION_DOMAIN};

/// The domain of the annotations, `secret.DOMAIN/NAME`.
#[derive(Debug, Clone, Default, Args)]
pub struct DomainFlags {
    /// The domain of the annotations
    #[arg(long, env = ANNOTATION_DOMAIN, default_value_t, value_name = "DOMAIN")]
    pub annotation_domain: Domain,
}
