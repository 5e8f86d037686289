"""Writes two small ONNX models beside this file, for tests of the importer.

    pip install scikit-learn onnx
    python export_onnx.py

iris.onnx: the network of train.py as Gemm and Relu, with a symbolic batch.
unsupported.onnx: operators that ceg4nc does not support (Conv, Sigmoid).
"""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

import train


def write(name, nodes, inputs, outputs, tensors):
    """Checks and saves a model with one input `x` and one output `y`."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in tensors.items()],
    )
    opset = helper.make_opsetid("", 13)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="ceg4nc")
    checker.check_model(model)
    save(model, train.HERE / f"{name}.onnx")


def iris():
    layers, *_ = train.iris()
    nodes, tensors, value = [], {}, "x"
    for k, (w, b) in enumerate(layers):
        last = k + 1 == len(layers)
        tensors |= {f"w{k}": w, f"b{k}": b}
        out = "y" if last else f"h{k}"
        nodes.append(
            helper.make_node("Gemm", [value, f"w{k}", f"b{k}"], [out], name=f"gemm{k}", transB=1)
        )
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"r{k}"], name=f"relu{k}"))
            value = f"r{k}"
    write("iris", nodes, ["batch", 4], ["batch", 3], tensors)


def unsupported():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv0"),
        helper.make_node("Sigmoid", ["c"], ["s"], name="squash"),
        helper.make_node("Flatten", ["s"], ["y"], name="flat"),
    ]
    write("unsupported", nodes, [1, 1, 3, 3], [1, 4], {"w": np.ones((1, 1, 2, 2))})


if __name__ == "__main__":
    iris()
    unsupported()
