//! What an output folder holds besides the report: IR versions and kernels.

use crate::account::targets;
use crate::compile::Chosen;
use crate::fit::{Fit, fit};
use crate::options::CompileOptions;
use crate::outcome::TOOL_VERSION;
use crate::output::Staged;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Exact, codes};
use ceg4n_emit::{Claim, EmitError, EmitInfo, EmitInput, EmitSet, OutputFile, TestVector};
use ceg4n_ir::{Anchor, Annotation, Module, Op, Program};
use ceg4n_refine::{Ended, State, Version};
use ceg4n_report::{Cost, Report, Status};
use ceg4n_syntax::{PrintOptions, print};
use ceg4n_verify::Verdict;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// The parts of one run that are written out.
pub(crate) struct Artifacts<'a> {
    pub staged: &'a Staged,
    pub options: &'a CompileOptions,
    /// The network's name.
    pub name: &'a str,
    /// Hash of the network's file.
    pub file_hash: ContentHash,
    /// The network with its regions, and the requirements as they were asked.
    pub module: &'a Module,
    /// Prefix of the kernel's symbols.
    pub prefix: &'a str,
    pub state: Option<&'a State>,
    pub chosen: Option<&'a Chosen>,
}

impl Artifacts<'_> {
    /// Writes `NAME.final.nnir`, `versions/`, `c/`, `rust/` and `onnx/`, and completes the report's
    /// cost. A kernel beyond the limits is not written, and the status is `refuted`.
    pub(crate) fn write(&self, report: &mut Report) -> Result<(), Diagnostics> {
        if let Some(state) = self.state {
            self.versions(state)?;
        }
        let Some(chosen) = self.chosen else {
            return Ok(());
        };
        let program = chosen.program.program();
        let vectors = vectors(chosen, self.module, self.state)?;
        let mut input = EmitInput {
            program: &chosen.program,
            name: self.prefix,
            claim: claim(chosen, report),
            vectors: &vectors,
            info: EmitInfo {
                tool_version: TOOL_VERSION.to_owned(),
                requirement: report.requirement.lines().map(str::to_owned).collect(),
                regions: self.module.regions.iter().map(|r| r.id.clone()).collect(),
                hashes: vec![("network file".to_owned(), self.file_hash.to_string())],
            },
            options: self.options.written,
        };
        let fits = if self.options.emit.has(EmitSet::C) {
            fit(self.options, &input)?
        } else {
            Fit::Written(input.options)
        };
        if let Fit::Refused(text) = &fits {
            report.status = Status::Refuted;
            report.reason = Some(match report.reason.take() {
                Some(reason) => format!("{text}; {reason}"),
                None => text.clone(),
            });
        }
        let module = with_version(self.module, program, claim_lines(chosen, report));
        self.write_module(&format!("{}.final.nnir", self.name), &module)?;
        let Fit::Written(written) = fits else {
            return Ok(());
        };
        input.options = written;
        let mut files: Vec<OutputFile> = Vec::new();
        for backend in self.options.emit.backends() {
            files.extend((backend.files)(&input).map_err(failed)?);
        }
        for f in &files {
            self.staged.write(&f.path, &f.content)?;
        }
        report.cost = Some(cost(program, &input)?);
        if report.complete && self.options.emit.has(EmitSet::C) {
            report.targets = targets(&input);
        }
        Ok(())
    }

    fn write_module(&self, path: &str, module: &Module) -> Result<(), Diagnostics> {
        let (folder, file) = match path.rsplit_once('/') {
            Some((folder, file)) => (format!("{folder}/"), file),
            None => (String::new(), path),
        };
        let place = |name: &str| format!("{folder}{name}");
        let printed = |name: &str| {
            let options = PrintOptions {
                side_file: format!("{name}.safetensors"),
                keep_files: Some(BTreeSet::new()),
                ..PrintOptions::default()
            };
            print(module, &options)
        };
        // Versions share their constants: one file serves them all, but for those that have
        // mantissas in it.
        let is_other = |name: &String, bytes: &Vec<u8>| {
            let there = std::fs::read(self.staged.folder().join(place(name)));
            there.is_ok_and(|there| there != *bytes)
        };
        let shared = printed(self.name);
        let printed = match shared.side_files.iter().any(|(n, b)| is_other(n, b)) {
            true => printed(file.trim_end_matches(".nnir")),
            false => shared,
        };
        for (name, bytes) in &printed.side_files {
            self.staged.write(&place(name), bytes)?;
        }
        Ok(self.staged.write(path, printed.text.as_bytes())?)
    }

    /// Every version of the loop, with what ended it.
    fn versions(&self, state: &State) -> Result<(), Diagnostics> {
        for v in &state.versions {
            let notes = (*v.annotations).clone();
            let program = Program::new(self.module.network.clone(), notes);
            let module = with_version(self.module, &program, ending(v, state));
            self.write_module(&format!("versions/v{}.nnir", v.version), &module)?;
        }
        Ok(())
    }
}

