//! The book's reference of rewrite rules, generated from their files.

use super::RewriteRule;

const INTRODUCTION: &str = "\
# Rewrite rules

Generated from `ir-specs/rules`. The rewriter of the scalar level replaces the left side by the
right one wherever the condition holds, with `⇄` either by the other. Numbers are mathematical
integers: nothing wraps.

| letter | stands for |
|---|---|
| x, y, z, u | any integer expression |
| p | any truth value |
| a, b | an integer that is known when the rule is applied |
| s, t | an amount of a shift: a known integer that is not negative |

| form | meaning |
|---|---|
| `lo(x)`, `hi(x)` | a known integer that x is never below, never exceeds |
| `zeros(x)` | x is a multiple of 2 to this power |
| `shl(x, s)` | x·2^s |
| `shr(x, s)` | floor(x / 2^s) |
| `mod_pow2(x, s)` | the low s bits of x as a natural number |
| `select(p, x, y)` | x where p holds, else y |
| `log2(a)` | the largest k with 2^k ≤ a, of a known a > 0 |
| `div(a, b)` | floor(a / b) of known integers, b > 0 |

`ceg4nc rules` proves every law: at every width from 1 to 8 bits for all values and facts, and at 16
and 32 bits, where constants, values and the ends `lo` and `hi` have that width and shifts and
`zeros` go up to it. What proves it is a solver that finds no violation, an enumeration of all cases,
or one normal form of both sides, which holds at every width. A rule whose condition nothing meets
is rejected as vacuous.
";

/// The reference as Markdown: every rule with its law and why it helps, in the given order.
pub fn rules_markdown(rules: &[RewriteRule]) -> String {
    let mut out = String::from(INTRODUCTION);
    for rule in rules {
        let arrow = rule.direction.arrow();
        out.push_str(&format!("\n## {}\n\n{}\n", rule.name, rule.summary));
        out.push_str(&format!(
            "\n```text\n{} {arrow} {}\n",
            rule.lhs_source, rule.rhs_source
        ));
        if let Some(when) = &rule.when_source {
            out.push_str(&format!("  when {when}\n"));
        }
        out.push_str(&format!("```\n\n{}\n", rule.doc));
    }
    out
}
