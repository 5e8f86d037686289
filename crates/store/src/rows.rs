//! What a run hands over.

use ceg4n_base::ContentHash;

/// A run that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The command line, for people.
    pub command_line: String,
    /// The command line's words; what a resumed run is made from.
    pub arguments: Vec<String>,
    /// Where relative paths of them begin.
    pub working_folder: String,
    /// Name and version of the tool.
    pub tool: String,
    /// What tells one build of the tool from another.
    pub build: String,
    /// The network's name.
    pub network: String,
    /// The hash of the network's file.
    pub network_sha256: ContentHash,
    /// The hash of everything that the run read.
    pub inputs_sha256: ContentHash,
    /// The seed.
    pub seed: u64,
    /// The effort.
    pub effort: u32,
}

/// What kind of answer is kept for other runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// What the reference does on a region.
    Label,
    /// A verdict on a program.
    Verdict,
}

impl AnswerKind {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Verdict => "verdict",
        }
    }
}

/// An answer that any run may take whose question has the same hash.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The hash of everything that decides the answer.
    pub key: ContentHash,
    /// What kind.
    pub kind: AnswerKind,
    /// The region's id.
    pub region: String,
    /// Property and domain.
    pub asked: String,
    /// The program's hash.
    pub program: Option<ContentHash>,
    /// The answer in a word.
    pub answer: String,
    /// The answer, as JSON.
    pub evidence: String,
    /// What it took.
    pub seconds: f64,
}

/// What is written as a run goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// The answer of the call number `seq`.
    Step {
        /// The place among the run's calls, from 0.
        seq: u64,
        /// What kind of call.
        kind: &'static str,
        /// The hash of the question.
        asked: ContentHash,
        /// The answer, as JSON.
        answer: String,
        /// What the next call of this kind goes on from, if anything; only the last is kept.
        latents: Option<String>,
        /// What it took.
        seconds: f64,
    },
    /// From this call on the run went another way.
    Forget {
        /// The first call that is forgotten.
        seq: u64,
    },
    /// A label or a verdict.
    Answer(Box<Answer>),
    /// A verdict on a version.
    Verdict {
        /// The version.
        version: u32,
        /// The region's id.
        region: String,
        /// Property and domain.
        asked: String,
        /// The verdict in a word.
        verdict: &'static str,
        /// What it took, then or in an earlier run.
        seconds: f64,
        /// The answer with the evidence.
        key: Option<ContentHash>,
    },
    /// A candidate that reached the verifier.
    Version {
        /// Its number.
        version: u32,
        /// The program's hash.
        program: ContentHash,
        /// Its bits.
        assignment: String,
        /// Guided rounding moved its mantissas.
        guided: bool,
        /// Its cost.
        cost: u64,
        /// Candidates evaluated so far.
        candidates: u64,
        /// Counterexamples so far, start points among them.
        counterexamples: u64,
        /// What ended it, in words.
        ended: String,
        /// Seconds since the run began or went on.
        seconds: f64,
        /// Formats and mantissas, as JSON.
        annotations: String,
    },
    /// A point that candidates must pass.
    Counterexample {
        /// Its place.
        number: u64,
        /// The region's id.
        region: String,
        /// The version that it refuted.
        ended: Option<u32>,
        /// The point, as JSON.
        x: String,
    },
}
