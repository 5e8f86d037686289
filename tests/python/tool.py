"""Runs `ceg4nc` on models: what both comparisons share."""

import json
import subprocess
from pathlib import Path

import numpy as np


class Refused(Exception):
    """The tool wrote diagnostics instead of a result; `code` is that of the first."""

    def __init__(self, text):
        super().__init__(text)
        self.code = text.partition("[")[2].partition("]")[0]
        self.message = text.partition(": ")[2].partition("\n")[0]


def call(*arguments):
    """Standard output and standard error of a command; `Refused` where it says no."""
    done = subprocess.run(["ceg4nc", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        errors = done.stderr[done.stderr.find("error[") :]
        if done.returncode not in (2, 3) or not errors.startswith("error["):
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr}{done.stdout}")
        raise Refused(errors)
    return done.stdout, done.stderr


def number(text):
    """The float64 nearest to a number of the tool, exact or an enclosure."""
    if isinstance(text, list):
        lower, upper = map(number, text)
        return lower + (upper - lower) / 2
    if "/" in text:
        numerator, denominator = text.split("/")
        return int(numerator) / int(denominator)
    return float(text)


def reference(model, points, folder):
    """Outputs of the reference on points (one per row), after a trip through `.nnir`, and the notes
    of the importer."""
    folder = Path(folder)
    net, inputs = folder / "net.nnir", folder / "inputs.json"
    _, notes = call("import", model, "-o", net)
    # A JSON number stands for the float64 nearest to its text.
    rows = [[float(v) for v in np.ravel(p)] for p in points]
    inputs.write_text(json.dumps(rows))
    results = json.loads(call("run", net, "--input", inputs, "--format", "json")[0])
    outputs = [[number(v) for v in r["reference"]["outputs"]] for r in results]
    return np.array(outputs, dtype=np.float64), notes
