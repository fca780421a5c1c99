//! Plain scalars of YAML 1.1 as text, as the provider's YAML and JSON decoders make it together.

/// What a plain scalar stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    /// From the smallest `i64` to the largest `u64`.
    Integer(i128),
    Float(f64),
    /// Text, as it is.
    Text,
}

impl Plain {
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                Self::Bool(true)
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off"
            | "OFF" => Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => Self::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Self::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Self::Float(f64::NEG_INFINITY),
            _ if text.starts_with('.') => {
                let number = without_underscores(text).and_then(|number| float(&number));
                number.map_or(Self::Text, Self::Float)
            }
            _ if text.starts_with(['+', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
                number(&text.replace('_', ""))
            }
            _ => Self::Text,
        }
    }

    /// The text in a field of text; `None` for null, which leaves the field as it is.
    pub(crate) fn into_text(self, text: &str) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(true) => Some("true".to_owned()),
            Self::Bool(false) => Some("false".to_owned()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Float(number) => Some(float_text(number)),
            Self::Text => Some(text.to_owned()),
        }
    }
}

fn number(text: &str) -> Plain {
    if let Some(number) = integer(text) {
        return Plain::Integer(number);
    }
    let is_float = text
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let float = float(text).filter(|_| is_float);
    if let Some(number) = float {
        return Plain::Float(number);
    }
    // A sign after the prefix.
    let binary = text.strip_prefix("0b");
    let binary = binary.and_then(|digits| i64::from_str_radix(digits, 2).ok());
    binary.map_or(Plain::Text, |number| Plain::Integer(number.into()))
}

/// The text without underscores, each of which must be between two digits.
fn without_underscores(text: &str) -> Option<String> {
    let parts: Vec<_> = text.split('_').collect();
    let is_between = |pair: &[&str]| match pair {
        [before, after] => {
            before.ends_with(|c: char| c.is_ascii_digit())
                && after.starts_with(|c: char| c.is_ascii_digit())
        }
        _ => false,
    };
    parts.windows(2).all(is_between).then(|| parts.concat())
}

/// An integer with the prefix of its base: `0x`, `0o` or `0`, `0b`.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.get(..1), digits),
        None => (None, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    match sign {
        Some("-") => Some(-number).filter(|number| *number >= i64::MIN.into()),
        // Only a number without a sign may need the 64th bit.
        Some(_) => Some(number).filter(|number| *number <= i64::MAX.into()),
        None => Some(number).filter(|number| *number <= u64::MAX.into()),
    }
}

/// A number that is not too large. Rust reads the digits as Go does; words such as `inf` are not given to
/// it.
fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    Some(number).filter(|number| number.is_finite())
}

