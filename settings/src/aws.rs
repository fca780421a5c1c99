//! The Region and the endpoints of AWS.

use clap::Args;
use kees_common::{
    Endpoint, Region,
    names::env::{AWS_ENDPOINT, AWS_REGION, AWS_STS_ENDPOINT},
};

/// A constant, because the name of a variable in a doc comment needs backticks.
const REGION_HELP: &str =
    "The AWS Region [default: AWS_DEFAULT_REGION, else the Region that comes with the credentials]";

/// The Region, and the endpoint of the stores.
#[derive(Debug, Clone, Default, Args)]
pub struct AwsFlags {
    /// The AWS Region.
    #[arg(long, env = AWS_REGION, value_name = "REGION", help = REGION_HELP)]
    pub aws_region: Option<Region>,
    /// The endpoint of DynamoDB, Secrets Manager and Parameter Store, if it is not the Region's own
    #[arg(long, env = AWS_ENDPOINT, value_name = "URL")]
    pub aws_endpoint: Option<Endpoint>,
}

/// The endpoint of STS, for the programs that call it.
#[derive(Debug, Clone, Default, Args)]
pub struct StsFlags {
    /// The endpoint of STS, where it is not the Region's own
    #[arg(long, env = AWS_STS_ENDPOINT, value_name = "URL")]
    pub aws_sts_endpoint: Option<Endpoint>,
}
