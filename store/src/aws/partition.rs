//! The partition of AWS that a Region is in, which every ARN begins with.

/// The Regions that begin so are in a partition of their own (`partitions.json` of the AWS SDKs).
const PARTITIONS: [(&str, &str); 8] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isof-", "aws-iso-f"),
];

/// The partition of `region`: `aws` for most.
fn of(region: &str) -> &'static str {
    PARTITIONS
        .iter()
        .find(|(begin, _)| region.starts_with(begin))
        .map_or("aws", |(_, partition)| partition)
}

/// The ARN of a resource in any account, as an IAM policy names it.
pub(crate) fn arn(service: &str, region: &str, resource: &str) -> String {
    format!("arn:{}:{service}:{region}:*:{resource}", of(region))
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
