//! The permissions for a KMS key of one's own, which the stores use in the name of the caller.

use kees_common::StoreName;

use super::{
    PermissionsError,
    need::Need,
    pattern::Pattern,
    statement::{Condition, Place, Statement},
};

/// What a KMS key of one's own needs, if a store calls KMS.
pub(super) fn statements(
    key: &str,
    needs: &[Need],
    place: &Place,
    statements: &mut Vec<Statement>,
) -> Result<(), PermissionsError> {
    let (resource, alias) = kms_key(key, place)?;
    let mut push = |sid, action, stores: Vec<StoreName>| {
        if stores.is_empty() {
            return;
        }
        let mut conditions = vec![Condition {
            // The Region may be a wildcard.
            operator: "StringLike",
            key: "kms:ViaService",
            values: stores.iter().map(|store| via(*store, place)).collect(),
        }];
        conditions.extend(alias.clone().map(|alias| Condition {
            operator: "ForAnyValue:StringEquals",
            key: "kms:ResourceAliases",
            values: vec![alias],
        }));
        statements.push(Statement {
            sid,
            actions: vec![action],
            resources: vec![resource.clone()],
            conditions,
        });
    };
    let all = needs.iter().map(|need| need.store).collect();
    let creates = |store| {
        let mut needs = needs.iter();
        let creates = needs
            .any(|need| need.store == store && !(need.create.is_empty() && need.rotate.is_empty()));
        creates.then_some(store).into_iter().collect()
    };
    push("KeesKeyDecrypt", "kms:Decrypt", all);
    push(
        "KeesKeySecrets",
        "kms:GenerateDataKey",
        creates(StoreName::SecretsManager),
    );
    push("KeesKeyParameters", "kms:Encrypt", creates(StoreName::Ssm));
    Ok(())
}

/// The ARN of a key and, if it is named by an alias, the alias. An alias is no resource of the calls
/// that use the key.
fn kms_key(key: &str, place: &Place) -> Result<(Pattern, Option<Pattern>), PermissionsError> {
    let alias = |name: &str| Some(Pattern::from(format!("alias/{name}").as_str()));
    if key.starts_with("arn:") {
        return Ok(match key.split_once(":alias/") {
            Some((before, name)) => (
                Pattern::from(before).then(":key/").then(Pattern::iam("*")),
                alias(name),
            ),
            None => (Pattern::from(key), None),
        });
    }
    if let Some(name) = key.strip_prefix("alias/") {
        let keys = Pattern::from("key/").then(Pattern::iam("*"));
        return Ok((place.arn("kms", keys), alias(name)));
    }
    if place.account == Pattern::iam("*") {
        // The id of a key of another account would be a key of any account.
        return Err(PermissionsError::KmsKeyWithoutAccount(key.to_owned()));
    }
    Ok((place.arn("kms", Pattern::from("key/").then(key)), None))
}

/// The name of a store in `kms:ViaService`.
fn via(store: StoreName, place: &Place) -> Pattern {
    Pattern::from(store.as_str())
        .then(".")
        .then(place.region.clone())
        .then(".amazonaws.com")
}
