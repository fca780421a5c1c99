//! The first look at a template: its tokens, before anything is parsed. It bounds what the parser gets,
//! because the parser recurses, and it finds every use of an entry.

use std::collections::HashMap;

use minijinja::machinery::{Span, Token, tokenize};

use crate::{
    engine::syntax,
    error::{TemplateError, TemplateErrorKind, short},
    language::{FILTERS, MAX_BRACKETS, MAX_DEPTH, MAX_TOKENS, STATEMENTS, WORDS},
    lookup::{Lookup, Root},
    position::Position,
};

/// What a template uses. Places are bytes, because most of them are never shown.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Every use of an entry, in the order of the template.
    pub(crate) lookups: Vec<Lookup>,
    /// The first place of every other word.
    pub(crate) words: HashMap<String, usize>,
}

/// Everything that `source` uses.
///
/// # Errors
/// The first thing that a template cannot contain.
pub(crate) fn uses(source: &str) -> Result<Uses, TemplateError> {
    let mut scanner = Scan {
        source,
        uses: Uses::default(),
        depths: Vec::new(),
    };
    let mut tag: Option<Vec<(Token<'_>, Span)>> = None;
    for read in tokenize(source, false, syntax()) {
        let (token, span) = read.map_err(|error| crate::engine::syntax_error(source, &error))?;
        match (&token, &mut tag) {
            (Token::VariableStart, _) => tag = Some(Vec::new()),
            (Token::BlockStart, _) => tag = Some(vec![(token, span)]),
            (Token::VariableEnd | Token::BlockEnd, _) => {
                scanner.tag(&tag.take().unwrap_or_default())?;
            }
            (_, Some(tokens)) if tokens.len() >= MAX_TOKENS => {
                return Err(scanner.error(TemplateErrorKind::TooLong, span));
            }
            (_, Some(tokens)) => tokens.push((token, span)),
            (_, None) => {}
        }
    }
    Ok(scanner.uses)
}

struct Scan<'s> {
    source: &'s str,
    uses: Uses,
    /// For each block that is not closed, how deep the parser is within it.
    depths: Vec<usize>,
}

type Tokens<'t, 's> = &'t [(Token<'s>, Span)];

