"""Logs scikit-learn models as ONNX, registers them, and prints what they predict. Usage: log_models.py URI"""

import json
import sys

import mlflow
import numpy
import pandas
from mlflow.models import infer_signature
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

uri = sys.argv[1]
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
mlflow.set_experiment("from python")
x, y = load_iris(return_X_y=True)
x = x.astype(numpy.float32)
target = x[:, 3:]
made = {
    "linear": (LinearRegression().fit(x[:, :3], target), x[:, :3]),
    "forest": (RandomForestRegressor(10, random_state=0).fit(x[:, :3], target.ravel()), x[:, :3]),
    "logistic": (make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y), x),
}
said = {}
for name, (model, given) in made.items():
    options = {"zipmap": False} if name == "logistic" else None
    onnx = convert_sklearn(model, initial_types=[("X", FloatTensorType([None, given.shape[1]]))], options=options)
    with mlflow.start_run(run_name=name) as run:
        params = {"threshold": 0.5} if name == "logistic" else None
        signature = infer_signature(given, numpy.asarray(model.predict(given), dtype=numpy.float32), params)
        info = mlflow.onnx.log_model(
            onnx, "model", signature=signature, input_example=given[:3], registered_model_name=name
        )
    predicted = mlflow.pyfunc.load_model(info.model_uri).predict(given)
    said[name] = {
        "uri": info.model_uri,
        "given": given.tolist(),
        "predicted": {key: numpy.asarray(one).tolist() for key, one in predicted.items()},
        "model": numpy.asarray(model.predict(given)).ravel().tolist(),
        "signature": {key: one and json.loads(one) for key, one in signature.to_dict().items()},
    }
print(json.dumps(said))
