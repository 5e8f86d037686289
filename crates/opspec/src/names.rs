//! The names of all specifications, as enums to match exhaustively.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $enum {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $enum {
            /// Every name, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name as files and messages write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The name that `text` writes.
            pub fn from_name(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|n| n.as_str() == text)
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// An operator: one file of `ir-specs/ops`.
    OpName {
        /// Weighted sums and a bias.
        Dense = "dense",
        /// Adds a constant.
        AddConst = "add_const",
        /// Subtracts a constant.
        SubConst = "sub_const",
        /// Divides by a constant; real only.
        DivConst = "div_const",
        /// Weighted sums over windows.
        Conv = "conv",
        /// The largest element of each window.
        MaxPool = "max_pool",
        /// The sum of each window.
        SumPool = "sum_pool",
        /// Multiplies by a constant.
        MulConst = "mul_const",
        /// Adds two tensors.
        Sum = "sum",
        /// Parts of two tensors one after the other.
        Concat = "concat",
        /// Elements in another order, and padding.
        Gather = "gather",
        /// The larger of 0 and the operand.
        Relu = "relu",
        /// The nearest value between two ends.
        Clip = "clip",
        /// The operand above 0, a fraction of it below.
        LeakyRelu = "leaky_relu",
        /// The magnitude.
        Abs = "abs",
        /// -1, 0 or 1.
        Sign = "sign",
        /// The logistic function; real only.
        Sigmoid = "sigmoid",
        /// The hyperbolic tangent; real only.
        Tanh = "tanh",
        /// Through an integer type and back; real only.
        Snap = "snap",
        /// One entry of a list for each mantissa.
        Table = "table",
        /// Flatten, reshape, identity.
        Move = "move",
        /// Exact left shift to a finer scale.
        Align = "align",
        /// From an accumulator to a narrower format.
        Requantize = "requantize",
    }
}

names! {
    /// How a right shift rounds: one file of `ir-specs/rounding`. One rule for a whole network.
    RoundingName {
        /// `floor(v + 1/2)`, the default.
        HalfUp = "half-up",
        /// To the nearest, ties to the even neighbour.
        HalfEven = "half-even",
        /// Towards minus infinity.
        Floor = "floor",
    }
}

names! {
    /// What happens to a value outside its format: one file of `ir-specs/saturation`.
    SaturationName {
        /// The nearest value of the range.
        Clamp = "clamp",
    }
}

names! {
    /// How numbers enter a program: one file of `ir-specs/input`.
    InputName {
        /// From a real number to an integer of the input format.
        FromReal = "from-real",
    }
}
