//! A graph under construction: nodes, constants without duplicates, names without collisions.

use crate::EmitError;
use ceg4n_import::onnx::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, attribute_type, data_type,
};
use ceg4n_ir::Interval;
use std::collections::{BTreeMap, BTreeSet};

/// The integer types that vectors have between operators. onnxruntime has every operator used here
/// for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    I32,
    I64,
}

impl Word {
    /// The word of so many bits, at most 64.
    pub(super) fn of_width(width: u8) -> Self {
        if width <= 32 { Self::I32 } else { Self::I64 }
    }

    /// The least word that holds an interval.
    pub(super) fn holding(r: Interval) -> Self {
        Self::of_width(r.signed_width())
    }

    /// The number of the type in ONNX.
    pub(super) fn data_type(self) -> i32 {
        match self {
            Self::I32 => data_type::INT32,
            Self::I64 => data_type::INT64,
        }
    }
}

/// A vector of the graph. Its first dimension, the batch, is not in the shape.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) word: Word,
    pub(super) shape: Vec<usize>,
}

impl Value {
    /// The same under another name and word.
    pub(super) fn renamed(&self, name: String, word: Word) -> Self {
        Self {
            name,
            word,
            shape: self.shape.clone(),
        }
    }
}

/// A constant by what makes it one: element type, dimensions, bytes.
type ConstantKey = (i32, Vec<i64>, Vec<u8>);

#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    constants: BTreeMap<ConstantKey, String>,
    names: BTreeSet<String>,
    /// Results of casts and reshapes, by operand, operator and its argument.
    views: BTreeMap<(String, String), String>,
    /// What the names of new nodes begin with.
    scope: String,
}

impl Graph {
    /// Takes names out of use.
    pub(super) fn reserve(&mut self, names: &[&str]) {
        self.names.extend(names.iter().map(|n| (*n).to_owned()));
    }

    /// Names the nodes that follow after a value of the network.
    pub(super) fn enter(&mut self, scope: &str) {
        scope.clone_into(&mut self.scope);
    }

    fn fresh(&mut self, what: &str) -> String {
        let base = format!("{}/{what}", self.scope);
        let numbered = (1..).map(|k| match k {
            1 => base.clone(),
            k => format!("{base}_{k}"),
        });
        let mut free = numbered.filter(|n| !self.names.contains(n));
        // The numbers do not end.
        let name = free.next().unwrap_or_default();
        self.names.insert(name.clone());
        name
    }

    /// Adds a node of one result; returns the result's name.
    pub(super) fn node(
        &mut self,
        op: &str,
        input: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let name = self.fresh(op);
        self.nodes.push(NodeProto {
            input: input.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
            attribute,
            domain: String::new(),
        });
        name
    }

    /// Adds an operator between a vector and a constant; the result has the vector's shape.
    pub(super) fn with_constant(&mut self, op: &str, x: &Value, c: &str) -> Value {
        let name = self.node(op, &[&x.name, c], vec![]);
        x.renamed(name, x.word)
    }

    /// The name of a constant tensor.
    pub(super) fn constant(&mut self, data_type: i32, dims: &[usize], bytes: Vec<u8>) -> String {
        let dims: Vec<i64> = dims.iter().map(|d| *d as i64).collect();
        let key = (data_type, dims.clone(), bytes);
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.fresh("const");
        self.initializers.push(TensorProto {
            dims,
            data_type,
            name: name.clone(),
            raw_data: key.2.clone(),
            ..TensorProto::default()
        });
        self.constants.insert(key, name.clone());
        name
    }

    /// A constant of integers.
    ///
    /// # Errors
    /// [`EmitError::Internal`] for an integer that the word does not hold.
    pub(super) fn integers(
        &mut self,
        word: Word,
        dims: &[usize],
        values: impl IntoIterator<Item = i64>,
    ) -> Result<String, EmitError> {
        let mut bytes = Vec::new();
        for v in values {
            match word {
                Word::I64 => bytes.extend(v.to_le_bytes()),
                Word::I32 => bytes.extend(narrow(v)?.to_le_bytes()),
            }
        }
        Ok(self.constant(word.data_type(), dims, bytes))
    }

    /// A list of int64, as shapes and axes are given.
    pub(super) fn list(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(data_type::INT64, &[values.len()], bytes)
    }

    /// A float64.
    pub(super) fn double(&mut self, value: f64) -> String {
        self.constant(data_type::DOUBLE, &[], value.to_le_bytes().to_vec())
    }

    /// The elements as another type.
    pub(super) fn cast(&mut self, name: &str, to: i32) -> String {
        let key = (name.to_owned(), format!("cast {to}"));
        if let Some(found) = self.views.get(&key) {
            return found.clone();
        }
        let cast = self.node("Cast", &[name], vec![int("to", to.into())]);
        self.views.insert(key, cast.clone());
        cast
    }

    /// States that a cast of a vector is there already.
    pub(super) fn is_cast(&mut self, name: &str, to: i32, cast: &str) {
        let key = (name.to_owned(), format!("cast {to}"));
        self.views.insert(key, cast.to_owned());
    }

    /// The vector in a word, which must hold its values.
    pub(super) fn in_word(&mut self, x: &Value, word: Word) -> Value {
        if x.word == word {
            return x.clone();
        }
        let name = self.cast(&x.name, word.data_type());
        x.renamed(name, word)
    }

    /// The elements in another shape of as many.
    pub(super) fn shaped(&mut self, x: &Value, shape: &[usize]) -> Value {
        if x.shape == shape {
            return x.clone();
        }
        let value = |name| Value {
            name,
            word: x.word,
            shape: shape.to_vec(),
        };
        let key = (x.name.clone(), format!("shape {shape:?}"));
        if let Some(found) = self.views.get(&key) {
            return value(found.clone());
        }
        // 0 keeps the batch as it is.
        let dims = std::iter::once(0).chain(shape.iter().map(|d| *d as i64));
        let dims = self.list(&dims.collect::<Vec<_>>());
        let name = self.node("Reshape", &[&x.name, &dims], vec![]);
        self.views.insert(key, name.clone());
        value(name)
    }

    /// The elements in a row.
    pub(super) fn flat(&mut self, x: &Value) -> Value {
        self.shaped(x, &[x.shape.iter().product()])
    }

    /// Gives a result the name of an output.
    pub(super) fn output(&mut self, name: &str, output: &str) {
        self.enter("");
        let made = self.nodes.iter().any(|n| n.output[0] == name);
        if !made {
            self.nodes.push(NodeProto {
                input: vec![name.to_owned()],
                output: vec![output.to_owned()],
                name: format!("/{output}"),
                op_type: "Identity".to_owned(),
                ..NodeProto::default()
            });
            return;
        }
        for node in &mut self.nodes {
            let names = node.input.iter_mut().chain(&mut node.output);
            for n in names.filter(|n| *n == name) {
                output.clone_into(n);
            }
        }
    }

    /// The nodes and constants.
    pub(super) fn finish(self) -> GraphProto {
        GraphProto {
            node: self.nodes,
            initializer: self.initializers,
            ..GraphProto::default()
        }
    }
}

fn narrow(v: i64) -> Result<i32, EmitError> {
    i32::try_from(v).map_err(|_| EmitError::Internal(format!("{v} in a word of 32 bits")))
}

/// An integer attribute.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        r#type: attribute_type::INT,
        ..AttributeProto::default()
    }
}

/// An attribute that is a list of integers.
pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.iter().map(|v| *v as i64).collect(),
        r#type: attribute_type::INTS,
        ..AttributeProto::default()
    }
}
