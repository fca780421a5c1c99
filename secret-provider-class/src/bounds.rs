//! How large the results of an expression can become, before it is evaluated.
//!
//! `[@,@]` doubles a value, and `join('', [@,@])` a text. Twenty of them in a row make a megabyte of one byte, and
//! the library has no limit. So every expression is walked once with upper bounds instead of values: of the size
//! of each result, in bytes of JSON, and of the work. Both are sums, products and compositions of increasing
//! functions of the size of the input, so each is convex. For parts `s1 + s2 + … ≤ s`, of which there are at most `s`,
//! a convex function `f` has `f(s1) + f(s2) + … ≤ s·f(0) + f(s)`: that bounds projections.

use jmespath::ast::Ast;

use crate::json;

/// The most bytes of a result.
const MAX_SIZE: u64 = 16 << 20;
/// The most bytes that may be read or written on the way to it.
const MAX_WORK: u64 = 256 << 20;
/// A part of a value has at least this size, with the sign that separates it from the next part.
const SMALLEST_ITEM: u64 = 3;
/// How often a sort reads each byte: as often as the number of items has bits.
const SORT: u64 = 24;
/// The size of a result that is a number, a boolean or the name of a type.
const SMALL: u64 = 32;

/// Upper bounds for one size of the input.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// The size of the result.
    size: u64,
    /// The bytes that are read or written on the way.
    work: u64,
}

/// Checks that an expression keeps within the limits for an input of `size` bytes.
pub(crate) fn check(ast: &Ast, size: u64) -> Result<(), String> {
    let bounds = walk(ast, &[size])?;
    let is_too_large = |bound: &Bound| bound.size > MAX_SIZE || bound.work > MAX_WORK;
    if bounds.iter().any(is_too_large) {
        return Err("its result could become too large; make the expression simpler".to_owned());
    }
    Ok(())
}

/// The bounds for each size of the input.
fn walk(ast: &Ast, inputs: &[u64]) -> Result<Vec<Bound>, String> {
    match ast {
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Slice { .. } => {
            Ok(inputs.iter().map(|size| bound(*size, *size)).collect())
        }
        Ast::Literal { value, .. } => Ok(constant(inputs, json::size(value))),
        Ast::Subexpr { lhs, rhs, .. } => {
            let left = walk(lhs, inputs)?;
            let right = walk(rhs, &sizes(&left))?;
            Ok(zip(&left, &right, |left, right| {
                bound(right.size, left.work.saturating_add(right.work))
            }))
        }
        Ast::Projection { lhs, rhs, .. } => {
            let left = walk(lhs, inputs)?;
            project(rhs, &left)
        }
        Ast::Or { lhs, rhs, .. } | Ast::And { lhs, rhs, .. } => {
            let (left, right) = (walk(lhs, inputs)?, walk(rhs, inputs)?);
            Ok(zip(&left, &right, |left, right| {
                bound(left.size.max(right.size), total([left, right]).work)
            }))
        }
        Ast::Condition {
            predicate, then, ..
        } => {
            let (predicate, then) = (walk(predicate, inputs)?, walk(then, inputs)?);
            Ok(zip(&predicate, &then, |predicate, then| {
                bound(then.size, total([predicate, then]).work)
            }))
        }
        Ast::Comparison { lhs, rhs, .. } => {
            let (left, right) = (walk(lhs, inputs)?, walk(rhs, inputs)?);
            Ok(zip(&left, &right, |left, right| {
                let both = total([left, right]);
                bound(SMALL, both.work.saturating_add(both.size))
            }))
        }
        Ast::Not { node, .. } => {
            let of_node = walk(node, inputs)?;
            Ok(map(&of_node, |of_node| bound(SMALL, of_node.work)))
        }
        Ast::ObjectValues { node, .. } | Ast::Flatten { node, .. } => {
            let of_node = walk(node, inputs)?;
            Ok(map(&of_node, |of_node| {
                bound(of_node.size, of_node.work.saturating_add(of_node.size))
            }))
        }
        Ast::MultiList { elements, .. } => all(elements.iter().map(|element| (0, element)), inputs),
        Ast::MultiHash { elements, .. } => {
            let elements = elements.iter();
            all(elements.map(|pair| (pair.key.len(), &pair.value)), inputs)
        }
        Ast::Function { name, args, .. } => function(name, args, inputs),
        Ast::Expref { .. } => Err("'&' is possible in the arguments of functions alone".to_owned()),
    }
}

