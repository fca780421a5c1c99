//! The permissions for parameters in Parameter Store.

use kees_common::StoragePath;

use super::{
    need::{Names, Need},
    pattern::Pattern,
    statement::{Condition, Place, Statement, distinct},
};

/// Adds the statements.
pub(super) fn statements(need: &Need, place: &Place, statements: &mut Vec<Statement>) {
    let Need {
        read,
        create,
        rotate,
        ..
    } = need;
    if !read.is_empty() {
        statements.push(Statement {
            sid: "KeesParametersRead",
            actions: vec!["ssm:GetParameters"],
            resources: parameters(read, place),
            conditions: Vec::new(),
        });
    }
    if !create.is_empty() {
        statements.push(Statement {
            sid: "KeesParametersCreate",
            actions: vec!["ssm:PutParameter", "ssm:AddTagsToResource"],
            resources: parameters(create, place),
            // kees never overwrites. A request to add tags has no such key.
            conditions: vec![Condition {
                operator: "StringEqualsIfExists",
                key: "ssm:Overwrite",
                values: vec!["false".into()],
            }],
        });
    }
    if !rotate.is_empty() {
        statements.push(Statement {
            sid: "KeesParametersRotate",
            actions: vec!["ssm:GetParameters", "ssm:PutParameter"],
            resources: parameters(rotate, place),
            conditions: Vec::new(),
        });
        // The parameter that excludes two rotations at the same time.
        let locks = parameters(rotate, place).into_iter();
        statements.push(Statement {
            sid: "KeesParametersLock",
            actions: vec![
                "ssm:GetParameters",
                "ssm:PutParameter",
                "ssm:AddTagsToResource",
                "ssm:DeleteParameter",
            ],
            resources: locks.map(|name| name.then(StoragePath::ROTATING)).collect(),
            conditions: Vec::new(),
        });
    }
}

/// The name of a parameter begins with the slash that its ARN has after `parameter`.
fn parameters(names: &Names, place: &Place) -> Vec<Pattern> {
    let arn = |name: Pattern| place.arn("ssm", Pattern::from("parameter").then(name));
    let below = names.all_below().map(arn);
    let objects = names.objects.iter().map(|name| name.parameter(place));
    let exact = names.exact.iter().cloned().map(arn);
    distinct(below.chain(exact).chain(objects))
}
