//! Random expressions over the domain of terms, against exact rationals: edge widths, far
//! exponents, numbers at the limits of `i128`. A refusal is fine, a panic or another value is not.

use crate::common::Dice;
use ceg4n_base::Exact;
use ceg4n_opspec::{Cmp, Domain, ExactDomain};
use ceg4n_smt::lower::{LowerError, Number, Terms, Truth};
use ceg4n_smt::term::Op;
use ceg4n_smt::{Limits, Logic, Model, Outcome, Query, Sort, TermId, Value, solver};
use num_traits::ToPrimitive;

/// Points at which every expression is evaluated.
const POINTS: usize = 6;
const ORDERS: [Cmp; 6] = [Cmp::Lt, Cmp::Le, Cmp::Eq, Cmp::Ne, Cmp::Ge, Cmp::Gt];

#[derive(Default)]
struct Pool {
    terms: Terms,
    /// Least value, and values at the points, of each input.
    inputs: Vec<(i128, Vec<i128>)>,
    numbers: Vec<(Number, Vec<Exact>)>,
    truths: Vec<(Truth, Vec<bool>)>,
    refused: usize,
}

type Made = Result<(Number, Vec<Exact>), LowerError>;

/// ±2^k and its neighbours.
fn edge(d: &mut Dice, bits: i64) -> i128 {
    let power = 1i128 << d.roll(0, bits);
    let v = power + i128::from(d.roll(-1, 1));
    if d.one_in(2) { v } else { -v }
}

fn within(d: &mut Dice, lo: i128, hi: i128) -> i128 {
    let word = u128::from(d.word()) << 64 | u128::from(d.word());
    let span = hi.wrapping_sub(lo).cast_unsigned();
    let offset = span.checked_add(1).map_or(word, |n| word % n);
    match d.roll(0, 4) {
        0 => lo,
        1 => hi,
        _ => lo.wrapping_add(offset.cast_signed()),
    }
}

impl Pool {
    fn input(&mut self, d: &mut Dice, bits: i64) {
        let (a, b) = (edge(d, bits), edge(d, bits));
        let (lo, hi) = (a.min(b), a.max(b));
        let name = format!("x{}", self.inputs.len());
        let Ok(n) = self.terms.input(&name, lo, hi) else {
            self.refused += 1;
            return;
        };
        let at: Vec<i128> = (0..POINTS).map(|_| within(d, lo, hi)).collect();
        self.numbers
            .push((n, at.iter().map(|v| Exact::dyadic(*v, 0)).collect()));
        self.inputs.push((lo, at));
    }

    fn number(&self, d: &mut Dice) -> (Number, Vec<Exact>) {
        self.numbers[d.roll(0, self.numbers.len() as i64 - 1) as usize].clone()
    }

    fn constant(&mut self, d: &mut Dice) -> (Number, Vec<Exact>) {
        let m = match d.roll(0, 9) {
            0 => i128::MAX,
            1 => i128::MIN,
            2 => edge(d, 126),
            3 => 0,
            _ => edge(d, 12),
        };
        let e = if d.one_in(3) {
            d.roll(-130, 130)
        } else {
            d.roll(-5, 5)
        };
        (Number::constant(m, e), vec![Exact::dyadic(m, e); POINTS])
    }

    /// A random number, and another or a constant.
    fn two(&mut self, d: &mut Dice) -> [(Number, Vec<Exact>); 2] {
        let a = self.number(d);
        let b = if d.one_in(4) {
            self.constant(d)
        } else {
            self.number(d)
        };
        [a, b]
    }

    /// One more number by an operator that keeps forms linear.
    fn make_linear(&mut self, d: &mut Dice) -> Made {
        let [(a, va), (b, vb)] = self.two(d);
        let t = &mut self.terms;
        let pairs = || va.iter().zip(&vb);
        Ok(match d.roll(0, 6) {
            0 => (t.add(&a, &b)?, pairs().map(|(a, b)| a + b).collect()),
            1 => (t.sub(&a, &b)?, pairs().map(|(a, b)| a - b).collect()),
            2 => {
                let (k, vk) = self.constant(d);
                let (l, r) = if d.one_in(2) { (&a, &k) } else { (&k, &a) };
                let values = va.iter().zip(&vk).map(|(a, k)| a * k).collect();
                (self.terms.mul(l, r)?, values)
            }
            3 => (t.neg(&a)?, va.iter().map(|a| -a).collect()),
            4 => {
                let k = match d.roll(0, 40) {
                    0 => i64::MIN,
                    1 => i64::MAX,
                    _ => d.roll(-12, 12),
                };
                (t.scale(&a, k)?, va.iter().map(|a| a.shifted(k)).collect())
            }
            5 => {
                let k = d.roll(0, 9);
                let power = t.int(1 << k)?;
                (
                    t.div(&a, &power)?,
                    va.iter().map(|a| a.shifted(-k)).collect(),
                )
            }
            _ => {
                let values = pairs().map(|(a, b)| &(a + b) + a).collect();
                (t.sum(vec![a.clone(), b, a])?, values)
            }
        })
    }

