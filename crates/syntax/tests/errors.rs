//! What a wrong text gets: code, line, column and message of every error, all in one run.

use ceg4n_base::{Location, Sources};
use ceg4n_syntax::{NoFiles, parse};

/// The errors of a text as `line:column code message`, one a line; help behind `|`.
fn errors(text: &str) -> Vec<String> {
    let mut sources = Sources::default();
    let found = parse(&mut sources, "t.nnir", text, &NoFiles).expect_err("the text is wrong");
    found
        .0
        .iter()
        .map(|d| {
            let place = match d.location {
                Location::Span(s) => {
                    let (line, column) = sources.line_column(s);
                    format!("{line}:{column}")
                }
                Location::Place(_) | Location::None => "-".to_owned(),
            };
            let help: String = d.help.iter().map(|h| format!(" | {h}")).collect();
            format!("{place} {} {}{help}", d.code, d.message)
        })
        .collect()
}

/// A text with one network; line 3 is the first line of `body`.
fn network(body: &str) -> String {
    format!("nnir 1;\nnetwork @n {{\n{body}\n}}\n")
}

/// A right network of nine lines; line 10 is the first line of `rest`.
fn with_network(rest: &str) -> String {
    network(
        "%x = input : tensor<2>;\n%w0 = const [[1, 2], [3, 4]] : tensor<2x2>;\n%b0 = const [0, 1] : tensor<2>;\n%h0 = dense %x, %w0, %b0 : tensor<2>;\n%y = relu %h0 : tensor<2>;\noutput %y;",
    ) + rest
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = errors(text);
    assert_eq!(found, expected, "{}", found.join("\n"));
}

#[test]
fn syntax() {
    check(
        &network("%x = input : tensor<2>\n%y = rleu %x;\noutptu %y;"),
        &[
            "3:23 E0101 expected `;`",
            "4:6 E0103 there is no operator `rleu` | did you mean `relu`?",
            "5:1 E0101 expected `output` or a value like %x | did you mean `output`?",
        ],
    );
    check(
        &with_network(
            "format @n v1 {\n%x: 8q6;\n%w0: s3q;\n%y: acc 18;\n%h0 s8q6;\nrounding half-upp;\n%b0: channels [s8q9*3, s8q9*32768];\n}\nrequire top1 domain grid u8q8*3;\n",
        ),
        &[
            "11:5 E0101 expected a format like s8q6, `acc` or `channels`",
            "12:6 E0202 `s3q` is no format; write sWqF or uWqF with 1 <= W <= 32 and |F| <= 256, for instance s8q6",
            "13:9 E0101 expected a width like s18 or `;`",
            "14:5 E0101 expected `:`",
            "15:10 E0101 `half-upp` is no rounding | did you mean `half-up`?",
            "16:24 E0202 `*32768` is no multiplier; write *M with 1 <= M < 32768, for instance s8q20*23170",
            "18:26 E0202 a grid has no multiplier",
        ],
    );
    check(
        &with_network(
            "regoin \"a\" = box([0], [1]);\nregion \"b\" = bax([0], [1]);\nregion \"c = box([0, 0], [1, 1]);\nregion \"d\" = box([0 0], [1, 1]);\nrequire top2;\n",
        ),
        &[
            "10:1 E0101 expected `network`, `format`, `region` or `require` | did you mean `region`?",
            "11:14 E0101 expected `box` or `ball` | did you mean `box`?",
            "12:8 E0101 this quote is not closed",
            "13:21 E0101 expected `,` or `]`",
            "14:9 E0101 expected `top1`, `topk`, `eps` or `spec` | did you mean `top1`?",
        ],
    );
}

#[test]
fn blocks() {
    check(
        "network @n {\n%x = input : tensor<2>;\noutput %x;\nformat @n v1 {\n%x: s8q6;\n",
        &[
            "1:1 E0101 the file does not start with `nnir 1;` | write `nnir 1;` as the first statement",
            "4:1 E0101 expected `}`",
            "5:10 E0101 expected `}`",
        ],
    );
    check(
        "nnir 1;\nnetwork n {\n%x = input : tensor<2>;\noutput %x;\n}\n}\nrequire top1\n",
        &[
            "2:9 E0101 expected a network like @net",
            "6:1 E0101 there is no block to close here",
            "7:13 E0101 expected `;`, `margin`, `domain` or `on`",
        ],
    );
    check(
        "nnir 2;\nwhatever",
        &["1:6 E0105 this file is in version 2 of the language, this tool reads version 1"],
    );
    check(
        "nnir 1;\nnnir 1;",
        &["2:1 E0101 `nnir 1;` stands at the start, once"],
    );
    check(
        "nnir 1;",
        &["- E0207 the file has no network | write network @name { … }"],
    );
    check(
        "",
        &[
            "1:1 E0101 the file does not start with `nnir 1;` | write `nnir 1;` as the first statement",
        ],
    );
}

