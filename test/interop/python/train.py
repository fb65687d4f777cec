"""A day's work through Python's fluent API against a server, and prints what it saw as JSON."""
import json
import os
import sys

import mlflow
import pandas as pd
from mlflow import MlflowClient

uri, name = sys.argv[1:3]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment(name)
client = MlflowClient(uri)


class Ones(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [1] * len(model_input)


with mlflow.start_run(run_name="first") as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_metrics({"loss": 0.5, "odd": float("nan")}, step=1)
    mlflow.log_metric("loss", 0.4, step=2)
    mlflow.log_text("hello", "notes/a b.txt")
    mlflow.log_table({"x": [1, 2], "y": ["a", "b"]}, "t.json")
    with open("large.bin", "wb") as file:
        file.write(os.urandom(5_000_000))
    mlflow.log_artifact("large.bin")
    mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"a": [1, 2]}), name="train"), context="training")
    where = {"name": "model"} if mlflow.__version__.startswith("3") else {"artifact_path": "model"}
    mlflow.pyfunc.log_model(python_model=Ones(), registered_model_name=name, pip_requirements=[], **where)
run_id = run.info.run_id
version = client.search_model_versions(f"name='{name}'")[0].version
client.transition_model_version_stage(name, version, "Production")
client.set_registered_model_alias(name, "champion", version)
inputs = pd.DataFrame({"a": [1, 2, 3]})
predicted = [
    list(mlflow.pyfunc.load_model(model).predict(inputs))
    for model in (f"models:/{name}/{version}", f"models:/{name}/Production", f"models:/{name}@champion")
]
found = client.search_runs([run.info.experiment_id], "metrics.loss < 0.45 and params.lr = '0.1'")
fetched = client.download_artifacts(run_id, "large.bin", ".") if os.makedirs("got", exist_ok=True) is None else ""
try:
    client.search_runs([run.info.experiment_id], "metrics.loss <")
    refused = ""
except mlflow.exceptions.MlflowException as error:
    refused = error.error_code
client.delete_run(run_id)
deleted = client.get_run(run_id).info.lifecycle_stage
client.restore_run(run_id)
print(
    json.dumps(
        {
            "predicted": predicted,
            "found": [one.info.run_id for one in found] == [run_id],
            "steps": [metric.step for metric in client.get_metric_history(run_id, "loss")],
            "files": sorted(file.path for file in client.list_artifacts(run_id) if file.path != "model"),
            "same": open(fetched, "rb").read() == open("large.bin", "rb").read(),
            "refused": refused,
            "deleted": deleted,
            "artifact_uri": run.info.artifact_uri.split("/")[0],
        }
    )
)
