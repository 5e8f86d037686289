//! Processors, and what a user asks of a kernel's loops.

use serde::{Deserialize, Serialize};

/// What the emitted C is made for. Every kernel runs everywhere and gives the same integers; the
/// target decides the loops that are written and how weights are laid out for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Plain C, for any compiler to vectorise.
    #[default]
    Generic,
    /// Armv6-M: Cortex-M0, M0+, M1. 32-bit multiplication in a cycle, eight handy registers.
    CortexM0,
    /// Armv7E-M and Armv8-M with the DSP extension: Cortex-M4, M7, M33. Two 16-bit products an
    /// instruction.
    CortexM4,
    /// AVR with hardware multiplication (ATmega): 8-bit registers, 16-bit `int`.
    Avr,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 4] = [Self::Generic, Self::CortexM0, Self::CortexM4, Self::Avr];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::CortexM0 => "cortex-m0",
            Self::CortexM4 => "cortex-m4",
            Self::Avr => "avr",
        }
    }

    /// Other names of processors with the same loops.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Generic => &[],
            Self::CortexM0 => &["cortex-m0plus", "cortex-m1"],
            Self::CortexM4 => &["cortex-m7", "cortex-m33"],
            Self::Avr => &["atmega"],
        }
    }

    /// The target of a name or alias.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |t: &Self| t.name() == name || t.aliases().contains(&name);
        Self::ALL.into_iter().find(is)
    }

    /// The largest constant array in bytes: larger layers are written in pieces.
    pub fn largest_array(self) -> usize {
        match self {
            // What a C99 compiler must accept at least; in practice there is no limit.
            Self::Generic | Self::CortexM0 | Self::CortexM4 => usize::MAX,
            // `ptrdiff_t` has 16 bits.
            Self::Avr => 32_767,
        }
    }

    /// Bytes of constants that the kernel's pointers reach.
    pub fn most_constants(self) -> usize {
        match self {
            Self::Generic | Self::CortexM0 | Self::CortexM4 => usize::MAX,
            // The low 64 KiB of flash, where the table of interrupts stands before them.
            Self::Avr => 65_536 - 512,
        }
    }
}

/// What a kernel's loops are made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelChoice {
    /// `Unrolled` for tiny networks on a named processor, else `Speed`; `Size` where a limit of flash demands it.
    #[default]
    Auto,
    /// Fewest bytes: weights of few bits are packed without gaps, layers share loops.
    Size,
    /// Fewest cycles.
    Speed,
    /// Straight-line code with the weights as constants in it.
    Unrolled,
}

impl KernelChoice {
    /// Every choice.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Size, Self::Speed, Self::Unrolled];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Size => "size",
            Self::Speed => "speed",
            Self::Unrolled => "unrolled",
        }
    }

    /// The choice of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for t in Target::ALL {
            assert_eq!(Target::from_name(t.name()), Some(t));
            for alias in t.aliases() {
                assert_eq!(Target::from_name(alias), Some(t));
            }
        }
        assert_eq!(Target::from_name("z80"), None);
        for k in KernelChoice::ALL {
            assert_eq!(KernelChoice::from_name(k.name()), Some(k));
        }
    }
}
