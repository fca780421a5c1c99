//! What is known of a template at admission.

use kees_template::{Entries, check};
use proptest::prelude::*;
use rstest::rstest;

use crate::pod::Pod;

#[rstest]
#[case(
    "{{ secret.dbpassword }}",
    "line 1, column 11: the pod has no secret dbpassword; did you mean db-password"
)]
#[case("a\n{{ secret['x'] }}", "line 2, column 11: the pod has no secret x")]
#[case("{{ resource.db }}", "line 1, column 13: the pod has no resource db")]
#[case("{{ lease.name }}", "the pod has no lease name")]
#[case(
    "{{ secret.name.user }}",
    "line 1, column 11: the secret name is one value without members; property=* gives an entry a value for each member"
)]
#[case(
    "{{ secret }}",
    "line 1, column 4: secret needs the name of an entry, as in secret.NAME or secret[\"NAME\"]"
)]
#[case(
    "{% for x in secret %}{% endfor %}",
    "secret needs the name of an entry"
)]
#[case("{{ secret[resource.name] }}", "secret needs the name of an entry")]
#[case(
    "{% for secret in resource.name %}{% endfor %}",
    "a variable secret cannot be used here"
)]
#[case(
    "\n {{ password }}",
    "line 2, column 5: password is unknown; a value is secret.NAME"
)]
#[case("{{ env }}", "env is unknown")]
#[case("{% for x in secret.db %}{% endfor %}{{ x }}", "x is unknown")]
#[case(
    "{{ secret.name ",
    "line 1, column 11: the template has an error in its syntax: unexpected end of input"
)]
#[case(
    "{{ 'abc }}",
    "the template has an error in its syntax: unexpected end of string"
)]
#[case(
    "{% if secret.name %}",
    "the template has an error in its syntax: unexpected end of input"
)]
#[case(
    "{{ secret.name | upper }}",
    "line 1, column 18: the filter upper does not exist; use base64, default, indent, items, tojson, trim, urlencode"
)]
#[case(
    "{% if secret.name is number %}{% endif %}",
    "the test number does not exist; use defined"
)]
#[case(
    "{% if secret.name is not odd %}{% endif %}",
    "the test odd does not exist; use defined"
)]
fn an_error_has_its_line_and_its_column(#[case] source: &str, #[case] expected: &str) {
    let errors = Pod::new().errors(source);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains(expected), "{errors:?}");
    if expected.starts_with("line") {
        assert!(errors[0].starts_with(expected), "{errors:?}");
    }
}

#[rstest]
#[case("{% include \"/etc/passwd\" %}", "the statement include")]
#[case("{% import 'x' as y %}", "the statement import")]
#[case("{% extends 'x' %}", "the statement extends")]
#[case("{% macro m() %}{{ m() }}{% endmacro %}", "the statement macro")]
#[case("{% set x = secret.name %}", "the statement set")]
#[case("{% with x = secret.name %}{% endwith %}", "the statement with")]
#[case("{% filter trim %}{% endfilter %}", "the statement filter")]
#[case("{% autoescape true %}{% endautoescape %}", "the statement autoescape")]
#[case("{% do secret.name %}", "the statement do")]
#[case("{{ range(9) }}", "a function")]
#[case("{{ secret.db.items() }}", "a function")]
#[case(
    "{% for x in secret.db recursive %}{{ loop(x) }}{% endfor %}",
    "a function"
)]
#[case("{{ secret.name ~ secret.name }}", "`~`")]
#[case("{{ secret.name + secret.name }}", "`+`")]
#[case("{{ 'x' * 1000000000 }}", "`*`")]
#[case("{{ 9 ** 9 }}", "`**`")]
#[case("{{ 1 - 1 }}", "`-`")]
#[case("{{ 1 / 0 }}", "`/`")]
#[case("{{ 1 % 0 }}", "`%`")]
#[case("{{ secret.name[1:2] }}", "`:`")]
#[case("{{ ['x', 'x'] }}", "a list")]
#[case("{% for x in ['x'] %}{% endfor %}", "a list")]
#[case("{% for x in ('x', 'y') %}{% endfor %}", "`,`")]
#[case("{{ {'x': 'y'} }}", "`{`")]
fn what_could_read_or_grow_without_end_is_not_there(#[case] source: &str, #[case] what: &str) {
    let errors = Pod::new().errors(source);
    let expected = format!("{what} cannot be used here; a template has values, if, for");
    assert!(
        errors.len() == 1 && errors[0].contains(&expected),
        "{errors:?}"
    );
}

#[test]
fn every_name_that_no_entry_has_is_an_error_if_the_entries_are_known() {
    let source = "{{ secret.a }}{{ secret.b }}{{ secret.name }}";
    assert_eq!(Pod::new().errors(source).len(), 2);
    assert_eq!(check(source, None).count(), 0);
}

proptest! {
    #[test]
    fn any_text_is_checked_and_rendered_without_a_panic(
        source in r#"([{][{%#]|[%#}][}]|secret|\.|db|name|\[|\]|"|'| |\||\(|\)|if|for|in|x|else|endif|endfor|is|not|defined|items|default|,|=|-|\n|ü){0,40}"#,
    ) {
        let pod = Pod::new();
        let entries = Entries::new(&pod.entries);
        let errors: Vec<_> = check(&source, Some(&entries)).collect();
        let rendered = pod.render(&source);
        for error in &errors {
            prop_assert!(error.position.line > 0 && error.position.column > 0);
            prop_assert!(!error.to_string().contains(char::is_control));
        }
        if let Err(error) = rendered {
            let text = format!("{error} {error:?}");
            prop_assert!(!text.contains("canary"));
        }
    }
}