/// A size is the user's choice; everything else was checked before.
fn failed(e: EmitError) -> Diagnostic {
    let text = e.to_string();
    match e {
        EmitError::TooLarge { .. } => {
            Diagnostic::error(codes::FILE_WRITE, text).help("leave onnx out of --emit")
        }
        EmitError::OutOfReach { .. } => {
            Diagnostic::error(codes::USAGE, text).help("use another --target, or fewer bits")
        }
        EmitError::Unrolled { .. } => {
            Diagnostic::error(codes::USAGE, text).help("use --kernel speed or auto")
        }
        EmitError::NotFixedPoint
        | EmitError::Name { .. }
        | EmitError::Vector { .. }
        | EmitError::OtherProgram { .. }
        | EmitError::Internal(_) => Diagnostic::error(codes::INTERNAL, text),
    }
}

/// What ended a version, as comment lines.
fn ending(v: &Version, state: &State) -> Vec<String> {
    let list = |v: &[Exact]| {
        v.iter()
            .map(Exact::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match &v.ended {
        Ended::Proved => vec!["proved".to_owned()],
        Ended::Unknown(reason) => vec![format!("set aside: {reason}")],
        Ended::Refuted(i) => {
            let refuted = v.results.iter().find_map(|(_, r)| match &r.verdict {
                Verdict::Refuted(w) => Some((r.id.as_str(), w)),
                Verdict::Proved(_) | Verdict::Unknown(_) => None,
            });
            let x = state
                .counterexamples
                .get(*i)
                .map_or(String::new(), |c| list(&c.x));
            let mut lines = vec![format!("ended by a counterexample: x = [{x}]")];
            if let Some((id, w)) = refuted {
                lines[0] = format!("ended by a counterexample in region \"{id}\": x = [{x}]");
                lines.push(format!("reference = [{}]", list(&w.reference)));
                lines.push(format!("kernel = [{}]", list(&w.kernel)));
            }
            lines
        }
    }
}

fn claim<'a>(chosen: &'a Chosen, report: &Report) -> Claim<'a> {
    match &chosen.proof {
        Some(proof) if report.status == Status::Proved => Claim::Verified {
            proof,
            lines: claim_lines(chosen, report),
        },
        Some(_) | None => Claim::Unverified {
            reason: report
                .reason
                .clone()
                .unwrap_or_else(|| "not proved".to_owned()),
        },
    }
}

/// What was proved, region by region; nothing of a kernel that misses a demand.
fn claim_lines(chosen: &Chosen, report: &Report) -> Vec<String> {
    if chosen.proof.is_none() || report.status != Status::Proved {
        let reason = report.reason.as_deref().unwrap_or("not proved");
        return vec![format!("NOT VERIFIED: {reason}")];
    }
    chosen
        .results
        .iter()
        .map(|t| {
            format!(
                "region \"{}\": PROVED {} ({})",
                t.result.id, t.result.property, report.domain
            )
        })
        .collect()
}

/// A module with one version and nothing else that the run did not use.
fn with_version(module: &Module, program: &Program, comments: Vec<String>) -> Module {
    let mut out = module.clone();
    out.versions = vec![(*program.annotations).clone()];
    out.comments
        .retain(|a, _| !matches!(a, Anchor::Format(_) | Anchor::FormatEntry(..)));
    out.comments.insert(Anchor::Format(0), comments);
    out
}

/// Random inputs among the self-test vectors.
const RANDOM_VECTORS: usize = 32;

/// Self-test vectors: random inputs, region centres, corners, and every stored counterexample.
fn vectors(
    chosen: &Chosen,
    module: &Module,
    state: Option<&State>,
) -> Result<Vec<TestVector>, Diagnostics> {
    let Some(kernel) = chosen.program.kernel() else {
        return Ok(Vec::new());
    };
    let mut points: Vec<(Vec<i64>, String)> = Vec::new();
    for r in &module.regions {
        points.push((
            kernel.quantize_input(&r.center()),
            format!("centre of region {}", r.id),
        ));
        points.push((
            kernel.quantize_input(&r.lower),
            format!("lower corner of region {}", r.id),
        ));
        points.push((
            kernel.quantize_input(&r.upper),
            format!("upper corner of region {}", r.id),
        ));
    }
    for c in state.map(|s| &s.counterexamples[..]).unwrap_or_default() {
        if let Some(v) = c.ended {
            points.push((
                kernel.quantize_input(&c.x),
                format!("counterexample that ended version v{v}"),
            ));
        }
    }
    let n = kernel.input_len();
    points.push((
        vec![kernel.input_format.min(); n],
        "every input at its least".to_owned(),
    ));
    points.push((
        vec![kernel.input_format.max(); n],
        "every input at its greatest".to_owned(),
    ));
    // Rounding and clamping show where inputs are arbitrary.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for i in 1..=RANDOM_VECTORS {
        let (lo, hi) = (kernel.input_format.min(), kernel.input_format.max());
        let input = (0..n).map(|_| rng.random_range(lo..=hi)).collect();
        points.push((input, format!("random input {i}")));
    }
    points
        .into_iter()
        .map(|(input, note)| {
            let output = ceg4n_eval::kernel_outputs(kernel, &input)
                .map_err(|e| Diagnostic::error(codes::INTERNAL, e.to_string()))?;
            Ok(TestVector {
                input,
                output,
                note,
            })
        })
        .collect()
}