    /// One more number by an operator that needs vectors.
    fn make_vector(&mut self, d: &mut Dice) -> Made {
        let [(a, va), (b, vb)] = self.two(d);
        let s = if d.one_in(12) {
            d.roll(0, 300)
        } else {
            d.roll(0, 9)
        } as u32;
        let (t, x) = (&mut self.terms, &mut ExactDomain);
        let one = |f: &mut dyn FnMut(&Exact) -> Exact| va.iter().map(f).collect::<Vec<_>>();
        let two = |f: fn(Exact, Exact) -> Exact| {
            let pairs = va.iter().cloned().zip(vb.iter().cloned());
            pairs.map(|(a, b)| f(a, b)).collect()
        };
        Ok(match d.roll(0, 6) {
            0 => (
                t.shr_floor(&a, s)?,
                one(&mut |a| x.shr_floor(a, s).unwrap()),
            ),
            1 => (t.shl(&a, s)?, one(&mut |a| x.shl(a, s).unwrap())),
            2 => (t.min(&a, &b)?, two(Exact::min)),
            3 => (t.max(&a, &b)?, two(Exact::max)),
            4 => (t.mod_pow2(&a, s)?, one(&mut |a| x.mod_pow2(a, s).unwrap())),
            5 => (t.floor(&a)?, one(&mut |a| a.floor().into())),
            _ => {
                let last = self.truths.len() as i64 - 1;
                let (c, vc) = self.truths[d.roll(0, last) as usize].clone();
                let pairs = va.iter().zip(&vb).zip(&vc);
                let chosen = pairs.map(|((a, b), c)| if *c { a } else { b }.clone());
                (self.terms.select(&c, &a, &b)?, chosen.collect())
            }
        })
    }

    fn make_truth(&mut self, d: &mut Dice) -> Result<(Truth, Vec<bool>), LowerError> {
        if d.one_in(3) && self.truths.len() > 1 {
            let pick = |d: &mut Dice, this: &Self| {
                this.truths[d.roll(0, this.truths.len() as i64 - 1) as usize].clone()
            };
            let ((a, va), (b, vb)) = (pick(d, self), pick(d, self));
            let pairs = va.iter().zip(&vb);
            return Ok(match d.roll(0, 2) {
                0 => (
                    self.terms.and(&a, &b)?,
                    pairs.map(|(a, b)| *a && *b).collect(),
                ),
                1 => (
                    self.terms.or(&a, &b)?,
                    pairs.map(|(a, b)| *a || *b).collect(),
                ),
                _ => (self.terms.not(&a)?, va.iter().map(|a| !a).collect()),
            });
        }
        let ((a, va), (mut b, mut vb)) = (self.number(d), self.number(d));
        if d.one_in(2) {
            // A value that is met, so that equality matters.
            let v = va[d.roll(0, POINTS as i64 - 1) as usize].clone();
            if let Some(n) = dyadic(&v) {
                (b, vb) = (n, vec![v; POINTS]);
            }
        }
        let op = ORDERS[d.roll(0, 5) as usize];
        let holds = va.iter().zip(&vb).map(|(a, b)| op.holds(a.cmp(b)));
        Ok((self.terms.cmp(op, &a, &b)?, holds.collect()))
    }

    fn model(&self, point: usize) -> Model {
        let mut m = Model::default();
        for (name, sort) in self.terms.query.variables() {
            let i: usize = name[1..].parse().unwrap();
            let (lo, at) = &self.inputs[i];
            let value = match sort {
                Sort::Bool => continue,
                Sort::Int => Value::Int(at[point]),
                Sort::Bits(width) => Value::bits(at[point].wrapping_sub(*lo), width),
            };
            m.insert(name, value);
        }
        m
    }

    /// Claims that hold at some points: every truth, and that every number has its value.
    fn claims(&mut self, seed: u64) -> Vec<(usize, TermId, bool)> {
        let mut out = Vec::new();
        for (n, values) in self.numbers.clone() {
            for (point, v) in values.iter().enumerate() {
                let c = dyadic(v).map(|c| self.terms.cmp(Cmp::Eq, &n, &c));
                match c {
                    Some(Ok(Truth::Known(k))) => assert!(k, "seed {seed}: {n:?} is not {v}"),
                    Some(Ok(Truth::Term(t))) => out.push((point, t, true)),
                    Some(Err(_)) | None => self.refused += 1,
                }
            }
        }
        for (t, values) in &self.truths {
            for (point, v) in values.iter().enumerate() {
                match t {
                    Truth::Known(k) => assert_eq!(k, v, "seed {seed}"),
                    Truth::Term(t) => out.push((point, *t, *v)),
                }
            }
        }
        out
    }
}

fn dyadic(v: &Exact) -> Option<Number> {
    let (m, e) = v.as_dyadic()?;
    Some(Number::constant(m.to_i128()?, e))
}

