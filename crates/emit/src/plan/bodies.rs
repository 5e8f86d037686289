//! What a stage starts from: rows of dense layers, windows, moved elements.

use super::build::Builder;
use super::{Body, By, Data, Dense, Stage, TableId, Taps, Windows, moves};
use crate::EmitError;
use crate::elem::Elem;
use ceg4n_ir::window::{Conv, Window};
use ceg4n_ir::{FILL, KernelNode, NodeId, Op, TensorFormat, ValueId};
use ceg4n_target::License;
use std::borrow::Cow;

impl<'a> Builder<'a> {
    /// The tables of a layer's weights and biases.
    fn weights(
        &mut self,
        n: NodeId,
        rows: usize,
        weight: &'a [i32],
        bias: Option<&'a [i64]>,
    ) -> (TableId, Option<TableId>, String) {
        let name = self.name(n);
        let formats = self.weight_formats(n);
        let cols = weight.len() / rows.max(1);
        let mantissas = weight.iter().map(|m| i64::from(*m));
        let comment = format!("{name}: {rows} rows of {cols} weights, {formats}");
        let weight = self.table('w', holding(mantissas), Data::Narrow(weight), comment);
        let bias = bias.map(|b| {
            let comment = format!("{name}: {rows} biases at the accumulator's scale");
            let data = Data::Wide(Cow::Borrowed(b));
            self.table('b', holding(b.iter().copied()), data, comment)
        });
        (weight, bias, formats)
    }

    /// Makes a stage start from a dense layer; tells what it does.
    pub(super) fn dense(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        weight: &'a [i32],
        bias: Option<&'a [i64]>,
    ) -> String {
        let node = self.node(n);
        stage.word = Elem::word(self.width(n));
        let rows = node.len;
        let cols = weight.len() / rows.max(1);
        let license = self.license(stage, n, rows, weight);
        let (weight, bias, formats) = self.weights(n, rows, weight, bias);
        let text = format!(
            "dense {cols} -> {rows}, weights {formats}; accumulator {}, any order of sums in {} bits{}",
            scale(node, "channel"),
            node.width,
            reason(&license)
        );
        let mut dense = Dense {
            weight,
            bias,
            cols,
            license,
            width: self.width(n),
            tiles: Vec::new(),
            pieces: Vec::new(),
        };
        self.lay_out_form(stage, n, &mut dense);
        stage.body = Body::Dense(dense);
        text
    }

    /// Makes a stage start from a convolution; tells what it does.
    pub(super) fn conv(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        weight: &'a [i32],
        bias: Option<&'a [i64]>,
        conv: &Conv,
    ) -> String {
        let node = self.node(n);
        stage.word = Elem::word(self.width(n));
        let license = self.license(stage, n, conv.filters, weight);
        let (weight, bias, formats) = self.weights(n, conv.filters, weight, bias);
        let bits = self.pack(weight, &license);
        if let Some(b) = bias {
            self.plan.tables[b].by = By::Block;
        }
        let window = &conv.window;
        let share = conv.filters / conv.groups.max(1);
        let taps = Taps::Products { weight, bias };
        let mut windows = Windows::new(taps, window, conv.depth(), share);
        windows.bits = bits;
        stage.body = Body::Windows(windows);
        stage.inner = window.windows();
        let groups = match conv.groups {
            1 => String::new(),
            g => format!(" in {g} groups"),
        };
        format!(
            "convolution {} -> {} channels{groups}, {}, weights {formats}; accumulator {}, any order of sums in {} bits{}",
            window.channels,
            conv.filters,
            geometry(window),
            scale(node, "channel"),
            node.width,
            reason(&license)
        )
    }

    /// Makes a stage copy the operands of a concatenation; tells what it does.
    pub(super) fn concat(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        outer: usize,
    ) -> Result<String, EmitError> {
        let sources = self.sources(n);
        let vectors = sources.iter().map(|x| self.vector_of(*x));
        stage.reads = vectors.collect::<Result<_, _>>()?;
        let lens: Vec<usize> = sources.iter().map(|x| self.node(*x).len).collect();
        stage.body = Body::Copy {
            fill: None,
            nests: moves::concatenated(&lens, outer),
        };
        let lens: Vec<String> = lens.iter().map(ToString::to_string).collect();
        Ok(format!("concatenation of {} elements", lens.join(" + ")))
    }