/// Bits, and bytes of the emitted form.
fn cost(program: &Program, input: &EmitInput<'_>) -> Result<Cost, Diagnostics> {
    let network = &program.network;
    let (mut weights_bits, mut biases_bits, mut ceg4n_bits) = (0u64, 0u64, 0u64);
    let stored = |v| -> u64 {
        let n = network.value(v).shape.len();
        match program.annotations.get(v) {
            Some(Annotation::Fixed { format, .. }) => {
                let rows = network
                    .value(v)
                    .shape
                    .0
                    .first()
                    .copied()
                    .unwrap_or(1)
                    .max(1);
                (0..rows)
                    .filter_map(|j| format.channel(j))
                    .map(|f| u64::from(f.width()) * (n / rows) as u64)
                    .sum()
            }
            // A divisor: only its power of two counts, which no kernel stores.
            Some(Annotation::Acc(_)) | None => 0,
        }
    };
    for (v, value) in network.values().iter() {
        if let Op::Dense { weight, bias, .. } | Op::Conv { weight, bias, .. } = &value.op {
            let parameters = network.value(*weight).shape.len()
                + bias.map_or(0, |b| network.value(b).shape.len());
            let bits = program
                .annotations
                .format(*weight)
                .and_then(|f| f.channel(0))
                .map_or(32, |f| f.width());
            weights_bits += stored(*weight);
            ceg4n_bits += parameters as u64 * u64::from(bits);
        } else if network.constant(v).is_some() && !is_weight(program, v) {
            biases_bits += stored(v);
        }
    }
    let footprint = ceg4n_emit::footprint(input).map_err(failed)?;
    Ok(Cost {
        metric: "weight-bits".to_owned(),
        value: weights_bits + biases_bits,
        weights_bits,
        biases_bits,
        ceg4n_bits,
        flash_bytes: footprint.constant_bytes as u64,
        ram_bytes: footprint.scratch_bytes as u64,
    })
}

fn is_weight(program: &Program, v: ceg4n_ir::ValueId) -> bool {
    let uses = |x: &ceg4n_ir::Value| matches!(&x.op, Op::Dense { weight, .. } | Op::Conv { weight, .. } if *weight == v);
    program.network.values().values().any(uses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::load;
    use crate::options::LoadOptions;
    use ceg4n_ir::{Annotations, Format};
    use std::sync::Arc;

    /// A network whose constants, and whose mantissas, are too many for a text.
    fn wide() -> String {
        let rows = vec!["[1, -1]"; 2100].join(", ");
        format!(
            "nnir 1;\nnetwork @wide {{\n  %x = input : tensor<2>;\n  %w = const [{rows}] : tensor<2100x2>;\n  %y = dense %x, %w : tensor<2100>;\n  output %y;\n}}\n"
        )
    }

    #[test]
    fn every_version_reads_back_with_its_own_mantissas() {
        let dir = tempfile::tempdir().expect("a folder");
        let net = dir.path().join("wide.nnir");
        std::fs::write(&net, wide()).expect("a file");
        let read = |net: &std::path::Path| {
            let options = LoadOptions {
                net: net.to_owned(),
                ..LoadOptions::default()
            };
            load(&options).unwrap_or_else(|f| panic!("{f}"))
        };
        let loaded = read(&net);
        let target = dir.path().join("out");
        let staged = Staged::begin(&target).expect("a folder");
        let options = CompileOptions::new(&net);
        let artifacts = Artifacts {
            staged: &staged,
            options: &options,
            name: &loaded.name,
            file_hash: loaded.sha256,
            module: &loaded.module,
            prefix: "wide",
            state: None,
            chosen: None,
        };
        let version = |k: u32, mantissa: Option<i32>| {
            let network = &loaded.module.network;
            let format = Format::new(true, 8, 4).expect("a format");
            let fixed = |mantissas| Annotation::Fixed {
                format: format.into(),
                mantissas,
            };
            let constants = network.values().iter();
            let constants = constants.filter(|(v, _)| network.constant(*v).is_some());
            let own = |n| mantissa.map(|m| Arc::from(vec![m; n]));
            let values = constants.map(|(v, c)| (v, fixed(own(c.shape.len()))));
            let notes = Annotations {
                version: k,
                values: values.chain([(network.input(), fixed(None))]).collect(),
                ..Annotations::default()
            };
            Program::new(network.clone(), notes)
        };
        let versions = [(1, None), (2, Some(3)), (3, Some(-5)), (4, None)];
        let versions = versions.map(|(k, m)| (k, version(k, m)));
        for (k, program) in &versions {
            let module = with_version(&loaded.module, program, Vec::new());
            let path = format!("versions/v{k}.nnir");
            artifacts.write_module(&path, &module).expect("written");
        }
        staged.commit(false).expect("a folder");
        for (k, program) in &versions {
            let found = read(&target.join(format!("versions/v{k}.nnir")));
            let found = found.version(None, None).expect("a version");
            assert_eq!(found.hash(), program.hash(), "v{k}");
        }
    }
}