/// `rhs` for each item of the results of `left`.
fn project(rhs: &Ast, left: &[Bound]) -> Result<Vec<Bound>, String> {
    let mut inputs = vec![0];
    inputs.extend(sizes(left));
    let right = walk(rhs, &inputs)?;
    let Some((empty, right)) = right.split_first() else {
        return Ok(Vec::new());
    };
    Ok(zip(left, right, |left, right| {
        let count = left.size / SMALLEST_ITEM + 1;
        let items = |of_empty: u64, of_all: u64| {
            let of_empty = of_empty.saturating_add(1);
            count.saturating_mul(of_empty).saturating_add(of_all)
        };
        let work = items(empty.work, right.work).saturating_add(left.work);
        bound(items(empty.size, right.size), work)
    }))
}

/// All elements of a list, each with the length of its key.
fn all<'a>(
    elements: impl Iterator<Item = (usize, &'a Ast)>,
    inputs: &[u64],
) -> Result<Vec<Bound>, String> {
    let mut sum = constant(inputs, 2);
    for (key, element) in elements {
        // Each character of a key is escaped with up to six bytes.
        let key = u64::try_from(key).unwrap_or(u64::MAX).saturating_mul(6);
        let of_element = walk(element, inputs)?;
        sum = zip(&sum, &of_element, |sum, of_element| {
            let of_key = bound(key.saturating_add(8), key);
            total([total([sum, of_element]), of_key])
        });
    }
    Ok(sum)
}

fn function(name: &str, args: &[Ast], inputs: &[u64]) -> Result<Vec<Bound>, String> {
    let mut arguments = constant(inputs, 2);
    let mut product = constant(inputs, 1);
    let mut expression = None;
    for argument in args {
        if let Ast::Expref { ast, .. } = argument {
            expression = Some(ast);
            continue;
        }
        let of_argument = walk(argument, inputs)?;
        arguments = zip(&arguments, &of_argument, |sum, of_argument| {
            total([sum, of_argument])
        });
        product = zip(&product, &of_argument, |product, of_argument| {
            bound(product.size.saturating_mul(of_argument.size), 0)
        });
    }
    let of_items = match expression {
        Some(expression) => project(expression, &arguments)?,
        None => constant(inputs, 0),
    };
    let of_arguments = zip(&arguments, &of_items, |arguments, of_items| {
        let read = arguments.size.saturating_add(of_items.size);
        let times = if name.starts_with("sort") { SORT } else { 2 };
        let work = arguments.work.saturating_add(of_items.work);
        bound(
            arguments.size,
            work.saturating_add(read.saturating_mul(times)),
        )
    });
    Ok(match name {
        "map" => zip(&of_arguments, &of_items, |of_arguments, of_items| {
            bound(of_items.size, of_arguments.work)
        }),
        // The separator is between all items.
        "join" => zip(&of_arguments, &product, |of_arguments, product| {
            let size = of_arguments.size.saturating_add(product.size);
            bound(size, of_arguments.work.saturating_add(size))
        }),
        // A text is escaped once more.
        "to_string" => map(&of_arguments, |of_arguments| {
            let size = of_arguments.size.saturating_mul(2).saturating_add(2);
            bound(size, of_arguments.work.saturating_add(size))
        }),
        _ => map(&of_arguments, |of_arguments| {
            let size = of_arguments.size.saturating_add(SMALL);
            bound(size, of_arguments.work)
        }),
    })
}

/// Whoever makes a result writes it.
fn bound(size: u64, work: u64) -> Bound {
    let work = work.max(size);
    Bound { size, work }
}

fn constant(inputs: &[u64], size: u64) -> Vec<Bound> {
    vec![bound(size, size); inputs.len()]
}

fn sizes(bounds: &[Bound]) -> Vec<u64> {
    bounds.iter().map(|bound| bound.size).collect()
}

fn total([a, b]: [Bound; 2]) -> Bound {
    bound(a.size.saturating_add(b.size), a.work.saturating_add(b.work))
}

fn map(bounds: &[Bound], change: impl Fn(Bound) -> Bound) -> Vec<Bound> {
    bounds.iter().map(|bound| change(*bound)).collect()
}

fn zip(a: &[Bound], b: &[Bound], join: impl Fn(Bound, Bound) -> Bound) -> Vec<Bound> {
    let both = a.iter().zip(b);
    both.map(|(a, b)| join(*a, *b)).collect()
}
