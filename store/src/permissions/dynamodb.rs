//! The permissions for kees's table in DynamoDB. A transaction needs those of the calls in it
//! (DynamoDB Developer Guide, "Using IAM with DynamoDB transactions").

use super::{
    need::{Names, Need},
    pattern::Pattern,
    statement::{Condition, Place, Statement},
};

/// Reading and creating may be one statement, if the names are the same. Deleting is allowed for the
/// records of leases, and for previous generations where something is rotated.
pub(super) fn statements(need: &Need, place: &Place, statements: &mut Vec<Statement>) {
    const READ: [&str; 2] = ["dynamodb:GetItem", "dynamodb:BatchGetItem"];
    const CREATE: &str = "dynamodb:PutItem";
    const FREE: [&str; 2] = ["dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"];
    let table = Pattern::from("table/")
        .then(place.label.clone())
        .then("-kube-secret");
    let statement = |sid, actions: Vec<&'static str>, names: &Names| Statement {
        sid,
        actions,
        resources: vec![place.arn("dynamodb", table.clone())],
        conditions: leading_keys(names, place.denies_empty_keys),
    };
    let Need {
        store: _,
        read,
        create,
        leases,
        rotate,
        searches_leases,
    } = need;
    let read_and_create = || READ.into_iter().chain([CREATE]);
    if read == create && !read.is_empty() {
        statements.push(statement("KeesTable", read_and_create().collect(), read));
    } else {
        if !read.is_empty() {
            statements.push(statement("KeesTableRead", READ.to_vec(), read));
        }
        if !create.is_empty() {
            statements.push(statement("KeesTableCreate", vec![CREATE], create));
        }
    }
    if !rotate.is_empty() {
        let actions = read_and_create().chain([FREE[0]]).collect();
        statements.push(statement("KeesTableRotate", actions, rotate));
    }
    if !leases.is_empty() {
        let actions = read_and_create().chain(FREE).collect();
        statements.push(statement("KeesTableLeases", actions, leases));
    }
    if *searches_leases && !leases.is_empty() {
        // A scan has no keys, so no condition can restrict it.
        statements.push(Statement {
            sid: "KeesTableSearch",
            actions: vec!["dynamodb:Scan"],
            resources: vec![place.arn("dynamodb", table.clone())],
            conditions: Vec::new(),
        });
    }
}

/// Every key of a request must be one of `names`. `ForAllValues` is also true for a request without
/// keys, so a second condition requires that there are keys.
fn leading_keys(names: &Names, denies_empty: bool) -> Vec<Condition> {
    const KEYS: &str = "dynamodb:LeadingKeys";
    let mut conditions = vec![Condition {
        operator: if names.below.is_empty() {
            "ForAllValues:StringEquals"
        } else {
            "ForAllValues:StringLike"
        },
        key: KEYS,
        values: names
            .all_below()
            .chain(names.exact.iter().cloned())
            .collect(),
    }];
    if denies_empty {
        conditions.push(Condition {
            operator: "Null",
            key: KEYS,
            values: vec!["false".into()],
        });
    }
    conditions
}
