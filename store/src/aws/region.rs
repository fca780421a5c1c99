//! The Region where no setting names one, ranked as in the AWS SDKs and Tools Reference Guide:
//! `AWS_DEFAULT_REGION`, then that of the profile. `AWS_REGION` comes before both; it is the variable
//! of a flag and read there.

use std::env;

use aws_config::{meta::region::ProvideRegion as _, profile::ProfileFileRegionProvider};

use kees_common::{ParseRegionError, Region, names::env::AWS_DEFAULT_REGION};

const AWS_PROFILE: &str = "AWS_PROFILE";

/// The environment names no Region, or a wrong one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegionError {
    /// Nothing names one.
    #[error(
        "the AWS Region is not known; give --aws-region, set AWS_REGION or AWS_DEFAULT_REGION, or \
         give {profile} a region (aws configure set region)"
    )]
    Unknown {
        /// The profile that was read.
        profile: String,
    },
    /// A variable or profile names something that is not a Region.
    #[error("the Region of {place} is '{region}'")]
    Invalid {
        /// The variable or profile.
        place: String,
        /// What it says.
        region: String,
        /// What would be right.
        source: ParseRegionError,
    },
}

/// The Region that this process's environment or its profile names, where `AWS_REGION` is not set.
///
/// # Errors
/// [`RegionError`]
pub async fn region_of_environment() -> Result<Region, RegionError> {
    if let Some(region) = variable(AWS_DEFAULT_REGION) {
        return parse(AWS_DEFAULT_REGION.to_owned(), &region);
    }
    let profile = match variable(AWS_PROFILE) {
        Some(name) => format!("the profile {name}, which {AWS_PROFILE} names,"),
        None => "the profile default".to_owned(),
    };
    match ProfileFileRegionProvider::new().region().await {
        Some(region) => parse(profile, region.as_ref()),
        None => Err(RegionError::Unknown { profile }),
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn parse(place: String, region: &str) -> Result<Region, RegionError> {
    region.parse().map_err(|source| RegionError::Invalid {
        place,
        region: region.escape_debug().to_string(),
        source,
    })
}
