"""Trains the example networks that ship with ceg4nc and writes them beside this file.

    pip install scikit-learn
    python train.py

Data: iris and 8x8 digits, both part of scikit-learn. Outputs: iris.nnir,
iris.regions.json, iris.csv, digits.nnir. Seeds are fixed and weights are rounded to
DECIMALS places before anything is measured, so that two versions of the
numerical libraries give the same files as long as training agrees to that
precision. tiny.nnir is written by hand.

Regions are boxes around test samples that the network classifies correctly;
interval arithmetic shows here, with room to spare, that the network keeps its
class on the whole box.
"""

import json
import textwrap
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).resolve().parent
DECIMALS = 4
COLUMNS = 100


def number(value):
    """The shortest decimal that reads back as the same float32."""
    text = np.format_float_positional(np.float32(value), unique=True, trim="-")
    return "0" if text == "-0" else text


def train(x, y, hidden, alpha, epochs, seed):
    """A ReLU network as float32 layers (weight [outputs, inputs], bias [outputs])."""
    model = MLPClassifier(
        hidden, alpha=alpha, learning_rate_init=0.01, batch_size=16, max_iter=epochs,
        tol=0, n_iter_no_change=epochs + 1, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        # A fixed number of epochs, on purpose.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return [
        (np.round(w.T, DECIMALS).astype(np.float32), np.round(b, DECIMALS).astype(np.float32))
        for w, b in zip(model.coefs_, model.intercepts_)
    ]


def forward(layers, x):
    """Outputs before the softmax, for each row of x."""
    for k, (w, b) in enumerate(layers):
        x = x @ w.T.astype(np.float64) + b
        if k + 1 < len(layers):
            x = np.maximum(x, 0)
    return x


def margin(layers, lower, upper, winner):
    """A lower bound on the winner's lead over every other class on a box, by intervals."""
    for w, b in layers[:-1]:
        pos, neg = np.maximum(w, 0).astype(np.float64), np.minimum(w, 0).astype(np.float64)
        lower, upper = pos @ lower + neg @ upper + b, pos @ upper + neg @ lower + b
        lower, upper = np.maximum(lower, 0), np.maximum(upper, 0)
    w, b = (a.astype(np.float64) for a in layers[-1])
    leads = []
    for other in range(len(b)):
        if other != winner:
            d = w[winner] - w[other]
            leads.append(np.maximum(d, 0) @ lower + np.minimum(d, 0) @ upper + b[winner] - b[other])
    return min(leads)


def box(x, places, radius):
    """Exact decimal bounds of the box around a sample, cut to [0, 1]."""
    unit = Decimal(1).scaleb(-places)
    center = [Decimal(float(v)).quantize(unit) for v in x]
    lower = [max(c - radius, Decimal(0)).normalize() for c in center]
    upper = [min(c + radius, Decimal(1)).normalize() for c in center]
    center = [c.normalize() for c in center]
    return [[format(v, "f") for v in side] for side in (lower, upper, center)]


def regions(layers, x, y, names, places, radius, lead):
    """For each class in `names` the box, among those led by `lead`, where the lead is least."""
    found = []
    for winner, name in names:
        boxes = [box(row, places, radius) for row in x[y == winner]]
        led = []
        for lower, upper, center in boxes:
            bounds = (np.array([float(v) for v in side]) for side in (lower, upper))
            led.append((margin(layers, *bounds, winner), lower, upper, center))
        led = [entry for entry in led if entry[0] > lead]
        if not led:
            raise SystemExit(f"no sample of class {name} leads by {lead}")
        least, *sides = min(led)
        print(f"  {name}: leads by at least {least:.2f}")
        found.append((name, *sides))
    return found


def flat(part):
    """A part of a statement on one line: text as it is, a (nested) list in brackets."""
    return part if isinstance(part, str) else "[" + ", ".join(flat(p) for p in part) + "]"


def broken(items, indent):
    """A list over several lines: nested lists on lines of their own, numbers filling lines."""
    pad = " " * (indent + 2)
    if isinstance(items[0], str):
        lines = textwrap.wrap(", ".join(items), COLUMNS - len(pad), break_on_hyphens=False)
        body = "\n".join(pad + line for line in lines)
    else:
        fits = [len(pad + flat(row)) < COLUMNS for row in items]
        rows = (flat(r) if ok else broken(r, indent + 2) for r, ok in zip(items, fits))
        body = ",\n".join(pad + row for row in rows)
    return "[\n" + body + "\n" + " " * indent + "]"


