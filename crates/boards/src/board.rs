//! The boards: compilers, flags, emulators, memory.

use crate::Error;
use std::fmt;
use std::path::PathBuf;

/// What C is compiled for and run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Board {
    /// This machine, by gcc.
    HostGcc,
    /// This machine, by clang.
    HostClang,
    /// ARMv6-M code: no division, 16-bit Thumb instructions. Run on a Cortex-M3, which executes
    /// the same instructions.
    CortexM0,
    /// ARMv7-M.
    CortexM3,
    /// ARMv7E-M: with the DSP instructions.
    CortexM4,
    /// ARMv7E-M.
    CortexM7,
    /// ARMv8-M Mainline with the DSP instructions.
    CortexM33,
    /// AVR with 256 KiB of flash and 8 KiB of RAM; `int` has 16 bits.
    Atmega2560,
}

/// What a board's counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Nothing.
    None,
    /// Executed instructions, each one the same; the counter runs at so many nanoseconds a tick.
    Instructions {
        /// Nanoseconds of a tick.
        tick: u32,
    },
    /// Cycles, one a tick.
    Cycles,
}

/// The compiler's optimisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `-O0`.
    O0,
    /// `-O2`.
    O2,
    /// `-O3`.
    O3,
    /// `-Os`.
    Os,
}

impl Level {
    /// The levels that kernels are tested at.
    pub const TESTED: [Self; 3] = [Self::O0, Self::O2, Self::Os];

    /// The compiler's option.
    pub fn flag(self) -> &'static str {
        match self {
            Self::O0 => "-O0",
            Self::O2 => "-O2",
            Self::O3 => "-O3",
            Self::Os => "-Os",
        }
    }
}

/// Where a Cortex-M board has its memory.
pub(crate) struct Memory {
    pub(crate) code: u32,
    pub(crate) ram: u32,
    pub(crate) ram_size: u32,
}

impl Board {
    /// Every board.
    pub const ALL: [Self; 8] = [
        Self::HostGcc,
        Self::HostClang,
        Self::CortexM0,
        Self::CortexM3,
        Self::CortexM4,
        Self::CortexM7,
        Self::CortexM33,
        Self::Atmega2560,
    ];

