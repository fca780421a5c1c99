//! What templates give with values.

use rstest::rstest;

use crate::pod::Pod;

#[rstest]
#[case("url={{ secret[\"db-password\"] }}\n", "url=p@ss \"w\"/canary\n")]
#[case(
    "{{ secret.name }} {{ resource.name }} {{ lease.worker }}",
    "secret-name resource-name 7"
)]
#[case("{{ secret.db.user }}:{{ secret['db']['port'] }}", "app:5432")]
#[case(
    "{% for name in secret.db %}\n{{ name }}={{ secret.db[name] }}\n{% endfor %}\n",
    "password=canary\nport=5432\nuser=app\n"
)]
#[case(
    "{% for k, v in secret.db | items %}{{ k }}={{ v }}{% if not loop.last %},{% endif %}{% endfor %}",
    "password=canary,port=5432,user=app"
)]
#[case(
    "{% if resource.name == \"resource-name\" %}\nyes\n{% else %}\nno\n{% endif %}\n",
    "yes\n"
)]
#[case("{{ secret.db.host | default(\"localhost\") }}", "localhost")]
#[case(
    "{% if secret.db.host is defined %}a{% elif secret.db.user is defined %}b{% endif %}",
    "b"
)]
#[case("{{ 'x' if lease.worker in ('7') else 'y' }}", "x")]
#[case("{{ secret.key | base64 }}", "/2NhbmFyeQA=")]
#[case("{{ secret['db-password'] | urlencode }}", "p%40ss%20%22w%22%2Fcanary")]
#[case("{{ secret['db-password'] | tojson }}", "\"p@ss \\\"w\\\"/canary\"")]
#[case(
    "key: |\n  {{ resource.pem | trim | indent(2) }}\n",
    "key: |\n  -----BEGIN-----\n  canary\n  -----END-----\n"
)]
#[case("{% raw %}{{ no }}{% endraw %}{# comment #}ü", "{{ no }}ü")]
#[case("", "")]
fn a_template_has_the_values_of_entries(#[case] source: &str, #[case] expected: &str) {
    let pod = Pod::new();
    assert_eq!(pod.errors(source), [] as [String; 0]);
    assert_eq!(pod.render(source).unwrap(), expected);
}

#[rstest]
#[case(
    "a\n  {{ secret.key }}",
    "line 2, column 6: a value is not text (UTF-8); use the filter base64"
)]
#[case(
    "{{ secret.key | tojson }}",
    "a value is not text (UTF-8); use the filter base64"
)]
#[case(
    "{{ secret.db }}",
    "line 1, column 4: this is not one value; name a member"
)]
#[case("{{ secret.db | trim }}", "this is not one value; name a member")]
#[case(
    "\n{{ secret.db.pasword }}",
    "line 2, column 10: a value is not there; use the filter default, or the test defined"
)]
#[case("{% if secret.db.pasword %}{% endif %}", "a value is not there")]
#[case("{% for x in secret.db.nothing %}{% endfor %}", "a value is not there")]
#[case("{{ secret.name | items }}", "this is not one value")]
#[case(
    "{% for a, b in secret.db %}{% endfor %}",
    "this cannot be done with the value"
)]
#[case("{{ secret.name < secret.db }}", "")]
fn an_error_of_a_value_has_its_place_and_not_the_value(
    #[case] source: &str,
    #[case] expected: &str,
) {
    let pod = Pod::new();
    assert_eq!(pod.errors(source), [] as [String; 0]);
    if expected.is_empty() {
        let _ = pod.render(source);
        return;
    }
    let error = pod.error(source);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_stored_text_that_is_not_base64_is_an_error_where_it_is_used() {
    let pod = Pod::with_verbatim();
    let expected = "line 1, column 4: the stored text of a value is not canonical base64; store the \
                    base64 of the value";
    assert_eq!(pod.error("{{ secret.name }}"), expected);
    assert_eq!(pod.render("{{ resource.name }}").unwrap(), "resource-name");
}
