"""What a training script of Python's leaves in a store: nested runs, datasets, a model, tables, all by mlflow's own verbs. Usage: fluent.py URI"""

import sys

import mlflow
import numpy
import pandas
from sklearn.linear_model import LinearRegression

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
mlflow.set_experiment("by hand é")
table = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"], "c": [1.5, 2.5, 3.5]})
data = mlflow.data.from_pandas(table, name="my table", source="data.csv")
with mlflow.start_run(run_name="parent", description="**what** it is", tags={"team": "growth"}):
    mlflow.log_params({"depth": 3, "rate": 1e-05, "none": None, "list": [1, 2], "flag": True})
    mlflow.log_input(data, context="training", tags={"split": "train"})
    mlflow.log_dict({"a": [1, 2]}, "dir/dict.json")
    mlflow.log_dict({"a": [1, 2]}, "dict.yaml")
    mlflow.log_text("text é", "notes/ä b.txt")
    mlflow.log_table(table, "table.json")
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"train/acc": step / 3, "nan": numpy.nan}, step=step)
        with mlflow.start_run(run_name=f"fold {step}", nested=True):
            mlflow.log_metric("score", numpy.float32(0.1) * step)
    model = LinearRegression().fit(table[["a"]], table["c"])
    mlflow.sklearn.log_model(model, "model", input_example=table[["a"]], registered_model_name="by hand")
try:
    with mlflow.start_run(run_name="fails"):
        mlflow.set_tag("a", "1")
        raise ValueError("on purpose")
except ValueError:
    pass
open_run = mlflow.start_run(run_name="left open")
mlflow.log_metric("loss", float("inf"))
mlflow.end_run("KILLED")
print("true")