impl Scan<'_> {
    fn error(&self, kind: TemplateErrorKind, span: Span) -> TemplateError {
        kind.at(Position::of(self.source, byte(span)))
    }

    /// The tokens of one expression or statement. A statement begins with [`Token::BlockStart`].
    fn tag(&mut self, tokens: Tokens<'_, '_>) -> Result<(), TemplateError> {
        let tokens = match tokens {
            [
                (Token::BlockStart, _),
                (Token::Ident(word), span),
                rest @ ..,
            ] => {
                self.statement(word, *span)?;
                match *word {
                    "for" => self.for_targets(rest)?,
                    _ => rest,
                }
            }
            // The parser says what is wrong.
            [(Token::BlockStart, _), rest @ ..] | rest => rest,
        };
        self.brackets(tokens)?;
        let mut at = 0;
        while at < tokens.len() {
            at += self.token(tokens, at)?;
        }
        Ok(())
    }

    /// Checks how deep brackets are within each other.
    fn brackets(&self, tokens: Tokens<'_, '_>) -> Result<(), TemplateError> {
        let mut depth = 0_usize;
        for (token, span) in tokens {
            match token {
                Token::ParenOpen | Token::BracketOpen => depth += 1,
                Token::ParenClose | Token::BracketClose => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_BRACKETS {
                return Err(self.error(TemplateErrorKind::TooManyBrackets, *span));
            }
        }
        Ok(())
    }

    fn statement(&mut self, word: &str, span: Span) -> Result<(), TemplateError> {
        if !STATEMENTS.contains(&word) {
            let kind = TemplateErrorKind::NotSupported(format!("the statement {}", short(word)));
            return Err(self.error(kind, span));
        }
        let depth = self.depths.last().copied().unwrap_or_default();
        match word {
            "if" | "for" => self.depths.push(depth + 1),
            "elif" => {
                if let Some(depth) = self.depths.last_mut() {
                    *depth += 1;
                }
            }
            "endif" | "endfor" => drop(self.depths.pop()),
            _ => {}
        }
        if self.depths.last().is_some_and(|depth| *depth > MAX_DEPTH) {
            return Err(self.error(TemplateErrorKind::TooDeep, span));
        }
        Ok(())
    }

    /// The variables of a loop, which may not hide a kind of entry. Returns the tokens after them.
    fn for_targets<'t, 's>(&self, tokens: Tokens<'t, 's>) -> Result<Tokens<'t, 's>, TemplateError> {
        for (at, (token, span)) in tokens.iter().enumerate() {
            match token {
                Token::Ident("in") => return Ok(&tokens[at..]),
                Token::Ident(name) if Root::named(name).is_none() => {}
                Token::Comma => {}
                Token::Ident(name) => {
                    let kind =
                        TemplateErrorKind::NotSupported(format!("a variable {}", short(name)));
                    return Err(self.error(kind, *span));
                }
                other => return Err(self.error(not_supported(other), *span)),
            }
        }
        // The parser says that `in` is missing.
        Ok(&[])
    }

    /// Checks the token at `at`, and returns how many tokens it stands for.
    fn token(&mut self, tokens: Tokens<'_, '_>, at: usize) -> Result<usize, TemplateError> {
        let Some((token, span)) = tokens.get(at) else {
            return Ok(1);
        };
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let before = before.map(|(token, _)| token);
        let kind = match token {
            Token::Ident(name) if matches!(before, Some(Token::Pipe)) => {
                if FILTERS.contains(name) {
                    // A filter may have arguments.
                    return Ok(1);
                }
                TemplateErrorKind::Filter(short(name))
            }
            Token::Ident(name) if is_test(tokens, at) => {
                if *name == "defined" {
                    return Ok(1);
                }
                TemplateErrorKind::Test(short(name))
            }
            Token::Ident(_) if matches!(before, Some(Token::Dot)) => return Ok(1),
            Token::Ident(name) => {
                if let Some(root) = Root::named(name) {
                    return self.lookup(root, tokens, at);
                }
                let words = &mut self.uses.words;
                words.entry((*name).to_owned()).or_insert(byte(*span));
                return Ok(1);
            }
            Token::ParenOpen if matches!(before, Some(Token::Ident(name)) if !WORDS.contains(name)) =>
            {
                if is_filter(tokens, at - 1) {
                    return Ok(1);
                }
                TemplateErrorKind::NotSupported("a function".to_owned())
            }
            Token::BracketOpen => match before {
                Some(Token::BracketClose) => return Ok(1),
                Some(Token::Ident(name)) if !WORDS.contains(name) => return Ok(1),
                _ => TemplateErrorKind::NotSupported("a list".to_owned()),
            },
            Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Dot
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte
            | Token::BracketClose
            | Token::ParenOpen
            | Token::ParenClose => return Ok(1),
            other => not_supported(other),
        };
        Err(self.error(kind, *span))
    }

    /// An entry by its name: `secret.NAME` or `secret["NAME"]`.
    fn lookup(
        &mut self,
        root: Root,
        tokens: Tokens<'_, '_>,
        at: usize,
    ) -> Result<usize, TemplateError> {
        let (name, count, span) = match tokens.get(at + 1..) {
            Some([(Token::Dot, _), (Token::Ident(name), span), ..]) => {
                ((*name).to_owned(), 3, *span)
            }
            Some(
                [
                    (Token::BracketOpen, _),
                    (Token::Str(name), span),
                    (Token::BracketClose, _),
                    ..,
                ],
            ) => ((*name).to_owned(), 4, *span),
            _ => {
                let span = tokens.get(at).map(|(_, span)| *span).unwrap_or_default();
                return Err(self.error(TemplateErrorKind::NoName(root.as_str()), span));
            }
        };
        let after = tokens.get(at + count..).unwrap_or_default();
        let next = after.first().map(|(token, _)| token);
        self.uses.lookups.push(Lookup {
            root,
            name,
            has_member: matches!(next, Some(Token::Dot | Token::BracketOpen)),
            may_be_absent: may_be_absent(after),
            byte: byte(span),
        });
        Ok(count)
    }
}

/// Whether a value may be absent that has these tokens after it.
fn may_be_absent(after: Tokens<'_, '_>) -> bool {
    matches!(
        after,
        [(Token::Pipe, _), (Token::Ident("default"), _), ..] | [(Token::Ident("is"), _), ..]
    )
}

/// Where a token begins.
fn byte(span: Span) -> usize {
    usize::try_from(span.start_offset).unwrap_or_default()
}

/// Whether the word at `at` is that of a test: after `is` or `is not`.
fn is_test(tokens: Tokens<'_, '_>, at: usize) -> bool {
    let word = |back: usize| match at.checked_sub(back).and_then(|at| tokens.get(at)) {
        Some((Token::Ident(word), _)) => *word,
        _ => "",
    };
    let is_not = matches!(tokens.get(at), Some((Token::Ident("not"), _)));
    (word(1) == "is" && !is_not) || (word(1) == "not" && word(2) == "is")
}

/// Whether the word at `at` is that of a filter.
fn is_filter(tokens: Tokens<'_, '_>, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
    matches!(before, Some((Token::Pipe, _)))
}

fn not_supported(token: &Token<'_>) -> TemplateErrorKind {
    TemplateErrorKind::NotSupported(token.to_string())
}
