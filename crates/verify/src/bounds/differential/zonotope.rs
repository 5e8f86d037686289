//! Zonotopes of a reference `N` and of the difference `D = K - N` over shared symbols (zonotopes:
//! Singh et al. 2018; differential: Teuber et al. 2024), with a box around each element for what
//! floating point loses.
//!
//! Every element is `centre + Σ coefficient·symbol ± error` with symbols in `[-1, 1]`. Symbols of
//! the input and of the reference's relaxations are shared by `N` and `D`; those of rounding and
//! of the difference's own relaxations belong to `D` alone.

use super::change::{Change, Side, curves, element, relu};
use super::{Joint, On, OpenSign, PairForm, Together};
use crate::bounds::forward::{Bounds, Hull};
use crate::bounds::graph::{Linear, Node, Op};
use crate::bounds::linalg;
use crate::float::{Bound, affine, down, pad, up};
use crate::margins::FEW_INPUTS;

/// Enclosures after one joint.
#[derive(Clone, Debug)]
pub(super) struct Enclosed {
    /// Of the reference.
    pub(super) n: Vec<Bound>,
    /// Of the subject.
    pub(super) k: Vec<Bound>,
    /// Of the difference.
    pub(super) d: Vec<Bound>,
}

/// The zonotopes of the outputs, and the enclosures on the way.
pub(super) struct Zonotopes {
    /// After each joint.
    pub(super) after: Vec<Enclosed>,
    last: State,
    /// The inputs that the first symbols belong to.
    inputs: Vec<usize>,
    /// For each linear joint, and few inputs, the coefficients of the inputs' symbols in each
    /// element of the reference; else empty.
    spread: Vec<Vec<f64>>,
}

/// Both sides' bounds, up to the nodes of a joint.
#[derive(Clone, Copy)]
struct Sides<'a> {
    reference: &'a Bounds,
    subject: &'a Bounds,
    /// The last node of each.
    at: (usize, usize),
}

/// A symbol of one element only, so far.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    element: usize,
    n: f64,
    d: f64,
}

/// Zonotopes of the elements of one layer.
#[derive(Clone, Debug, Default)]
struct State {
    len: usize,
    /// Centres.
    nc: Vec<f64>,
    dc: Vec<f64>,
    /// `len × shared` coefficients of shared symbols.
    na: Vec<f64>,
    da: Vec<f64>,
    shared: usize,
    /// `len × own` coefficients of the difference's symbols.
    db: Vec<f64>,
    own: usize,
    /// Shared symbols that only one element has.
    fresh: Vec<Fresh>,
    /// Symbols of the input, which are the first.
    inputs: usize,
    /// Radius of the difference's symbols that only that element has.
    loose: Vec<f64>,
    /// Error boxes.
    ne: Vec<f64>,
    de: Vec<f64>,
    /// Upper bounds of `|N|` and `|D|` from the zonotopes alone.
    nm: Vec<f64>,
    dm: Vec<f64>,
}

/// A linear map of both sides.
#[derive(Clone, Copy)]
struct Maps<'a> {
    /// Of the reference, and what its constants' errors change in each row.
    r: (&'a Linear, &'a [f64]),
    /// Of the subject.
    s: (&'a Linear, &'a [f64]),
    /// Subject minus reference, every weight rounded once.
    gap: &'a Linear,
}

/// `D' = Ŵ·D + (Ŵ - W)·N + (v̂ - v)` over intervals.
fn differences(m: Maps<'_>, before: &Enclosed) -> Vec<Bound> {
    let zero = vec![0.0; m.gap.rows];
    let own = Hull::new(&before.d).linear(m.s.0, &zero);
    let shared = Hull::new(&before.n).linear(m.gap, &zero);
    (0..m.gap.rows)
        .map(|i| {
            let (own, (shared, reach)) = (own[i].0, shared[i]);
            let (rb, sb) = (m.r.0.bias.value[i], m.s.0.bias.value[i]);
            let b = affine([1.0, 1.0], &[own, shared], sb - rb, 0);
            // A gap is rounded once, as is that of the biases.
            let lost =
                pad(m.gap.terms(), 2, reach) + pad(2, 0, rb.abs() + sb.abs()) + m.r.1[i] + m.s.1[i];
            Bound::new(down(b.lo, lost), up(b.hi, lost))
        })
        .collect()
}

