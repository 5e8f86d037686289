//! The text of an index table, which no operator of the IR needs: transpositions and paddings are
//! nests of loops.

use crate::plan::{Body, By, Data, Given, Plan, Table, plan};
use crate::text::Template;
use crate::{c, elem::Elem, rust};
use ceg4n_ir::{NetworkBuilder, Op, Program, Shape, check};
use ceg4n_target::{KernelChoice, Target};
use std::borrow::Cow;
use std::sync::Arc;

#[test]
fn index_tables_pick_elements() {
    let mut b = NetworkBuilder::new("n");
    let x = b.push("x", Op::Input, Some(Shape::vector(5)), None);
    let y = b.push("y", Op::Identity { x }, None, None);
    let net = Arc::new(b.finish(y).expect("a network"));
    let format: ceg4n_ir::Format = "s8q0".parse().expect("a format");
    let patch = Program::reference(net).patch().format(x, format);
    let program = check(patch.finish()).expect("a program");
    let given = Given {
        program: &program,
        kernel: program.kernel().expect("a kernel"),
        removed: None,
    };
    let mut plan: Plan<'_> = plan(given, Target::Generic, KernelChoice::Speed).expect("a plan");
    plan.tables.push(Table {
        name: "i0".to_owned(),
        ty: Elem::I8,
        data: Data::Wide(Cow::Borrowed(&[4, 5, 0, 0, 3])),
        by: By::Element,
        comment: String::new(),
    });
    for (fill, c_line, rust_line) in [
        (None, "y[j] = (int8_t)x[k];", "*y = Out(x[*k as usize].0);"),
        (
            Some((-7, 5)),
            "y[j] = (int8_t)(k < 5 ? (int32_t)x[k] : (-INT32_C(7)));",
            "*y = Out(x.get(*k as usize).map_or(-7, |v| v.0));",
        ),
    ] {
        plan.stages[0].body = Body::Pick { index: 0, fill };
        let (parameters, body) = c::stage::function("n", &plan, &plan.stages[0]);
        assert_eq!(parameters, ["const int8_t *x", "int8_t *y"]);
        let template = Template::new(&body);
        let text = template.fill(|i| template.holes[i].1.clone());
        let want = format!(
            "{{\n    for (size_t j = 0; j < 5; ++j) {{\n        const size_t k = (size_t)n_i0[j];\n        {c_line}\n    }}\n}}\n"
        );
        assert_eq!(text, want);
        let text = rust::stage::function(&plan, 0, &plan.stages[0]);
        let want = format!(
            "fn stage0(x: &[In], y: &mut [Out]) {{\n    for (y, k) in y.iter_mut().zip(&weights::I0) {{\n        {rust_line}\n    }}\n}}\n"
        );
        assert_eq!(text, want);
    }
}
