//! Pairs made for one purpose: equal on the grid but not between, equal everywhere, one step off.

use crate::generate::{Case, Rng, case};
use crate::model::{Const, Fmt, Meaning, Model, Step};
use crate::oracle::{Prop, by_grid, grid_points};
use crate::pieces::by_pieces;
use ceg4n_base::Exact;
use ceg4n_ir::{Domain, Property, Region, Rounding};
use ceg4n_jit::CodeCache;
use ceg4n_verify::label::label;
use ceg4n_verify::leaf::NoLeaf;
use ceg4n_verify::space::Space;
use ceg4n_verify::{
    Effort, Label, Leaf, Question, Reference, RegionResult, Stop, Subject, Verdict, decide,
};

fn constant(data: Vec<f32>, rows: usize, format: Fmt) -> Const {
    Const {
        data,
        rows,
        formats: vec![format],
        mantissas: None,
    }
}

fn ask(case: &Case, property: &Property, domain: Domain) -> RegionResult {
    let effort = Effort {
        boxes: 4000,
        ..Effort::default()
    };
    ask_with(case, property, domain, &effort, &mut NoLeaf)
}

/// One question; the label gets boxes enough.
pub(crate) fn ask_with(
    case: &Case,
    property: &Property,
    domain: Domain,
    effort: &Effort,
    leaf: &mut dyn Leaf,
) -> RegionResult {
    let cache = CodeCache::new();
    let program = case.kernel.program(case.meaning).expect("a kernel");
    let subject = Subject::new(program, &cache).expect("native code");
    let (model, meaning) = &case.reference;
    let reference = Reference::new(&model.program(*meaning).expect("a reference"));
    let region = Region {
        id: "r".into(),
        lower: case.lower.clone(),
        upper: case.upper.clone(),
        center: None,
        ball_size: None,
        span: None,
    };
    let stop = Stop::default();
    let space = Space::new(&region, domain, subject.input_format());
    let root = space.root().expect("a point");
    let for_label = Effort {
        boxes: effort.boxes.max(20_000),
        ..*effort
    };
    let label = label(
        &reference,
        &space,
        &region.center(),
        &root,
        &for_label,
        &stop,
    );
    let question = Question {
        reference: &reference,
        subject: &subject,
        region: &region,
        property,
        domain,
        label: &label,
    };
    decide(&question, effort, &stop, leaf)
}

/// One input of whole numbers, two outputs: `relu(2x - 1)` against `x` on 0..=1. They tie at 0
/// and at 1; between, `x` wins strictly. The kernel sees 0 up to 1/2 and answers the first.
fn tent() -> Case {
    let wide = Fmt::new(true, 8, 1);
    let hidden = Step::Dense {
        w: constant(vec![2.0, 1.0], 2, wide),
        b: Some(constant(vec![-1.0, 0.0], 2, Fmt::new(true, 8, 0))),
    };
    let out = Step::Dense {
        w: constant(vec![1.0, 0.0, 0.0, 1.0], 2, wide),
        b: None,
    };
    let model = Model {
        inputs: 1,
        input: Fmt::new(false, 1, 0),
        steps: vec![
            (hidden, None),
            (Step::Relu, Some(Fmt::new(false, 8, 1))),
            (out, None),
        ],
        rounding: Rounding::HalfUp,
    };
    Case {
        kernel: model.clone(),
        meaning: Meaning::Fixed,
        reference: (model, Meaning::Real),
        lower: vec![Exact::zero()],
        upper: vec![Exact::from(1)],
        grid: None,
    }
}

#[test]
fn equal_on_the_grid_but_not_inside_a_cell() {
    let case = tent();
    let whole = Domain::Grid(case.kernel.input.ir());
    for property in [Property::Top1, Property::Eps(Exact::zero())] {
        let verdict = ask(&case, &property, whole).verdict;
        assert!(matches!(verdict, Verdict::Proved(_)), "{verdict:?}");
        let verdict = ask(&case, &property, Domain::Real).verdict;
        assert!(matches!(verdict, Verdict::Refuted(_)), "{verdict:?}");
    }
    let answer = by_pieces(
        (&case.kernel, Meaning::Fixed),
        (&case.reference.0, Meaning::Real),
        &case.lower,
        &case.upper,
    );
    assert!(answer.broken(&Prop::Top1).is_some());
    // Between the grid points the second output leads by up to 1/2.
    assert_eq!(answer.margin(), Exact::dyadic(1, -1));
    assert!(answer.broken(&Prop::Margin(Exact::dyadic(1, -1))).is_none());
}

/// The last point of the first cell is open: at 1/2 itself the kernel already sees 1.
#[test]
fn a_midpoint_belongs_to_the_cell_above() {
    let w = Fmt::new(true, 8, 1);
    // The class is 0 below 1/2 and 1 from 1/2 on, where the reference ties at 1/2.
    let step = Step::Dense {
        w: constant(vec![0.0, 1.0], 2, w),
        b: Some(constant(vec![0.5, 0.0], 2, w)),
    };
    let model = Model {
        inputs: 1,
        input: Fmt::new(false, 1, 0),
        steps: vec![(step, None)],
        rounding: Rounding::HalfUp,
    };
    let mut case = Case {
        kernel: model.clone(),
        meaning: Meaning::Fixed,
        reference: (model, Meaning::Real),
        lower: vec![Exact::zero()],
        upper: vec![Exact::from(1)],
        grid: None,
    };
    let holds = |case: &Case| {
        let answer = by_pieces(
            (&case.kernel, Meaning::Fixed),
            (&case.reference.0, Meaning::Real),
            &case.lower,
            &case.upper,
        );
        answer.broken(&Prop::Top1).is_none()
    };
    assert!(holds(&case));
    let result = ask(&case, &Property::Top1, Domain::Real);
    assert!(!matches!(result.verdict, Verdict::Refuted(_)));
    // Move the reference's change of class a hair up: points just above 1/2 break top-1.
    let Step::Dense { b: Some(b), .. } = &mut case.reference.0.steps[0].0 else {
        unreachable!("a dense layer with a bias");
    };
    b.data[0] = 0.5f32.next_up();
    assert!(!holds(&case));
    let result = ask(&case, &Property::Top1, Domain::Real);
    assert!(
        !matches!(result.verdict, Verdict::Proved(_)),
        "{:?}",
        result.verdict
    );
    assert!(matches!(result.label, Label::Changes(_)));
}

