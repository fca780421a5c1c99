//! The Region of a mount that was not known when its class was read.

use crate::mount::Mount;

/// The Region does not fit to what the class says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// A Region that cannot be part of a host name.
    #[error("the Region '{name}' is wrong")]
    Name {
        /// The Region.
        name: String,
        /// What would be right.
        source: kees_common::ParseRegionError,
    },
    /// The failover Region is the Region.
    #[error("failoverRegion is {0}, as is the Region of the pod; name another one, or set region")]
    SameRegion(String),
    /// The ARN of an object is of another Region.
    #[error(
        "the ARN {name} is not in the Region {region}; use an ARN of that Region, or set region"
    )]
    Arn {
        /// The ARN.
        name: String,
        /// The Region.
        region: String,
    },
}

impl Mount {
    /// The mount in `region`, if its class names none. It makes the checks of a class for which the Region is needed.
    ///
    /// # Errors
    /// All errors.
    pub fn located(mut self, region: &str) -> Result<Self, Vec<LocateError>> {
        let region = self.region.get_or_insert_with(|| region.to_owned());
        let same = self
            .failover_region
            .as_ref()
            .filter(|other| *other == region);
        let same = same.map(|other| LocateError::SameRegion(other.clone()));
        let elsewhere = |name: &&String| region_of(name).is_some_and(|of_arn| of_arn != *region);
        let names = self.objects.iter().map(|object| &object.selector.name);
        let arns = names.filter(elsewhere).map(|name| LocateError::Arn {
            name: name.clone(),
            region: region.clone(),
        });
        let errors: Vec<_> = same.into_iter().chain(arns).collect();
        if errors.is_empty() {
            Ok(self)
        } else {
            Err(errors)
        }
    }
}

/// The Region of an ARN, `arn:PARTITION:SERVICE:REGION:…`.
fn region_of(name: &str) -> Option<&str> {
    name.strip_prefix("arn:")?.split(':').nth(2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mount(region: Option<&str>, failover: Option<&str>) -> Mount {
        let object = |name: &str| json!({"service": "secretsmanager", "name": name, "file": {"path": name, "mode": "0644"}});
        let arn = |region: &str| object(&format!("arn:aws:secretsmanager:{region}:1:secret:s"));
        let mount = json!({
            "region": region,
            "failoverRegion": failover,
            "identity": "serviceAccountRole",
            "objects": [object("a"), arn("eu-west-1")],
        });
        serde_json::from_value(mount).unwrap()
    }

    #[test]
    fn the_region_of_the_class_wins() {
        let located = |region| mount(region, None).located("eu-west-1").unwrap().region;
        assert_eq!(located(None).as_deref(), Some("eu-west-1"));
        let located = mount(Some("eu-west-1"), None).located("eu-west-2").unwrap();
        assert_eq!(located.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn a_region_that_does_not_fit_is_an_error() {
        let errors = mount(None, Some("eu-west-2"))
            .located("eu-west-2")
            .unwrap_err();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].starts_with("failoverRegion is eu-west-2"));
        assert!(errors[1].contains("secret:s is not in the Region eu-west-2"));
    }
}
