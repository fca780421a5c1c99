//! The partition of AWS that a Region is in, which every ARN begins with.

/// The Regions that begin so are in a partition of their own (`partitions.json` of the AWS SDKs).
const PARTITIONS: [(&str, Partition); 8] = [
    ("cn-", Partition("aws-cn", "amazonaws.com.cn")),
    ("us-gov-", Partition("aws-us-gov", "amazonaws.com")),
    ("eusc-", Partition("aws-eusc", "amazonaws.eu")),
    ("us-iso-", Partition("aws-iso", "c2s.ic.gov")),
    ("us-isob-", Partition("aws-iso-b", "sc2s.sgov.gov")),
    ("eu-isoe-", Partition("aws-iso-e", "cloud.adc-e.uk")),
    ("us-isof-", Partition("aws-iso-f", "csp.hci.ic.gov")),
    ("eu-isof-", Partition("aws-iso-f", "csp.hci.ic.gov")),
];

/// The name of a partition, and the domain of its endpoints.
#[derive(Clone, Copy)]
struct Partition(
    &'static str,
    #[cfg_attr(
        not(feature = "ssm"),
        expect(dead_code, reason = "the SDK's clients know their endpoints")
    )]
    &'static str,
);

/// The partition of `region`: `aws` for most.
fn of(region: &str) -> Partition {
    PARTITIONS
        .iter()
        .find(|(begin, _)| region.starts_with(begin))
        .map_or(Partition("aws", "amazonaws.com"), |(_, partition)| {
            *partition
        })
}

/// The name of the partition of a Region, as ARNs have it: `aws` for most.
pub fn partition(region: &str) -> &'static str {
    of(region).0
}

/// The URL of a service.
#[cfg(feature = "ssm")]
pub(super) fn endpoint(service: &str, region: &str) -> String {
    format!("https://{service}.{region}.{}", of(region).1)
}

/// The ARN of a resource in any account, as an IAM policy names it.
pub(crate) fn arn(service: &str, region: &str, resource: &str) -> String {
    format!("arn:{}:{service}:{region}:*:{resource}", of(region).0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("eu-west-1", "aws")]
    #[case("cn-north-1", "aws-cn")]
    #[case("us-gov-east-1", "aws-us-gov")]
    #[case("eusc-de-east-1", "aws-eusc")]
    #[case("us-iso-west-1", "aws-iso")]
    #[case("us-isob-east-1", "aws-iso-b")]
    #[case("eu-isoe-west-1", "aws-iso-e")]
    #[case("us-isof-south-1", "aws-iso-f")]
    fn a_region_is_in_its_partition(#[case] region: &str, #[case] partition: &str) {
        let expected = format!("arn:{partition}:dynamodb:{region}:*:table/t");
        assert_eq!(arn("dynamodb", region, "table/t"), expected);
    }
}
