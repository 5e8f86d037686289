"""The ONNX project's own tests of operators, run through `ceg4nc`.

    python conformance.py [--json FILE] [PART ...]

Each test of the package `onnx` (backend tests of single operators, and those of graphs that torch
exported) has a model, inputs and expected outputs. `ceg4nc import` reads the model, `ceg4nc run`
evaluates the reference, and the result is compared under the test's own tolerances. Networks have one
input, and the first dimension is a batch of one; the tests are made to fit:

- *constants*: weights, and all inputs but one, become initializers with the test's data. Of a sum, a
  product or a concatenation each input is left open in turn: one case for each.
- *joined*: of these there is one more case in which all inputs are computed: the network takes all of
  their elements as one vector, and products with matrices of zeros and ones pick them out.
- *batch*: where an operator works on each element of its batch (convolution, pooling, ...), elements
  are taken one by one.
- *front*: where it does not know of a batch, inputs get a dimension of 1 in front, and attributes and
  inputs that name an axis are moved by one.
- *class*: softmax and argmax are cut off by the importer, and so the class is compared: it must be one
  of the greatest outputs.
- *folded*: operators that are read where all they work on is known (arithmetic on shapes) get the
  test's inputs as constants; the network adds their result to its input, which is zero.
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

# What the importer reads, and how its tests are made to fit.
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
    "Transpose": "front", "Unsqueeze": "front", "Max": "front", "Min": "front",
    "ReduceMax": "front", "ReduceSum": "front", "Cast": "cast", "Constant": "folded",
    "ConstantOfShape": "folded", "Equal": "folded", "Expand": "folded", "Gather": "folded",
    "Range": "folded", "ReduceProd": "folded", "Shape": "folded", "Size": "folded",
    "Slice": "folded", "Where": "folded",
}  # fmt: skip
REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax")
SEVERAL = ("Add", "Concat", "Div", "MatMul", "Max", "Min", "Mul", "Sub", "Sum")
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
    if node.op_type in ("Concat", "QuantizeLinear", "DequantizeLinear"):
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


def moved_constant(node, index, value, rank):
    """A constant input of a node whose input has a new dimension in front."""
    operator = node.op_type
    if index == 1 and operator in ("Squeeze", "Unsqueeze", *REDUCTIONS):
        if value.size == 0 and operator in REDUCTIONS:
            if any(a.name == "noop_with_empty_axes" and a.i for a in node.attribute):
                return value
            # No axis means all of them, and not the new one.
            return np.arange(1, rank + 1, dtype=np.int64)
        return np.where(value >= 0, value + 1, value)
    if index == 1 and operator == "Reshape":
        return np.concatenate([[1], value]).astype(value.dtype)
    if operator == "Concat":
        return value[None]
    return value


def attributes(test):
    """The integers among the attributes of a test of one operator."""
    return {a.name: a.i for a in test.model.graph.node[0].attribute}


def array(value):
    """Scalars of numpy and tensors of ONNX as arrays."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
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


def folded(model, values, expected):
    """A model that adds the result of one operator on constants to its input."""
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    for declared, value in zip(graph.input, values, strict=True):
        graph.initializer.append(numpy_helper.from_array(value, declared.name))
    shape = (1, *(expected.shape or (1,)))
    result = graph.output[0].name
    kind = onnx.TensorProto.FLOAT
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("conformance_x", kind, shape))
    graph.output.append(helper.make_tensor_value_info("conformance_y", kind, shape))
    graph.node.append(helper.make_node("Cast", [result], ["conformance_c"], to=kind))
    graph.node.append(
        helper.make_node("Add", ["conformance_x", "conformance_c"], ["conformance_y"])
    )
    out = onnx.ModelProto()
    out.CopyFrom(model)
    out.graph.CopyFrom(graph)
    return out


def joined(model, values, expected):
    """A model in which all inputs of one operator are picked out of one vector."""
    shape = (1, sum(v.size for v in values))
    moved = shifted(model, values[0].ndim)
    graph, kind, start = moved.graph, onnx.TensorProto.FLOAT, 0
    nodes = []
    for declared, value in zip(graph.input, values, strict=True):
        pick = np.eye(shape[1], dtype=np.float32)[:, start : start + value.size]
        start += value.size
        name = declared.name
        # One dimension in front of each, and ones where numpy would add them.
        dims = (1,) * (1 + expected.ndim - value.ndim) + value.shape
        graph.initializer.append(numpy_helper.from_array(pick, f"pick_{name}"))
        graph.initializer.append(numpy_helper.from_array(np.array(dims), f"dims_{name}"))
        nodes.append(helper.make_node("MatMul", ["joined_x", f"pick_{name}"], [f"row_{name}"]))
        nodes.append(helper.make_node("Reshape", [f"row_{name}", f"dims_{name}"], [name]))
    nodes += list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("joined_x", kind, shape))
    output = graph.output[0].name
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(output, kind, (1, *expected.shape)))
    return moved


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
    if OPERATORS[operator] in ("folded", "cast"):
        yield folded_case(test, operator, values, expected)
        if OPERATORS[operator] == "cast" and is_float(values[0]) and is_float(expected):
            yield from one_open(test, operator, values, expected, 0, declared[0], True)
        return
    check_values(values, expected, operator)
    training = attributes(test).get("training_mode", 0)
    if training or (operator == "Dropout" and len(values) == 3 and bool(values[2])):
        raise NotApplicable("training mode")
    several = operator in SEVERAL and len(declared) > 1
    for k, name in enumerate(declared):
        if k > 0 and not several:
            break
        yield from one_open(test, operator, values, expected, k, name, several)
    if several and all(v.dtype == np.float32 for v in values):
        model = joined(test.model, values, expected)
        inputs = [np.concatenate([np.ravel(v) for v in values])]
        title = f"{test.name} of computed inputs"
        yield Case(title, operator, model, inputs, [expected], "values", test.rtol, test.atol)


