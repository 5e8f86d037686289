"""Emitted ONNX models give the kernel's integers: onnxruntime, with and without its optimizations, and
the reference evaluator of the ONNX project, against the self-test vectors beside each model.

    python emitted.py FOLDER

Models are those below FOLDER. Prints what was compared; exit code 1 if anything differs.
"""

import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

# The reference evaluator is slow: so many of the vectors.
FEW = 6


def session(path, optimized):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (
        level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    )
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def tensor(path):
    return numpy_helper.to_array(onnx.load_tensor(path))


def metadata(model):
    return {p.key.removeprefix("ceg4nc."): p.value for p in model.metadata_props}


def power(text):
    """The exponent of a scale `2^e`."""
    return int(text.removeprefix("2^"))


def limits(text):
    """The least and the greatest integer of a format."""
    width = int(text[1:].partition("q")[0])
    return (-(1 << width - 1), (1 << width - 1) - 1) if text[0] == "s" else (0, (1 << width) - 1)


def mantissa(x, frac, lo, hi):
    """sat(floor(x·2^F + 1/2)), exactly."""
    if np.isnan(x):
        return 0
    if np.isinf(x):
        return hi if x > 0 else lo
    return min(max((Fraction(x) * Fraction(2) ** frac + Fraction(1, 2)).__floor__(), lo), hi)


def around_midpoints(shape, frac, lo, hi, random):
    """Real inputs: midpoints of integers and their neighbours, ends, and what is no number."""
    middle = np.ldexp(random.integers(lo - 2, hi + 3, shape).astype(np.float64) + 0.5, -frac)
    x = np.concatenate([middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)])
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, 0.1, -0.1]
    rows = np.resize(np.array(odd), (len(odd), *shape[1:]))
    return np.concatenate([x, rows, -rows])


def compare(path, counts, random):
    """What differs, for one model and that for real numbers beside it."""
    differing = []
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    counts["models"] += 1
    for node in model.graph.node:
        counts[node.op_type] += 1
    data = path.parent / "test_data_set_0"
    x = tensor(data / "input_0.pb")
    names = [o.name for o in model.graph.output]
    wanted = [tensor(data / f"output_{i}.pb") for i in range(len(names))]

    def same(found, wanted, what):
        for name, f, w in zip(names, found, wanted):
            if f.dtype != w.dtype or not np.array_equal(f, w):
                differing.append(f"{path}: {name} {what}: {f} instead of {w}")

    for optimized in True, False:
        runner = session(path, optimized)
        same(runner.run(names, {"input": x}), wanted, f"of onnxruntime, optimized {optimized}")
        counts["vectors"] += len(x)
    few = slice(0, FEW)
    # Its pools fail on windows that are padded or dilated.
    if all(node.op_type != "MaxPool" for node in model.graph.node):
        found = ReferenceEvaluator(model).run(names, {"input": x[few]})
        same(found, [w[few] for w in wanted], "of the reference evaluator")
        counts["vectors of the reference evaluator"] += len(x[few])
    if len(x) > 1:
        same(runner.run(names, {"input": x[:1]}), [w[:1] for w in wanted], "of one row")

    real = path.with_name(f"{path.stem}_real.onnx")
    if not real.exists():
        return differing
    counts["models for real numbers"] += 1
    model = onnx.load(real)
    onnx.checker.check_model(model, full_check=True)
    facts = metadata(model)
    frac, unit = -power(facts["input_scale"]), power(facts["output_scale"])
    lo, hi = limits(facts["input_format"])
    real = session(real, True)
    points = around_midpoints(x.shape, frac, lo, hi, random)
    integers = np.array([mantissa(v, frac, lo, hi) for v in points.ravel()])
    integers = integers.reshape(points.shape).astype(x.dtype)
    y, *classes = runner.run(names, {"input": integers})
    same(real.run(names, {"input": points}), [np.ldexp(y.astype(float), unit), *classes], "of reals")
    counts["real vectors"] += len(points)
    return differing


def compare_all(folder):
    """Compares the models below a folder and prints what was; whether there are any and none differs."""
    counts, differing = Counter(), []
    random = np.random.default_rng(0)
    paths = sorted(p for p in Path(folder).rglob("*.onnx") if not p.stem.endswith("_real"))
    for path in paths:
        differing += compare(path, counts, random)
    for what, n in sorted(counts.items()):
        print(f"{what}: {n}")
    print(f"differences: {len(differing)}")
    for text in differing[:10]:
        print(text)
    return bool(paths) and not differing


if __name__ == "__main__":
    sys.exit(0 if compare_all(sys.argv[1]) else 1)
