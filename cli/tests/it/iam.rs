//! A small evaluator of IAM policies: what an identity policy allows, as the IAM User Guide describes
//! it ("Policy evaluation logic", "IAM JSON policy elements"). It panics where a policy has something
//! that it does not know, so that nothing is taken for allowed or denied by mistake.

use std::collections::BTreeMap;

use serde_json::Value;

/// The most characters of a managed policy, white space not counted.
pub(crate) const LARGEST: usize = 6144;

/// The most characters of all inline policies of a role, white space not counted.
pub(crate) const LARGEST_INLINE: usize = 10_240;

/// A request that IAM decides on.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    action: String,
    resource: String,
    /// The condition keys. A key that is absent is not in the request.
    context: BTreeMap<String, Vec<String>>,
}

impl Request {
    pub(crate) fn new(action: &str, resource: &str) -> Self {
        Self {
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.context.insert(key.to_owned(), values);
        self
    }
}

/// Whether a policy allows a request: some statement allows it, and none denies it.
pub(crate) fn allows(policy: &Value, request: &Request) -> bool {
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = list(&policy["Statement"]);
    let mut effects = Vec::new();
    for statement in statements {
        let fields = statement.as_object().unwrap().keys();
        for field in fields {
            let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
            assert!(known.contains(&field.as_str()), "{field}");
        }
        if applies(statement, request) {
            effects.push(statement["Effect"].as_str().unwrap());
        }
    }
    effects.contains(&"Allow") && !effects.contains(&"Deny")
}

fn applies(statement: &Value, request: &Request) -> bool {
    let is_action = |action: &&Value| {
        let action = action.as_str().unwrap().to_lowercase();
        like(&action, &request.action.to_lowercase(), request)
    };
    let is_resource =
        |resource: &&Value| like(resource.as_str().unwrap(), &request.resource, request);
    list(&statement["Action"]).iter().any(is_action)
        && list(&statement["Resource"]).iter().any(is_resource)
        && conditions_hold(&statement["Condition"], request)
}

/// All operators, and all keys of each, must hold.
fn conditions_hold(conditions: &Value, request: &Request) -> bool {
    let Some(operators) = conditions.as_object() else {
        assert!(conditions.is_null(), "{conditions}");
        return true;
    };
    operators.iter().all(|(operator, keys)| {
        let mut keys = keys.as_object().unwrap().iter();
        keys.all(|(key, values)| {
            let values: Vec<&str> = list(values).iter().map(|v| v.as_str().unwrap()).collect();
            holds(operator, request.context.get(key), &values, request)
        })
    })
}

fn holds(
    operator: &str,
    present: Option<&Vec<String>>,
    values: &[&str],
    request: &Request,
) -> bool {
    if operator == "Null" {
        let is_absent = present.is_none_or(Vec::is_empty);
        return values.contains(&if is_absent { "true" } else { "false" });
    }
    let (set, operator) = operator
        .split_once(':')
        .map_or((None, operator), |(set, operator)| (Some(set), operator));
    let (operator, if_exists) = operator
        .strip_suffix("IfExists")
        .map_or((operator, false), |operator| (operator, true));
    let is_one = |present: &String| {
        values.iter().any(|value| match operator {
            "StringEquals" => resolve(value, request).is_some_and(|value| equals(&value, present)),
            "StringLike" => like(value, present, request),
            other => panic!("the evaluator does not know {other}"),
        })
    };
    let present = present.map_or(&[][..], Vec::as_slice);
    match set {
        // Also true for a key that is absent or has no values.
        Some("ForAllValues") => present.iter().all(is_one),
        Some("ForAnyValue") => present.iter().any(is_one),
        Some(other) => panic!("the evaluator does not know {other}"),
        None => match present {
            [] => if_exists,
            [one] => is_one(one),
            _ => panic!("several values need ForAllValues or ForAnyValue"),
        },
    }
}

/// A character of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    AnyOne,
    AnyMany,
}

/// Whether `text` matches a pattern with wildcards and variables.
fn like(pattern: &str, text: &str, request: &Request) -> bool {
    let Some(tokens) = resolve(pattern, request) else {
        return false;
    };
    let text: Vec<char> = text.chars().collect();
    // The classic algorithm for wildcards: it goes back to the last `*`.
    let (mut at, mut token, mut back) = (0, 0, None);
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::AnyMany) => {
                back = Some((token, at));
                token += 1;
            }
            Some(Token::AnyOne) => (at, token) = (at + 1, token + 1),
            Some(Token::Char(c)) if *c == text[at] => (at, token) = (at + 1, token + 1),
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (at, token) = (from + 1, star + 1);
                }
                None => return false,
            },
        }
    }
    tokens[token..].iter().all(|token| *token == Token::AnyMany)
}

/// In `StringEquals`, wildcards are no wildcards.
fn equals(tokens: &[Token], text: &str) -> bool {
    let plain: String = tokens
        .iter()
        .map(|token| match token {
            Token::Char(c) => *c,
            Token::AnyOne => '?',
            Token::AnyMany => '*',
        })
        .collect();
    plain == text
}

