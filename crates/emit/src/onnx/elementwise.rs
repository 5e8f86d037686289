//! Elementwise operators, and how constants that repeat along a vector are written once.

use super::graph::{Value, Word};
use super::lower::Lowering;
use crate::EmitError;
use crate::elem::hull;
use ceg4n_ir::{Interval, KernelNode, NodeId, Unary};

/// Constants by element of a vector of `shape`, in the least dimensions that broadcast to it.
pub(super) fn compressed(values: Vec<i64>, shape: &[usize]) -> (Vec<usize>, Vec<i64>) {
    let len = values.len();
    if values.windows(2).all(|w| w[0] == w[1]) {
        return (vec![], values.into_iter().take(1).collect());
    }
    let first = shape.first().copied().unwrap_or(1).max(1);
    let inner = len / first;
    if shape.len() > 1 && inner > 0 {
        if values
            .chunks(inner)
            .all(|c| c.windows(2).all(|w| w[0] == w[1]))
        {
            let mut dims = vec![1; shape.len()];
            dims[0] = first;
            return (dims, values.into_iter().step_by(inner).collect());
        }
        if values.chunks(inner).all(|c| *c == values[..inner]) {
            let dims = shape[1..].to_vec();
            return (dims, values.into_iter().take(inner).collect());
        }
    }
    (shape.to_vec(), values)
}

/// The interval around all values.
pub(super) fn around(values: &[i64]) -> Interval {
    let lo = values.iter().copied().min().unwrap_or(0);
    let hi = values.iter().copied().max().unwrap_or(0);
    Interval::new(lo, hi)
}

impl Lowering<'_> {
    /// A constant by element.
    pub(super) fn spread(
        &mut self,
        word: Word,
        values: Vec<i64>,
        shape: &[usize],
    ) -> Result<String, EmitError> {
        let (dims, values) = compressed(values, shape);
        self.graph.integers(word, &dims, values)
    }

    /// `x op c` by element, in the word of `x`.
    pub(super) fn by_element(
        &mut self,
        op: &str,
        x: &Value,
        c: Vec<i64>,
    ) -> Result<Value, EmitError> {
        let c = self.spread(x.word, c, &x.shape)?;
        Ok(self.graph.with_constant(op, x, &c))
    }

    /// The operand of an elementwise node in the word that the node and its constants need.
    pub(super) fn operand(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        constants: Interval,
    ) -> Result<Value, EmitError> {
        let own = Word::holding(hull(&self.node(x).range).hull(constants));
        let x = self.value(x)?;
        Ok(self.graph.in_word(&x, own.max(Word::of_width(node.width))))
    }

    /// A function of each element.
    pub(super) fn unary(
        &mut self,
        function: Unary,
        node: &KernelNode,
        x: NodeId,
    ) -> Result<Value, EmitError> {
        let x = self.operand(node, x, Interval::new(0, 0))?;
        let name = match function {
            Unary::Abs => self.graph.node("Abs", &[&x.name], vec![]),
            Unary::Sign => self.graph.node("Sign", &[&x.name], vec![]),
        };
        Ok(x.renamed(name, x.word))
    }

    pub(super) fn add_const(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        c: &[i64],
    ) -> Result<Value, EmitError> {
        let x = self.operand(node, x, around(c))?;
        self.by_element("Add", &x, c.to_vec())
    }

    pub(super) fn mul_const(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        c: &[i32],
    ) -> Result<Value, EmitError> {
        let part = (node.len / c.len().max(1)).max(1);
        let c: Vec<i64> = (0..node.len).map(|j| i64::from(c[j / part])).collect();
        let x = self.operand(node, x, around(&c))?;
        self.by_element("Mul", &x, c)
    }

    pub(super) fn sum(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        y: NodeId,
    ) -> Result<Value, EmitError> {
        let word = Word::holding(hull(&self.node(y).range));
        let x = self.operand(node, x, Interval::new(0, 0))?;
        let x = self.graph.in_word(&x, x.word.max(word));
        let y = self.value(y)?;
        let y = self.graph.in_word(&y, x.word);
        let y = self.graph.shaped(&y, &x.shape);
        Ok(self.graph.with_constant("Add", &x, &y.name))
    }

    pub(super) fn relu(&mut self, node: &KernelNode, x: NodeId) -> Result<Value, EmitError> {
        let acts = hull(&self.node(x).range).lo < 0;
        let x = self.operand(node, x, Interval::new(0, 0))?;
        if !acts {
            return Ok(x);
        }
        self.by_element("Max", &x, vec![0])
    }

    /// Bounds outside the range of operand and result cannot act.
    pub(super) fn clip(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        lo: &[i64],
        hi: &[i64],
    ) -> Result<Value, EmitError> {
        let of_x = hull(&self.node(x).range);
        let all = of_x.hull(hull(&node.range));
        let inside = |bounds: &[i64]| -> Vec<i64> {
            bounds.iter().map(|b| (*b).clamp(all.lo, all.hi)).collect()
        };
        let (lo, hi) = (inside(lo), inside(hi));
        let mut x = self.operand(node, x, all)?;
        if lo.iter().any(|b| *b > of_x.lo) {
            x = self.by_element("Max", &x, lo)?;
        }
        if hi.iter().any(|b| *b < all.hi) {
            x = self.by_element("Min", &x, hi)?;
        }
        Ok(x)
    }

    /// The register of the node holds `x·2^shift` for negative `x` too.
    pub(super) fn leaky_relu(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        shift: u8,
    ) -> Result<Value, EmitError> {
        let factor = 1i64 << shift;
        let x = self.operand(node, x, Interval::new(0, factor))?;
        let steep = self.by_element("Mul", &x, vec![factor])?;
        Ok(self.graph.with_constant("Max", &steep, &x.name))
    }

    /// Elements that are always zero stay so.
    pub(super) fn align(
        &mut self,
        node: &KernelNode,
        x: NodeId,
        shift: &[i32],
    ) -> Result<Value, EmitError> {
        let zero = |r: &Interval| r.lo == 0 && r.hi == 0;
        let of_x = self.node(x).range.iter().zip(shift);
        let factors: Vec<i64> = of_x
            .map(|(r, s)| match zero(r) {
                true => 1,
                false => 1i64.checked_shl(s.unsigned_abs()).unwrap_or(i64::MAX),
            })
            .collect();
        let x = self.operand(node, x, around(&factors))?;
        self.by_element("Mul", &x, factors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_written_once() {
        let shape = [2, 3];
        assert_eq!(compressed(vec![4; 6], &shape), (vec![], vec![4]));
        let rows = vec![1, 1, 1, 2, 2, 2];
        assert_eq!(compressed(rows, &shape), (vec![2, 1], vec![1, 2]));
        let columns = vec![1, 2, 3, 1, 2, 3];
        assert_eq!(compressed(columns, &shape), (vec![3], vec![1, 2, 3]));
        let all = vec![1, 2, 3, 1, 2, 4];
        assert_eq!(compressed(all.clone(), &shape), (vec![2, 3], all));
        let flat = vec![1, 2, 3];
        assert_eq!(compressed(flat.clone(), &[3]), (vec![3], flat));
    }
}
