"""Models of scikit-learn, exported by skl2onnx, through `ceg4nc`: the class of every classifier and the
value of every regressor on rows of iris.

    python classical.py
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

import tool


def classifier(*before, **options):
    return make_pipeline(*before, MLPClassifier((5,), max_iter=50, random_state=0, **options))


def regressor(*before):
    return make_pipeline(
        *before, MLPRegressor(hidden_layer_sizes=(5,), max_iter=50, random_state=0)
    )


def main():
    warnings.simplefilter("ignore")
    x, species = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    one, two = 2 * x[:, 0] - x[:, 1], x[:, :2] * 2
    models = {
        "mlp": (classifier(), species, {"zipmap": False}),
        "mlp with a map of probabilities": (classifier(), species, {}),
        "mlp of two classes": (classifier(), species == 1, {"zipmap": False}),
        "mlp with tanh": (classifier(activation="tanh"), species, {"zipmap": False}),
        "mlp with sigmoid": (classifier(activation="logistic"), species, {"zipmap": False}),
        "mlp without activation": (classifier(activation="identity"), species, {"zipmap": False}),
        "linear classifier": (SGDClassifier(random_state=0), species, {"zipmap": False}),
        "mlp regressor": (regressor(), one, {}),
        "mlp regressor of two values": (regressor(), two, {}),
        "scaled mlp regressor": (regressor(StandardScaler()), one, {}),
        "linear regressor": (LinearRegression(), one, {}),
    }
    for scaler in StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler():
        models[type(scaler).__name__] = (classifier(scaler), species, {"zipmap": False})
    failed = 0
    for name, (model, target, options) in models.items():
        model.fit(x, target)
        rows = x[::10]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            settings = {id(model): options} if options else None
            path.write_bytes(to_onnx(model, x[:1], options=settings).SerializeToString())
            try:
                found, _ = tool.reference(path, rows, folder)
            except (tool.Refused, RuntimeError) as e:
                failed += 1
                print(f"FAILED {name}: {e}")
                continue
        wanted = model.predict(rows)
        if target.dtype.kind == "f":
            good = np.allclose(found.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4)
        else:
            good = found.shape[1] > 1 and (found.argmax(axis=1) == wanted).all()
        failed += not good
        print(f"{'ok' if good else 'FAILED'} {name}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
