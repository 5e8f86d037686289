//! What a kernel is said to take of flash is what a linker places.

use crate::common::{mlp_cases, skip};
use ceg4n_boards::{Board, Job, Level, Source, usage};
use ceg4n_emit::{EmitOptions, KernelChoice, Target, emit_c, footprint};

/// Constants to the byte, but for what aligns arrays; code at most the estimate.
#[test]
fn flash_is_what_the_linker_places() {
    let boards = [
        (Board::CortexM4, Target::CortexM4),
        (Board::CortexM0, Target::CortexM0),
        (Board::Atmega2560, Target::Avr),
    ];
    for (board, target) in boards {
        if let Some(tool) = board.missing() {
            skip(&format!("sizes on {board}: {tool} is not installed"));
            continue;
        }
        for case in mlp_cases(1) {
            for kernel in KernelChoice::ALL {
                let mut input = case.input();
                input.options = EmitOptions {
                    target,
                    kernel,
                    ..EmitOptions::default()
                };
                let told = footprint(&input).unwrap();
                let files = emit_c(&input).unwrap();
                let code = |path: &str| {
                    let is_c = path.ends_with(".h") || path.ends_with(".c");
                    is_c && !path.ends_with("_selftest.c") && !path.ends_with("_float.c")
                };
                let files = files.iter().filter(|f| code(&f.path));
                let sources: Vec<Source> = files
                    .map(|f| {
                        let name = f.path.strip_prefix("c/").unwrap();
                        Source::new(name, String::from_utf8_lossy(&f.content))
                    })
                    .collect();
                let job = Job {
                    board,
                    level: Level::Os,
                    float_unit: false,
                    flags: &[],
                    sources: &sources,
                    objects: &[],
                    harness: &[],
                };
                let root = format!("{}_infer", case.name);
                let found = usage(&job, &[&root]).unwrap();
                let what = format!(
                    "{board} {} {}: {found:?}, {told:?}",
                    case.name,
                    kernel.name()
                );
                let (constants, placed) = (told.constant_bytes as u64, found.rodata + found.data);
                // Tables are few, and begin at multiples of 4.
                assert!(constants <= placed && placed <= constants + 24, "{what}");
                assert_eq!(found.ram(), 0, "{what}");
                let most = told.code_bytes as u64;
                assert!(found.text <= most, "{what}");
            }
        }
    }
}
