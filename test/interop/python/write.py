"""Writes one run with all there is through Python's client and prints the ids."""
import json
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

uri, name = sys.argv[1:3]
mlflow.set_tracking_uri(uri)
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
experiment_id = client.create_experiment(name, tags={"team": "growth é"})
run = client.create_run(experiment_id, start_time=1700000000123, run_name="by python", tags={"note": "line\ntwo"})
run_id = run.info.run_id
nan, inf = float("nan"), float("inf")
client.log_batch(
    run_id,
    metrics=[
        Metric("loss", 0.1 + 0.2, 1700000000001, 0),
        Metric("loss", 1e-308, 1700000000002, 1),
        Metric("loss", nan, 1700000000003, 2),
        Metric("loss", 3.5, 1700000000004, -7),
        Metric("big", 1.0, 1700000000005, 9007199254740993),
        Metric("a/b c", inf, 1700000000006, 0),
    ],
    params=[Param("lr", "0.1"), Param("empty", ""), Param("日本", "ü")],
    tags=[RunTag("k", "v"), RunTag("mlflow.note.content", "**bold**")],
)
with tempfile.NamedTemporaryFile("wb", suffix=".bin", delete=False) as f:
    f.write(bytes(range(256)) * 5000)
client.log_artifact(run_id, f.name, "bin")
client.log_text(run_id, "text é", "a b/note.txt")
client.set_terminated(run_id, "FAILED", end_time=1700000009999)
client.create_registered_model(name, tags={"x": "y"}, description="about")
source = f"{run.info.artifact_uri}/bin"
for _ in range(2):
    client.create_model_version(name, source, run_id, tags={"v": "1"}, description="d")
client.transition_model_version_stage(name, "1", "Production")
client.set_registered_model_alias(name, "champion", "2")
print(json.dumps({"experiment_id": experiment_id, "run_id": run_id, "artifact": "bin/" + f.name.rsplit("/", 1)[-1]}))
