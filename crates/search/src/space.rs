//! The annotation space: which assignments are searched, the quantizer that makes programs of
//! them, and their cost.

use crate::cost::Cost;
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Checked, Program};
use ceg4n_quantize::{Assignment, BiasRule, Layer, Model, Quantizer};
use ceg4n_target::Machine;
use std::sync::Arc;

/// What a search chooses: weight bits per layer, then the width of all activations.
pub type Genes = Vec<u8>;

/// Assignments with weights of any width per layer, activations of one width, and biases whose
/// bits follow from those of the weights.
#[derive(Clone)]
pub struct AnnotationSpace {
    model: Arc<Model>,
    quantizer: Arc<dyn Quantizer>,
    /// What is made small.
    pub cost: Cost,
    /// What the kernel is made for; some costs depend on it.
    pub machine: Machine,
    /// Bits of biases, where a strategy does not choose them.
    pub biases: BiasRule,
    /// Least bits of a bias, where a strategy does.
    pub least_bias_bits: u8,
    /// Least and greatest bits of a layer's weights.
    pub weight_bits: (u8, u8),
    /// Least and greatest bits of activations.
    pub activation_bits: (u8, u8),
}

impl AnnotationSpace {
    /// The space of a model under a quantizer.
    pub fn new(
        model: Arc<Model>,
        quantizer: Arc<dyn Quantizer>,
        weight_bits: (u8, u8),
        activation_bits: (u8, u8),
    ) -> Self {
        Self {
            model,
            quantizer,
            cost: Cost::default(),
            machine: Machine::default(),
            biases: BiasRule::default(),
            least_bias_bits: weight_bits.0,
            weight_bits,
            activation_bits,
        }
    }

    /// What assignments are quantized with.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What makes programs of assignments.
    pub fn quantizer(&self) -> &Arc<dyn Quantizer> {
        &self.quantizer
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        self.model.layers()
    }

    /// The name under which an optimality claim about this space is made.
    pub fn name(&self) -> String {
        let biases = match self.biases {
            BiasRule::AsWeights => "biases as wide".to_owned(),
            BiasRule::AtLeast(least) => format!("biases as wide and {least} bits at least"),
        };
        format!(
            "weights of {} to {} bits in each layer, {biases}, all activations of {} to {} bits, {}, rounding {}",
            self.weight_bits.0,
            self.weight_bits.1,
            self.activation_bits.0,
            self.activation_bits.1,
            self.quantizer.name(),
            self.model.rounding().name()
        )
    }

    /// Least and greatest value of each gene.
    pub fn genes(&self) -> Vec<(u8, u8)> {
        let mut genes = vec![self.weight_bits; self.layers().len()];
        genes.push(self.activation_bits);
        genes
    }

    /// The assignment of genes.
    pub fn assignment(&self, genes: &Genes) -> Assignment {
        let (activations, weights) = match genes.split_last() {
            Some((last, rest)) => (*last, rest.to_vec()),
            None => (self.activation_bits.0, Vec::new()),
        };
        Assignment {
            biases: weights.iter().map(|b| self.biases.bits(*b)).collect(),
            activations: vec![activations; self.model.tensors().len()],
            weights,
        }
    }

    /// The assignment with the same bits everywhere.
    pub fn uniform(&self, weights: u8, activations: u8) -> Assignment {
        let mut genes = vec![weights; self.layers().len()];
        genes.push(activations);
        self.assignment(&genes)
    }

    /// The cost of the assignment of genes.
    pub fn cost_of_genes(&self, genes: &Genes) -> u64 {
        self.cost(&self.assignment(genes))
    }

    /// The cost of an assignment.
    pub fn cost(&self, a: &Assignment) -> u64 {
        self.cost.of(&self.model, a, self.machine)
    }

    /// The program of an assignment, checked.
    ///
    /// # Errors
    /// Formats that the checker refuses, for instance accumulators beyond 64 bits.
    pub fn program(&self, a: &Assignment, version: u32) -> Result<Checked<Program>, Diagnostics> {
        self.quantizer.program(&self.model, a, version)
    }
}
