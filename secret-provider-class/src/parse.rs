//! A class, and the attributes of a volume that names it, into what the volume asks for.

use std::collections::BTreeMap;

use kees_common::Region;

use crate::{
    check::{self, Rules},
    class::ClassSpec,
    entries,
    error::{ClassErrorKind, ClassPlace, Origin, ParseClassError},
    mount::{AddressType, Identity, Mount, Object},
    translation::Translation,
};

/// Something that is not in the class, but around the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around<'a> {
    /// It is this.
    Known(&'a str),
    /// There is none.
    Missing,
    /// Nobody knows it here: what depends on it is not checked.
    Unknown,
}

/// What a class does not say.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The Region that counts if the class names none: that of the node, or of the operator.
    pub region: Around<'a>,
    /// The role of the pod's service account.
    pub role: Around<'a>,
}

impl Surroundings<'_> {
    /// Those of a class alone.
    pub const UNKNOWN: Self = Self {
        region: Around::Unknown,
        role: Around::Unknown,
    };
}

/// What a volume asks for. `attributes` are the `volumeAttributes` of the volume, which replace parameters.
///
/// # Errors
/// All errors. The first one is that of the provider, if it refuses the class too.
pub fn parse(
    class: &ClassSpec,
    attributes: &BTreeMap<String, String>,
    surroundings: &Surroundings<'_>,
) -> Result<Mount, Vec<ParseClassError>> {
    let mut parser = Parser {
        class,
        attributes,
        errors: Vec::new(),
    };
    parser.class();
    let (region, failover_region) = parser.regions(surroundings);
    let identity = parser.identity(surroundings);
    let translation = parser.translation();
    let rules = Rules {
        translation,
        region: region.as_deref(),
        failover_region: failover_region.as_deref(),
    };
    let objects = parser.objects(&rules);
    if !parser.errors.is_empty() {
        return Err(parser.errors);
    }
    Ok(Mount {
        region,
        failover_region,
        identity,
        objects,
    })
}

struct Parser<'a> {
    class: &'a ClassSpec,
    attributes: &'a BTreeMap<String, String>,
    errors: Vec<ParseClassError>,
}

impl<'a> Parser<'a> {
    /// A parameter that is not empty.
    fn parameter(&self, name: &str) -> Option<&'a str> {
        let of_class = self.class.parameters.as_ref();
        let of_class = of_class.and_then(|parameters| parameters.get(name));
        let value = self.attributes.get(name).or(of_class);
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    fn place(&self, parameter: &str) -> ClassPlace {
        if self.attributes.contains_key(parameter) {
            return ClassPlace {
                origin: Origin::Volume,
                field: format!("volumeAttributes.{parameter}"),
                position: None,
            };
        }
        ClassPlace {
            origin: Origin::Class,
            field: format!("spec.parameters.{parameter}"),
            position: None,
        }
    }

    fn error(&mut self, parameter: &str, kind: ClassErrorKind) {
        let place = self.place(parameter);
        self.errors.push(ParseClassError { place, kind });
    }

    /// What the driver checks before it calls the provider.
    fn class(&mut self) {
        let mut error = |field: &str, kind| {
            let place = ClassPlace {
                origin: Origin::Class,
                field: field.to_owned(),
                position: None,
            };
            self.errors.push(ParseClassError { place, kind });
        };
        if self.class.provider.as_ref().is_none_or(String::is_empty) {
            error("spec.provider", ClassErrorKind::NoProvider);
        }
        if self
            .class
            .parameters
            .as_ref()
            .is_none_or(BTreeMap::is_empty)
        {
            error("spec.parameters", ClassErrorKind::NoParameters);
        }
    }

    fn regions(&mut self, surroundings: &Surroundings<'_>) -> (Option<String>, Option<String>) {
        let region = match (self.parameter("region"), surroundings.region) {
            (Some(region), _) | (None, Around::Known(region)) => Some(region.to_owned()),
            (None, Around::Missing) => {
                self.error("region", ClassErrorKind::NoRegion);
                None
            }
            (None, Around::Unknown) => None,
        };
        let failover = self.parameter("failoverRegion").map(str::to_owned);
        if let Some(failover) = failover
            .as_ref()
            .filter(|name| region.as_ref() == Some(name))
        {
            let kind = ClassErrorKind::SameRegion(failover.clone());
            self.error("failoverRegion", kind);
        }
        for name in ["region", "failoverRegion"] {
            let region = self.parameter(name).map(str::parse::<Region>);
            if let Some(Err(error)) = region {
                self.error(name, error.into());
            }
        }
        (region, failover)
    }

    fn identity(&mut self, surroundings: &Surroundings<'_>) -> Identity {
        match self.parameter("usePodIdentity") {
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => {
                let address = self.parameter("preferredAddressType");
                return Identity::PodIdentity(AddressType::read(address.unwrap_or_default()));
            }
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => {
                if surroundings.role == Around::Missing {
                    self.error("usePodIdentity", ClassErrorKind::NoRole);
                }
            }
            Some(other) => {
                let kind = ClassErrorKind::PodIdentity(other.to_owned());
                self.error("usePodIdentity", kind);
            }
        }
        Identity::ServiceAccountRole
    }

    fn translation(&mut self) -> Translation {
        let text = self.parameter("pathTranslation").unwrap_or_default();
        Translation::read(text).unwrap_or_else(|| {
            let kind = ClassErrorKind::Translation(text.to_owned());
            self.error("pathTranslation", kind);
            Translation::Off
        })
    }

    fn objects(&mut self, rules: &Rules<'_>) -> Vec<Object> {
        let text = self.parameter("objects").unwrap_or_default();
        let entries = entries::read(text).map_err(|error| vec![error]);
        let objects = entries.and_then(|entries| check::objects(&entries, rules));
        match objects {
            Ok(objects) => {
                let parameters = self.class.parameters.as_ref();
                let has_parameters = parameters.is_some_and(|parameters| !parameters.is_empty());
                if objects.is_empty() && has_parameters {
                    self.error("objects", ClassErrorKind::NoObjects);
                }
                objects
            }
            Err(errors) => {
                let place = self.place("objects");
                let errors = errors.into_iter().map(|(position, kind)| ParseClassError {
                    place: ClassPlace {
                        position: Some(position),
                        ..place.clone()
                    },
                    kind,
                });
                self.errors.extend(errors);
                Vec::new()
            }
        }
    }
}
