//! Reads GNU ld's map: which object brought how many bytes into which kind of memory.

/// A piece of an object in a linked program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The output section, for instance `.text`.
    pub(crate) output: String,
    /// The section of the object, for instance `.rodata.iris_w0`.
    pub(crate) section: String,
    /// Bytes.
    pub(crate) size: u64,
    /// The object, as the linker names it: a path, with the member behind an archive's.
    pub(crate) object: String,
}

/// The pieces with a size in a map; padding belongs to no object.
pub(crate) fn pieces(map: &str) -> Vec<Placed> {
    let mut found = Vec::new();
    let mut output = String::new();
    let mut section: Option<String> = None;
    let mut lines = map.lines();
    // What stands before was discarded.
    let _ = lines.find(|l| l.starts_with("Linker script and memory map"));
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with('.') {
            output = fields.first().map(|f| (*f).to_owned()).unwrap_or_default();
            section = None;
            continue;
        }
        // ` .text.f  0x10  0x20 a.o`, with a line feed after a long name.
        let rest = match (line.starts_with(" ."), &fields[..]) {
            (true, [name, rest @ ..]) => {
                section = Some((*name).to_owned());
                rest
            }
            (false, all) => all,
            (true, []) => continue,
        };
        if let [address, size, object @ ..] = rest
            && let (Some(_), Some(size)) = (hexadecimal(address), hexadecimal(size))
            && let Some(name) = section.take()
            && !object.is_empty()
            && size > 0
        {
            found.push(Placed {
                output: output.clone(),
                section: name,
                size,
                object: object.join(" "),
            });
        } else if !rest.is_empty() {
            section = None;
        }
    }
    found
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_an_object_a_section_and_a_size() {
        let map = "\
Discarded input sections

 .text.gone     0x0000000000000000       0x1e a.o

Linker script and memory map

.text           0x0000000000000000      0x5c4
 *(.vectors)
 .text.a        0x0000000000000000       0x40 a.o
 .text.a_long_name_of_a_function
                0x0000000000000040       0x10 b.o
                0x0000000000000040                a_long_name_of_a_function
 *fill*         0x0000000000000050        0x2
 .text          0x0000000000000052        0x0 c.o

.data           0x00800200       0x62 load address 0x00000f8e
 .rodata.str1.1
                0x00800200        0x7 /lib/libgcc.a(_mulsi3.o)
";
        let found: Vec<String> = pieces(map)
            .iter()
            .map(|p| format!("{} {} {} {}", p.output, p.section, p.size, p.object))
            .collect();
        assert_eq!(
            found,
            [
                ".text .text.a 64 a.o",
                ".text .text.a_long_name_of_a_function 16 b.o",
                ".data .rodata.str1.1 7 /lib/libgcc.a(_mulsi3.o)",
            ]
        );
    }
}
