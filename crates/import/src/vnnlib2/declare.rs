//! Declarations: networks, their tensors, and the types of elements.

use ceg4n_base::Span;

/// A declared network.
#[derive(Clone, Debug)]
pub struct NetworkDeclaration {
    /// Its name.
    pub name: String,
    /// Another network, by its index, that this one is like.
    pub relation: Option<(Relation, usize)>,
    /// What it takes.
    pub inputs: Vec<Tensor>,
    /// Values of inner nodes.
    pub hidden: Vec<Tensor>,
    /// What it returns.
    pub outputs: Vec<Tensor>,
    /// Where its name stands.
    pub span: Span,
}

impl NetworkDeclaration {
    /// Inputs, hidden tensors and outputs.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.inputs.iter().chain(&self.hidden).chain(&self.outputs)
    }
}

/// How a network is like another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is the same file.
    EqualTo,
    /// It has the same inputs and outputs but for names and element types.
    IsomorphicTo,
}

impl Relation {
    /// As the text has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EqualTo => "equal-to",
            Self::IsomorphicTo => "isomorphic-to",
        }
    }
}

/// A declared tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name, unique in the query.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// Its dimensions; none for a scalar.
    pub shape: Vec<usize>,
    /// The name of the ONNX node, if one is given.
    pub node: Option<String>,
    /// An input with a default value in the model.
    pub initialized: bool,
    /// The index of its first element among those of all tensors.
    pub first: usize,
    /// Where its name stands.
    pub span: Span,
}

impl Tensor {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if a dimension is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[1,5]`.
    pub fn dimensions(&self) -> String {
        dimensions(&self.shape)
    }

    /// The element at a row-major position, as the text would name it.
    pub fn element_name(&self, mut position: usize) -> String {
        let mut indices = vec![0; self.shape.len()];
        for (i, d) in indices.iter_mut().zip(&self.shape).rev() {
            *i = position % (*d).max(1);
            position /= (*d).max(1);
        }
        format!("{}{}", self.name, dimensions(&indices))
    }
}

fn dimensions(list: &[usize]) -> String {
    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    format!("[{}]", list.join(","))
}

macro_rules! element_types {
    ($($variant:ident = $name:literal,)*) => {
        /// The type of a tensor's elements: one of ONNX, or real.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ElementType {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl ElementType {
            /// Every type, `real` first.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As the text has it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

element_types! {
    Real = "real",
    Float16 = "float16",
    Float32 = "float32",
    Float64 = "float64",
    Bfloat16 = "bfloat16",
    Float8e4m3fn = "float8e4m3fn",
    Float8e5m2 = "float8e5m2",
    Float8e4m3fnuz = "float8e4m3fnuz",
    Float8e5m2fnuz = "float8e5m2fnuz",
    Float4e2m1 = "float4e2m1",
    Int4 = "int4",
    Int8 = "int8",
    Int16 = "int16",
    Int32 = "int32",
    Int64 = "int64",
    Uint4 = "uint4",
    Uint8 = "uint8",
    Uint16 = "uint16",
    Uint32 = "uint32",
    Uint64 = "uint64",
    Complex64 = "complex64",
    Complex128 = "complex128",
    Bool = "bool",
    String = "string",
}

impl ElementType {
    /// The type of a name; drafts of the standard write `Real`.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Real" {
            return Some(Self::Real);
        }
        Self::ALL.iter().copied().find(|t| t.name() == name)
    }
}
