"""The ONNX project's own tests of operators, run through `ceg4nc`.

    python conformance.py [--json FILE] [PART ...]

Each test of the package `onnx` (backend tests of single operators, and those of graphs that torch
exported) has a model, inputs and expected outputs. `ceg4nc import` reads the model, `ceg4nc run`
evaluates the reference, and the result is compared under the test's own tolerances. Networks have one
input, and the first dimension is a batch of one; the tests are made to fit:

- *constants*: weights, and all inputs but one, become initializers with the test's data. Of a sum, a
  product or a concatenation each input is left open in turn: one case for each.
- *batch*: where an operator works on each element of its batch (convolution, pooling, ...), elements
  are taken one by one.
- *front*: where it does not know of a batch, inputs get a dimension of 1 in front, and attributes and
  inputs that name an axis are moved by one.
- *class*: softmax and argmax are cut off by the importer, and so the class is compared.
- Only the first output is looked at.

A case is passed, failed, or not applicable with a reason: one that follows from the case alone, or the
tool's diagnostic, when it refuses. With a PART only tests whose names contain one of them are run. The
exit code is 1 if a case failed.
"""

import argparse
import collections
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

import tool

# What the importer reads, and how its tests are made to fit: `front`, `batch` or `class`.
OPERATORS = {
    "Abs": "front", "Add": "front", "ArgMax": "class", "AveragePool": "batch",
    "BatchNormalization": "batch", "Clip": "front", "Concat": "front", "Conv": "batch",
    "DequantizeLinear": "front", "Div": "front", "Dropout": "front", "Flatten": "batch",
    "Gemm": "batch", "GlobalAveragePool": "batch", "GlobalMaxPool": "batch", "HardSigmoid": "front",
    "HardSwish": "front", "Identity": "front", "LeakyRelu": "front", "LogSoftmax": "class",
    "MatMul": "front", "MaxPool": "batch", "Mul": "front", "Neg": "front", "PRelu": "front",
    "Pad": "pad", "QLinearConv": "batch", "QLinearMatMul": "front", "QuantizeLinear": "front",
    "ReduceMean": "front", "Relu": "front", "Reshape": "front", "Sigmoid": "front", "Sign": "front",
    "Softmax": "class", "Squeeze": "front", "Sub": "front", "Sum": "front", "Tanh": "front",
    "Transpose": "front", "Unsqueeze": "front",
}  # fmt: skip
# Diagnostics by which the tool says that a model is beyond it: operators, and what they are asked.
BEYOND = {"E0302", "E0303", "E0304"}


class NotApplicable(Exception):
    """Why a case cannot be asked."""


Case = collections.namedtuple("Case", "name operator model inputs expected compare rtol atol")