impl Zonotopes {
    pub(super) fn new(
        together: &Together<'_>,
        joints: &[Joint],
        on: &On<'_>,
        (reference, subject): (&mut Bounds, &mut Bounds),
    ) -> Option<Self> {
        let (mut r_at, mut s_at) = (0, 0);
        let mut after: Vec<Enclosed> = Vec::with_capacity(joints.len());
        let (x, signs) = (on.x, on.signs);
        let (mut state, inputs) = State::input(x);
        let mut spread = Vec::with_capacity(joints.len());
        for (t, joint) in joints.iter().enumerate() {
            if let Joint::Input | Joint::Both(..) | Joint::Reference(_) = joint {
                r_at = reference.nodes.len();
                reference.push(together.reference, r_at, x);
            }
            if let Joint::Input | Joint::Both(..) | Joint::Subject(_) = joint {
                s_at = subject.nodes.len();
                subject.push(together.subject, s_at, x);
                if let (Some(input), Some(at)) = (on.input, together.subject.input_clamp())
                    && s_at == at
                {
                    subject.meet(together.subject, s_at, input);
                }
            }
            let (zn, zk, zd) = match t.checked_sub(1).map(|t| &after[t]) {
                None => state.enclose(),
                Some(before) => {
                    let sides = Sides {
                        reference: &*reference,
                        subject: &*subject,
                        at: (r_at, s_at),
                    };
                    let by_intervals = state.step(together, t, joint, before, sides);
                    if state.fresh.is_empty() && state.loose.iter().all(|r| *r == 0.0) {
                        let (n, k, d) = state.enclose();
                        let d = d.iter().zip(by_intervals).map(|(a, b)| a.meet(b));
                        (n, k, d.collect())
                    } else {
                        // Behind an elementwise operator its intervals are as good.
                        (Vec::new(), Vec::new(), by_intervals)
                    }
                }
            };
            let dense = matches!(joint, Joint::Both(..)) && state.fresh.is_empty();
            spread.push(if dense && inputs.len() <= FEW_INPUTS {
                state.leading(inputs.len())
            } else {
                Vec::new()
            });
            reference.meet(together.reference, r_at, &zn);
            subject.meet(together.subject, s_at, &zk);
            // A constraint speaks of a relu's operand, the node before it.
            let left = signs.reference.cut(r_at + 1, &mut reference.nodes[r_at])
                && signs.subject.cut(s_at + 1, &mut subject.nodes[s_at]);
            let sides = (&mut reference.nodes[r_at], &mut subject.nodes[s_at]);
            let d = agree(sides.0, sides.1, zd);
            let constrained = !(signs.reference.is_empty() && signs.subject.is_empty());
            if constrained && !(left && [&*sides.0, &*sides.1, &d].iter().all(|v| is_there(v))) {
                return None;
            }
            let (n, k) = (sides.0.clone(), sides.1.clone());
            after.push(Enclosed { n, k, d });
        }
        Some(Self {
            after,
            last: state,
            inputs,
            spread,
        })
    }

    /// A lower bound of a form of the outputs.
    pub(super) fn lower(&self, form: &PairForm) -> f64 {
        let Some(at) = self.after.last() else {
            return f64::NEG_INFINITY;
        };
        let (n, k) = weights(form);
        let sum = |a: &[f64], x: &[Bound], b: &[f64], y: &[Bound]| {
            let coef = a.iter().chain(b).copied();
            let of: Vec<Bound> = x.iter().chain(y).copied().collect();
            affine(coef, &of, 0.0, 0).lo
        };
        self.last.lower(form).max(sum(&n, &at.n, k, &at.d)).max(sum(
            &form.reference,
            &at.n,
            k,
            &at.k,
        ))
    }

