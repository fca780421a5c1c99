//! Templates that try to take all time or all memory.

use rstest::rstest;

use crate::pod::Pod;

/// `{% for … %}` within each other.
fn nested(depth: usize, body: &str) -> String {
    let begin: Vec<_> = (0..depth)
        .map(|at| format!("{{% for x{at} in secret.db %}}"))
        .collect();
    let begin = begin.concat();
    format!("{begin}{body}{}", "{% endfor %}".repeat(depth))
}

#[test]
fn loops_within_loops_end() {
    let error = Pod::new().error(&nested(12, ""));
    assert!(error.contains("takes more than 50000 steps"), "{error}");
}

#[test]
fn a_result_has_a_largest_size() {
    let text = "x".repeat(2000);
    let error = Pod::new().error(&nested(7, &text));
    assert!(error.contains("larger than 1048576 bytes"), "{error}");
    let text = "x".repeat((1 << 20) + 1);
    assert!(Pod::new().error(&text).contains("larger than"));
}

#[test]
fn filters_of_filters_end() {
    let filters = "| tojson ".repeat(60);
    let error = Pod::new().error(&format!("{{{{ secret['db-password'] {filters}}}}}"));
    assert!(
        error.contains("process more than 16777216 bytes"),
        "{error}"
    );
}

#[rstest]
#[case(format!("{{{{ {}true }}}}", "not ".repeat(50_000)), "more than 200 tokens")]
#[case(format!("{{{{ true{} }}}}", " and true".repeat(50_000)), "more than 200 tokens")]
#[case(format!("{{{{ secret.db{} }}}}", ".x".repeat(50_000)), "more than 200 tokens")]
#[case(format!("{{{{ {}1 }}}}", "(".repeat(50_000)), "more than 200 tokens")]
#[case(format!("{{{{ {}1{} }}}}", "(".repeat(11), ")".repeat(11)), "more than 10 brackets")]
#[case(format!("{{{{ secret.db{}1{} }}}}", "[secret.db".repeat(11), "]".repeat(11)), "more than 10 brackets")]
#[case(format!("{{% if true %}}{}{{% endif %}}", "{% elif true %}".repeat(20_000)), "more than 50 blocks")]
#[case("{% if true %}".repeat(20_000), "more than 50 blocks")]
#[case(nested(51, ""), "more than 50 blocks")]
fn the_parser_gets_nothing_that_is_deep(#[case] source: String, #[case] expected: &str) {
    let pod = Pod::new();
    let errors = pod.errors(&source);
    assert!(
        errors.len() == 1 && errors[0].contains(expected),
        "{errors:?}"
    );
    assert!(pod.error(&source).contains(expected));
}

/// A thread of the webhook has 2 MiB of stack; a test has no less.
#[test]
fn the_deepest_templates_fit_a_small_stack() {
    let sources = [
        format!("{{{{ {}true }}}}", "not ".repeat(198)),
        format!("{{{{ true{} }}}}", " and true".repeat(99)),
        format!("{{{{ {}1{} }}}}", "(".repeat(10), ")".repeat(10)),
        format!(
            "{{% if true %}}{}{{% endif %}}",
            "{% elif true %}".repeat(49)
        ),
        nested(50, "{% if true %}{% endif %}").replacen("{% if true %}{% endif %}", "", 1),
    ];
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let thread = small.spawn(move || {
        for source in &sources {
            let errors = Pod::new().errors(source);
            assert_eq!(errors, [] as [String; 0]);
        }
    });
    thread.unwrap().join().unwrap();
}