def shifted(model, rank):
    """A copy of a one-node model with a dimension of 1 in front of its input."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    (node,) = copy.graph.node
    move = lambda axis: axis + 1 if axis >= 0 else axis
    own = {a.name: a for a in node.attribute}
    if node.op_type in ("Concat", "QuantizeLinear", "DequantizeLinear", "ReduceMean"):
        if "axis" in own:
            own["axis"].i = move(own["axis"].i)
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.attribute.append(helper.make_attribute("axis", 2))
    if node.op_type == "Transpose":
        perm = list(own["perm"].ints) if "perm" in own else list(range(rank))[::-1]
        if "perm" in own:
            node.attribute.remove(own["perm"])
        node.attribute.append(helper.make_attribute("perm", [0, *(p + 1 for p in perm)]))
    if "axes" in own:
        axes = [move(a) for a in own["axes"].ints]
        node.attribute.remove(own["axes"])
        node.attribute.append(helper.make_attribute("axes", axes))
    return copy


def moved_constant(operator, index, value, rank):
    """A constant input of an operator whose input has a new dimension in front."""
    if index == 1 and operator in ("Squeeze", "Unsqueeze", "ReduceMean"):
        if value.size == 0 and operator == "ReduceMean":
            return np.arange(1, rank + 1, dtype=np.int64)
        return np.where(value >= 0, value + 1, value)
    if index == 1 and operator == "Reshape":
        return np.concatenate([[1], value]).astype(value.dtype)
    if operator == "Concat":
        return value[None]
    return value


def array(value):
    """Scalars of numpy are arrays."""
    return np.asarray(value) if isinstance(value, np.generic) else value


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float32, np.float64)


def with_constants(model, values, open_input, shape, operator_output_shape):
    """The model with one input of a shape, the others as initializers, and one output."""
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    known = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in known]
    del graph.input[:]
    for declared, value in zip(inputs, values, strict=True):
        if declared.name == open_input:
            kind = declared.type.tensor_type.elem_type
            graph.input.append(helper.make_tensor_value_info(declared.name, kind, shape))
        else:
            graph.initializer.append(numpy_helper.from_array(value, declared.name))
    first = graph.output[0]
    kind = first.type.tensor_type.elem_type
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(first.name, kind, operator_output_shape))
    for node in graph.node:
        if first.name in node.output and len(node.output) > 1:
            place = list(node.output).index(first.name)
            del node.output[place + 1 :]
    out = onnx.ModelProto()
    out.CopyFrom(model)
    out.graph.CopyFrom(graph)
    return out


def check_values(values, expected, operator):
    """Refuses what no network with one real input is."""
    for value in [*values, expected]:
        if value is None:
            continue
        if not isinstance(value, np.ndarray):
            raise NotApplicable("sequences, optional values and types that numpy does not have")
    if any(v is not None and v.size == 0 for v in [values[0], expected]):
        raise NotApplicable("tensors without an element")
    quantizes = operator in ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul")
    if not is_float(values[0]) and not quantizes:
        raise NotApplicable(f"a network of {values[0].dtype}")


def cases_of_node(test):
    """The cases of a test of one operator."""
    (node,) = test.model.graph.node
    operator = node.op_type
    values, (expected, *_) = [[array(v) for v in data] for data in test.data_sets[0]]
    declared = [i.name for i in test.model.graph.input]
    check_values(values, expected, operator)
    training = {a.name: a.i for a in node.attribute}.get("training_mode", 0)
    if training or (operator == "Dropout" and len(values) == 3 and bool(values[2])):
        raise NotApplicable("training mode")
    several = operator in ("Add", "Sub", "Mul", "Sum", "Concat", "MatMul", "Div")
    for k, name in enumerate(declared):
        if k > 0 and not several:
            break
        yield from one_open(test, operator, values, expected, k, name, len(declared) > 1 and several)


def one_open(test, operator, values, expected, k, name, named):
    """Cases with input `k` open."""
    how = OPERATORS[operator]
    title = f"{test.name} of input {k}" if named else test.name
    settings = dict(operator=operator, rtol=test.rtol, atol=test.atol)
    value = values[k]
    if how == "class":
        axis = {a.name: a.i for a in test.model.graph.node[0].attribute}.get("axis", 0 if operator == "ArgMax" else -1)
        if value.ndim != 2 or axis not in (1, -1):
            raise NotApplicable("softmax and argmax of anything but a vector of outputs")
        how, compare = "batch", "class"
    elif how == "pad":
        how, compare = ("batch" if value.shape[0] == 1 else "front"), "values"
    else:
        compare = "values"
    if how == "front":
        model = shifted(test.model, value.ndim)
        moved = [moved_constant(operator, i, v, value.ndim) for i, v in enumerate(values)]
        shape = (1, *value.shape)
        model = with_constants(model, moved, name, shape, (1, *expected.shape))
        yield Case(title, model=model, inputs=[value], expected=[expected], compare=compare, **settings)
        return
    if value.ndim < 2:
        raise NotApplicable("no batch")
    if operator == "Gemm":
        gemm_fits(test, values)
    if operator in ("Flatten",):
        axis = {a.name: a.i for a in test.model.graph.node[0].attribute}.get("axis", 1)
        if axis not in (1, 1 - value.ndim) and value.shape[0] != 1:
            raise NotApplicable("flattens the batch with the rest")
    rows = len(value)
    whole = rows == 1 and expected.shape[:1] != (1,)
    if not whole and len(expected) != rows:
        raise NotApplicable("changes the batch")
    shape, out_shape = (1, *value.shape[1:]), expected.shape if whole else (1, *expected.shape[1:])
    if operator == "Gemm" and len(values) > 2 and values[2].shape[:1] == (rows,) and values[2].ndim == 2:
        # The elements of the batch have biases of their own.
        for i in range(rows):
            model = with_constants(test.model, [*values[:2], values[2][i : i + 1]], name, shape, out_shape)
            row = f"{title}, row {i}"
            yield Case(row, model=model, inputs=[value[i]], expected=[expected[i]], compare=compare, **settings)
        return
    model = with_constants(test.model, values, name, shape, out_shape)
    results = [expected] if whole else list(expected)
    yield Case(title, model=model, inputs=list(value), expected=results, compare=compare, **settings)


def gemm_fits(test, values):
    """Rows of the first matrix are a batch unless it is transposed."""
    own = {a.name: a for a in test.model.graph.node[0].attribute}
    if "transA" in own and own["transA"].i:
        raise NotApplicable("the batch is the second dimension of a transposed matrix")


def cases_of_graph(name, model, values, outputs, rtol, atol):
    """The cases of a graph: its batch, element by element."""
    operators = sorted({n.op_type for n in model.graph.node})
    known = {i.name for i in model.graph.initializer}
    declared = [i for i in model.graph.input if i.name not in known]
    title = f"{name} ({', '.join(operators)})"
    settings = dict(operator="graphs of torch", rtol=rtol, atol=atol, compare="values")
    if len(declared) != 1:
        raise NotApplicable(f"{len(declared)} inputs")
    check_values(values, outputs[0], "")
    if set(operators) & {"Softmax", "LogSoftmax"}:
        if outputs[0].ndim != 2:
            raise NotApplicable("softmax and argmax of anything but a vector of outputs")
        settings["compare"] = "class"
    value, expected = values[0], outputs[0]
    if value.ndim < 2 or expected.ndim < 1 or len(value) != len(expected):
        raise NotApplicable("no batch, or one that changes")
    shape, out_shape = (1, *value.shape[1:]), (1, *expected.shape[1:])
    fixed = with_constants(model, values, declared[0].name, shape, out_shape)
    yield Case(title, model=fixed, inputs=list(value), expected=list(expected), **settings)


def tests(parts):
    """Every test as a name, an operator, and a function that gives its cases."""
    from onnx.backend.test.case.node import collect_testcases
    from onnx.backend.test.loader import load_model_tests

    wanted = lambda name: not parts or any(p in name for p in parts)
    for test in collect_testcases(None):
        operators = [n.op_type for n in test.model.graph.node]
        if len(operators) == 1 and operators[0] in OPERATORS and wanted(test.name):
            yield test.name, operators[0], lambda test=test: cases_of_node(test)
    for kind in ("pytorch-operator", "pytorch-converted"):
        for test in load_model_tests(kind=kind):
            if wanted(test.name):
                yield test.name, "graphs of torch", lambda test=test: cases_of_folder(test)


def cases_of_folder(test):
    folder = Path(test.model_dir)
    model = onnx.load(folder / "model.onnx")

    def read(kind, count):
        out = []
        for i in range(count):
            tensor = onnx.TensorProto()
            tensor.ParseFromString((folder / f"test_data_set_0/{kind}_{i}.pb").read_bytes())
            out.append(numpy_helper.to_array(tensor))
        return out

    known = {i.name for i in model.graph.initializer}
    count = len([i for i in model.graph.input if i.name not in known])
    values, outputs = read("input", count), read("output", 1)
    return cases_of_graph(test.name, model, values, outputs, test.rtol, test.atol)


def run(case, folder):
    """The outcome of a case and why."""
    path = Path(folder) / "model.onnx"
    onnx.save(case.model, path)
    try:
        found, _ = tool.reference(path, case.inputs, folder)
    except tool.Refused as e:
        return ("not applicable", e.message) if e.code in BEYOND else ("failed", str(e))
    except RuntimeError as e:
        return "failed", str(e)
    for result, expected in zip(found, case.expected, strict=True):
        expected = np.ravel(expected).astype(np.float64)
        if case.compare == "class":
            # An argmax is a class, a softmax has one.
            wanted = int(expected[0]) if case.operator == "ArgMax" else int(np.argmax(expected))
            good = int(np.argmax(result)) == wanted
        else:
            good = result.shape == expected.shape and np.allclose(
                result, expected, rtol=case.rtol, atol=case.atol
            )
        if not good:
            return "failed", f"{result[:8]} instead of {expected[:8]}"
    return "passed", ""


def table(rows):
    """Counts per operator, and the reasons of what is not applicable."""
    counts = collections.defaultdict(collections.Counter)
    reasons = collections.defaultdict(collections.Counter)
    for row in rows:
        counts[row["operator"]][row["outcome"]] += 1
        if row["outcome"] == "not applicable":
            reasons[row["operator"]][row["reason"]] += 1
    kinds = ["passed", "not applicable", "failed"]
    lines = [f"{'operator':20} {'passed':>7} {'n/a':>5} {'failed':>7}"]
    for operator in [*sorted(counts), None]:
        own = counts[operator] if operator else sum(counts.values(), collections.Counter())
        a, b, c = (own[k] for k in kinds)
        lines.append(f"{operator or 'all':20} {a:7} {b:5} {c:7}")
        for reason, n in reasons[operator].most_common() if operator else []:
            lines.append(f"    {n} x {reason}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("parts", nargs="*")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, operator, cases in tests(arguments.parts):
            row = dict(test=name, operator=operator)
            try:
                for case in cases():
                    outcome, reason = run(case, folder)
                    rows.append(row | dict(case=case.name, outcome=outcome, reason=reason))
            except NotApplicable as e:
                rows.append(row | dict(case=name, outcome="not applicable", reason=str(e)))
    print(f"onnx {onnx.__version__}")
    print(table(rows))
    failed = [r for r in rows if r["outcome"] == "failed"]
    for row in failed:
        print(f"FAILED {row['case']}: {row['reason']}")
    if arguments.json:
        result = dict(onnx=onnx.__version__, cases=rows)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
