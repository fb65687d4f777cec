"""Loads models that Node logged, in Python's ways, and predicts. Usage: load_models.py URI MODELS

MODELS: a list of {uri, table?: rows, tensor?: [name, values]}.
"""

import json
import sys

import mlflow
import numpy
import pandas

uri, file = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)


def plain(found):
    if isinstance(found, pandas.DataFrame):
        return {name: plain(list(found[name])) for name in found.columns}
    if isinstance(found, dict):
        return {name: plain(one) for name, one in found.items()}
    if isinstance(found, (list, numpy.ndarray)):
        return numpy.asarray(found).tolist()
    return found


def look(one):
    model = mlflow.pyfunc.load_model(one["uri"])
    if one.get("table"):
        given = pandas.DataFrame(one["table"])
    else:
        given = {one["tensor"][0]: numpy.array(one["tensor"][1], dtype=numpy.float32)}
    path = mlflow.artifacts.download_artifacts(one["uri"])
    about = mlflow.models.Model.load(path)
    example = about.load_input_example(path)
    signature = about.signature
    return {
        "predicted": plain(model.predict(given)),
        "onnx": [output.name for output in mlflow.onnx.load_model(one["uri"]).graph.output],
        "signature": signature and {k: v and json.loads(v) for k, v in signature.to_dict().items()},
        "example": plain(example),
        "metadata": about.metadata,
        "run": about.run_id,
    }


print(json.dumps([look(one) for one in json.load(open(file, encoding="utf-8"))]))
