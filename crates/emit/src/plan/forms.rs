//! Which form a dense layer takes, and its weights laid out for it.

pub(crate) mod arm_dsp;
mod arm_small;
mod avr;
mod packed;

use super::build::Builder;
use super::{Body, Data, Dense, Operand, Piece, Source, Stage, StepKind, TableId, Tiles, Vector};
use crate::elem::{Elem, hull};
use ceg4n_ir::{Interval, KernelOp, NodeId};
use ceg4n_target::{Form, Layer, License, QUARTERS_COLUMNS};
use std::borrow::Cow;

/// A layer's constants as a form reads them.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) weight: Vec<i64>,
    /// The type of an entry of `weight`.
    pub(super) ty: Elem,
    /// One entry a row, 0 where the layer has no bias; `None` keeps the table as it is.
    pub(super) bias: Option<(Vec<i64>, Elem)>,
    pub(super) tiles: Vec<Tiles>,
    /// The operand must be padded with zeros to a multiple of so many columns; at least 1.
    pub(super) columns: usize,
}

impl<'a> Builder<'a> {
    /// What a form must know of a dense node, or of a convolution with so many filters.
    fn layer(&self, stage: &Stage, n: NodeId, rows: usize, weight: &'a [i32]) -> Layer<'a> {
        let node = self.node(n);
        let x = stage.reads[0].ty;
        Layer {
            weight,
            rows,
            cols: weight.len() / rows.max(1),
            operand: self.operand_range(n),
            operand_bits: (8 * x.bytes()) as u8,
            operand_signed: x.range().0 < 0,
            sums: &node.range,
            width: self.width(n),
        }
    }

    /// The first form of the target's whose condition holds.
    pub(super) fn license(
        &self,
        stage: &Stage,
        n: NodeId,
        rows: usize,
        weight: &'a [i32],
    ) -> License {
        let layer = self.layer(stage, n, rows, weight);
        let bits = layer.weights().signed_width();
        let mut forms = Form::candidates(self.target, self.choice, bits);
        let packed = rows * (layer.cols * usize::from(bits)).div_ceil(8);
        if packed > self.target.largest_array() {
            forms.retain(|f| !matches!(f, Form::Packed { .. }));
        }
        if !matches!(self.node(n).op, KernelOp::Dense { .. }) {
            forms.retain(|f| matches!(f, Form::Plain | Form::Packed { .. }));
        }
        if self.others_are_wide(n) {
            forms.retain(|f| *f != Form::Short);
        }
        let licensed = forms.into_iter().find_map(|f| f.license(&layer).ok());
        licensed.unwrap_or_else(License::plain)
    }

    /// Layers whose sums exceed 16 bits have more products than this one: functions of its own
    /// would not be worth their bytes.
    fn others_are_wide(&self, n: NodeId) -> bool {
        let products = |n: NodeId| match &self.node(n).op {
            KernelOp::Dense { weight, .. } => weight.len(),
            _ => 0,
        };
        let wide = |n: &NodeId| hull(&self.node(*n).range).signed_width() > 16;
        let others: usize = self.kernel.nodes.keys().filter(wide).map(products).sum();
        others > products(n)
    }

    /// Packs a table of weights if the form says so; tells their bits.
    pub(super) fn pack(&mut self, table: TableId, license: &License) -> Option<u8> {
        let Form::Packed { bits } = license.form() else {
            return None;
        };
        let table = &mut self.plan.tables[table];
        let weight: Vec<i64> = table.data.iter().collect();
        // A window may begin anywhere: filters are not aligned.
        let laid = packed::lay_out(&weight, weight.len(), bits);
        table.ty = laid.ty;
        table.data = Data::Wide(Cow::Owned(laid.weight));
        Some(bits)
    }

    /// Lays the constants of a dense layer out for its form.
    pub(super) fn lay_out_form(&mut self, stage: &mut Stage, n: NodeId, dense: &mut Dense) {
        let tables = &self.plan.tables;
        let weight: Vec<i64> = tables[dense.weight].data.iter().collect();
        let bias: Option<Vec<i64>> = dense.bias.map(|b| tables[b].data.iter().collect());
        let rows = self.node(n).len;
        let mut laid = match dense.license.form() {
            Form::Plain => return self.split(dense),
            Form::Packed { bits } => packed::lay_out(&weight, dense.cols, bits),
            form @ (Form::Dual { .. } | Form::Pair | Form::Quad) => {
                arm_dsp::lay_out(form, &weight, bias.as_deref(), rows, stage.reads[0].ty)
            }
            form @ (Form::Offset | Form::Quarters) => {
                let add = self.signs_away(stage, n, dense, QUARTERS_COLUMNS);
                let x = self.operand_range(n);
                let x = Interval::new(x.lo + add, x.hi + add);
                arm_small::lay_out(form, &weight, bias.as_deref(), rows, x)
            }
            form @ (Form::Short | Form::Bytes) => {
                avr::lay_out(form, &weight, bias.as_deref(), rows, stage.reads[0].ty)
            }
        };
        let add = self.signs_away(stage, n, dense, laid.columns);
        if let (true, Some((bias, _))) = (add != 0, &mut laid.bias) {
            let rows = weight.chunks(dense.cols.max(1));
            let moved = |(b, row): (&mut i64, &[i64])| *b -= add * row.iter().sum::<i64>();
            bias.iter_mut().zip(rows).for_each(moved);
        }
        self.pad(stage, laid.columns, dense.cols, add);
        let table = &mut self.plan.tables[dense.weight];
        table.ty = laid.ty;
        table.data = Data::Wide(Cow::Owned(laid.weight));
        dense.tiles = laid.tiles;
        self.split(dense);
        let Some((data, ty)) = laid.bias else {
            return;
        };
        let data = Data::Wide(Cow::Owned(data));
        match dense.bias {
            Some(b) => {
                self.plan.tables[b].ty = ty;
                self.plan.tables[b].data = data;
            }
            None => {
                let comment = format!("{}: start of {rows} sums", self.name(n));
                dense.bias = Some(self.table('b', ty, data, comment));
            }
        }
    }

    /// What is added to signed bytes where they are copied anyway, so that the loops are those of
    /// the unsigned bytes that most layers have; 0 where nothing is.
    fn signs_away(&self, stage: &Stage, n: NodeId, dense: &Dense, columns: usize) -> i64 {
        let made_for = match dense.license.form() {
            Form::Dual { .. } | Form::Pair | Form::Quad | Form::Offset | Form::Quarters => true,
            Form::Plain | Form::Packed { .. } | Form::Short | Form::Bytes => false,
        };
        let copied =
            stage.reads[0].source == Source::Input && !dense.cols.is_multiple_of(columns.max(1));
        let applies = made_for
            && copied
            && stage.reads[0].ty == Elem::I8
            // Sums of operands twice as large, from starts that are moved, stay in a word.
            && self.width(n) <= 29;
        if applies { 128 } else { 0 }
    }

    /// Cuts a table of weights that is larger than the target's largest array, between tiles or
    /// rows.
    fn split(&mut self, dense: &mut Dense) {
        let table = &self.plan.tables[dense.weight];
        let (ty, comment) = (table.ty, format!("{}, continued", table.comment));
        let most = self.target.largest_array() / ty.bytes();
        if table.data.len() <= most || matches!(dense.license.form(), Form::Packed { .. }) {
            return;
        }
        let all: Vec<i64> = table.data.iter().collect();
        let rows = all.len() / dense.cols.max(1);
        let starts: Vec<(usize, usize)> = match dense.tiles[..] {
            [] => (0..rows).map(|row| (1, row)).collect(),
            _ => {
                let tiles = dense.tiles.iter();
                let left = |t: &Tiles| (1..=t.count).rev().map(|n| (t.rows, n)).collect();
                tiles.flat_map::<Vec<_>, _>(left).collect()
            }
        };
        let mut cuts = vec![(0, 1, 0)];
        let (mut from, mut at) = (0, 0);
        for (rows, place) in starts {
            let len = rows * dense.cols;
            if at + len - from > most && at > from {
                cuts.push((at, rows, place));
                from = at;
            }
            at += len;
        }
        let ends = cuts.iter().skip(1).map(|c| c.0).chain([all.len()]);
        let parts: Vec<Vec<i64>> = cuts
            .iter()
            .zip(ends)
            .map(|(c, e)| all[c.0..e].to_vec())
            .collect();
        for (i, ((_, rows, at), part)) in cuts.into_iter().zip(parts).enumerate() {
            let data = Data::Wide(Cow::Owned(part));
            if i == 0 {
                self.plan.tables[dense.weight].data = data;
                continue;
            }
            let table = self.table('w', ty, data, comment.clone());
            dense.pieces.push(Piece { table, rows, at });
        }
    }

    /// Makes the operand of a stage end with zeros at a multiple of so many columns, and adds a
    /// number to its elements if it must be copied for that.
    fn pad(&mut self, stage: &mut Stage, columns: usize, cols: usize, add: i64) {
        let padding = cols.next_multiple_of(columns.max(1)) - cols;
        if padding == 0 {
            return;
        }
        if let Source::Stage(k) = stage.reads[0].source {
            let of = &mut self.plan.stages[k].padding;
            *of = padding.max(*of);
            return;
        }
        // The caller's vector has no room: a copy has.
        let from = stage.reads[0].ty;
        let mut copy = Stage {
            reads: vec![stage.reads[0]],
            body: Body::Load,
            word: from.own_word(),
            steps: Vec::new(),
            ty: if add == 0 { from } else { Elem::U8 },
            len: cols,
            padding,
            inner: 1,
            node: stage.node,
            notes: vec![format!("input: copied, {padding} zeros behind it")],
        };
        if add != 0 {
            copy.notes
                .push(format!("{add} added, which the starts of sums take back"));
            copy.push(copy.word, StepKind::Add(Operand::Uniform(add)));
        }
        stage.reads[0] = Vector {
            source: Source::Stage(self.plan.stages.len()),
            ty: copy.ty,
        };
        self.plan.stages.push(copy);
    }
}

/// Rows in tiles of the given sizes, largest first; the last size divides what is left.
pub(super) fn tiles(mut rows: usize, sizes: &[usize]) -> Vec<Tiles> {
    let mut all = Vec::new();
    for size in sizes {
        let count = rows / size;
        if count > 0 {
            all.push(Tiles { rows: *size, count });
            rows -= count * size;
        }
    }
    all
}