#[test]
fn numbers() {
    check(
        &network(
            "%x = input : tensor<3>;\n%a = const [1e39, 0x1.0000001p0, 1.2.3] : tensor<3>;\n%b = const [nan, 1/2, -inf] : tensor<3>;\n%y = add %x, %a;\noutput %y;",
        ),
        &[
            "4:13 E0102 `1e39` is too large for a float32",
            "4:19 E0102 `0x1.0000001p0` is not exactly a float32",
            "4:34 E0102 `1.2.3` is not a number like -1.5e-3 or 0x1.8p-3",
            "5:13 E0102 `nan` is not a number like -1.5e-3 or 0x1.8p-3",
            "5:18 E0102 `1/2` is no constant; constants are decimals or hex floats",
            "5:23 E0102 `-inf` is not a number like -1.5e-3 or 0x1.8p-3",
        ],
    );
    check(
        &with_network(
            "region \"a\" = box([1e9999, 0], [1/0, 1]);\nformat @n v99999999999 {\n}\nrequire topk 1.5;\n",
        ),
        &[
            "10:19 E0102 the exponent of `1e9999` is beyond 5000 in absolute value",
            "10:32 E0102 `1/0` is not a number like -1.5e-3, 0x1.8p-3 or 1/3",
            "11:11 E0102 this version is too large",
            "13:14 E0102 `1.5` is no number of classes",
        ],
    );
}

#[test]
fn names_and_shapes() {
    check(
        &network(
            "%x = input : tensor<2>;\n%w0 = const [[1, 2], [3]] : tensor<2x2>;\n%w1 = const [[1, 2], [3, 4]] : tensor<2x3>;\n%h = dense %x, %w0;\n%g = dense %x, %w3;\n%r = relu %late;\n%late = relu %x;\n%x = relu %late, %late;\noutput %rr;",
        ),
        &[
            "4:22 E0201 this row has 1 elements, the first one of its kind 2",
            "5:32 E0201 %w1 is tensor<2x3> but its numbers are tensor<2x2>",
            "7:16 E0103 there is no value %w3",
            "8:11 E0103 %late is used before it is defined",
            "10:6 E0101 relu takes one operand, not 2",
            "11:8 E0103 there is no value %rr",
        ],
    );
    check(
        &network(
            "%input = input : tensor<2>;\n%input = relu %input;\n%v = add %imput, %inputt;\n%w = const [1, 2];\n%z = dense %input, %input;\noutput %w;",
        ),
        &[
            "4:1 E0104 %input is defined twice",
            "5:10 E0103 there is no value %imput | did you mean %input?",
            "5:18 E0103 there is no value %inputt | did you mean %input?",
            "7:1 E0203 the weight of %z is %input, which is no constant",
        ],
    );
    check(
        &network("%w = const [1, 2];\noutput %w;"),
        &[
            "2:9 E0207 network @n has 0 inputs | a network has exactly one input",
            "3:1 E0207 the output %w is a constant",
        ],
    );
    check(
        &network("%x = input : tensor<2>;\n%y = relu %x : tensor<3>;"),
        &[
            "2:9 E0207 network @n has no output | write output %name; at its end",
            "4:1 E0201 %y is declared tensor<3> but relu gives tensor<2> | write tensor<2>, or mend the operands",
        ],
    );
}