    /// How much each input spreads the operands of open sign, weighted by what these cost;
    /// where none is open, how much it spreads the form itself.
    pub(super) fn input_scores(
        &self,
        form: &PairForm,
        inputs: usize,
        open: &[OpenSign],
    ) -> Vec<f64> {
        let mut out = vec![0.0; inputs];
        for o in open {
            let before = self.spread[..o.joint].iter().rev();
            let Some(spread) = before.clone().find(|s| !s.is_empty()) else {
                continue;
            };
            let n = self.inputs.len();
            let row = &spread[o.element * n..(o.element + 1) * n];
            let total: f64 = row.iter().map(|g| g.abs()).sum();
            for (i, g) in self.inputs.iter().zip(row) {
                out[*i] += o.cost * g.abs() / total.max(f64::MIN_POSITIVE);
            }
        }
        if out.iter().all(|s| *s == 0.0) {
            for (i, g) in self.inputs.iter().zip(self.last.shared_row(form)) {
                out[*i] = g.abs();
            }
        }
        out
    }
}

/// Cuts `N`, `K` and `D` to what `K = N + D` leaves of them.
fn agree(n: &mut [Bound], k: &mut [Bound], d: Vec<Bound>) -> Vec<Bound> {
    let one = |((n, k), d): ((&mut Bound, &mut Bound), Bound)| {
        let d = d.meet(Bound::new(down(k.lo - n.hi, 0.0), up(k.hi - n.lo, 0.0)));
        *k = k.meet(Bound::new(down(n.lo + d.lo, 0.0), up(n.hi + d.hi, 0.0)));
        *n = n.meet(Bound::new(down(k.lo - d.hi, 0.0), up(k.hi - d.lo, 0.0)));
        d
    };
    n.iter_mut().zip(k).zip(d).map(one).collect()
}

/// No enclosure is empty.
fn is_there(v: &[Bound]) -> bool {
    !v.iter().any(|b| b.lo > b.hi)
}

/// The radius of the difference behind a relu that is not the operand's, and the height of the
/// reference's relaxation.
pub(super) fn relaxation(n: Bound, k: Bound, d: Bound) -> (f64, f64) {
    let c = relu(n, k, d);
    (c.r, 2.0 * c.n)
}

impl State {
    /// `N` is the box, `D` is zero.
    fn input(x: &[Bound]) -> (Self, Vec<usize>) {
        let len = x.len();
        let mut state = Self {
            len,
            dc: vec![0.0; len],
            loose: vec![0.0; len],
            ne: vec![0.0; len],
            de: vec![0.0; len],
            dm: vec![0.0; len],
            ..Self::default()
        };
        let mut inputs = Vec::new();
        for (i, b) in x.iter().enumerate() {
            let c = b.lo + (b.hi - b.lo) / 2.0;
            state.nc.push(c);
            state.nm.push(b.magnitude());
            if b.lo < b.hi {
                inputs.push(i);
                let n = (b.hi - c).max(c - b.lo).next_up();
                state.fresh.push(Fresh {
                    element: i,
                    n,
                    d: 0.0,
                });
            }
        }
        state.inputs = inputs.len();
        (state, inputs)
    }