/// Inserts the variables. `None` if one of them is not in the request: then nothing matches.
fn resolve(pattern: &str, request: &Request) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    loop {
        if let Some(inner) = rest.strip_prefix("${") {
            let (name, after) = inner.split_once('}').expect("a variable has an end");
            match name {
                "*" | "?" | "$" => tokens.extend(name.chars().map(Token::Char)),
                key => match request.context.get(key).map(Vec::as_slice) {
                    Some([value]) => tokens.extend(value.chars().map(Token::Char)),
                    Some(_) => panic!("{key} has several values"),
                    None => return None,
                },
            }
            rest = after;
            continue;
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => return Some(tokens),
            Some('*') => tokens.push(Token::AnyMany),
            Some('?') => tokens.push(Token::AnyOne),
            Some(c) => tokens.push(Token::Char(c)),
        }
        rest = chars.as_str();
    }
}

/// One value stands for a list of one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn policy(statement: &Value) -> Value {
        json!({"Version": "2012-10-17", "Statement": statement})
    }

    #[rstest]
    #[case("a", "a", true)]
    #[case("a", "ab", false)]
    #[case("a*", "a", true)]
    #[case("a*", "a/b/c", true)]
    #[case("a*c", "abcbc", true)]
    #[case("a*c", "abcb", false)]
    #[case("a-??", "a-12", true)]
    #[case("a-??", "a-1", false)]
    #[case("a-??", "a-123", false)]
    #[case("*", "", true)]
    #[case("**a", "ba", true)]
    #[case("a${*}", "a*", true)]
    #[case("a${*}", "ab", false)]
    #[case("a${?}", "ab", false)]
    #[case("a${$}{b}", "a${b}", true)]
    #[case("${aws:tag}/x", "t*/x", true)]
    #[case("${aws:tag}/x", "tt/x", false)]
    #[case("${aws:other}/x", "/x", false)]
    fn a_pattern_matches_as_in_iam(
        #[case] pattern: &str,
        #[case] text: &str,
        #[case] expected: bool,
    ) {
        let request = Request::new("s:A", "r").with("aws:tag", &["t*"]);
        assert_eq!(like(pattern, text, &request), expected);
    }

    #[test]
    fn nothing_is_allowed_that_no_statement_allows() {
        let allow = json!({"Effect": "Allow", "Action": ["s:Get*"], "Resource": "r"});
        let policy = policy(&allow);
        assert!(allows(&policy, &Request::new("s:GetItem", "r")));
        assert!(allows(&policy, &Request::new("S:getitem", "r")));
        assert!(!allows(&policy, &Request::new("s:Put", "r")));
        assert!(!allows(&policy, &Request::new("s:GetItem", "R")));
    }

    #[test]
    fn what_a_statement_denies_is_denied() {
        let policy = policy(&json!([
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s:Put", "Resource": "*"},
        ]));
        assert!(allows(&policy, &Request::new("s:Get", "r")));
        assert!(!allows(&policy, &Request::new("s:Put", "r")));
    }

    #[rstest]
    #[case("StringEquals", &["a"], true)]
    #[case("StringEquals", &["a*"], false)]
    #[case("StringEquals", &[], false)]
    #[case("StringEqualsIfExists", &[], true)]
    #[case("StringEqualsIfExists", &["b"], false)]
    #[case("StringLike", &["a"], true)]
    #[case("ForAllValues:StringEquals", &["a", "a"], true)]
    #[case("ForAllValues:StringEquals", &["a", "b"], false)]
    #[case("ForAllValues:StringEquals", &[], true)]
    #[case("ForAnyValue:StringEquals", &["a", "b"], true)]
    #[case("ForAnyValue:StringEquals", &[], false)]
    fn a_condition_holds_as_in_iam(
        #[case] operator: &str,
        #[case] present: &[&str],
        #[case] expected: bool,
    ) {
        let policy = policy(&json!({
            "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {operator: {"k": "a"}},
        }));
        let mut request = Request::new("s:Get", "r");
        if !present.is_empty() {
            request = request.with("k", present);
        }
        assert_eq!(allows(&policy, &request), expected);
    }

    #[rstest]
    #[case("true", &[], true)]
    #[case("true", &["a"], false)]
    #[case("false", &[], false)]
    #[case("false", &["a"], true)]
    fn null_is_about_the_presence_of_a_key(
        #[case] value: &str,
        #[case] present: &[&str],
        #[case] expected: bool,
    ) {
        let policy = policy(&json!({
            "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"Null": {"k": value}},
        }));
        let request = Request::new("s:Get", "r").with("k", present);
        assert_eq!(allows(&policy, &request), expected);
    }

    #[test]
    fn all_conditions_must_hold() {
        let policy = policy(&json!({
            "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"StringEquals": {"k": "a", "l": ["b", "c"]}},
        }));
        let request = Request::new("s:Get", "r").with("k", &["a"]);
        assert!(!allows(&policy, &request));
        assert!(allows(&policy, &request.clone().with("l", &["c"])));
        assert!(!allows(&policy, &request.with("l", &["d"])));
    }
}
