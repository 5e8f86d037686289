"""Compares the reference with onnxruntime on every ONNX file below a folder.

    python benchmarks.py FOLDER [--json FILE] [PART ...]

`ceg4nc import` must read each file, and the reference must agree with onnxruntime to 1e-4 of the
greatest output, in magnitude, on random inputs and on the centres of regions: of
`../regions/NAME.json`, or of the VNN-LIB files that have as many inputs, those in the folder of the
model if there are any. Random inputs are uniform in the box around these, or between 0 and 1. With a PART only files whose paths contain one of them count. The exit
code is 1 if a file fails.
"""

import argparse
import functools
import gzip
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

import tool

TOLERANCE = 1e-4
POINTS = 4
DECLARED = re.compile(r"declare-(?:const|fun)\s+X_(\d+)\b")
BOUND = re.compile(r"\(\s*(<=|>=)\s+X_(\d+)\s+([-+.\deE]+)\s*\)")


def text(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


@functools.cache
def query(path):
    """The input box of a VNN-LIB file as lower and upper bounds; NaN where it has no bound."""
    content = text(path)
    inputs = len(set(DECLARED.findall(content)))
    lower, upper = np.full(inputs, np.nan), np.full(inputs, np.nan)
    for relation, i, value in BOUND.findall(content):
        if int(i) < inputs:
            (upper if relation == "<=" else lower)[int(i)] = float(value)
    return lower, upper


def boxes(root, model, inputs):
    """Boxes of the regions that go with a model, as lower and upper bounds."""
    regions = model.parent.parent / "regions" / f"{model.stem}.json"
    if regions.exists():
        list = json.loads(text(regions))
        return [(np.ravel(r["lower_bounds"]), np.ravel(r["upper_bounds"])) for r in list]
    fits = lambda b: len(b[0]) == inputs and not np.isnan(b).any()
    beside, all = (
        [b for b in map(query, sorted(folder.rglob("*.vnnlib*"))) if fits(b)]
        for folder in (model.parent, root)
    )
    return beside or all


def points(root, model, inputs):
    """Random inputs and centres, as float32; the same in every run."""
    random = np.random.default_rng(1)
    found = boxes(root, model, inputs)
    if found:
        lower = np.min([b[0] for b in found], axis=0)
        upper = np.max([b[1] for b in found], axis=0)
        step = max(1, len(found) // POINTS)
        centres = [(a + b) / 2 for a, b in found[::step][:POINTS]]
    else:
        lower, upper, centres = np.zeros(inputs), np.ones(inputs), []
    free = [random.uniform(lower, upper) for _ in range(POINTS)]
    return np.array(free + centres, dtype=np.float32), len(centres)


def compare(root, model):
    """The greatest relative difference, how many centres were looked at, and notes."""
    session = onnxruntime.InferenceSession(str(model))
    (wanted,) = session.get_inputs()
    shape = [d if isinstance(d, int) and d > 0 else 1 for d in wanted.shape]
    inputs = int(np.prod(shape))
    rows, centres = points(root, model, inputs)
    with tempfile.TemporaryDirectory() as folder:
        found, notes = tool.reference(model, rows, folder)
    worst = 0.0
    for row, result in zip(rows, found, strict=True):
        expected = np.ravel(session.run(None, {wanted.name: row.reshape(shape)})[0])
        if expected.shape != result.shape:
            raise RuntimeError(f"{len(result)} outputs instead of {len(expected)}")
        worst = max(worst, np.abs(result - expected).max() / max(np.abs(expected).max(), 1e-6))
    return worst, centres, notes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("parts", nargs="*")
    arguments = parser.parse_args()
    rows = []
    for model in sorted(arguments.folder.rglob("*.onnx")):
        name = str(model.relative_to(arguments.folder))
        if arguments.parts and not any(p in name for p in arguments.parts):
            continue
        start = time.monotonic()
        row = dict(model=name)
        try:
            worst, centres, _ = compare(arguments.folder, model)
            row |= dict(worst=float(worst), centres=centres, passed=bool(worst <= TOLERANCE))
        except (tool.Refused, RuntimeError) as e:
            row |= dict(worst=None, centres=0, passed=False, reason=str(e))
        seconds = time.monotonic() - start
        rows.append(row)
        shown = "-" if row["worst"] is None else f"{row['worst']:.1e}"
        outcome = "ok" if row["passed"] else "FAILED " + row.get("reason", "")
        print(f"{name:60} {shown:>8} {row['centres']:3} centres {seconds:6.1f} s  {outcome}")
    failed = [r for r in rows if not r["passed"]]
    print(f"{len(rows) - len(failed)} of {len(rows)} models agree with onnxruntime")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