    /// Goes behind a joint; returns intervals of the difference from those before it, which
    /// know where a kernel's value does not move at all.
    fn step(
        &mut self,
        together: &Together<'_>,
        t: usize,
        joint: &Joint,
        before: &Enclosed,
        sides: Sides<'_>,
    ) -> Vec<Bound> {
        let noise = match joint {
            Joint::Subject(_) => &sides.subject.noise[sides.at.1],
            Joint::Input | Joint::Both(..) | Joint::Reference(_) => {
                &sides.reference.noise[sides.at.0]
            }
        };
        let k_after = &sides.subject.nodes[sides.at.1];
        let change = |i: usize, node: &Node, of: Side| element(node, of, i, before, noise);
        let of_subject = |i: usize, node: &Node| {
            let one = settled(k_after[i], before.n[i], before.d[i]);
            match one.filter(|_| node.on.contains(&i)) {
                // D' = c - N.
                Some(c) => Change {
                    p: 0.0,
                    q: -1.0,
                    c,
                    ..Change::NONE
                },
                None => change(i, node, Side::Subject),
            }
        };
        match joint {
            Joint::Input => before.d.clone(),
            Joint::Reference(r) => {
                let node = &together.reference.nodes[*r];
                self.each(before, |i| change(i, node, Side::Reference))
            }
            Joint::Subject(s) => {
                let node = &together.subject.nodes[*s];
                self.each(before, |i| of_subject(i, node))
            }
            Joint::Both(r, s) => {
                let nodes = (&together.reference.nodes[*r], &together.subject.nodes[*s]);
                let of = |i: usize| (before.n[i], before.k[i], before.d[i]);
                match (&nodes.0.op, &nodes.1.op, &together.gaps[t]) {
                    (Op::Linear(r), Op::Linear(s), Some(gap)) => {
                        let maps = Maps {
                            r: (r, &sides.reference.loss[sides.at.0]),
                            s: (s, &sides.subject.loss[sides.at.1]),
                            gap,
                        };
                        *self = self.linear(maps);
                        differences(maps, before)
                    }
                    (Op::Curve(f), Op::Curve(g), _) => self.each(before, |i| {
                        let here = nodes.0.on.contains(&i);
                        if here {
                            curves((f, g), of(i))
                        } else {
                            Change::NONE
                        }
                    }),
                    // Only these are matched.
                    _relus => self.each(before, |i| {
                        let (n, k, d) = of(i);
                        let here = nodes.0.on.contains(&i);
                        if here { relu(n, k, d) } else { Change::NONE }
                    }),
                }
            }
        }
    }

    fn each(&mut self, before: &Enclosed, change: impl Fn(usize) -> Change) -> Vec<Bound> {
        let mut fresh = Vec::new();
        let mut scaled = vec![Change::NONE; self.len];
        for (i, slot) in scaled.iter_mut().enumerate() {
            let c = change(i);
            *slot = c;
            if c.n != 0.0 || c.d != 0.0 {
                fresh.push(Fresh {
                    element: i,
                    n: c.n,
                    d: c.d,
                });
            }
            self.change(i, &c);
        }
        for f in &mut self.fresh {
            let c = &scaled[f.element];
            // Two roundings, within the pads of `change`.
            (f.n, f.d) = (c.a * f.n, c.p * f.d + c.q * f.n);
        }
        // The inputs' symbols keep their places: the first columns are theirs once all are spread.
        let mut inputs = if self.shared == 0 { self.inputs } else { 0 };
        self.fresh.retain(|f| {
            let of_input = inputs > 0;
            inputs = inputs.saturating_sub(1);
            of_input || f.n != 0.0 || f.d != 0.0
        });
        self.fresh.extend(fresh);
        self.measure(|i| scaled[i] != Change::NONE);
        let interval = |(i, c): (usize, &Change)| c.interval(before.n[i], before.d[i]);
        scaled.iter().enumerate().map(interval).collect()
    }

