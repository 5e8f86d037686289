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
/// `None` for a frame without a bound.
pub(crate) fn frames(su: &str) -> BTreeMap<String, Option<u64>> {
    let entry = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next()?.rsplit(':').next()?.to_owned();
        let bytes = fields.next()?.parse().ok()?;
        let bounded = matches!(fields.next()?.trim(), "static" | "dynamic,bounded");
        Some((name, bounded.then_some(bytes)))
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
    // The compiler leaves the number of a specialised copy out: `f.constprop` for `f.constprop.0`.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let frame = frames.get(name);
    let own = match frame.or_else(|| frames.get(stem.strip_suffix('.')?)) {
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

/// The functions of `objdump -d --no-show-raw-insn`. Targets go by address: what stands beside it
/// may be the name of something else of that value.
fn functions(disassembly: &str) -> BTreeMap<String, Function> {
    let starts: BTreeMap<u64, &str> = disassembly.lines().filter_map(heading).collect();
    let holding = |address: u64| starts.range(..=address).next_back().map(|(_, name)| *name);
    let mut all: BTreeMap<String, Function> = BTreeMap::new();
    let mut at = "";
    let mut falls = false;
    for line in disassembly.lines() {
        if let Some((_, name)) = heading(line) {
            // Assembly may run on into the function that follows.
            if let Some(before) = all.get_mut(at).filter(|_| falls) {
                before.calls.insert(name.to_owned());
            }
            at = name;
            falls = false;
            all.entry(at.to_owned()).or_default();
            continue;
        }
        let Some((_, instruction)) = line.split_once(":\t") else {
            continue;
        };
        let (name, operands) = instruction.split_once('\t').unwrap_or((instruction, ""));
        let name = name.trim();
        // Padding after the end changes nothing.
        if name != "nop" {
            falls = !ends(name, operands);
        }
        let Some(function) = all.get_mut(at) else {
            continue;
        };
        function.pushes += pushed(name, operands);
        function.unknown |= matches!(name, "icall" | "eicall" | "ijmp" | "eijmp")
            || (name == "blx" && !operands.contains('<'));
        let target = branch(name, operands).and_then(holding);
        function
            .calls
            .extend(target.filter(|t| *t != at).map(str::to_owned));
    }
    all
}

/// `00008000 <name>:`.
fn heading(line: &str) -> Option<(u64, &str)> {
    let (address, name) = line.strip_suffix(">:")?.split_once(" <")?;
    Some((u64::from_str_radix(address, 16).ok()?, name))
}

/// True for an instruction that no other follows, and for data.
fn ends(name: &str, operands: &str) -> bool {
    let plain = name.split('.').next().unwrap_or_default();
    matches!(
        plain,
        "" | "b" | "bx" | "udf" | "ret" | "reti" | "rjmp" | "jmp" | "ijmp" | "eijmp"
    ) || matches!(plain, "pop" | "ldmia" | "ldr" | "mov") && operands.contains("pc")
}

/// The address that a call or a branch goes to.
fn branch(name: &str, operands: &str) -> Option<u64> {
    let branches = name.starts_with('b')
        || name.starts_with("cb")
        || matches!(name, "call" | "rcall" | "jmp" | "rjmp");
    if !branches {
        return None;
    }
    // `805c <f>`, `r0, 8010 <f>`, or `.+8  ; 0xc <f>`.
    let before = operands.split_once(" <")?.0;
    let address = before.rsplit([' ', '\t']).next()?;
    u64::from_str_radix(address.trim_start_matches("0x"), 16).ok()
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
    8064:\tpop\t{r4, pc}
    8066:\tnop

00008014 <tail>:
    8014:\tstmdb\tsp!, {r0, r1}
    8016:\tblx\tr3
    8018:\tbx\tlr

00009000 <round>:
    9000:\tbl\ta000 <square>
    9004:\tbx\tlr

0000a000 <square>:
    a000:\tbl\t9000 <round>
    a004:\tbx\tlr
";

    #[test]
    fn frames_add_up_along_calls() {
        let frames = frames(
            "a.c:1:5:k\t8\tstatic\nb.c:3:1:odd\t9\tdynamic\nc.c:9:1:copy.part\t20\tdynamic,bounded\n",
        );
        assert_eq!(frames.get("k"), Some(&Some(8)));
        assert_eq!(frames.get("odd"), Some(&None));
        let none = BTreeMap::new();
        assert_eq!(depth("help", &none, TEXT, 0), Some(40));
        assert_eq!(depth("help", &none, TEXT, 3), Some(43));
        let direct = TEXT.replace("blx\tr3", "bx\tlr");
        assert_eq!(depth("k", &frames, &direct, 0), Some(48));
        let copy = direct.replace("<help>:", "<copy.part.7>:");
        assert_eq!(depth("k", &frames, &copy, 0), Some(28));
        let frameless = direct.replace("<help>:", "<odd>:");
        assert_eq!(depth("k", &frames, &frameless, 0), None);
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        let none = BTreeMap::new();
        for root in ["tail", "k", "round", "nobody"] {
            assert_eq!(depth(root, &none, TEXT, 0), None, "{root}");
        }
    }

    /// The name beside a target may be that of another value; assembly runs on.
    #[test]
    fn avr_pushes_bytes() {
        let text = "
00000022 <f>:
  22:\tpush\tr28
  24:\tcall\t0x30\t; 0x30 <__zero_reg__+0x2f>
  28:\tret

00000030 <g>:
  30:\tpush\tr2
  32:\tclr\tr2

00000034 <h>:
  34:\tpush\tr2
  36:\trjmp\t.-2 \t; 0x36 <h+0x2>
";
        assert_eq!(depth("h", &BTreeMap::new(), text, 3), Some(4));
        assert_eq!(depth("f", &BTreeMap::new(), text, 3), Some(12));
    }
}
