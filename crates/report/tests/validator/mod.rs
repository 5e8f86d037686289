//! The part of JSON Schema 2020-12 that `report.schema.json` uses. A keyword outside of it is an
//! error, so that the schema cannot rely on what is not checked. The well-kept validators all
//! bring some forty packages and a licence that is not on the list of allowed ones. The tests
//! beside this file pass with the crate `jsonschema` 0.61 as well.

use regex::Regex;
use serde_json::{Map, Value};

/// A schema document.
pub(crate) struct Validator {
    root: Value,
}

impl Validator {
    /// A schema from its text.
    pub(crate) fn new(text: &str) -> Self {
        let root: Value = serde_json::from_str(text).expect("the schema is JSON");
        assert_eq!(
            root["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        Self { root }
    }

    /// Everything wrong with a document: where, and which keyword says so.
    pub(crate) fn errors(&self, document: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        self.check(&self.root, document, "", &mut errors);
        errors
    }

    /// No errors.
    pub(crate) fn is_valid(&self, document: &Value) -> bool {
        self.errors(document).is_empty()
    }

    fn holds(&self, schema: &Value, v: &Value, at: &str) -> bool {
        let mut errors = Vec::new();
        self.check(schema, v, at, &mut errors);
        errors.is_empty()
    }

    fn check(&self, schema: &Value, v: &Value, at: &str, errors: &mut Vec<String>) {
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return errors.push(format!("{at}: nothing may stand here")),
            other => other.as_object().expect("a schema is an object"),
        };
        for (keyword, rule) in schema {
            let fine = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    self.check(self.target(rule), v, at, errors);
                    true
                }
                "allOf" => {
                    list(rule).iter().for_each(|s| self.check(s, v, at, errors));
                    true
                }
                "anyOf" => list(rule).iter().any(|s| self.holds(s, v, at)),
                "not" => !self.holds(rule, v, at),
                "if" => {
                    let branch = if self.holds(rule, v, at) {
                        "then"
                    } else {
                        "else"
                    };
                    if let Some(s) = schema.get(branch) {
                        self.check(s, v, at, errors);
                    }
                    true
                }
                "then" | "else" => schema.contains_key("if"),
                "const" => v == rule,
                "enum" => list(rule).contains(v),
                "type" => is(v, string(rule)),
                "properties" | "required" | "additionalProperties" => {
                    self.members(schema, keyword, v, at, errors);
                    true
                }
                "items" => {
                    for (i, item) in v.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}/{i}"), errors);
                    }
                    true
                }
                "minItems" => v.as_array().is_none_or(|a| a.len() >= count(rule)),
                "maxItems" => v.as_array().is_none_or(|a| a.len() <= count(rule)),
                "minLength" => v.as_str().is_none_or(|s| s.chars().count() >= count(rule)),
                "pattern" => {
                    let regex = Regex::new(string(rule)).expect("a regular expression");
                    v.as_str().is_none_or(|s| regex.is_match(s))
                }
                "minimum" => !v.is_number() || !less(v, rule),
                "maximum" => !v.is_number() || !less(rule, v),
                other => panic!("keyword `{other}` is not known here"),
            };
            if !fine {
                errors.push(format!("{at}: {keyword} {rule}"));
            }
        }
    }

    fn members(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        v: &Value,
        at: &str,
        errors: &mut Vec<String>,
    ) {
        let Some(members) = v.as_object() else {
            return;
        };
        let none = Map::new();
        let known = schema
            .get("properties")
            .map_or(&none, |p| p.as_object().expect("properties are an object"));
        match keyword {
            "properties" => {
                for (name, s) in known {
                    if let Some(member) = members.get(name) {
                        self.check(s, member, &format!("{at}/{name}"), errors);
                    }
                }
            }
            "required" => {
                let missing = list(&schema[keyword])
                    .iter()
                    .filter(|name| !members.contains_key(string(name)));
                errors.extend(missing.map(|name| format!("{at}: {name} is missing")));
            }
            "additionalProperties" => {
                assert_eq!(schema[keyword], false, "only false is known here");
                let extra = members.keys().filter(|name| !known.contains_key(*name));
                errors.extend(extra.map(|name| format!("{at}: {name} is not known")));
            }
            other => panic!("keyword `{other}` is not about members"),
        }
    }

    fn target(&self, rule: &Value) -> &Value {
        let pointer = string(rule).strip_prefix('#').expect("a local reference");
        let found = self.root.pointer(pointer);
        found.unwrap_or_else(|| panic!("{pointer} is not in the schema"))
    }
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().expect("a list")
}

fn string(rule: &Value) -> &str {
    rule.as_str().expect("a string")
}

fn count(rule: &Value) -> usize {
    let n = rule.as_u64().expect("a count");
    usize::try_from(n).expect("a small count")
}

/// The value of an integer; a float without a fraction is one too.
fn integer(v: &Value) -> Option<i128> {
    let float = v
        .as_f64()
        .filter(|f| f.fract() == 0.0 && f.abs() < 2f64.powi(100));
    v.as_i64()
        .map(i128::from)
        .or(v.as_u64().map(i128::from))
        .or(float.map(|f| f as i128))
}

fn is(v: &Value, kind: &str) -> bool {
    match kind {
        "object" => v.is_object(),
        "array" => v.is_array(),
        "string" => v.is_string(),
        "boolean" => v.is_boolean(),
        "null" => v.is_null(),
        "number" => v.is_number(),
        "integer" => v.is_number() && integer(v).is_some(),
        other => panic!("type `{other}` is not known here"),
    }
}

fn less(a: &Value, b: &Value) -> bool {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a < b,
        _ => a.as_f64() < b.as_f64(),
    }
}
