"""Writes what a spec (spec.ts) says into a store, through Python's client. Usage: write.py URI SPEC"""

import json
import os
import sys
import tempfile

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

uri, file = sys.argv[1:]
spec = json.load(open(file, encoding="utf-8"))
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
T = 1_700_000_000_000

experiments = []
for one in spec["experiments"]:
    key = client.create_experiment(one["name"], tags=one["tags"])
    if one.get("renamed"):
        client.rename_experiment(key, one["renamed"])
    experiments.append(key)

runs = {}
for index, one in enumerate(spec["runs"]):
    parent = {"mlflow.parentRunId": runs[one["parent"]]} if "parent" in one else {}
    made = client.create_run(experiments[one["experiment"]], T + index, {"mlflow.user": "ann", **parent}, one["key"])
    key = made.info.run_id
    runs[one["key"]] = key
    params = [Param(*pair) for pair in one["params"].items()]
    tags = [RunTag(*pair) for pair in one["tags"].items()]
    for start in range(0, max(len(params), len(tags)), 90):
        client.log_batch(key, params=params[start : start + 90], tags=tags[start : start + 90])
    for name in one["removedTags"]:
        client.delete_tag(key, name)
    client.log_batch(key, metrics=[Metric(k, float(v), t, int(s)) for k, v, t, s in one["metrics"]])
    for about in one["datasets"]:
        dataset = Dataset(about["name"], about["digest"], "local", about["source"], '{"a": 1}', '{"rows": 2}')
        client.log_inputs(key, [DatasetInput(dataset, [InputTag(*pair) for pair in about["tags"].items()])])
    for path, text in one["artifacts"].items():
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, os.path.basename(path))
            with open(source, "w", encoding="utf-8") as f:
                f.write(text)
            client.log_artifact(key, source, os.path.dirname(path) or None)
    if one["status"] != "RUNNING":
        client.set_terminated(key, one["status"], T + 1_000_000 + index)
    if one["fate"] != "stays":
        client.delete_run(key)
    if one["fate"] == "restored":
        client.restore_run(key)

for one in spec["models"]:
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run = runs[one["run"]]
    model = client.create_logged_model(
        experiments[one["experiment"]], one["name"], run, one["tags"], one["params"], one["type"]
    )
    client.finalize_logged_model(model.model_id, getattr(LoggedModelStatus, one["status"]))
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 4)])
    points = []
    for key, value, time, step, dataset in one["metrics"]:
        about = {"dataset_name": dataset["name"], "dataset_digest": dataset["digest"]} if dataset else {}
        points.append(Metric(key, value, time, step, model_id=model.model_id, **about))
    if points:
        client.log_batch(run, metrics=points)

for one in spec["registered"]:
    name = one["name"]
    client.create_registered_model(name, one["tags"], one["description"])
    for number, about in enumerate(one["versions"], 1):
        source = client.get_run(runs[about["run"]]).info.artifact_uri + "/model"
        client.create_model_version(name, source, runs[about["run"]], about["tags"], description=about["description"])
        if about["stage"] != "None":
            client.transition_model_version_stage(name, str(number), about["stage"])
        if about.get("deleted"):
            client.delete_model_version(name, str(number))
    for alias, number in one["aliases"].items():
        client.set_registered_model_alias(name, alias, number)
    if one.get("renamed"):
        client.rename_registered_model(name, one["renamed"])

for key, one in zip(experiments, spec["experiments"]):
    if one["fate"] != "stays":
        client.delete_experiment(key)
    if one["fate"] == "restored":
        client.restore_experiment(key)
print(json.dumps({"runs": runs, "experiments": experiments}))
