//! The words and the bounds of the language of templates.

/// Every filter.
pub(crate) const FILTERS: [&str; 7] = [
    "base64",
    "default",
    "indent",
    "items",
    "tojson",
    "trim",
    "urlencode",
];

/// Words with a meaning of their own within an expression.
pub(crate) const WORDS: [&str; 9] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false",
];

/// The statements of templates.
pub(crate) const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// The most tokens of one expression or statement.
pub(crate) const MAX_TOKENS: usize = 200;

/// The most brackets within each other in one expression.
pub(crate) const MAX_BRACKETS: usize = 10;

/// The most blocks within each other. Each `elif` counts, because the parser puts it within its `if`.
pub(crate) const MAX_DEPTH: usize = 50;

/// The most steps of one template.
pub(crate) const MAX_STEPS: u64 = 50_000;

/// The most bytes that the filters of one template process.
pub(crate) const MAX_WORK: usize = 16 << 20;

/// The largest result, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
