"""Writes small ONNX models beside this file, for tests of the importer.

    pip install scikit-learn onnx
    python export_onnx.py

iris.onnx: the network of train.py as Gemm and Relu, with a symbolic batch.
images.onnx: a small convolutional classifier as an exporter of images with the channels last
writes it, with batch normalization, a residual sum and a softmax at the end.
quantized.onnx: a layer with integer weights between quantizations of its operands.
unsupported.onnx: operators that ceg4nc does not support (LayerNormalization, Elu).
broken.onnx: a graph and element types that ceg4nc refuses; in tests/import/inputs.
"""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

import train


def write(name, nodes, inputs, outputs, tensors, opset=13, broken=False):
    """Saves a model with one input `x` and one output `y`, after a check unless it is broken."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(tensor(v), k) for k, v in tensors.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="ceg4nc")
    if broken:
        save(model, train.HERE.parent / "import" / "inputs" / f"{name}.onnx")
        return
    checker.check_model(model)
    save(model, train.HERE / f"{name}.onnx")


def tensor(value):
    """Integers and complex numbers keep their type; the rest becomes float32."""
    value = np.asarray(value)
    return value if value.dtype.kind in "iuc" else value.astype(np.float32)


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


def images():
    rng = np.random.default_rng(1)

    def floats(*shape):
        return (rng.integers(-8, 9, shape) / 8).astype(np.float32)

    tensors = {
        "w0": floats(4, 1, 3, 3),
        "gamma": floats(4) + 2,
        "beta": floats(4),
        "mean": floats(4),
        "var": floats(4) + 2,
        "w1": floats(4, 1, 3, 3),
        "b1": floats(4),
        "w2": floats(3, 4),
        "b2": floats(3),
    }
    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["t"], name="channels", perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w0"], ["c0"], name="conv0", strides=[2, 2], auto_pad="SAME_UPPER"),
        node("BatchNormalization", ["c0", "gamma", "beta", "mean", "var"], ["n0"], name="norm0"),
        node("Relu", ["n0"], ["r0"], name="relu0"),
        node("Conv", ["r0", "w1", "b1"], ["c1"], name="conv1", group=4, pads=[1, 1, 1, 1]),
        node("Add", ["c1", "r0"], ["s1"], name="sum1"),
        node("LeakyRelu", ["s1"], ["r1"], name="leaky1", alpha=0.125),
        node("GlobalAveragePool", ["r1"], ["g"], name="mean"),
        node("Flatten", ["g"], ["f"], name="flat"),
        node("Gemm", ["f", "w2", "b2"], ["h"], name="gemm2", transB=1),
        node("Softmax", ["h"], ["y"], name="softmax"),
    ]
    write("images", nodes, ["batch", 6, 6, 1], ["batch", 3], tensors)


def quantized():
    tensors = {
        "xs": np.float32(0.0625),
        "xz": np.uint8(8),
        "w": np.array([[3, -2], [-128, 127], [5, 7]], np.int8),
        "ws": np.array([0.03125, 0.25, 0.1], np.float32),
        "wz": np.zeros(3, np.int8),
        "ys": np.float32(0.125),
        "yz": np.uint8(100),
    }
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["xq"], name="quantize_x"),
        node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"], name="dequantize_x"),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], name="dequantize_w", axis=0),
        node("Gemm", ["xd", "wd"], ["h"], name="gemm", transB=1),
        node("QuantizeLinear", ["h", "ys", "yz"], ["hq"], name="quantize_y"),
        node("DequantizeLinear", ["hq", "ys", "yz"], ["y"], name="dequantize_y"),
    ]
    write("quantized", nodes, ["batch", 2], ["batch", 3], tensors)


def unsupported():
    nodes = [
        helper.make_node("LayerNormalization", ["x", "w"], ["c"], name="norm0"),
        helper.make_node("Elu", ["c"], ["s"], name="squash"),
        helper.make_node("Flatten", ["s"], ["y"], name="flat"),
    ]
    write("unsupported", nodes, [1, 1, 2, 2], [1, 4], {"w": np.ones(2)}, opset=17)


def broken():
    node = helper.make_node
    nodes = [
        node("Gemm", ["x", "w"], ["h"], name="no_such_operand", transB=1),
        node("Gemm", ["x", "v"], ["c"], name="complex_weights"),
        node("Add", ["h", "c"], ["y"], name="last"),
    ]
    write("broken", nodes, ["batch", 2], ["batch", 2], {"v": np.ones((2, 2), np.complex64)}, broken=True)


if __name__ == "__main__":
    iris()
    images()
    quantized()
    unsupported()
    broken()