/// Exact formats: the kernel is the reference on the grid. One step of one mantissa is noticed
/// exactly where the oracle notices it.
#[test]
fn almost_equivalent_networks() {
    let mut rng = Rng::new(31);
    let (mut equal, mut broken, mut unbroken) = (0, 0, 0);
    let mut seen = 0;
    while seen < 120 {
        let mut case = case(&mut rng, false);
        case.meaning = Meaning::Fixed;
        let quarters = case.kernel.steps.iter().all(|(s, f)| {
            let exact = |c: &Const| c.formats == [Fmt::new(true, 8, 2)] && c.mantissas.is_none();
            (match s {
                Step::Dense { w, .. } => exact(w),
                Step::Relu | Step::Copy => true,
                Step::AddSub { .. } | Step::Div(_) => false,
            }) && f.is_none_or(|f| f == Fmt::new(true, 20, 12))
        });
        let grid = case.kernel.input;
        let narrow = grid.width <= 7 && (0..=4).contains(&grid.frac);
        if !quarters || !narrow || case.reference.1 != Meaning::Real {
            continue;
        }
        let points = grid_points(grid, &case.lower, &case.upper);
        if points.is_empty() {
            continue;
        }
        seen += 1;
        let domain = Domain::Grid(grid.ir());
        let zero = Exact::zero();
        let same = by_grid(
            (&case.kernel, Meaning::Fixed),
            (&case.reference.0, Meaning::Real),
            points.clone(),
        );
        // Saturating biases and activations make some pairs unequal.
        if same.tolerance().is_zero() {
            equal += 1;
            for property in [
                Property::Eps(zero.clone()),
                Property::Top1Margin(zero.clone()),
            ] {
                let result = ask(&case, &property, domain);
                let proved = matches!(result.verdict, Verdict::Proved(_));
                assert!(proved, "{property} {:?}\n{case:#?}", result.verdict);
            }
        }
        let dense = case.kernel.steps.iter().position(|(s, _)| match s {
            Step::Dense { .. } => true,
            Step::AddSub { .. } | Step::Relu | Step::Div(_) | Step::Copy => false,
        });
        let Step::Dense { w, .. } = &mut case.kernel.steps[dense.expect("a layer")].0 else {
            unreachable!("a dense layer");
        };
        let mut m: Vec<i32> = (0..w.data.len()).map(|i| w.mantissa(i) as i32).collect();
        m[rng.size(0, w.data.len() - 1)] += 1;
        w.mantissas = Some(m);
        let off = by_grid(
            (&case.kernel, Meaning::Fixed),
            (&case.reference.0, Meaning::Real),
            points,
        );
        let result = ask(&case, &Property::Eps(zero.clone()), domain);
        match result.verdict {
            Verdict::Proved(_) => {
                assert!(off.tolerance().is_zero(), "{case:#?}");
                unbroken += 1;
            }
            Verdict::Refuted(_) => {
                assert!(!off.tolerance().is_zero(), "{case:#?}");
                broken += 1;
            }
            Verdict::Unknown(reason) => panic!("{reason}\n{case:#?}"),
        }
    }
    println!("{equal} equal; one step off: {broken} broken, {unbroken} not");
    assert!(equal > 60 && broken > 30 && unbroken > 3);
}

/// A point beside the grid or the box breaks nothing, whatever its outputs.
#[test]
fn only_points_of_the_question_are_witnesses() {
    let case = tent();
    let program = case.kernel.program(Meaning::Fixed).expect("a kernel");
    let subject = Subject::new(program, &CodeCache::new()).expect("native code");
    let reference = Reference::new(
        &case
            .reference
            .0
            .program(Meaning::Real)
            .expect("a reference"),
    );
    let region = Region {
        id: "r".into(),
        lower: case.lower.clone(),
        upper: case.upper.clone(),
        center: None,
        ball_size: None,
        span: None,
    };
    let format = case.kernel.input.ir();
    let replays = |domain, x: &Exact, property: &Property| {
        let space = Space::new(&region, domain, format);
        let found = subject.replay(&reference, &space, property, std::slice::from_ref(x));
        found.expect("an evaluation").is_some()
    };
    let (quarter, far) = (Exact::dyadic(1, -2), Exact::from(7));
    assert!(replays(Domain::Real, &quarter, &Property::Top1));
    assert!(!replays(Domain::Grid(format), &quarter, &Property::Top1));
    let never = Property::Eps(Exact::from(-1));
    assert!(replays(Domain::Real, &quarter, &never));
    assert!(!replays(Domain::Real, &far, &never));
    assert!(!replays(Domain::Grid(format), &far, &never));
}
