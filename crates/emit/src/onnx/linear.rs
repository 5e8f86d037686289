//! Dense layers and convolutions: 8-bit operators where both operands have 8 bits, else integer
//! matrices, after the windows are laid out as columns.

use super::graph::{Value, Word, int, ints};
use super::lower::Lowering;
use super::windows::plain_pads;
use crate::EmitError;
use crate::elem::hull;
use ceg4n_import::onnx::proto::data_type;
use ceg4n_ir::{Conv, KernelNode, NodeId};

/// Terms of a sum in 8-bit operators. A runtime adds the four products of operands and zero points
/// in int32; so many terms of at most 255·255 keep each of them below 2^30.
const MOST_TERMS: usize = 1 << 14;

/// Weights of this magnitude stay int8. On x86 without VNNI, onnxruntime multiplies uint8 by int8
/// in pairs that saturate at 16 bits: 2·255·64 does not. Larger ones go as uint8 with a zero point,
/// for which it widens first.
const INT8_EXACT: u32 = 64;

/// Operands of an 8-bit operator: names of vector, weights and their zero points.
struct Bytes {
    x: String,
    w: String,
    x_zero: String,
    w_zero: String,
}

impl Lowering<'_> {
    pub(super) fn dense(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        weight: &[i32],
        bias: Option<&[i64]>,
        [rows, cols]: [usize; 2],
    ) -> Result<Value, EmitError> {
        let operand = self.value(x)?;
        let operand = self.graph.flat(&operand);
        // ONNX multiplies rows of the batch by columns.
        let across: Vec<i32> = (0..cols)
            .flat_map(|k| (0..rows).map(move |j| weight[j * cols + k]))
            .collect();
        let eight = self.bytes(node, x, &operand, &across, &[cols, rows], cols)?;
        let (name, word) = match eight {
            Some(b) => {
                let inputs = [&b.x[..], &b.w, &b.x_zero, &b.w_zero];
                self.note(node, "MatMulInteger, 8 bits by 8 bits");
                let name = self.graph.node("MatMulInteger", &inputs, vec![]);
                (name, Word::I32)
            }
            None => {
                let word = self.word_of(node, x);
                let a = self.graph.in_word(&operand, word);
                let across = across.into_iter().map(i64::from);
                let w = self.graph.integers(word, &[cols, rows], across)?;
                self.note(node, &format!("MatMul of {word:?}"));
                let name = self.graph.node("MatMul", &[&a.name, &w], vec![]);
                (name, word)
            }
        };
        let shape = vec![rows];
        self.biased(&Value { name, word, shape }, bias)
    }

    pub(super) fn conv(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        weight: &[i32],
        bias: Option<&[i64]>,
        conv: &Conv,
    ) -> Result<Value, EmitError> {
        let w = &conv.window;
        let operand = self.value(x)?;
        let operand = self
            .graph
            .shaped(&operand, &[w.channels, w.height, w.width]);
        let shape = vec![conv.filters, w.out[0], w.out[1]];
        let dims = [conv.filters, conv.depth(), w.kernel[0], w.kernel[1]];
        if let Some(pads) = plain_pads(w)
            && let Some(b) = self.bytes(node, x, &operand, weight, &dims, conv.filter_len())?
        {
            let attributes = vec![
                ints("dilations", &w.dilation),
                int("group", conv.groups as i64),
                ints("kernel_shape", &w.kernel),
                ints("pads", &pads),
                ints("strides", &w.stride),
            ];
            let inputs = [&b.x[..], &b.w, &b.x_zero, &b.w_zero];
            self.note(node, "ConvInteger, 8 bits by 8 bits");
            let name = self.graph.node("ConvInteger", &inputs, attributes);
            let word = Word::I32;
            return self.biased(&Value { name, word, shape }, bias);
        }
        let word = self.word_of(node, x);
        let operand = self.graph.in_word(&operand, word);
        let columns = self.columns(&operand, w, Some(0))?;
        let (groups, len) = (conv.groups, conv.filter_len());
        let columns = self.graph.shaped(&columns, &[groups, len, w.windows()]);
        let weight = weight.iter().map(|w| i64::from(*w));
        let dims = [groups, conv.filters / groups.max(1), len];
        let weight = self.graph.integers(word, &dims, weight)?;
        self.note(node, &format!("windows as columns, MatMul of {word:?}"));
        let name = self.graph.node("MatMul", &[&weight, &columns.name], vec![]);
        let product = Value {
            name,
            word,
            shape: vec![groups, conv.filters / groups.max(1), w.windows()],
        };
        let product = self.graph.shaped(&product, &shape);
        self.biased(&product, bias)
    }

    /// The word that the checker proved for a layer's sums and that holds its operand.
    fn word_of(&self, node: &KernelNode, x: NodeId) -> Word {
        Word::of_width(node.width).max(Word::holding(hull(&self.node(x).range)))
    }

    /// Operand and weights as bytes; `None` if they do not fit, or the sums not 32 bits.
    fn bytes(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        operand: &Value,
        weight: &[i32],
        dims: &[usize],
        terms: usize,
    ) -> Result<Option<Bytes>, EmitError> {
        let r = hull(&self.node(x).range);
        let unsigned = 0 <= r.lo && r.hi <= 255;
        let signed = -128 <= r.lo && r.hi <= 127;
        let narrow = weight.iter().all(|w| (-128..=127).contains(w));
        if !(unsigned || signed) || !narrow || terms > MOST_TERMS || node.width > 32 {
            return Ok(None);
        }
        let (x, x_zero) = match unsigned {
            true => (operand.clone(), 0),
            false => (self.by_element("Add", operand, vec![128])?, 128),
        };
        let x = self.graph.cast(&x.name, data_type::UINT8);
        let byte = |w: &i32, zero: i32| (w + zero).to_le_bytes()[0];
        let (ty, zero) = match weight.iter().all(|w| w.unsigned_abs() <= INT8_EXACT) {
            true => (data_type::INT8, 0),
            false => (data_type::UINT8, 128),
        };
        let bytes = weight.iter().map(|w| byte(w, zero)).collect();
        Ok(Some(Bytes {
            x,
            w: self.graph.constant(ty, dims, bytes),
            x_zero: self.graph.constant(data_type::UINT8, &[], vec![x_zero]),
            w_zero: self.graph.constant(ty, &[], vec![byte(&0, zero)]),
        }))
    }

    /// Adds one bias a channel, which the accumulator's word holds.
    fn biased(&mut self, acc: &Value, bias: Option<&[i64]>) -> Result<Value, EmitError> {
        let Some(bias) = bias.filter(|b| b.iter().any(|b| *b != 0)) else {
            return Ok(acc.clone());
        };
        let mut dims = vec![1; acc.shape.len()];
        dims[0] = bias.len();
        let bias = bias.iter().copied();
        let bias = self.graph.integers(acc.word, &dims, bias)?;
        Ok(self.graph.with_constant("Add", acc, &bias))
    }

    pub(super) fn note(&mut self, node: &KernelNode, what: &str) {
        let note = format!("{}: {what}", self.name(node));
        self.notes.push(note);
    }
}
