//! What the emitted C asks of a compiler beyond C99, asserted at compile time, and where it
//! departs from MISRA C:2012 with the reason. A test runs a checker over many kernels and holds
//! the table to what it finds, in both directions.

use crate::text::{c_comment, line};
use std::fmt::Write;

/// An implementation-defined behaviour that kernels rely on.
struct Behaviour {
    /// Names the assertion.
    tag: &'static str,
    /// The constant expression that must hold.
    condition: &'static str,
    /// In words, for the code.
    note: &'static str,
    /// In words, for the README: the clause of C99, what is assumed, where.
    clause: &'static str,
}

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        tag: "arithmetic_shift",
        condition: "(((-INT32_C(5)) >> 1) == -INT32_C(3)) && (((-INT64_C(5)) >> 1) == -INT64_C(3))",
        note: "Right shifts of negative integers must be arithmetic.",
        clause: "6.5.7p5 | a right shift of a negative integer is arithmetic | requantizations",
    },
    Behaviour {
        tag: "modular_conversion",
        condition: "((int8_t)INT32_C(200) == -INT32_C(56)) && ((int16_t)INT32_C(40000) == -INT32_C(25536)) && ((int32_t)UINT32_C(4294967295) == -INT32_C(1))",
        note: "Conversions to signed types must keep the low bits.",
        clause: "6.3.1.3p3 | a conversion to a signed type that cannot hold the value keeps the low bits | packed weights, and nothing else",
    },
];

/// The assertions: arrays of negative size where a condition fails.
pub(super) fn assertions(out: &mut String, name: &str) {
    for b in BEHAVIOURS {
        c_comment(out, [b.note]);
        line!(
            out,
            "typedef char {name}_needs_{}[({}) ? 1 : -1];\n",
            b.tag,
            b.condition
        );
    }
}

/// A rule that emitted code breaks.
struct Deviation {
    rule: &'static str,
    /// `required` or `advisory`; no mandatory rule is broken.
    category: &'static str,
    place: &'static str,
    reason: &'static str,
}

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        rule: "2.2",
        category: "required",
        place: "offsets of the first channel or tap",
        reason: "a factor of 1 or an offset of 0 stands where other layers have another number",
    },
    Deviation {
        rule: "2.3",
        category: "advisory",
        place: "`typedef char NAME_needs_...`",
        reason: "assertions at compile time; C99 has no other form",
    },
    Deviation {
        rule: "2.5",
        category: "advisory",
        place: "`NAME.h`",
        reason: "sizes, scales and the claim are there for the caller",
    },
    Deviation {
        rule: "10.1",
        category: "required",
        place: "shifts of `acc` and by a table of shifts",
        reason: "a requantization is an arithmetic shift; its kind is asserted and its amount lies below the width",
    },
    Deviation {
        rule: "10.3",
        category: "required",
        place: "the walk through a layer's weights",
        reason: "a constant step over elements, which the checker takes for an assignment to one",
    },
    Deviation {
        rule: "10.4",
        category: "required",
        place: "loop bounds and indices",
        reason: "the constants are not negative, so the conversion to `size_t` keeps them",
    },
    Deviation {
        rule: "10.5",
        category: "advisory",
        place: "the sign operator",
        reason: "a difference of comparisons, which are 0 or 1",
    },
    Deviation {
        rule: "10.6",
        category: "required",
        place: "loops over groups of columns",
        reason: "both values of a choice are constants that the wider type holds",
    },
    Deviation {
        rule: "10.8",
        category: "required",
        place: "weights of few bits",
        reason: "the bits of a weight become a number of the word, which holds it",
    },
    Deviation {
        rule: "12.1",
        category: "advisory",
        place: "indices",
        reason: "products before sums, as everywhere",
    },
    Deviation {
        rule: "17.8",
        category: "advisory",
        place: "functions of the sums",
        reason: "pointers that walk through weights and operands",
    },
    Deviation {
        rule: "18.4",
        category: "advisory",
        place: "the walk through a layer's weights",
        reason: "each row begins where the last one ended, within one array",
    },
    Deviation {
        rule: "19.2",
        category: "advisory",
        place: "`NAME_scratch`, `NAME_binary32`",
        reason: "buffers that hold several types in turn, each written before it is read; the bits of a float",
    },
];

/// The README's section.
pub(super) fn readme() -> String {
    let mut out = String::new();
    line!(out, "## What the compiler must do\n");
    line!(
        out,
        "C99, `<stdint.h>` with its types of exact width, and these implementation-defined behaviours, each asserted at compile time:\n"
    );
    line!(out, "| C99 | assumed | where |\n|---|---|---|");
    for b in BEHAVIOURS {
        line!(out, "| {} |", b.clause);
    }
    line!(
        out,
        "| 5.2.4.2.2 | `float` is binary32 of IEEE 754, in the byte order of `uint32_t` (the order is not asserted) | `NAME_float.c` |"
    );
    line!(out, "\n## MISRA C:2012\n");
    line!(
        out,
        "No mandatory rule is broken. cppcheck's addon finds kernels to break these others (the self-test is no part of a kernel):\n"
    );
    line!(out, "| rule | category | where | why |\n|---|---|---|---|");
    for d in DEVIATIONS {
        line!(
            out,
            "| {} | {} | {} | {} |",
            d.rule,
            d.category,
            d.place,
            d.reason
        );
    }
    out
}
