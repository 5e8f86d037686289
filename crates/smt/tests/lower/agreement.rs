//! The same questions to four judges: enumeration of the box, the embedded solver on bit vectors,
//! z3 on bit vectors, z3 on integers.

use crate::common::{Dice, Pair, SMALL, Size, lows, points, random_box};
use crate::grid::{breaks_at, random_grid, random_property};
use crate::kernels::leaves;
use ceg4n_eval::{kernel_outputs, kernel_trace};
use ceg4n_ir::kernel::{KernelOp, argmax};
use ceg4n_ir::{Interval, Kernel, Rounding};
use ceg4n_smt::lower::{LowerError, Question, Rewriting, breaks_on_grid, leaves_class};
use ceg4n_smt::term::Op;
use ceg4n_smt::{Limits, Logic, Outcome, Solver, solver};

const TIES: Size = Size {
    input_bits: 7,
    twins: true,
    ..SMALL
};
/// Questions of either outcome that are put to the judges.
const ENOUGH: usize = 120;

/// True if z3 is there. Loud if it is not, fatal if the environment demands tools.
pub(crate) fn has_z3() -> bool {
    let found = solver::from_name("z3").is_ok();
    if !found {
        let demanded = std::env::var_os("CEG4N_REQUIRE_TOOLS").is_some_and(|v| v == "1");
        assert!(!demanded, "z3 is required and not on PATH");
        eprintln!("SKIPPED: z3 not found");
    }
    found
}

type AtPoint<'a, T> = Box<dyn Fn(&[i64]) -> T + 'a>;

/// One question in both logics, and what breaks it.
struct Case<'a> {
    bv: Question,
    lia: Question,
    input: Vec<Interval>,
    breaks: AtPoint<'a, bool>,
    /// What enters the kernel at a point.
    enters: AtPoint<'a, Vec<i64>>,
}

impl<'a> Case<'a> {
    /// `None` if a number is too wide, or if intervals alone decide the question.
    fn new(
        ask: impl Fn(Logic) -> Result<Question, LowerError>,
        input: Vec<Interval>,
        breaks: impl Fn(&[i64]) -> bool + 'a,
        enters: impl Fn(&[i64]) -> Vec<i64> + 'a,
    ) -> Option<Self> {
        let [bv, lia] = [Logic::Bv, Logic::Lia].map(ask);
        let (bv, lia) = (bv.ok()?, lia.ok()?);
        let open = |q: &Question| {
            let last = *q.query.assertions().last().unwrap();
            !matches!(q.query.definition(last).unwrap().op, Op::Bool(_))
        };
        assert_eq!(open(&bv), open(&lia), "both logics see the same intervals");
        open(&bv).then(|| Self {
            bv,
            lia,
            input,
            breaks: Box::new(breaks),
            enters: Box::new(enters),
        })
    }

    /// The solver's verdict on one of the forms; a witness is replayed.
    fn verdict(&self, q: &Question, solver: &mut dyn Solver, what: &str) -> bool {
        match solver.solve(&q.query, &Limits::default()) {
            Outcome::Unsat => false,
            Outcome::Sat(model) => {
                let at = q.input(&model).unwrap();
                let inside = |(v, r): (&i64, &Interval)| r.lo <= *v && *v <= r.hi;
                assert!(at.iter().zip(&self.input).all(inside), "{what}: {at:?}");
                assert!((self.breaks)(&at), "{what}: {at:?} breaks nothing");
                true
            }
            Outcome::Unknown(reason) => panic!("{what}: {reason}"),
        }
    }
}

fn cases<'a>(d: &mut Dice, pair: &'a Pair) -> Vec<Case<'a>> {
    let kernel = pair.kernel();
    let mut out = Vec::new();
    let most = [12, 40, 120, 400][d.roll(0, 3) as usize];
    let b = random_box(d, kernel.input_format, kernel.input_len(), most);
    let class = argmax(&kernel_outputs(kernel, &lows(&b)).unwrap()).unwrap();
    out.extend(Case::new(
        |logic| leaves_class(logic, kernel, &b, class, Rewriting::On),
        b.clone(),
        move |x| leaves(kernel, x, class),
        <[i64]>::to_vec,
    ));
    let grid = random_grid(d, kernel.input_format);
    let b = random_box(d, grid, kernel.input_len(), most);
    let property = random_property(d, pair, grid, &b);
    out.extend(Case::new(
        |logic| {
            breaks_on_grid(
                logic,
                pair.real(),
                kernel,
                grid,
                &b,
                &property,
                Rewriting::On,
            )
        },
        b.clone(),
        {
            let property = property.clone();
            move |x| breaks_at(pair, grid, &property, x)
        },
        move |x| {
            let x: Vec<_> = x.iter().map(|g| grid.value(*g)).collect();
            kernel.quantize_input(&x)
        },
    ));
    out
}

