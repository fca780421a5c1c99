//! The names of secrets and parameters as a `SecretProviderClass`, or the policy for classes, has them.

use super::{pattern::Pattern, statement::Place};

/// The name or ARN of a secret or parameter, or a glob for them. It may be in another Region than the stores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    text: Pattern,
    /// The Region. `None` if it is that of the stores.
    region: Option<String>,
    is_arn: bool,
    /// Whether it begins with a slash, as the names of parameters in a hierarchy do.
    has_slash: bool,
    /// Whether it ends in `*`, so that it matches the random characters of an ARN too.
    is_open: bool,
}

impl ObjectName {
    /// This name or ARN, and no other. A name is in that Region, else in that of the stores.
    pub fn exact(name: &str, region: Option<&str>) -> Self {
        Self {
            region: region.map(str::to_owned),
            is_open: false,
            ..Self::of(Pattern::from(name), name)
        }
    }

    /// A glob for names in the Region of the stores, or for ARNs. `*` and `?` stand for the same as in IAM.
    pub fn glob(glob: &str) -> Self {
        Self::of(Pattern::iam(glob), glob)
    }

    fn of(text: Pattern, written: &str) -> Self {
        Self {
            text,
            region: None,
            is_arn: written.starts_with("arn:"),
            has_slash: written.starts_with('/'),
            is_open: written.ends_with('*'),
        }
    }

    /// The ARNs of a secret: with the six random characters at its end, and without, for a secret that does not exist.
    pub(super) fn secret(&self, place: &Place) -> Vec<Pattern> {
        let name = Pattern::from("secret:").then(self.text.clone());
        let arn = self.arn("secretsmanager", name, place);
        if self.is_open {
            vec![arn]
        } else {
            vec![arn.clone(), arn.then(Pattern::iam("-??????"))]
        }
    }

    /// The ARN of a parameter.
    pub(super) fn parameter(&self, place: &Place) -> Pattern {
        let slash = if self.has_slash { "" } else { "/" };
        let name = Pattern::from("parameter").then(slash);
        self.arn("ssm", name.then(self.text.clone()), place)
    }

    fn arn(&self, service: &str, resource: Pattern, place: &Place) -> Pattern {
        if self.is_arn {
            return self.text.clone();
        }
        let own = place.region.clone();
        let region = self.region.as_deref().map_or(own, Pattern::from);
        place.arn_in(region, service, resource)
    }
}