def statement(indent, *parts):
    """A statement as ceg4nc prints it: on one line, or with its lists broken into lines."""
    line = " " * indent + "".join(flat(part) for part in parts)
    if len(line) <= COLUMNS:
        return line
    return " " * indent + "".join(p if isinstance(p, str) else broken(p, indent) for p in parts)


def nnir(name, comment, layers, boxes):
    """The text of a `.nnir` file with a top-1 requirement on every region."""
    inputs = layers[0][0].shape[1]
    out = ["nnir 1;", ""] + [f"// {line}" for line in comment]
    out += [f"network @{name} {{", f"  %x = input : tensor<{inputs}>;"]
    value = "%x"
    for k, (w, b) in enumerate(layers):
        m, n = w.shape
        weights = [[number(v) for v in row] for row in w]
        out.append(statement(2, f"%w{k} = const ", weights, f" : tensor<{m}x{n}>;"))
        out.append(statement(2, f"%b{k} = const ", [number(v) for v in b], f" : tensor<{m}>;"))
        out.append(f"  %h{k} = dense {value}, %w{k}, %b{k} : tensor<{m}>;")
        value = f"%h{k}"
        if k + 1 < len(layers):
            out.append(f"  %r{k} = relu {value} : tensor<{m}>;")
            value = f"%r{k}"
    out += [f"  output {value};", "}", ""]
    for region, lower, upper, _ in boxes:
        out.append(statement(0, f'region "{region}" = box(', lower, ", ", upper, ");"))
    ids = ", ".join(f'"{region}"' for region, *_ in boxes)
    out += ["", f"require top1 domain real on {ids};", ""]
    return "\n".join(out)


def accuracy(layers, x, y):
    return float(np.mean(forward(layers, x).argmax(1) == y))


def table(names, x, y):
    """The text of a csv file: inputs in four decimals, and the class in the last column."""
    rows = [",".join([f"{v:.4f}" for v in row] + [str(k)]) for row, k in zip(x, y)]
    return "\n".join([",".join([*names, "class"]), *rows]) + "\n"


def iris():
    """4-5-5-3 on inputs scaled to [0, 1]. iris.csv has the 100 training and the 50 test rows."""
    data = load_iris()
    x = (data.data - data.data.min(0)) / (data.data.max(0) - data.data.min(0))
    train_x, test_x, train_y, test_y = train_test_split(
        x, data.target, test_size=50, random_state=0, stratify=data.target
    )
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    rows = np.concatenate([train_x, test_x]), np.concatenate([train_y, test_y])
    (HERE / "iris.csv").write_text(table(names, *rows))
    layers = train(train_x, train_y, (5, 5), alpha=0.03, epochs=200, seed=24)
    names = list(enumerate(data.target_names))
    boxes = regions(layers, test_x, test_y, names, 3, Decimal("0.02"), 0.5)
    comment = [
        "Fisher's iris: sepal length and width, petal length and width, each scaled to [0, 1].",
        "Classes: setosa, versicolor, virginica. Written by train.py.",
    ]
    return layers, boxes, comment, accuracy(layers, test_x, test_y)


def digits():
    """64-12-10 on 8x8 images, pixels divided by 16."""
    data = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        data.data / 16, data.target, test_size=500, random_state=0, stratify=data.target
    )
    layers = train(train_x, train_y, (12,), alpha=0.1, epochs=60, seed=7)
    names = [(k, f"digit-{k}") for k in (0, 1, 4, 6, 7)]
    boxes = regions(layers, test_x, test_y, names, 4, Decimal("0.01"), 2.0)
    comment = ["8x8 images of digits, row-major, pixels in [0, 1]. Written by train.py."]
    return layers, boxes, comment, accuracy(layers, test_x, test_y)


def main():
    for name, build in (("iris", iris), ("digits", digits)):
        layers, boxes, comment, share = build()
        (HERE / f"{name}.nnir").write_text(nnir(name, comment, layers, boxes))
        shape = "-".join(str(s) for s in [layers[0][0].shape[1]] + [len(b) for _, b in layers])
        print(f"{name}: {shape}, test accuracy {share:.3f}, {len(boxes)} regions")
        if name == "iris":
            listed = [
                {
                    "id": region,
                    "ball_size": 0.02,
                    "lower_bounds": [float(v) for v in lower],
                    "upper_bounds": [float(v) for v in upper],
                    "x": [float(v) for v in center],
                }
                for region, lower, upper, center in boxes
            ]
            text = "[\n" + ",\n".join("  " + json.dumps(entry) for entry in listed) + "\n]\n"
            (HERE / "iris.regions.json").write_text(text)


if __name__ == "__main__":
    main()
