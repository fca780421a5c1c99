//! The text of an IAM policy: names, wildcards and variables, each escaped as its place requires.

/// A text of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// These characters, and no others.
    Literal(String),
    /// Text in the language of IAM: a wildcard or a variable.
    Iam(String),
    /// A value that is inserted later.
    Variable(Variable),
}

/// A value that is inserted where the policy is used, for example a parameter of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variable(pub &'static str);

impl Pattern {
    /// Text in the language of IAM.
    pub fn iam(text: &str) -> Self {
        Self(vec![Piece::Iam(text.to_owned())])
    }

    /// A storage prefix. The variables of EKS Pod Identity in it stay variables.
    pub fn prefix(text: &str) -> Self {
        const TAG: &str = "${aws:PrincipalTag/";
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(TAG)
            && let Some((tag, after)) = after.split_once('}')
        {
            pieces.push(Piece::Literal(before.to_owned()));
            pieces.push(Piece::Iam(format!("{TAG}{tag}}}")));
            rest = after;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        Self(pieces)
    }

    /// This text followed by `more`.
    #[must_use]
    pub fn then(&self, more: impl Into<Self>) -> Self {
        let mut pieces = self.0.clone();
        pieces.extend(more.into().0);
        Self(pieces)
    }

    /// Whether it contains a [`Variable`].
    pub fn has_variable(&self) -> bool {
        let mut pieces = self.0.iter();
        pieces.any(|piece| matches!(piece, Piece::Variable(_)))
    }

    /// The text of IAM, with the result of `variable` for each variable, and with the result of
    /// `escape` for everything else.
    pub fn render(
        &self,
        variable: impl Fn(Variable) -> String,
        escape: impl Fn(&str) -> String,
    ) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => escape(&literal(text)),
            Piece::Iam(text) => escape(text),
            Piece::Variable(one) => variable(*one),
        });
        pieces.collect()
    }
}

/// Escapes the characters that mean something else in IAM: wildcards, and the beginning of a
/// variable (IAM User Guide, "Policy variables", "Escaping special characters").
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '?' | '$' => escaped.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
            _ => escaped.push(c),
        }
    }
    escaped
}

impl From<&str> for Pattern {
    /// These characters, and no others.
    fn from(text: &str) -> Self {
        Self(vec![Piece::Literal(text.to_owned())])
    }
}

impl From<Variable> for Pattern {
    fn from(variable: Variable) -> Self {
        Self(vec![Piece::Variable(variable)])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn iam(pattern: &Pattern) -> String {
        pattern.render(|variable| variable.0.to_owned(), str::to_owned)
    }

    #[rstest]
    #[case("/dev/a", "/dev/a")]
    #[case("/dev/*", "/dev/${*}")]
    #[case("/dev/a?", "/dev/a${?}")]
    #[case("/dev/${x}", "/dev/${$}{x}")]
    #[case("/$", "/${$}")]
    fn characters_that_mean_something_else_in_iam_are_escaped(
        #[case] name: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(iam(&Pattern::from(name)), expected);
    }

    #[rstest]
    #[case("/dev/${aws:PrincipalTag/kubernetes-namespace}", None)]
    #[case(
        "/dev/${aws:PrincipalTag/kubernetes-namespace}/${aws:PrincipalTag/kubernetes-service-account}/*",
        Some(
            "/dev/${aws:PrincipalTag/kubernetes-namespace}/${aws:PrincipalTag/kubernetes-service-account}/${*}"
        )
    )]
    #[case("/dev/${aws:PrincipalTag/", Some("/dev/${$}{aws:PrincipalTag/"))]
    #[case("/dev/${aws:username}", Some("/dev/${$}{aws:username}"))]
    fn only_the_tags_of_the_principal_stay_variables(
        #[case] prefix: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(iam(&Pattern::prefix(prefix)), expected.unwrap_or(prefix));
    }
}
