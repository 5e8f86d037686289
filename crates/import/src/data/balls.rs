//! Rows of a data set as regions: one ball, in the maximum norm, around each.

use super::{DataRequest, Request, read_rows};
use ceg4n_base::{Diagnostic, Diagnostics, Exact};
use ceg4n_ir::Region;

/// So many numbers of the rows chosen are read at most where rows become regions: a region keeps
/// three exact numbers of each.
const MAX_NUMBERS: usize = 1 << 21;

/// Balls around rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balls {
    /// Every coordinate may move by this much.
    pub radius: Exact,
    /// No coordinate leaves this range.
    pub clip: Option<(Exact, Exact)>,
}

/// Decides for a row and its label whether it becomes a region.
pub type Keep<'a> = dyn FnMut(&[f64], u32) -> Result<bool, Diagnostic> + 'a;

/// Which of the rows become regions.
#[derive(Default)]
pub struct Choice<'a> {
    /// So many at most: the rows are divided into as many stretches, equal but for one row, and
    /// each gives its first row that is kept. All of them if absent.
    pub samples: Option<usize>,
    /// Only rows that this keeps; the request then has labels. All of them if absent.
    pub keep: Option<Box<Keep<'a>>>,
}

/// The regions of a data set: one per row chosen. Its id is the row's number, counted from 0, or
/// the name of its image.
///
/// # Errors
/// [`codes::FILE_READ`], [`codes::REGION_FILE`] for a file of another kind or with elements that
/// are no finite numbers, [`codes::REGION`] for rows of another length and regions that the clip
/// leaves empty, [`codes::USAGE`] for rows that do not exist or too many at once; with labels also
/// [`codes::DATA`] as [`super::read_data_set`]; or what [`Choice::keep`] says.
///
/// [`codes::FILE_READ`]: ceg4n_base::codes::FILE_READ
/// [`codes::REGION_FILE`]: ceg4n_base::codes::REGION_FILE
/// [`codes::REGION`]: ceg4n_base::codes::REGION
/// [`codes::USAGE`]: ceg4n_base::codes::USAGE
/// [`codes::DATA`]: ceg4n_base::codes::DATA
pub fn regions_from_data(
    request: &DataRequest<'_>,
    balls: &Balls,
    mut choice: Choice<'_>,
) -> Result<Vec<Region>, Diagnostics> {
    let name = request.data.path.display().to_string();
    // Without a look at the rows only those chosen are read.
    let samples = choice.samples.filter(|_| choice.keep.is_none());
    let limit = match choice.keep {
        Some(_) => super::set::MAX_NUMBERS,
        None => MAX_NUMBERS,
    };
    let (table, labels) = read_rows(request, samples, limit)?;
    let chosen = chosen(&table, labels.as_deref(), &mut choice)?;
    let inputs = table.columns;
    Request::new(request, MAX_NUMBERS).limit(chosen.len())?;
    let mut errors = Diagnostics::default();
    let mut regions = Vec::with_capacity(chosen.len());
    for k in chosen {
        let row = (k * inputs)..(k + 1) * inputs;
        // Every number of a table is finite.
        let exact = |i| Exact::from_f64(table.values.at(i)).unwrap_or_else(Exact::zero);
        let number = table.rows[k];
        let image = table.names.get(number);
        let id = image.cloned().unwrap_or_else(|| number.to_string());
        let region = ball(id, row.map(exact).collect(), balls);
        if let Err(d) = region.check(inputs) {
            let place = match (image, table.lines.get(k)) {
                (_, Some(line)) => format!("{name}:{line}"),
                (Some(image), None) if request.data.path.is_dir() => format!("{name}/{image}"),
                (_, None) => name.clone(),
            };
            errors.push(d.place(place));
        }
        regions.push(region);
    }
    errors.or(regions)
}

/// The rows of a table, counted from 0 within it, that become regions.
fn chosen(
    table: &super::Table,
    labels: Option<&[u32]>,
    choice: &mut Choice<'_>,
) -> Result<Vec<usize>, Diagnostic> {
    let Some(keep) = &mut choice.keep else {
        return Ok((0..table.len()).collect());
    };
    let rows = table.len();
    let most = choice.samples.unwrap_or(rows);
    let mut out = Vec::new();
    let mut row = Vec::new();
    for stretch in super::stretches(rows, most) {
        for k in stretch {
            table
                .values
                .copy(k * table.columns..(k + 1) * table.columns, &mut row);
            let label = labels.and_then(|l| l.get(k));
            if let Some(label) = label
                && keep(&row, *label)?
            {
                out.push(k);
                break;
            }
        }
    }
    Ok(out)
}

fn ball(id: String, center: Vec<Exact>, balls: &Balls) -> Region {
    let lower = center.iter().map(|c| c - &balls.radius);
    let upper = center.iter().map(|c| c + &balls.radius);
    let (lower, upper): (Vec<Exact>, Vec<Exact>) = match &balls.clip {
        None => (lower.collect(), upper.collect()),
        Some((least, greatest)) => (
            lower.map(|v| v.max(least.clone())).collect(),
            upper.map(|v| v.min(greatest.clone())).collect(),
        ),
    };
    let mut region = Region {
        id,
        lower,
        upper,
        center: None,
        ball_size: Some(balls.radius.clone()),
        span: None,
    };
    region.center = region.contains(&center).then_some(center);
    region
}
