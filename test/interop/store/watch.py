"""Searches all of each store that is named on a line of standard input; answers a line of JSON: what there is, or what broke."""

import json
import sys

from mlflow import MlflowClient
from mlflow.entities import ViewType


def look(uri):
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiments = client.search_experiments(view_type=ViewType.ALL)
    ids = [one.experiment_id for one in experiments]
    runs = client.search_runs(ids, "", ViewType.ALL, 50000) if ids else []
    active = [one.experiment_id for one in experiments if one.lifecycle_stage == "active"]
    models = client.search_logged_models(active) if active and hasattr(client, "search_logged_models") else []
    points = {}
    for run in runs:
        for key in run.data.metrics:
            points[f"{run.info.run_name} {key}"] = len(client.get_metric_history(run.info.run_id, key))
    registered = client.search_registered_models(max_results=1000)
    versions = client.search_model_versions(max_results=10000)
    return {
        "experiments": [one.name for one in experiments],
        "runs": [one.info.run_name for one in runs],
        "points": points,
        "models": len(models),
        "registered": [one.name for one in registered],
        "versions": [f"{one.name} {one.version}" for one in versions],
    }


for line in sys.stdin:
    try:
        print(json.dumps({"seen": look(line.strip())}), flush=True)
    except Exception as error:
        print(json.dumps({"broken": f"{type(error).__name__}: {error}"}), flush=True)
