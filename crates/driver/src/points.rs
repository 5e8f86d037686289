//! Inputs for `run`: JSON arrays, lists of arrays, or a region file (its centres).

use ceg4n_base::{Diagnostic, Diagnostics, Exact, codes};
use ceg4n_import::regions_from_json;
use serde_json::Value;

/// One input in real units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The id of the region that it is the centre of, or the number of the row that it is.
    pub id: Option<String>,
    /// One number per input; a JSON number stands for the float64 nearest to its text.
    pub x: Vec<Exact>,
}

/// Reads inputs for a network with `inputs` input elements; `name` stands in messages.
///
/// An array may be nested like the network's input, or flat. A list of arrays is several inputs
/// if each of them has `inputs` elements.
///
/// # Errors
/// Text that is no JSON, arrays of another length, elements that are no finite numbers; or as
/// [`regions_from_json`].
pub fn parse_points(text: &str, name: &str, inputs: usize) -> Result<Vec<Point>, Diagnostics> {
    let fail = |m: String| {
        Diagnostics::from(Diagnostic::error(codes::REGION_FILE, m).place(name).help(
            "an input file is a JSON array of numbers, a list of such arrays, or a region file",
        ))
    };
    let json: Value = serde_json::from_str(text).map_err(|e| fail(format!("no JSON: {e}")))?;
    let Value::Array(items) = &json else {
        return Err(fail("the text is no JSON array".to_owned()));
    };
    if items.iter().any(Value::is_object) {
        let mut errors = Diagnostics::default();
        let entries = regions_from_json(text, name)?;
        let points = entries.into_iter().map(|e| {
            if let Err(d) = e.region.check(inputs) {
                errors.push(d.place(name));
            }
            Point {
                x: e.region.center(),
                id: Some(e.region.id),
            }
        });
        let points = points.collect();
        return errors.or(points);
    }
    let mut whole = Vec::new();
    numbers(&json, &mut whole).map_err(fail)?;
    let nested = items.iter().all(Value::is_array);
    let mut list = Vec::new();
    if nested {
        for item in items {
            let mut x = Vec::new();
            numbers(item, &mut x).map_err(fail)?;
            list.push(x);
        }
    }
    if nested && list.iter().all(|x| x.len() == inputs) && !list.is_empty() {
        return Ok(list.into_iter().map(|x| Point { id: None, x }).collect());
    }
    if whole.len() == inputs {
        return Ok(vec![Point { id: None, x: whole }]);
    }
    let found = list.iter().map(Vec::len).find(|n| *n != inputs);
    Err(fail(format!(
        "an input has {} elements, the network takes {inputs}",
        found.unwrap_or(whole.len())
    )))
}

/// The numbers of nested arrays, in order.
fn numbers(value: &Value, out: &mut Vec<Exact>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|v| numbers(v, out)),
        Value::Number(n) => {
            let x = n.as_f64().and_then(Exact::from_f64);
            out.push(x.ok_or_else(|| format!("{n} is no finite float64"))?);
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Object(_) => {
            Err(format!("{value} is no number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str, inputs: usize) -> Result<Vec<usize>, String> {
        let points = parse_points(text, "f", inputs).map_err(|e| e.to_string())?;
        Ok(points.iter().map(|p| p.x.len()).collect())
    }

    #[test]
    fn arrays_lists_and_nests() {
        assert_eq!(lengths("[1, 2]", 2), Ok(vec![2]));
        assert_eq!(lengths("[[1, 2], [3, 4]]", 2), Ok(vec![2, 2]));
        assert_eq!(lengths("[[1, 2], [3, 4]]", 4), Ok(vec![4]));
        assert_eq!(lengths("[[[1, 2], [3, 4]]]", 4), Ok(vec![4]));
        for (text, message) in [
            ("[1]", "an input has 1 elements"),
            ("[[1, 2], [3]]", "an input has 1 elements"),
            ("[[1, 2], 3]", "an input has 3 elements"),
            ("[]", "an input has 0 elements"),
            ("{}", "no JSON array"),
            ("[1, \"a\"]", "\"a\" is no number"),
            ("[1, 1e999]", "no JSON: number out of range"),
            ("[1,", "no JSON: EOF"),
        ] {
            let found = lengths(text, 2).unwrap_err();
            assert!(found.contains(message), "{text}: {found}");
        }
    }

    #[test]
    fn centres_of_regions() {
        let text = r#"[{"id": "a", "lower_bounds": [0, 0], "upper_bounds": [1, 0.5]}]"#;
        let points = parse_points(text, "f", 2).unwrap();
        assert_eq!(points[0].id.as_deref(), Some("a"));
        assert_eq!(
            points[0].x,
            ["0.5".parse().unwrap(), "0.25".parse().unwrap()]
        );
        assert!(parse_points(text, "f", 3).is_err());
    }
}