    fn change(&mut self, i: usize, c: &Change) {
        let linear = (c.a, c.b, c.p, c.q, c.c) != (1.0, 0.0, 1.0, 0.0, 0.0);
        if linear {
            let na = &mut self.na[i * self.shared..(i + 1) * self.shared];
            let da = &mut self.da[i * self.shared..(i + 1) * self.shared];
            for (n, d) in na.iter_mut().zip(da) {
                *d = c.p * *d + c.q * *n;
                *n *= c.a;
            }
            for d in &mut self.db[i * self.own..(i + 1) * self.own] {
                *d *= c.p;
            }
            self.loose[i] *= c.p.abs();
            let (nm, dm) = (self.nm[i], self.dm[i]);
            self.dc[i] = c.p * self.dc[i] + c.q * self.nc[i] + c.c;
            self.nc[i] = c.a * self.nc[i] + c.b;
            let size = c.p.abs() * dm + c.q.abs() * nm + c.c.abs();
            let carried = times(c.p, self.de[i]) + times(c.q, self.ne[i]);
            // Nothing is zero for sure that only underflows.
            let nothing = (c.p == 0.0 || dm == 0.0) && (c.q == 0.0 || nm == 0.0) && c.c == 0.0;
            self.de[i] = if nothing {
                0.0
            } else {
                up(carried, pad(6, 0, size))
            };
            let size = c.a.abs() * nm + c.b.abs();
            self.ne[i] = if (c.a == 0.0 || nm == 0.0) && c.b == 0.0 {
                0.0
            } else {
                up(times(c.a, self.ne[i]), pad(4, 0, size))
            };
        }
        if c.r > 0.0 {
            self.loose[i] = up(self.loose[i] + c.r, 0.0);
        }
    }