    /// A short name for options and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::HostGcc => "gcc",
            Self::HostClang => "clang",
            Self::CortexM0 => "m0",
            Self::CortexM3 => "m3",
            Self::CortexM4 => "m4",
            Self::CortexM7 => "m7",
            Self::CortexM33 => "m33",
            Self::Atmega2560 => "avr",
        }
    }

    /// The board of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.name() == name)
    }

    /// True for this machine.
    pub fn is_host(self) -> bool {
        matches!(self, Self::HostGcc | Self::HostClang)
    }

    /// True for a board under QEMU.
    pub fn is_cortex_m(self) -> bool {
        self.machine().is_some()
    }

    /// True if the board has a unit for single-precision arithmetic.
    pub fn has_float_unit(self) -> bool {
        self.float_unit().is_some()
    }

    /// The compiler's option for that unit.
    fn float_unit(self) -> Option<&'static str> {
        match self {
            Self::CortexM4 => Some("-mfpu=fpv4-sp-d16"),
            Self::CortexM7 | Self::CortexM33 => Some("-mfpu=fpv5-sp-d16"),
            Self::HostGcc
            | Self::HostClang
            | Self::CortexM0
            | Self::CortexM3
            | Self::Atmega2560 => None,
        }
    }

    /// What the board counts.
    pub fn counter(self) -> Counter {
        match self {
            Self::HostGcc | Self::HostClang => Counter::None,
            Self::CortexM0 | Self::CortexM3 | Self::CortexM4 | Self::CortexM7 => {
                Counter::Instructions { tick: 40 }
            }
            Self::CortexM33 => Counter::Instructions { tick: 50 },
            Self::Atmega2560 => Counter::Cycles,
        }
    }

    /// The programs that the board needs.
    pub fn tools(self) -> &'static [&'static str] {
        match self {
            Self::HostGcc => &["gcc"],
            Self::HostClang => &["clang"],
            Self::CortexM0 | Self::CortexM3 | Self::CortexM4 | Self::CortexM7 | Self::CortexM33 => {
                &[
                    "arm-none-eabi-gcc",
                    "arm-none-eabi-objdump",
                    "qemu-system-arm",
                ]
            }
            Self::Atmega2560 => &["avr-gcc", "avr-objdump", "simavr"],
        }
    }

    /// The first program that the board needs and that is not installed.
    pub fn missing(self) -> Option<String> {
        let mut tools = self.tools().iter();
        let lost = tools.find(|t| looked_up(t).is_none());
        lost.map(|t| (*t).to_owned())
    }

    /// The compiler's name.
    pub(crate) fn compiler(self) -> &'static str {
        self.tools()[0]
    }

    /// The processor, for the compiler, and QEMU's machine.
    pub(crate) fn machine(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::HostGcc | Self::HostClang | Self::Atmega2560 => None,
            Self::CortexM0 => Some(("cortex-m0", "mps2-an385")),
            Self::CortexM3 => Some(("cortex-m3", "mps2-an385")),
            Self::CortexM4 => Some(("cortex-m4", "mps2-an386")),
            Self::CortexM7 => Some(("cortex-m7", "mps2-an500")),
            Self::CortexM33 => Some(("cortex-m33", "mps2-an505")),
        }
    }

    pub(crate) fn memory(self) -> Memory {
        let (code, ram) = match self {
            Self::CortexM33 => (0x1000_0000, 0x3800_0000),
            Self::HostGcc
            | Self::HostClang
            | Self::Atmega2560
            | Self::CortexM0
            | Self::CortexM3
            | Self::CortexM4
            | Self::CortexM7 => (0, 0x2000_0000),
        };
        Memory {
            code,
            ram,
            ram_size: 0x20_0000,
        }
    }

    /// Flags for every translation unit; with `float_unit` also those of the floating-point unit,
    /// where the board has one.
    pub(crate) fn flags(self, float_unit: bool) -> Vec<&'static str> {
        let Some((cpu, _)) = self.machine() else {
            return match self {
                Self::Atmega2560 => vec!["-mmcu=atmega2560", "-std=gnu11"],
                _ => vec!["-std=c99"],
            };
        };
        let cpu = match cpu {
            "cortex-m0" => "-mcpu=cortex-m0",
            "cortex-m3" => "-mcpu=cortex-m3",
            "cortex-m4" => "-mcpu=cortex-m4",
            "cortex-m7" => "-mcpu=cortex-m7",
            _ => "-mcpu=cortex-m33",
        };
        // Without a C library the compiler's own headers are the freestanding ones; what it knows
        // of functions like memcpy is as in firmware.
        let mut flags = vec![cpu, "-mthumb", "-std=c99", "-ffreestanding", "-fbuiltin"];
        if let Some(unit) = self.float_unit().filter(|_| float_unit) {
            flags.extend(["-mfloat-abi=hard", unit]);
        }
        flags
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HostGcc => "host gcc",
            Self::HostClang => "host clang",
            Self::CortexM0 => "Cortex-M0",
            Self::CortexM3 => "Cortex-M3",
            Self::CortexM4 => "Cortex-M4",
            Self::CortexM7 => "Cortex-M7",
            Self::CortexM33 => "Cortex-M33",
            Self::Atmega2560 => "ATmega2560",
        })
    }
}

/// Where a program of the path is.
pub fn looked_up(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|p| p.is_file())
}

/// An error for a program that is not there.
pub(crate) fn required(name: &str) -> Result<PathBuf, Error> {
    looked_up(name).ok_or_else(|| Error::Missing(name.to_owned()))
}