/// A number with the precision of 32 bits, as Go prints it with `%g`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the provider's decoder loses the precision too"
)]
fn float_text(number: f64) -> String {
    let number = number as f32;
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The expected texts are those of the provider's decoder.
    #[rstest]
    #[case("abc", Some("abc"))]
    #[case("~", None)]
    #[case("null", None)]
    #[case("Null", None)]
    #[case("NULL", None)]
    #[case("nULL", Some("nULL"))]
    #[case("y", Some("true"))]
    #[case("Y", Some("true"))]
    #[case("yes", Some("true"))]
    #[case("Yes", Some("true"))]
    #[case("YES", Some("true"))]
    #[case("yEs", Some("yEs"))]
    #[case("true", Some("true"))]
    #[case("True", Some("true"))]
    #[case("TRUE", Some("true"))]
    #[case("on", Some("true"))]
    #[case("On", Some("true"))]
    #[case("ON", Some("true"))]
    #[case("n", Some("false"))]
    #[case("N", Some("false"))]
    #[case("no", Some("false"))]
    #[case("No", Some("false"))]
    #[case("NO", Some("false"))]
    #[case("false", Some("false"))]
    #[case("off", Some("false"))]
    #[case("Off", Some("false"))]
    #[case("OFF", Some("false"))]
    #[case("0644", Some("420"))]
    #[case("0123", Some("83"))]
    #[case("08", Some("8"))]
    #[case("09", Some("9"))]
    #[case("0", Some("0"))]
    #[case("00", Some("0"))]
    #[case("-0", Some("0"))]
    #[case("+0", Some("0"))]
    #[case("-0644", Some("-420"))]
    #[case("0x1F", Some("31"))]
    #[case("0X1f", Some("31"))]
    #[case("-0x1F", Some("-31"))]
    #[case("+0x1f", Some("31"))]
    #[case("0o17", Some("15"))]
    #[case("0O17", Some("15"))]
    #[case("-0o17", Some("-15"))]
    #[case("0b101", Some("5"))]
    #[case("0B101", Some("5"))]
    #[case("-0b11", Some("-3"))]
    #[case("0b-1", Some("-1"))]
    #[case("0b+1", Some("1"))]
    #[case("-0b-1", Some("-0b-1"))]
    #[case("1_000", Some("1000"))]
    #[case("1__0", Some("10"))]
    #[case("_1", Some("_1"))]
    #[case("0_7", Some("7"))]
    #[case("0x_1f", Some("31"))]
    #[case("12345678901234567890", Some("12345678901234567890"))]
    #[case("18446744073709551615", Some("18446744073709551615"))]
    #[case("18446744073709551616", Some("1.8446744e+19"))]
    #[case("-9223372036854775808", Some("-9223372036854775808"))]
    #[case("-9223372036854775809", Some("-9.223372e+18"))]
    #[case("9223372036854775807", Some("9223372036854775807"))]
    #[case("+9223372036854775808", Some("9.223372e+18"))]
    #[case("1.5", Some("1.5"))]
    #[case("1.", Some("1"))]
    #[case(".5", Some("0.5"))]
    #[case(".5e3", Some("500"))]
    #[case(".5E+3", Some("500"))]
    #[case("1e3", Some("1000"))]
    #[case("1e+3", Some("1000"))]
    #[case("1E-7", Some("1e-07"))]
    #[case("1.0", Some("1"))]
    #[case("100000.0", Some("100000"))]
    #[case("1000000.0", Some("1e+06"))]
    #[case("1234567.5", Some("1.2345675e+06"))]
    #[case("12345678.5", Some("1.2345678e+07"))]
    #[case("123456789.0", Some("1.2345679e+08"))]
    #[case("1e20", Some("1e+20"))]
    #[case("1e21", Some("1e+21"))]
    #[case("1e22", Some("1e+22"))]
    #[case("1e-4", Some("0.0001"))]
    #[case("0.0001", Some("0.0001"))]
    #[case("0.00001", Some("1e-05"))]
    #[case("1.23456789", Some("1.2345679"))]
    #[case("3.14159265358979", Some("3.1415927"))]
    #[case("1e300", Some("+Inf"))]
    #[case("1e400", Some("1e400"))]
    #[case("-1.5", Some("-1.5"))]
    #[case("+1.5", Some("1.5"))]
    #[case("-1e400", Some("-1e400"))]
    #[case(".inf", Some("+Inf"))]
    #[case("-.inf", Some("-Inf"))]
    #[case("+.inf", Some("+Inf"))]
    #[case(".Inf", Some("+Inf"))]
    #[case(".iNf", Some(".iNf"))]
    #[case(".nan", Some("NaN"))]
    #[case(".NaN", Some("NaN"))]
    #[case(".", Some("."))]
    #[case("..", Some(".."))]
    #[case(".a", Some(".a"))]
    #[case(".5a", Some(".5a"))]
    #[case(".1_0", Some("0.1"))]
    #[case("1_0.5", Some("10.5"))]
    #[case("1.5.5", Some("1.5.5"))]
    #[case("1e", Some("1e"))]
    #[case("1e+", Some("1e+"))]
    #[case("e1", Some("e1"))]
    #[case("--1", Some("--1"))]
    #[case("+-1", Some("+-1"))]
    #[case("+a", Some("+a"))]
    #[case("-a", Some("-a"))]
    #[case("2001-01-01", Some("2001-01-01"))]
    #[case("2001-1-1", Some("2001-1-1"))]
    #[case("12:30:45", Some("12:30:45"))]
    #[case("190:20:30", Some("190:20:30"))]
    #[case("1,000", Some("1,000"))]
    #[case("0x", Some("0x"))]
    #[case("0b", Some("0b"))]
    #[case("0o", Some("0o"))]
    #[case("0xg", Some("0xg"))]
    #[case("0b2", Some("0b2"))]
    #[case("0o8", Some("0o8"))]
    #[case("+", Some("+"))]
    #[case("1e1_0", Some("1e+10"))]
    #[case("NaN", Some("NaN"))]
    #[case("inf", Some("inf"))]
    #[case("Infinity", Some("Infinity"))]
    #[case("1inf", Some("1inf"))]
    #[case("0.0", Some("0"))]
    #[case("-0.0", Some("-0"))]
    #[case("4e0", Some("4"))]
    #[case("1e5", Some("100000"))]
    #[case("16777217.0", Some("1.6777216e+07"))]
    #[case("33554433.5", Some("3.3554432e+07"))]
    #[case("0.1", Some("0.1"))]
    #[case("1e-45", Some("1e-45"))]
    #[case("1e-46", Some("0"))]
    #[case("1.0e+2", Some("100"))]
    #[case("._1", Some("._1"))]
    #[case(".1__0", Some(".1__0"))]
    #[case(".1_", Some(".1_"))]
    #[case(".1_0e2", Some("10"))]
    #[case(".1e1_0", Some("1e+09"))]
    #[case(".1_e2", Some(".1_e2"))]
    #[case(".5p1", Some(".5p1"))]
    #[case(".5e400", Some(".5e400"))]
    #[case("1_000.5", Some("1000.5"))]
    fn a_plain_scalar_becomes_text(#[case] plain: &str, #[case] expected: Option<&str>) {
        assert_eq!(Plain::read(plain).into_text(plain).as_deref(), expected);
    }
}