/// What the questions have met.
#[derive(Debug, Default)]
struct Met {
    sat: usize,
    unsat: usize,
    /// A value that is clamped at some point.
    saturating: usize,
    /// An exact left shift.
    left_shifts: usize,
    /// Two largest outputs at some point.
    ties: usize,
    /// Multipliers.
    multiplied: usize,
    /// By rounding rule, in the order of `Rounding::ALL`.
    rounding: [usize; 3],
}

impl Met {
    fn add(&mut self, kernel: &Kernel, inputs: impl Iterator<Item = Vec<i64>>) {
        self.left_shifts += usize::from(shifts(kernel, true));
        let multiplied = kernel.nodes.values().any(|n| n.multiplier.is_some());
        self.multiplied += usize::from(multiplied);
        let rule = Rounding::ALL.iter().position(|r| *r == kernel.rounding);
        self.rounding[rule.unwrap()] += usize::from(shifts(kernel, false));
        let (mut clamped, mut tied) = (false, false);
        for x in inputs {
            clamped |= clamps(kernel, &x);
            let y = kernel_outputs(kernel, &x).unwrap();
            tied |= y.iter().filter(|v| Some(*v) == y.iter().max()).count() > 1;
        }
        self.saturating += usize::from(clamped);
        self.ties += usize::from(tied);
    }
}

/// Whether a value is shifted to the left, or to the right.
fn shifts(kernel: &Kernel, left: bool) -> bool {
    kernel.nodes.values().any(|n| match &n.op {
        KernelOp::Requantize { shift, .. } => {
            shift.iter().any(|s| if left { *s < 0 } else { *s > 0 })
        }
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Align { .. }
        | KernelOp::Move { .. } => false,
    })
}

/// Whether a value is clamped whatever the rounding rule.
fn clamps(kernel: &Kernel, input: &[i64]) -> bool {
    let trace = kernel_trace(kernel, input).unwrap();
    kernel.nodes.values().any(|n| match &n.op {
        KernelOp::Requantize {
            x, shift, format, ..
        } => {
            let of = &kernel.nodes[*x];
            let products = trace.node(*x).iter().enumerate();
            let products = products.map(|(j, v)| v * i128::from(of.multiplier(j)));
            let mut products = products.zip(shift.iter());
            products.any(|(v, s)| {
                let (low, high) = (i128::from(format.min()) - 1, i128::from(format.max()) + 1);
                let (up, down) = ((*s).max(0), (-*s).max(0));
                v << down < low << up || v << down > high << up
            })
        }
        KernelOp::Input { .. }
        | KernelOp::Dense { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. }
        | KernelOp::Relu { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Align { .. }
        | KernelOp::Move { .. } => false,
    })
}

#[test]
fn of_enumeration_and_solvers_in_both_logics() {
    if !has_z3() {
        return;
    }
    let mut judges = [
        (Logic::Bv, solver::from_name("embedded").unwrap()),
        (Logic::Bv, solver::from_name("z3").unwrap()),
        (Logic::Lia, solver::from_name("z3").unwrap()),
    ];
    assert_eq!(judges[0].1.logic(), Logic::Bv);
    assert_eq!(judges[2].1.logic(), Logic::Lia);
    let mut met = Met::default();
    for seed in 7000.. {
        if met.sat >= ENOUGH && met.unsat >= ENOUGH {
            break;
        }
        assert!(seed < 40_000, "{met:?}");
        let mut d = Dice::new(seed);
        let size = if seed % 2 == 0 { SMALL } else { TIES };
        let pair = Pair::random(&mut d, size, seed % 3 != 0);
        if seed % 4 != 0 && !shifts(pair.kernel(), false) {
            continue;
        }
        for case in cases(&mut d, &pair) {
            let all = points(&case.input);
            let exists = all.iter().any(|p| (case.breaks)(p));
            let kind = if exists { &mut met.sat } else { &mut met.unsat };
            if *kind >= ENOUGH {
                continue;
            }
            *kind += 1;
            let what = format!("seed {seed}");
            for (logic, judge) in &mut judges {
                let q = match logic {
                    Logic::Bv => &case.bv,
                    Logic::Lia => &case.lia,
                };
                let name = format!("{what}, {} on {}", judge.name(), logic.name());
                let found = case.verdict(q, judge.as_mut(), &name);
                assert_eq!(found, exists, "{name}\n{}", q.query.to_smtlib());
            }
            met.add(pair.kernel(), all.iter().map(|p| (case.enters)(p)));
        }
    }
    eprintln!("agreement with z3: no disagreement on {met:?}");
    assert!(
        met.saturating >= 60
            && met.left_shifts >= 40
            && met.ties >= 60
            && met.multiplied >= 60
            && met.rounding.iter().all(|n| *n >= 30),
        "{met:?}"
    );
}
