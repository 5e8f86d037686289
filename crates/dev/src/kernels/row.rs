//! One row of the table: a form of a network on a board.

use super::net::{Candidate, Net};
use crate::Error;
use ceg4n_boards::measure::{Counts, Expected, Subject, Vector};
use ceg4n_boards::rust::Crate;
use ceg4n_boards::{Board, Job, Level, Source, Usage, measure, usage};
use ceg4n_emit::{
    Claim, EmitError, EmitInfo, EmitInput, EmitOptions, OutputFile, Target, emit_c, emit_rust,
    footprint,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Bytes of vectors that stand in a board's flash beside the kernel: AVR's pointers into flash
/// reach 64 KiB.
const VECTOR_BYTES: usize = 16_384;

/// What is measured in a row.
pub(crate) struct Form<'a> {
    pub(crate) formats: &'a str,
    pub(crate) form: &'a str,
    pub(crate) sources: &'a [Source],
    pub(crate) vectors: &'a [Vector],
    pub(crate) float_unit: bool,
    /// Objects that define what the sources do not, at the level of the counts and at `-Os`.
    pub(crate) objects: [&'a [PathBuf]; 2],
    /// Centres with the reference's class, if vectors say outputs and not classes.
    pub(crate) agree: Option<usize>,
}

/// A measured row.
pub(crate) struct Row {
    network: String,
    macs: usize,
    board: Board,
    formats: String,
    form: String,
    usage: Usage,
    small: Usage,
    counts: Counts,
    vectors: usize,
    agree: (usize, usize),
    exact: bool,
}

/// An error of a board, at a place.
pub(crate) fn failed(place: &str, e: ceg4n_boards::Error) -> Error {
    Error::Content {
        place: place.to_owned(),
        message: e.to_string(),
    }
}

/// The target whose loops are for a board.
pub(crate) fn own_target(board: Board) -> Target {
    match board {
        Board::HostGcc | Board::HostClang | Board::CortexM3 => Target::Generic,
        Board::CortexM0 => Target::CortexM0,
        Board::CortexM4 | Board::CortexM7 | Board::CortexM33 => Target::CortexM4,
        Board::Atmega2560 => Target::Avr,
    }
}

/// The files of an emitted kernel.
pub(crate) fn emitted(
    net: &Net,
    candidate: &Candidate,
    options: EmitOptions,
) -> Result<Vec<Source>, Error> {
    let files = emit_c(&input(net, candidate, options)).map_err(|e| refused(net, &e))?;
    let code =
        |path: &str| path.ends_with(".h") || path.ends_with(".c") && !path.ends_with("_selftest.c");
    let files = files.iter().filter(|f| code(&f.path));
    Ok(files.map(source).collect())
}

/// The emitted crate, and the C header of the function around it.
pub(crate) fn emitted_rust(net: &Net, candidate: &Candidate) -> Result<(Source, Crate), Error> {
    let input = input(net, candidate, EmitOptions::default());
    let refuse = |e| refused(net, &e);
    let memory = footprint(&input).map_err(refuse)?;
    // Buffers of different types do not share memory in Rust.
    let scratch = 8 * memory.scratch_bytes + 1024;
    let name = format!("{}.h", net.name);
    let files = emit_c(&input).map_err(refuse)?;
    let c = files.iter().map(source).find(|s| s.name == name);
    let text = c.map(|s| s.text).unwrap_or_default();
    let header =
        ceg4n_boards::rust::header(&text, &net.name, scratch).map_err(|e| failed(&name, e))?;
    let files = emit_rust(&input).map_err(refuse)?;
    let files = files.iter().filter(|f| f.path.starts_with("rust/src/"));
    let made = Crate {
        name: net.name.clone(),
        files: files.map(source).collect(),
        scratch,
    };
    Ok((Source::new(name, header), made))
}

fn input<'a>(net: &'a Net, candidate: &'a Candidate, options: EmitOptions) -> EmitInput<'a> {
    EmitInput {
        program: &candidate.program,
        name: &net.name,
        claim: Claim::Unverified {
            reason: "a measurement".to_owned(),
        },
        vectors: &[],
        info: EmitInfo::default(),
        options,
    }
}

fn refused(net: &Net, e: &EmitError) -> Error {
    Error::Content {
        place: net.name.clone(),
        message: e.to_string(),
    }
}

fn source(file: &OutputFile) -> Source {
    let path = file.path.strip_prefix("c/").unwrap_or(&file.path);
    let path = path.strip_prefix("rust/src/").unwrap_or(path);
    Source::new(path, String::from_utf8_lossy(&file.content))
}

/// Writes sources into a folder.
pub(crate) fn keep(folder: &Path, sources: &[Source]) -> Result<(), Error> {
    let failed = |source| Error::File {
        path: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    for s in sources {
        std::fs::write(folder.join(&s.name), &s.text).map_err(failed)?;
    }
    Ok(())
}

/// The centres as a candidate's integers, as many as fit the board.
pub(crate) fn vectors(
    net: &Net,
    candidate: &Candidate,
    board: Board,
) -> Result<Vec<Vector>, Error> {
    let literals = |values: &[i64]| values.iter().map(|v| literal(*v)).collect();
    let all = candidate.vectors.iter().map(|(x, y)| Vector {
        input: literals(x),
        expected: Expected::Outputs(literals(y)),
    });
    let format = candidate.program.kernel().map(|k| k.input_format);
    let Some(format) = format else {
        return Err(Error::Content {
            place: net.name.clone(),
            message: "no kernel".to_owned(),
        });
    };
    let bytes = usize::from(format.width()).div_ceil(8).next_power_of_two();
    Ok(fitting(all.collect(), bytes, board))
}

/// As many of the first vectors as fit beside the kernel; at least one.
pub(crate) fn fitting(mut all: Vec<Vector>, bytes: usize, board: Board) -> Vec<Vector> {
    if board == Board::Atmega2560 {
        let each = all.first().map_or(1, |v| v.input.len() * bytes);
        all.truncate((VECTOR_BYTES / each.max(1)).max(1));
    }
    all
}

/// A C literal of any integer type.
fn literal(v: i64) -> String {
    match v {
        i64::MIN => "(-9223372036854775807LL - 1)".to_owned(),
        _ if i32::try_from(v).is_ok_and(|v| v != i32::MIN) => v.to_string(),
        _ => format!("{v}LL"),
    }
}

/// Builds, weighs, runs and counts a form.
pub(crate) fn measured(
    net: &Net,
    board: Board,
    level: Level,
    form: &Form<'_>,
) -> Result<Row, Error> {
    let place = format!("{} {} on {board}", net.name, form.form);
    let job = Job {
        board,
        level,
        float_unit: form.float_unit,
        flags: &[],
        sources: form.sources,
        objects: form.objects[0],
        harness: &[],
    };
    let small = Job {
        level: Level::Os,
        objects: form.objects[1],
        ..job
    };
    let infer = format!("{}_infer", net.name);
    let subject = Subject {
        name: &net.name,
        vectors: form.vectors,
    };
    let counts = measure(&job, &subject).map_err(|e| failed(&place, e))?;
    let right = form.vectors.len() - counts.wrong;
    Ok(Row {
        network: net.name.clone(),
        macs: net.module.network.macs(),
        board,
        formats: form.formats.to_owned(),
        form: form.form.to_owned(),
        usage: usage(&job, &[&infer]).map_err(|e| failed(&place, e))?,
        small: usage(&small, &[&infer]).map_err(|e| failed(&place, e))?,
        vectors: form.vectors.len(),
        agree: match form.agree {
            Some(n) => (n, net.centres.len()),
            None => (right, form.vectors.len()),
        },
        exact: form.agree.is_some(),
        counts,
    })
}

/// The table's head.
pub(crate) fn heading(level: Level) -> String {
    let level = level.flag();
    let columns = [
        "network (MAC)",
        "board",
        "formats",
        "kernel",
        &format!("count {level}"),
        &format!("text {level}"),
        "text -Os",
        "constants",
        "library",
        "RAM",
        &format!("stack {level}"),
        "class",
        "wrong",
    ];
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    line(&columns) + &line(&["---"; 13])
}

/// What the columns mean.
pub(crate) const LEGEND: &str = "
count: instructions (Cortex-M) or cycles (AVR) of one inference, least–greatest over the region
centres, call and return not counted. text, constants, library: bytes of flash; library is what
the compiler's library adds. RAM: static bytes; stack: bytes below the call, by the compiler's
frames along the calls (deepest path). class: centres on which the class is that of the exact network.
wrong: vectors on the board whose outputs are not the exact integers; – where only the class is asked.
";

impl Row {
    /// Another name of the same text.
    pub(crate) fn also(&mut self, form: &str) {
        self.form.push_str(" = ");
        self.form.push_str(form);
    }

    /// The row as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let (u, s) = (&self.usage, &self.small);
        let count = match self.counts.range() {
            Some((a, b)) if a == b => format!("{a}"),
            Some((a, b)) => format!("{a}–{b}"),
            None => "–".to_owned(),
        };
        let stack = match u.stack.first() {
            Some(Some(bytes)) => bytes.to_string(),
            Some(None) | None => format!("≥ {}", self.counts.stack),
        };
        let wrong = match self.exact {
            true => format!("{}/{}", self.counts.wrong, self.vectors),
            false => "–".to_owned(),
        };
        let mut out = String::new();
        // Writing to a string succeeds.
        let _ = writeln!(
            out,
            "| {} ({}) | {} | {} | {} | {count} | {} | {} | {} | {} | {} | {stack} | {}/{} | {wrong} |",
            self.network,
            self.macs,
            self.board,
            self.formats,
            self.form,
            u.text,
            s.text,
            u.rodata + u.data,
            u.library,
            u.ram(),
            self.agree.0,
            self.agree.1,
        );
        out
    }
}