/// Random expressions over three inputs.
fn grown(logic: Logic, seed: u64, bits: i64) -> Pool {
    let mut d = Dice::new(seed);
    let mut pool = Pool {
        terms: Terms::over(logic),
        ..Pool::default()
    };
    let c = pool.constant(&mut d);
    pool.numbers.push(c);
    pool.truths.push((Truth::Known(true), vec![true; POINTS]));
    for _ in 0..3 {
        pool.input(&mut d, bits);
    }
    for _ in 0..25 {
        let made = if d.one_in(2) {
            pool.make_linear(&mut d)
        } else {
            pool.make_vector(&mut d)
        };
        match made {
            Ok(made) => pool.numbers.push(made),
            Err(_) => pool.refused += 1,
        }
        match pool.make_truth(&mut d) {
            Ok(made) => pool.truths.push(made),
            Err(_) => pool.refused += 1,
        }
    }
    pool
}

fn run(logic: Logic, seeds: std::ops::Range<u64>, bits: i64) -> (usize, usize) {
    let (mut checked, mut refused) = (0, 0);
    for seed in seeds {
        let mut pool = grown(logic, seed, bits);
        let claims = pool.claims(seed);
        for point in 0..POINTS {
            let all = pool.terms.query.evaluate(&pool.model(point)).unwrap();
            for (_, t, expected) in claims.iter().filter(|c| c.0 == point) {
                let found = all.get(*t) == Some(Value::Bool(true));
                assert_eq!(found, *expected, "seed {seed}, point {point}, {t}");
                checked += 1;
            }
            // The limits of every input are part of the query, and the points keep them.
            assert!(
                pool.terms.query.holds(&pool.model(point)).unwrap(),
                "seed {seed}"
            );
        }
        refused += pool.refused;
    }
    (checked, refused)
}

#[test]
fn of_short_inputs() {
    for logic in Logic::ALL {
        let (checked, refused) = run(logic, 0..1500, 9);
        assert!(checked > 100_000, "{checked} checked, {refused} refused");
    }
}

#[test]
fn of_inputs_at_the_widest() {
    for logic in Logic::ALL {
        let (checked, refused) = run(logic, 10_000..11_500, 119);
        assert!(
            checked > 40_000 && refused > 1000,
            "{checked} checked, {refused} refused"
        );
    }
}

/// With the inputs fixed, z3 finds that every claim of a script holds, and that none can fail: the
/// text says what the terms mean.
#[test]
fn z3_reads_the_same_out_of_the_text() {
    if !crate::agreement::has_z3() {
        return;
    }
    let mut z3 = solver::from_name("z3").unwrap();
    let mut ask = |q: &Query| z3.solve(q, &Limits::default());
    let mut asked = 0;
    for (logic, seed) in (0..40).map(|i| (Logic::ALL[i % 2], 20_000 + i as u64)) {
        let mut pool = grown(logic, seed, if seed % 3 == 0 { 60 } else { 9 });
        let claims = pool.claims(seed);
        let point = seed as usize % POINTS;
        let model = pool.model(point);
        let mut q = pool.terms.query.clone();
        fix(&mut q, &model);
        let mut held = Vec::new();
        for (_, t, expected) in claims.iter().filter(|c| c.0 == point) {
            held.push(if *expected { *t } else { q.not(*t).unwrap() });
        }
        asked += held.len();
        let all = q.and(&held).unwrap();
        let mut other = q.clone();
        q.assert(all).unwrap();
        assert_eq!(ask(&q), Outcome::Sat(model), "seed {seed}");
        let fails = other.not(all).unwrap();
        other.assert(fails).unwrap();
        assert_eq!(ask(&other), Outcome::Unsat, "seed {seed}");
    }
    assert!(asked > 400, "{asked}");
}

fn fix(q: &mut Query, model: &Model) {
    let variables: Vec<_> = q
        .terms()
        .filter(|(_, d)| d.op == Op::Var)
        .map(|(t, d)| (t, d.name.clone().unwrap()))
        .collect();
    for (t, name) in variables {
        let value = match model.get(&name).unwrap() {
            Value::Int(v) => q.integer(v).unwrap(),
            v @ Value::Bits { width, .. } => q.constant(v.signed(), width).unwrap(),
            Value::Bool(b) => q.boolean(b).unwrap(),
        };
        let same = q.equal(t, value).unwrap();
        q.assert(same).unwrap();
    }
}

#[test]
fn ranges_without_a_value_or_too_wide_are_refused() {
    for logic in Logic::ALL {
        let mut t = Terms::over(logic);
        assert!(t.input("a", 1, 0).is_err());
        assert!(t.input("b", 5, -5).is_err());
        assert!(t.input("c", i128::MIN, i128::MAX).is_err());
        assert!(t.input("d", 0, i128::MAX).is_err());
        assert!(t.input("e", 0, (1 << 119) - 1).is_ok());
        assert!(t.input("f", 0, 1 << 119).is_err());
        assert!(t.input("g", i128::MIN, i128::MIN + 1).is_ok());
    }
}
