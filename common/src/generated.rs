//! The values of one generation.

use crate::{field::Field, secret::SecretValue};

/// All values of one generation, each with its field, in the order of [`crate::Spec::fields`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated(Vec<(Field, SecretValue)>);

impl Generated {
    /// Wraps values that belong together.
    pub fn new(values: Vec<(Field, SecretValue)>) -> Self {
        Self(values)
    }

    /// The value of `field`, if the generation has it.
    pub fn get(&self, field: Field) -> Option<&SecretValue> {
        self.0
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, value)| value)
    }

    /// Fields and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Field, &SecretValue)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }
}
