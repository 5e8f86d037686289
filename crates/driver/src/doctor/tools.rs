//! Optional programs and packages: what each is for, what its absence costs, how to get it.

use super::Found;
use super::programs::{on_path, output};
use serde::Serialize;

/// Of something that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Without {
    /// What cannot be done.
    pub without: &'static str,
    /// The command that installs it, or what to look for.
    pub install: String,
}

/// Who installs programs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    /// Debian, Ubuntu and what descends from them.
    Apt,
    /// macOS and Linux.
    Brew,
    /// Another one.
    Unknown,
}

impl Manager {
    /// The first one that is on the path.
    pub(super) fn of_system() -> Self {
        let known = [("apt-get", Self::Apt), ("brew", Self::Brew)];
        let found = known.into_iter().find(|(name, _)| on_path(name).is_some());
        found.map_or(Self::Unknown, |(_, manager)| manager)
    }
}

/// An optional program.
pub(super) struct Tool {
    /// Its name on the path.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) purpose: &'static str,
    /// What makes it say its version.
    pub(super) version_arguments: &'static [&'static str],
    without: &'static str,
    /// Debian's package; empty without one.
    apt: &'static str,
    /// Homebrew's formula; empty without one.
    brew: &'static str,
    /// What to look for where neither has it.
    project: &'static str,
}

impl Tool {
    /// What its absence costs, and how to get it.
    pub(super) fn without(&self, manager: Manager) -> Without {
        let install = match manager {
            Manager::Apt if !self.apt.is_empty() => format!("apt-get install {}", self.apt),
            Manager::Brew if !self.brew.is_empty() => format!("brew install {}", self.brew),
            Manager::Apt | Manager::Brew | Manager::Unknown => self.project.to_owned(),
        };
        Without {
            without: self.without,
            install,
        }
    }
}

const VERSION: &[&str] = &["--version"];

/// The solvers that are programs.
const SOLVERS: &[Tool] = &[
    Tool {
        name: "z3",
        purpose: "answers queries over integers",
        version_arguments: VERSION,
        without: "`--solver z3` is refused; the embedded solver decides the same queries",
        apt: "z3",
        brew: "z3",
        project: "z3, from github.com/Z3Prover/z3",
    },
    Tool {
        name: "cvc5",
        purpose: "answers queries over integers",
        version_arguments: VERSION,
        without: "`--solver cvc5` is refused; the embedded solver decides the same queries",
        apt: "cvc5",
        brew: "cvc5/cvc5/cvc5",
        project: "cvc5, from github.com/cvc5/cvc5",
    },
    Tool {
        name: "bitwuzla",
        purpose: "answers queries over bit vectors",
        version_arguments: VERSION,
        without: "`--solver bitwuzla` is refused; the embedded solver decides the same queries",
        apt: "",
        brew: "",
        project: "bitwuzla, from github.com/bitwuzla/bitwuzla",
    },
];

/// What is known of a solver that is a program.
pub(super) fn solver(name: &str) -> Option<&'static Tool> {
    SOLVERS.iter().find(|t| t.name == name)
}