    /// Makes a stage move elements; tells what it does.
    pub(super) fn gather(
        &mut self,
        stage: &mut Stage,
        index: &[u32],
        fill: i64,
        x: NodeId,
    ) -> String {
        let filled = index.iter().filter(|i| **i == FILL).count();
        let fill = (filled > 0).then_some(fill);
        let text = match fill {
            Some(fill) => format!("elements moved, {filled} filled with {fill}"),
            None => "elements moved".to_owned(),
        };
        let nests = if filled == index.len() {
            Some(Vec::new())
        } else {
            moves::nest(index).map(|n| vec![n])
        };
        stage.body = match nests {
            Some(nests) => Body::Copy { fill, nests },
            None => {
                let len = self.node(x).len;
                let at = |i: &u32| if *i == FILL { len } else { *i as usize } as i64;
                let index: Vec<i64> = index.iter().map(at).collect();
                let ty = holding(index.iter().copied());
                let data = Data::Wide(Cow::Owned(index));
                let index = self.table('i', ty, data, "places of moved elements".to_owned());
                let fill = fill.map(|f| (f, len));
                Body::Pick { index, fill }
            }
        };
        text
    }

    /// The formats of a layer's weights, in words.
    fn weight_formats(&self, n: NodeId) -> String {
        let program = self.program.program();
        let value: ValueId = self.node(n).value;
        let (Op::Dense { weight, .. } | Op::Conv { weight, .. }) = program.network.value(value).op
        else {
            return String::new();
        };
        match program.annotations.format(weight) {
            Some(TensorFormat::Tensor(f)) => f.to_string(),
            Some(TensorFormat::Channels(list)) => {
                let list: Vec<String> = list.iter().take(4).map(ToString::to_string).collect();
                format!("per channel ({}, ...)", list.join(", "))
            }
            None => String::new(),
        }
    }
}

/// Why a form is exact, as the end of a note.
fn reason(license: &License) -> String {
    match license.reason() {
        "" => String::new(),
        reason => format!("; {reason}"),
    }
}

/// Makes a stage start from a pool; tells what it does.
pub(super) fn pool(stage: &mut Stage, taps: Taps, window: &Window, what: &str) -> String {
    stage.body = Body::Windows(Windows::new(taps, window, 1, 1));
    stage.inner = window.windows();
    format!("{what}, {} channels, {}", window.channels, geometry(window))
}

/// A window's geometry, in words.
fn geometry(w: &Window) -> String {
    let pair = |[a, b]: [usize; 2]| format!("{a}x{b}");
    let mut text = format!(
        "{} window on {}, {} results",
        pair(w.kernel),
        pair([w.height, w.width]),
        pair(w.out)
    );
    for (what, value, usual) in [
        ("stride", w.stride, 1),
        ("dilation", w.dilation, 1),
        ("padding", w.pad, 0),
    ] {
        if value != [usual; 2] {
            text.push_str(&format!(", {what} {}", pair(value)));
        }
    }
    text
}

/// The scale of accumulators, in words.
pub(super) fn scale(node: &KernelNode, part: &str) -> String {
    let frac = &node.frac;
    let plain = node.multiplier.is_none();
    match frac.first() {
        Some(f) if plain && frac.iter().all(|g| g == f) => format!("at scale 2^{}", -f),
        Some(_) | None => format!("at a scale per {part}"),
    }
}

/// The smallest type that holds all.
fn holding(values: impl Iterator<Item = i64>) -> Elem {
    let ends = values
        .map(|v| (v, v))
        .reduce(|(lo, hi), (a, b)| (lo.min(a), hi.max(b)));
    let (lo, hi) = ends.unwrap_or((0, 0));
    Elem::holding(lo, hi)
}
