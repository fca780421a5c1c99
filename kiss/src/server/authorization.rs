//! Who may use which namespace: the decision, without I/O.

use regex::Regex;

/// The operator's rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What a namespace's name is taken out of a group with. Without it, a group is a namespace.
    pub expression: Option<GroupExpression>,
    /// Callers with this namespace may use all of them.
    pub admin_namespace: Option<String>,
    /// What the name of a RoleBinding begins with; may be empty.
    pub binding_prefix: String,
}

/// A regular expression with one capture group, which must match a group as a whole.
#[derive(Debug, Clone)]
pub struct GroupExpression(Regex);

/// An expression that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExpressionError {
    /// It is no regular expression.
    #[error("not a regular expression")]
    Syntax(#[source] regex::Error),
    /// It has no capture group, or several.
    #[error("the expression must have one capture group, for the namespace, and has {0}")]
    Captures(usize),
}

impl GroupExpression {
    /// Compiles `expression`.
    ///
    /// # Errors
    /// It is no regular expression, or does not have exactly one capture group.
    pub fn new(expression: &str) -> Result<Self, ExpressionError> {
        // The expression must be one by itself: `a)|(b` is none, although it is one in parentheses.
        let captures = Regex::new(expression).map_err(ExpressionError::Syntax)?;
        match captures.captures_len() - 1 {
            1 => {}
            number => return Err(ExpressionError::Captures(number)),
        }
        let anchored =
            Regex::new(&format!(r"\A(?:{expression})\z")).map_err(ExpressionError::Syntax)?;
        Ok(Self(anchored))
    }

    /// The namespace in `group`, if the expression matches all of it.
    fn namespace<'a>(&self, group: &'a str) -> Option<&'a str> {
        Some(self.0.captures(group)?.get(1)?.as_str())
    }
}

/// Who calls, as a valid token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The name in audit lines and errors.
    pub user: String,
    /// The groups, as they are in the token.
    pub groups: Vec<String>,
}

/// What is used of a RoleBinding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The names of its subjects.
    pub subjects: Vec<String>,
}

/// Why a caller may use a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// One of the groups is that of the administrators.
    Admin,
    /// The RoleBinding of the namespace has one of the groups as a subject.
    Binding,
}

/// Why a caller may not use a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The namespace has no RoleBinding of the name.
    NoBinding,
    /// None of its subjects is a group of the caller.
    NoSubject,
}

impl Rules {
    /// The name of the RoleBinding that decides about `namespace`.
    pub fn binding_name(&self, namespace: &str) -> String {
        format!("{}{namespace}", self.binding_prefix)
    }

    /// Whether a caller may use all namespaces. No RoleBinding is needed for that.
    pub fn is_admin(&self, claims: &Claims) -> bool {
        let admin = self.admin_namespace.as_deref();
        let admin = admin.filter(|admin| !admin.is_empty());
        admin.is_some_and(|admin| self.groups(claims).any(|group| group == admin))
    }

    /// Whether a caller may use `namespace`. `binding` is the RoleBinding that was found for it; another
    /// one counts as none.
    ///
    /// # Errors
    /// They may not, and why.
    pub fn decide(
        &self,
        claims: &Claims,
        namespace: &str,
        binding: Option<&Binding>,
    ) -> Result<Allowed, Denied> {
        if self.is_admin(claims) {
            return Ok(Allowed::Admin);
        }
        let name = self.binding_name(namespace);
        let binding = binding
            .filter(|binding| binding.namespace == namespace && binding.name == name)
            .ok_or(Denied::NoBinding)?;
        let subjects = binding.subjects.iter().filter_map(|subject| {
            let prefix = self.binding_prefix.as_str();
            self.mapped(subject.strip_prefix(prefix).unwrap_or(subject))
        });
        let subjects: Vec<_> = subjects.collect();
        if self.groups(claims).any(|group| subjects.contains(&group)) {
            Ok(Allowed::Binding)
        } else {
            Err(Denied::NoSubject)
        }
    }

    /// The namespaces that the caller's groups name. Groups that the expression does not match belong
    /// to other systems.
    fn groups<'a>(&'a self, claims: &'a Claims) -> impl Iterator<Item = &'a str> {
        claims.groups.iter().filter_map(|group| self.mapped(group))
    }

    /// An empty text would be equal to another one by accident.
    fn mapped<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mapped = match &self.expression {
            None => Some(text),
            Some(expression) => expression.namespace(text),
        };
        mapped.filter(|mapped| !mapped.is_empty())
    }
}

#[cfg(test)]
mod tests;