def folded_case(test, operator, values, expected):
    """The case of an operator that is read where its inputs are constants."""
    for value in [*values, expected]:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            raise NotApplicable("sequences, optional values and types that numpy does not have")
    if expected.size == 0:
        raise NotApplicable("tensors without an element")
    if not np.isfinite(expected.astype(np.float64)).all():
        raise NotApplicable("numbers that are not finite")
    model = folded(test.model, values, expected)
    zero = np.zeros(expected.size, dtype=np.float32)
    return Case(test.name, operator, model, [zero], [expected], "values", test.rtol, test.atol)


def one_open(test, operator, values, expected, k, name, named):
    """Cases with input `k` open."""
    title = f"{test.name} of input {k}" if named else test.name
    how, compare = OPERATORS[operator], "values"
    value = values[k]
    if how == "class":
        axis = attributes(test).get("axis", 0 if operator == "ArgMax" else -1)
        if value.ndim != 2 or axis not in (1, -1):
            raise NotApplicable("softmax and argmax of anything but a vector of outputs")
        compare = "class"
    if how in ("front", "cast"):
        model = with_front(test, values, expected, k, name)
        yield Case(title, operator, model, [value], [expected], compare, test.rtol, test.atol)
        return
    check_batch(test, operator, value)
    for row, model, inputs, results in by_batch(test, operator, values, expected, k, name):
        yield Case(title + row, operator, model, inputs, results, compare, test.rtol, test.atol)


def with_front(test, values, expected, k, name):
    """The model with input `k` open and a dimension of 1 in front of it."""
    node, rank = test.model.graph.node[0], values[k].ndim
    moved = [moved_constant(node, i, v, rank) for i, v in enumerate(values)]
    shape = (1, *values[k].shape)
    return with_constants(shifted(test.model, rank), moved, name, shape, (1, *expected.shape))


def check_batch(test, operator, value):
    """Refuses tests whose first dimension is no batch."""
    if value.ndim < 2:
        raise NotApplicable("no batch")
    if operator == "Gemm" and attributes(test).get("transA", 0):
        raise NotApplicable("the batch is the second dimension of a transposed matrix")
    if operator == "Flatten" and len(value) != 1:
        if attributes(test).get("axis", 1) not in (1, 1 - value.ndim):
            raise NotApplicable("flattens the batch with the rest")


def by_batch(test, operator, values, expected, k, name):
    """Models with input `k` open, each with a part of its title, inputs and results: the elements of
    the batch."""
    value, rows = values[k], len(values[k])
    whole = rows == 1 and expected.shape[:1] != (1,)
    if not whole and len(expected) != rows:
        raise NotApplicable("changes the batch")
    shape = (1, *value.shape[1:])
    out_shape = expected.shape if whole else (1, *expected.shape[1:])
    biased = operator == "Gemm" and len(values) > 2 and values[2].ndim == 2
    if biased and len(values[2]) == rows:
        # The elements of the batch have biases of their own.
        for i in range(rows):
            own = [*values[:2], values[2][i : i + 1]]
            model = with_constants(test.model, own, name, shape, out_shape)
            yield f", row {i}", model, [value[i]], [expected[i]]
        return
    model = with_constants(test.model, values, name, shape, out_shape)
    yield "", model, list(value), [expected] if whole else list(expected)


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
            good = result[wanted] == result.max()
        else:
            good = result.shape == expected.shape and np.allclose(
                result, expected, rtol=case.rtol, atol=case.atol
            )
        if not good:
            return "failed", f"{result[:8]} instead of {expected[:8]}"
    return "passed", ""


def untested():
    """Operators that the tool says it reads and that are not in the list here."""
    names = tool.call("supports", "--onnx-operators")[0].split()
    return sorted(set(names) - set(OPERATORS))


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
    for name in untested():
        failed.append(dict(case=name, reason="there is no line for the operator in OPERATORS"))
    for row in failed:
        print(f"FAILED {row['case']}: {row['reason']}")
    if arguments.json:
        result = dict(onnx=onnx.__version__, cases=rows)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
