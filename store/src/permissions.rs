//! The IAM permissions that the stores need: the actions that their code calls, on the names that a
//! role reads and creates.

mod dynamodb;
mod kms;
mod need;
mod object;
mod pattern;
mod permissions_error;
mod secretsmanager;
mod ssm;
mod statement;

use kees_common::StoreName;

pub use need::{Names, Need};
pub use object::ObjectName;
pub use pattern::{Pattern, Variable};
pub use permissions_error::PermissionsError;
pub use statement::{Condition, Place, Statement};

/// The statements that allow all of `needs`.
///
/// # Errors
/// If nothing is to be allowed, or if the KMS key cannot be named.
pub fn statements(needs: &[Need], place: &Place) -> Result<Vec<Statement>, PermissionsError> {
    let is_needed = |need: &&Need| {
        let names = [&need.read, &need.create, &need.leases, &need.rotate];
        !names.into_iter().all(Names::is_empty)
    };
    let in_aws = needs.iter().filter(|need| need.store.is_in_aws());
    let needs: Vec<Need> = in_aws.filter(is_needed).cloned().collect();
    let mut statements = Vec::new();
    for need in &needs {
        match need.store {
            StoreName::DynamoDb => dynamodb::statements(need, place, &mut statements),
            StoreName::SecretsManager => secretsmanager::statements(need, place, &mut statements),
            StoreName::Ssm => ssm::statements(need, place, &mut statements),
            StoreName::Embedded | StoreName::Memory => {}
        }
    }
    if statements.is_empty() {
        return Err(PermissionsError::Nothing);
    }
    if let Some(key) = &place.kms_key {
        kms::statements(key, &needs, place, &mut statements)?;
    }
    Ok(statements)
}
