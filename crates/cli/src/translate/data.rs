//! Data and demands on them.

use super::{Reader, Refusal, expected, rows};
use crate::args::DataArgs;
use ceg4n_base::Exact;
use ceg4n_driver::data::Demands;
use ceg4n_driver::options::{DataOptions, DataSource, LabelSource, Pixels};

/// The options for data, with what bytes stand for. What does not go together is added to the errors.
pub(super) fn data(r: &mut Reader, a: &DataArgs, pixels: Option<Pixels>) -> DataOptions {
    let source = |t: &Option<String>| t.as_deref().map(DataSource::from_text);
    let labels = |t: &Option<String>| t.as_deref().map(LabelSource::from_text);
    let options = DataOptions {
        data: source(&a.data),
        labels: labels(&a.labels),
        data_rows: r.option("data-rows", a.data_rows.as_deref(), rows),
        test_data: source(&a.test_data),
        test_labels: labels(&a.test_labels),
        test_rows: r.option("test-rows", a.test_rows.as_deref(), rows),
        pixels,
        demands: Demands {
            min_accuracy: r.option("min-accuracy", a.min_accuracy.as_deref(), share),
            max_accuracy_drop: r.option("max-accuracy-drop", a.max_accuracy_drop.as_deref(), share),
            min_agreement: r.option("min-agreement", a.min_agreement.as_deref(), share),
        },
    };
    if let Err(errors) = options.check() {
        r.errors.0.extend(errors.0);
    }
    options
}

/// A fraction from 0 to 1, or a percentage.
pub(super) fn share(text: &str) -> Result<Exact, Refusal> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), Exact::ratio(1, 100)),
        None => (text, None),
    };
    let share = number.parse().ok().map(|v: Exact| match &scale {
        Some(scale) => &v * scale,
        None => v,
    });
    match share {
        Some(v) if v.signum() >= 0 && v <= Exact::from(1) => Ok(v),
        _ => expected("a fraction from 0 to 1 like 0.005, or a percentage like 0.5%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fractions_or_percentages() {
        for (text, want) in [
            ("0.005", "0.005"),
            ("0.5%", "0.005"),
            ("0.5 %", "0.005"),
            ("1", "1"),
            ("100%", "1"),
            ("0", "0"),
            ("95%", "0.95"),
        ] {
            let found = share(text).ok().unwrap();
            assert_eq!(found.to_string(), want, "{text}");
        }
        // Half a point and half of all would be mixed up where more than 1 is taken as percent.
        for text in ["95", "1.01", "101%", "-0.1", "", "%", "x", "0.5%%", "nan"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