#[test]
fn formats() {
    check(
        &with_network(
            "format @m v1 {\n%x: s8q6;\n%x: s8q7;\n%w: s8q6;\n%w0: s3q1 = mantissas [1, 2, 3, 4];\n%b0: s3q1 = mantissas [1, 3000000000];\n%y: real;\n%h0: acc s65;\nrounding floor;\nrounding half-up;\n}\nformat @n v1 {\n}\n",
        ),
        &[
            "10:8 E0103 there is no network @m | did you mean @n?",
            "12:1 E0104 %x has a format already",
            "13:1 E0103 there is no value %w | did you mean %w0?",
            "14:1 E0209 %w0 is tensor<2x2> but its numbers are tensor<4>",
            "15:27 E0102 `3000000000` is no mantissa; mantissas are integers of 32 bits",
            "16:5 E0202 `real` is no format; write sWqF or uWqF with 1 <= W <= 32 and |F| <= 256, for instance s8q6 | a value without an entry is real: leave it out",
            "17:10 E0202 `s65` is no accumulator width; write s1 to s64",
            "19:1 E0104 a version has one rounding",
            "21:11 E0104 version v1 is defined twice",
        ],
    );
}

#[test]
fn regions_and_requirements() {
    check(
        &with_network(
            "region \"a\" = box([0, 1], [1, 0.5]);\nregion \"a\" = box([0], [1]);\nregion \"setosa\" = ball([0, 0], -1);\nregion \"d\" = ball([5, 5], 1, clip=[0, 1]);\nregion \"e\" = ball([5, 5], 1, clip=[0]);\n",
        ),
        &[
            "10:1 E0401 region \"a\" is empty: lower bound 1 above upper bound 0.5 at input 1",
            "11:1 E0401 region \"a\" has 1 lower and 1 upper bounds, the network 2 inputs | give a bound for each input, in the network's order",
            "11:8 E0104 region \"a\" is defined twice",
            "12:32 E0401 a radius is not negative",
            "13:1 E0401 region \"d\" is empty: lower bound 4 above upper bound 1 at input 0",
            "14:35 E0401 clip has a lower and an upper bound, like clip=[0, 1]",
        ],
    );
    check(
        &with_network(
            "region \"setosa\" = box([0, 0], [1, 1]);\nrequire top1 on \"setsoa\", \"setosa\", \"setosa\";\nrequire top1 margin -0.1;\nrequire eps -1/3;\nrequire topk 3;\nrequire topk 0;\nrequire top1 domain grid q8;\n",
        ),
        &[
            "11:17 E0103 there is no region setsoa | did you mean setosa?",
            "11:37 E0104 region \"setosa\" is named twice",
            "12:21 E0402 a margin is not negative",
            "13:13 E0402 eps is not negative",
            "14:14 E0402 topk 3 of 2 outputs; write 1 to 2",
            "15:14 E0402 topk 0 of 2 outputs; write 1 to 2",
            "16:26 E0202 `q8` is no format; write sWqF or uWqF with 1 <= W <= 32 and |F| <= 256, for instance s8q6",
        ],
    );
    check(
        &(network("%x = input : tensor<1>;\noutput %x;")
            + "require top1;\nrequire eps 1;\nrequire topk 1;\n"),
        &[
            "6:1 E0402 top1 needs two outputs or more, the network has 1",
            "8:1 E0402 topk needs two outputs or more, the network has 1",
        ],
    );
}

#[test]
fn what_is_not_built_yet_is_said() {
    check(
        &with_network(
            "data train = csv(\"iris; x.csv\", label = \"species\");\nregion \"a\" = ball(train, 0.01, clip = [0, 1]);\nregion \"b\" = vnnlib(\"f.vnnlib\");\nformat #0123abcd v2 {\n%x: s8q6;\n}\n",
        ),
        &[
            "10:1 E0602 data sets are not built yet | write the regions as boxes or balls",
            "11:19 E0602 balls around data sets are not built yet",
            "12:14 E0602 regions from VNN-LIB files are not built yet",
            "13:8 E0602 formats of a network in another file are not built yet",
        ],
    );
}

#[test]
fn a_rendered_error_has_a_caret() {
    let text = with_network("format @n v1 {\n  %w: s8q6;\n}\n");
    let mut sources = Sources::default();
    let found = parse(&mut sources, "net.nnir", &text, &NoFiles).expect_err("%w is unknown");
    let expected = "\
error[E0103]: there is no value %w
   ┌─ net.nnir:11:3
   │
11 │   %w: s8q6;
   │   ^^ not defined
   │
   = help: did you mean %w0?

";
    assert_eq!(sources.render(&found, false), expected);
}