/// Compilers, emulators and checkers of emitted code.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "cc",
        purpose: "compiles emitted C",
        version_arguments: VERSION,
        without: "emitted C and its self-test cannot be compiled by the usual name",
        apt: "gcc",
        brew: "gcc",
        project: "a C99 compiler that is called cc",
    },
    Tool {
        name: "gcc",
        purpose: "compiles emitted C",
        version_arguments: VERSION,
        without: "emitted C is compiled by another compiler, if there is one",
        apt: "gcc",
        brew: "gcc",
        project: "GCC",
    },
    Tool {
        name: "clang",
        purpose: "compiles emitted C",
        version_arguments: VERSION,
        without: "emitted C cannot be run under clang's sanitizers",
        apt: "clang",
        brew: "llvm",
        project: "clang, from llvm.org",
    },
    Tool {
        name: "rustc",
        purpose: "compiles emitted Rust",
        version_arguments: VERSION,
        without: "emitted Rust cannot be compiled",
        apt: "rustc",
        brew: "rust",
        project: "Rust, from rustup.rs",
    },
    Tool {
        name: "cargo",
        purpose: "builds emitted Rust",
        version_arguments: VERSION,
        without: "the emitted crate cannot be built and tested",
        apt: "cargo",
        brew: "rust",
        project: "Rust, from rustup.rs",
    },
    Tool {
        name: "arm-none-eabi-gcc",
        purpose: "C for Cortex-M",
        version_arguments: VERSION,
        without: "kernels for Cortex-M cannot be built; their flash, RAM and cycles are estimated, not measured",
        apt: "gcc-arm-none-eabi",
        brew: "--cask gcc-arm-embedded",
        project: "the Arm GNU toolchain, from developer.arm.com",
    },
    Tool {
        name: "riscv64-unknown-elf-gcc",
        purpose: "C for RISC-V",
        version_arguments: VERSION,
        without: "emitted C cannot be built for RISC-V",
        apt: "gcc-riscv64-unknown-elf",
        brew: "riscv64-elf-gcc",
        project: "the RISC-V GNU toolchain",
    },
    Tool {
        name: "avr-gcc",
        purpose: "C for AVR",
        version_arguments: VERSION,
        without: "kernels for AVR cannot be built; their flash, RAM and cycles are estimated, not measured",
        apt: "gcc-avr avr-libc",
        brew: "osx-cross/avr/avr-gcc",
        project: "avr-gcc and avr-libc",
    },
    Tool {
        name: "qemu-system-arm",
        purpose: "runs Cortex-M code",
        version_arguments: VERSION,
        without: "the self-test of a Cortex-M kernel needs a board",
        apt: "qemu-system-arm",
        brew: "qemu",
        project: "QEMU, from qemu.org",
    },
    Tool {
        name: "simavr",
        purpose: "runs AVR code",
        version_arguments: VERSION,
        without: "the self-test of an AVR kernel needs a board",
        apt: "simavr",
        brew: "osx-cross/avr/simavr",
        project: "simavr, from github.com/buserror/simavr",
    },
    Tool {
        name: "cmake",
        purpose: "builds emitted C",
        version_arguments: VERSION,
        without: "emitted C is compiled by hand: all of its files together",
        apt: "cmake",
        brew: "cmake",
        project: "CMake, from cmake.org",
    },
    Tool {
        name: "cppcheck",
        purpose: "checks emitted C against MISRA C",
        version_arguments: VERSION,
        without: "the MISRA C check of emitted C cannot be repeated",
        apt: "cppcheck",
        brew: "cppcheck",
        project: "cppcheck, from cppcheck.sourceforge.io",
    },
    Tool {
        name: "frama-c",
        purpose: "proves emitted C free of run-time errors",
        version_arguments: &["-version"],
        without: "the contracts of `--acsl` cannot be proved by a second tool",
        apt: "frama-c-base",
        brew: "",
        project: "Frama-C, from frama-c.com",
    },
    Tool {
        name: "python3",
        purpose: "runs the recipes that train and export models",
        version_arguments: VERSION,
        without: "models have to come from elsewhere",
        apt: "python3",
        brew: "python",
        project: "Python, from python.org",
    },
];

/// Packages that the recipes import, with what each is for there.
const PACKAGES: [(&str, &str, &str); 5] = [
    (
        "numpy",
        "arrays of the recipes",
        "data sets cannot be written as .npy by the recipes",
    ),
    (
        "onnx",
        "writes and reads models",
        "the recipes cannot write .onnx files",
    ),
    (
        "onnxruntime",
        "runs models and emitted ONNX",
        "emitted ONNX cannot be compared with the kernel by another program",
    ),
    (
        "scikit-learn",
        "trains models",
        "the recipe for scikit-learn does not run",
    ),
    (
        "skl2onnx",
        "turns scikit-learn models into ONNX",
        "the recipe for scikit-learn does not run",
    ),
];

/// Prints a line per installed package of its arguments: name, blank, version.
const ASK: &str = "
import sys
from importlib import metadata
for name in sys.argv[1:]:
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        pass
";

/// The packages of `python3`; none of them is found without it.
pub(super) fn python() -> Vec<Found> {
    let names = PACKAGES.map(|(name, _, _)| name);
    let told = on_path("python3").and_then(|path| {
        let arguments = [&["-c", ASK][..], &names].concat();
        output(&path, &arguments).ok()
    });
    let told = told.unwrap_or_default();
    let version = |name: &str| {
        let of = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        told.lines().find_map(of)
    };
    let found = PACKAGES.map(|(name, purpose, without)| {
        let version = version(name);
        Found {
            name: name.to_owned(),
            purpose,
            path: None,
            missing: version.is_none().then(|| Without {
                without,
                install: format!("pip install {name}"),
            }),
            version,
        }
    });
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package_or_its_project() {
        for tool in SOLVERS.iter().chain(TOOLS) {
            for manager in [Manager::Apt, Manager::Brew, Manager::Unknown] {
                let told = tool.without(manager);
                assert!(!told.without.is_empty() && !told.install.is_empty());
            }
            assert_eq!(tool.without(Manager::Unknown).install, tool.project);
        }
        let z3 = solver("z3").map(|t| t.without(Manager::Apt).install);
        assert_eq!(z3.as_deref(), Some("apt-get install z3"));
        let bitwuzla = solver("bitwuzla").map(|t| t.without(Manager::Apt).install);
        assert!(bitwuzla.is_some_and(|i| i.starts_with("bitwuzla, from")));
    }

    #[test]
    fn every_solver_that_is_a_program_is_known() {
        let usable = ceg4n_smt::solver::available();
        let built_in = |name: &str| usable.iter().any(|s| s.name == name && s.path.is_none());
        for name in ceg4n_smt::solver::names().filter(|n| !built_in(n)) {
            assert!(solver(name).is_some(), "{name}");
        }
    }
}