    /// The first columns of the shared symbols, of each element; zero where there are fewer: a
    /// relu in front of the first layer may have ended an input's.
    fn leading(&self, columns: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.len * columns];
        let rows = self.na.chunks_exact(self.shared.max(1));
        for (to, row) in out.chunks_exact_mut(columns.max(1)).zip(rows) {
            let n = columns.min(self.shared);
            to[..n].copy_from_slice(&row[..n]);
        }
        out
    }

    /// Updates the sizes of some elements.
    fn measure(&mut self, of: impl Fn(usize) -> bool) {
        let (mut n, mut d) = (self.loose.clone(), self.loose.clone());
        n.fill(0.0);
        for f in &self.fresh {
            n[f.element] += f.n.abs();
            d[f.element] += f.d.abs();
        }
        let terms = self.shared + self.own + self.fresh.len() + 4;
        for i in (0..self.len).filter(|i| of(*i)) {
            let a = i * self.shared..(i + 1) * self.shared;
            let b = i * self.own..(i + 1) * self.own;
            let m = n[i] + linalg::magnitude(&self.na[a.clone()]) + self.nc[i].abs() + self.ne[i];
            self.nm[i] = if m == 0.0 {
                0.0
            } else {
                up(m, pad(terms, 0, m))
            };
            let m = d[i]
                + linalg::magnitude(&self.da[a])
                + linalg::magnitude(&self.db[b])
                + self.dc[i].abs()
                + self.de[i];
            self.dm[i] = if m == 0.0 {
                0.0
            } else {
                up(m, pad(terms, 0, m))
            };
        }
    }

    /// Enclosures of reference, subject and difference.
    fn enclose(&self) -> (Vec<Bound>, Vec<Bound>, Vec<Bound>) {
        let mut pending = vec![(0.0, 0.0); self.len];
        for f in &self.fresh {
            pending[f.element].0 += (f.n + f.d).abs();
            pending[f.element].1 += f.n.abs() + f.d.abs();
        }
        let terms = self.shared + self.own + self.fresh.len() + 6;
        let around = |c: f64, r: f64, size: f64| {
            if size == 0.0 {
                return Bound::new(0.0, 0.0);
            }
            let p = pad(terms, 0, size);
            Bound::new(down(c - r, p), up(c + r, p))
        };
        let (mut n, mut k, mut d) = (Vec::new(), Vec::new(), Vec::new());
        for (i, pending) in pending.iter().enumerate() {
            let (nm, dm) = (self.nm[i], self.dm[i]);
            // |centre| + radius + error is the size.
            n.push(around(self.nc[i], nm - self.nc[i].abs(), nm));
            d.push(around(self.dc[i], dm - self.dc[i].abs(), dm));
            let a = i * self.shared..(i + 1) * self.shared;
            let both = self.na[a.clone()].iter().zip(&self.da[a]);
            let radius = both.map(|(n, d)| (n + d).abs()).sum::<f64>()
                + linalg::magnitude(&self.db[i * self.own..(i + 1) * self.own])
                + pending.0
                + self.loose[i]
                + self.ne[i]
                + self.de[i];
            k.push(around(self.nc[i] + self.dc[i], radius, nm + dm));
        }
        (n, k, d)
    }

    /// Behind a linear map of both sides; every symbol is spread then.
    fn linear(&self, m: Maps<'_>) -> Self {
        let (rows, cols) = (m.gap.rows, m.gap.cols);
        let loose: Vec<usize> = (0..cols).filter(|j| self.loose[*j] > 0.0).collect();
        let shared = self.shared + self.fresh.len();
        let own = self.own + loose.len();
        let mut out = Self {
            len: rows,
            nc: vec![0.0; rows],
            dc: vec![0.0; rows],
            na: vec![0.0; rows * shared],
            da: vec![0.0; rows * shared],
            shared,
            db: vec![0.0; rows * own],
            own,
            fresh: Vec::new(),
            inputs: self.inputs,
            loose: vec![0.0; rows],
            ne: vec![0.0; rows],
            de: vec![0.0; rows],
            nm: vec![0.0; rows],
            dm: vec![0.0; rows],
        };
        let (n_some, d_some) = (|k: usize| self.nm[k] != 0.0, |k: usize| self.dm[k] != 0.0);
        let (r, s, n) = (m.r.0, m.s.0, self.shared);
        r.forward_into(&mut out.na, shared, &self.na, n, n_some);
        s.forward_into(&mut out.da, shared, &self.da, n, d_some);
        m.gap.forward_into(&mut out.da, shared, &self.na, n, n_some);
        s.forward_into(&mut out.db, own, &self.db, self.own, d_some);
        self.spread(&mut out, m, &loose);
        for i in 0..rows {
            self.centre(&mut out, i, m);
        }
        out.measure(|_| true);
        out
    }

    /// The columns of the symbols that one element only had.
    fn spread(&self, out: &mut Self, m: Maps<'_>, loose: &[usize]) {
        // Symbols in the order of their elements: those of element k from start[k] on.
        let mut order: Vec<usize> = (0..self.fresh.len()).collect();
        order.sort_by_key(|t| self.fresh[*t].element);
        let mut start = vec![0; m.gap.cols + 1];
        for f in &self.fresh {
            start[f.element + 1] += 1;
        }
        for k in 0..m.gap.cols {
            start[k + 1] += start[k];
        }
        let mut place = vec![usize::MAX; m.gap.cols];
        loose.iter().enumerate().for_each(|(t, k)| place[*k] = t);
        let (shared, own) = (out.shared, out.own);
        let of = |k: usize| {
            order[start[k]..start[k + 1]]
                .iter()
                .map(|t| (*t, self.fresh[*t]))
        };
        for i in 0..m.gap.rows {
            let na = &mut out.na[i * shared + self.shared..(i + 1) * shared];
            m.r.0
                .each(i, |k, w| of(k).for_each(|(t, f)| na[t] += w * f.n));
            let da = &mut out.da[i * shared + self.shared..(i + 1) * shared];
            let db = &mut out.db[i * own + self.own..(i + 1) * own];
            m.s.0.each(i, |k, v| {
                of(k).for_each(|(t, f)| da[t] += v * f.d);
                if place[k] != usize::MAX {
                    db[place[k]] += v * self.loose[k];
                }
            });
            m.gap
                .each(i, |k, g| of(k).for_each(|(t, f)| da[t] += g * f.n));
        }
    }

    /// Centre and error box of one row of a linear map.
    fn centre(&self, out: &mut Self, i: usize, m: Maps<'_>) {
        let (mut n, mut d) = (0.0, 0.0);
        let (mut n_size, mut d_size, mut ne, mut de) = (0.0, 0.0, 0.0, 0.0);
        m.r.0.each(i, |j, w| {
            n += w * self.nc[j];
            n_size += w.abs() * self.nm[j];
            ne += w.abs() * self.ne[j];
        });
        m.s.0.each(i, |j, v| {
            d += v * self.dc[j];
            d_size += v.abs() * self.dm[j];
            de += v.abs() * self.de[j];
        });
        m.gap.each(i, |j, g| {
            d += g * self.nc[j];
            d_size += g.abs() * self.nm[j];
            de += g.abs() * self.ne[j];
        });
        let (rb, re) = (m.r.0.bias.value[i], m.r.1[i]);
        let (sb, se) = (m.s.0.bias.value[i], m.s.1[i]);
        out.nc[i] = n + rb;
        out.dc[i] = d + (sb - rb);
        let terms = 2 * m.gap.terms().max(m.s.0.terms()) + 4;
        let n_pad = pad(terms, 0, n_size + rb.abs()) + pad(terms, 0, ne);
        out.ne[i] = up(ne + re, n_pad);
        let d_pad = pad(terms, 4, d_size + rb.abs() + sb.abs()) + pad(terms, 0, de);
        out.de[i] = up(de + re + se, d_pad);
    }

    /// `Σ (n + k)·N + k·D` over the shared symbols that are spread already.
    fn shared_row(&self, form: &PairForm) -> Vec<f64> {
        let (n, k) = weights(form);
        let mut row = vec![0.0; self.shared];
        linalg::combine(&mut row, &n, &self.na, self.shared);
        linalg::combine(&mut row, k, &self.da, self.shared);
        if self.shared == 0 {
            // Nothing was spread: the input itself is the output.
            return self.fresh.iter().map(|f| n[f.element] * f.n).collect();
        }
        row
    }

    fn lower(&self, form: &PairForm) -> f64 {
        let (n, k) = weights(form);
        let mut own = vec![0.0; self.own];
        linalg::combine(&mut own, k, &self.db, self.own);
        let mut shared = vec![0.0; self.shared];
        linalg::combine(&mut shared, &n, &self.na, self.shared);
        linalg::combine(&mut shared, k, &self.da, self.shared);
        let mut radius = linalg::magnitude(&shared) + linalg::magnitude(&own);
        for f in &self.fresh {
            radius += (n[f.element] * f.n + k[f.element] * f.d).abs();
        }
        let (mut c, mut size) = (0.0, 0.0);
        for i in 0..self.len {
            c += n[i] * self.nc[i] + k[i] * self.dc[i];
            radius +=
                times(n[i], self.ne[i]) + times(k[i], self.de[i]) + times(k[i], self.loose[i]);
            size += times(n[i], self.nm[i]) + times(k[i], self.dm[i]);
        }
        let terms = 2 * self.len + self.shared + self.own + self.fresh.len() + 4;
        down(c - radius, pad(terms, 2, size))
    }
}

/// `|c|·v`, zero where `c` is.
fn times(c: f64, v: f64) -> f64 {
    if c == 0.0 { 0.0 } else { c.abs() * v }
}

/// The coefficients of `N` and of `D` in a form: `n·N + k·(N + D)`.
fn weights(form: &PairForm) -> (Vec<f64>, &[f64]) {
    let both = form.reference.iter().zip(&form.subject);
    (both.map(|(n, k)| n + k).collect(), &form.subject)
}

/// The one value of the subject's element behind an operator, where `value - N` is not much wider
/// than the difference before it.
pub(super) fn settled(k_after: Bound, n: Bound, d: Bound) -> Option<f64> {
    let narrow = n.width() <= 2.0 * d.width();
    (k_after.lo == k_after.hi && k_after.lo != 0.0 && narrow).then_some(k_after.lo)
}
