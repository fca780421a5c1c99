//! Values of JMESPath as JSON, as Go prints it: numbers have 64 bits, and some characters are escaped for HTML.

use std::fmt::Write as _;

use jmespath::Variable;

/// More bytes than a number has.
const NUMBER: u64 = 25;

/// The JSON text.
pub(crate) fn print(value: &Variable) -> String {
    let mut json = String::new();
    add(value, &mut json);
    json
}

fn add(value: &Variable, json: &mut String) {
    match value {
        Variable::Null | Variable::Expref(_) => json.push_str("null"),
        Variable::Bool(true) => json.push_str("true"),
        Variable::Bool(false) => json.push_str("false"),
        Variable::Number(number) => json.push_str(&print_number(number.as_f64())),
        Variable::String(text) => add_text(text, json),
        Variable::Array(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                add(item, json);
            }
            json.push(']');
        }
        Variable::Object(map) => {
            json.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                add_text(key, json);
                json.push(':');
                add(item, json);
            }
            json.push('}');
        }
    }
}

fn add_text(text: &str, json: &mut String) {
    json.push('"');
    for char in text.chars() {
        match char {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(char));
            }
            _ => json.push(char),
        }
    }
    json.push('"');
}

fn print_number(number: Option<f64>) -> String {
    let number = number.unwrap_or_default();
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    if size < 1.0 {
        text
    } else {
        text.replace('e', "e+")
    }
}

/// At least the bytes of the JSON text, and one for each part of it.
pub(crate) fn size(value: &Variable) -> u64 {
    match value {
        Variable::Null | Variable::Bool(_) | Variable::Expref(_) => 5,
        Variable::Number(_) => NUMBER,
        Variable::String(text) => text_size(text),
        Variable::Array(items) => {
            let items = items.iter().map(|item| size(item).saturating_add(1));
            items.fold(2, u64::saturating_add)
        }
        Variable::Object(map) => {
            let items = map.iter();
            let items = items.map(|(key, item)| text_size(key).saturating_add(size(item) + 2));
            items.fold(2, u64::saturating_add)
        }
    }
}

fn text_size(text: &str) -> u64 {
    let escaped = text.chars().map(|char| match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1 + u64::from(!char.is_ascii()) * 3,
    });
    2 + escaped.sum::<u64>()
}
