//! The Region that people have set up on their own machine, as the AWS SDKs and Tools Reference Guide
//! ranks it: `AWS_DEFAULT_REGION`, which the command line of AWS reads too, then the profile's.
//! `AWS_REGION`, which comes before both, is a flag's variable and read there.

use std::env;

use aws_config::{meta::region::ProvideRegion as _, profile::ProfileFileRegionProvider};

use kees_common::{ParseRegionError, Region};

const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
const PROFILE: &str = "AWS_PROFILE";

/// A person's own Region could not be told.
#[derive(Debug, thiserror::Error)]
pub enum OwnRegionError {
    /// Nothing names one.
    #[error(
        "the AWS Region is not known; give --aws-region, set AWS_REGION or AWS_DEFAULT_REGION, or \
         give {profile} a region (aws configure set region)"
    )]
    Unknown {
        /// The profile that was looked at, in words.
        profile: String,
    },
    /// What names one is wrong.
    #[error("the Region of {place} is '{region}': {source}")]
    Invalid {
        /// The variable or profile, in words.
        place: String,
        /// What it says.
        region: String,
        /// What would be right.
        source: ParseRegionError,
    },
}

/// The Region of this process's environment and profile, where `AWS_REGION` is not set.
///
/// # Errors
/// [`OwnRegionError`]
pub async fn own_region() -> Result<Region, OwnRegionError> {
    let get = |name| {
        env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
    };
    if let Some(region) = get(DEFAULT_REGION) {
        return parse(DEFAULT_REGION.to_owned(), &region);
    }
    let profile = match get(PROFILE) {
        Some(name) => format!("the profile {name}, which {PROFILE} names,"),
        None => "the profile default".to_owned(),
    };
    match ProfileFileRegionProvider::new().region().await {
        Some(region) => parse(profile, region.as_ref()),
        None => Err(OwnRegionError::Unknown { profile }),
    }
}

fn parse(place: String, region: &str) -> Result<Region, OwnRegionError> {
    region.parse().map_err(|source| OwnRegionError::Invalid {
        place,
        region: region.escape_debug().to_string(),
        source,
    })
}
