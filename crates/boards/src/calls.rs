//! The stack that a function takes with all that it calls: frames of `-fstack-usage` along the
//! calls that the disassembly shows.
//!
//! A function without a frame of the compiler's (assembly of libgcc, Rust) counts the pushes that
//! its text holds, each one: an upper bound where paths exclude each other.

use std::collections::{BTreeMap, BTreeSet};

/// What a function does to the stack itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Function {
    /// Bytes that the instructions push.
    pushes: u64,
    /// Functions that it calls or jumps to.
    calls: BTreeSet<String>,
    /// It calls through a pointer.
    unknown: bool,
}

/// Reads `file.su`: the frame of each function, in bytes; on AVR with the return address.
/// `None` for a frame of no fixed size.
pub(crate) fn frames(su: &str) -> BTreeMap<String, Option<u64>> {
    let entry = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next()?.rsplit(':').next()?.to_owned();
        let bytes = fields.next()?.parse().ok()?;
        let fixed = fields.next()?.trim() == "static";
        Some((name, fixed.then_some(bytes)))
    };
    su.lines().filter_map(entry).collect()
}

/// The deepest stack below a call of `root`, in bytes; `None` where it cannot be told: recursion,
/// calls through pointers, frames without a fixed size, an unknown function. `address` is how many
/// bytes a call itself pushes.
pub(crate) fn depth(
    root: &str,
    frames: &BTreeMap<String, Option<u64>>,
    disassembly: &str,
    address: u64,
) -> Option<u64> {
    let functions = functions(disassembly);
    walk(root, frames, &functions, address, &mut Vec::new())
}

fn walk<'a>(
    name: &'a str,
    frames: &BTreeMap<String, Option<u64>>,
    functions: &'a BTreeMap<String, Function>,
    address: u64,
    open: &mut Vec<&'a str>,
) -> Option<u64> {
    if open.contains(&name) {
        return None;
    }
    let function = functions.get(name)?;
    let own = match frames.get(name) {
        Some(frame) => (*frame)?,
        None => function.pushes + address,
    };
    if function.unknown {
        return None;
    }
    open.push(name);
    let mut deepest = 0;
    for callee in &function.calls {
        deepest = deepest.max(walk(callee, frames, functions, address, open)?);
    }
    open.pop();
    Some(own + deepest)
}

/// The functions of `objdump -d --no-show-raw-insn`.
fn functions(disassembly: &str) -> BTreeMap<String, Function> {
    let mut all: BTreeMap<String, Function> = BTreeMap::new();
    let mut at = String::new();
    for line in disassembly.lines() {
        if let Some(head) = line.strip_suffix(">:")
            && let Some((_, name)) = head.split_once('<')
        {
            at = name.to_owned();
            all.entry(at.clone()).or_default();
            continue;
        }
        let Some((_, instruction)) = line.split_once(":\t") else {
            continue;
        };
        let mut fields = instruction.splitn(2, '\t');
        let (name, operands) = (
            fields.next().unwrap_or_default().trim(),
            fields.next().unwrap_or_default(),
        );
        if let Some(function) = all.get_mut(&at) {
            read(function, &at, name, operands);
        }
    }
    all
}

fn read(function: &mut Function, at: &str, name: &str, operands: &str) {
    function.pushes += pushed(name, operands);
    let indirect = matches!(name, "icall" | "eicall" | "ijmp" | "eijmp")
        || (name == "blx" && !operands.contains('<'));
    function.unknown |= indirect;
    let branches = name.starts_with('b')
        || name.starts_with("cb")
        || matches!(name, "call" | "rcall" | "jmp" | "rjmp");
    if branches && let Some((_, target)) = operands.split_once('<') {
        let target = target.split(['>', '+']).next().unwrap_or_default();
        if target != at && !target.is_empty() {
            function.calls.insert(target.to_owned());
        }
    }
}

/// Bytes that an instruction pushes.
fn pushed(name: &str, operands: &str) -> u64 {
    let name = name.split('.').next().unwrap_or_default();
    let number = |text: &str| -> Option<u64> {
        let digits = text.trim().trim_start_matches(['#', '-']);
        digits.split([']', ' ', '\t', ';']).next()?.parse().ok()
    };
    match name {
        "push" if operands.contains('{') => 4 * registers(operands),
        // AVR pushes one register.
        "push" => 1,
        "stmdb" if operands.starts_with("sp!") => 4 * registers(operands),
        "vpush" => 8 * registers(operands),
        "sub" | "subw" if operands.starts_with("sp") => {
            operands.rsplit('#').next().and_then(number).unwrap_or(0)
        }
        "str" | "strd" if operands.contains("[sp, #-") && operands.contains("]!") => {
            operands.rsplit("#-").next().and_then(number).unwrap_or(0)
        }
        _ => 0,
    }
}

/// The number of registers in a list like `{r4, r6-r8, lr}`.
fn registers(operands: &str) -> u64 {
    let list = operands.split(['{', '}']).nth(1).unwrap_or_default();
    let number = |r: &str| r.trim().trim_start_matches(['r', 'd', 's']).parse::<u64>();
    let count = |item: &str| match item.split_once('-') {
        Some((a, b)) => match (number(a), number(b)) {
            (Ok(a), Ok(b)) if b >= a => b - a + 1,
            _ => 1,
        },
        None => 1,
    };
    list.split(',').map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
00008000 <k>:
    8000:\tpush\t{r4, lr}
    8002:\tbl\t805c <help>
    8006:\tbeq.n\t8008 <k+0x8>
    800c:\tb.n\t8014 <tail>

0000805c <help>:
    805c:\tpush\t{r4, r5-r7, lr}
    805e:\tsub\tsp, #12
    8060:\tstr.w\tr4, [sp, #-8]!

00008014 <tail>:
    8014:\tstmdb\tsp!, {r0, r1}
    8016:\tblx\tr3

00009000 <round>:
    9000:\tbl\t9000 <square>

0000a000 <square>:
    a000:\tbl\ta000 <round>
";

    #[test]
    fn frames_add_up_along_calls() {
        let frames = frames("a.c:1:5:k\t8\tstatic\nb.c:3:1:odd\t9\tdynamic\n");
        assert_eq!(frames.get("k"), Some(&Some(8)));
        assert_eq!(frames.get("odd"), Some(&None));
        let none = BTreeMap::new();
        assert_eq!(depth("help", &none, TEXT, 0), Some(40));
        assert_eq!(depth("help", &none, TEXT, 3), Some(43));
        let direct = TEXT.replace("blx\tr3", "bx\tlr");
        assert_eq!(depth("k", &frames, &direct, 0), Some(48));
        let frameless = direct.replace("5c <help>", "5c <odd>");
        assert_eq!(depth("k", &frames, &frameless, 0), None);
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        let none = BTreeMap::new();
        for root in ["tail", "k", "round", "nobody"] {
            assert_eq!(depth(root, &none, TEXT, 0), None, "{root}");
        }
    }

    #[test]
    fn avr_pushes_bytes() {
        let text = "00000022 <f>:\n  22:\tpush\tr28\n  24:\tcall\t0x30\t; 0x30 <g>\n\n00000030 <g>:\n  30:\tpush\tr2\n";
        assert_eq!(depth("f", &BTreeMap::new(), text, 3), Some(8));
    }
}
