"""Prints all that Python's client reads of a store, as JSON. Usage: dump.py URI"""

import json
import struct
import sys

from mlflow import MlflowClient
from mlflow.entities import ViewType

uri = sys.argv[1]
client = MlflowClient(tracking_uri=uri, registry_uri=uri)


def number(value):
    """A double's bits: no text form may hide a difference."""
    return "nan" if value != value else struct.pack(">d", value).hex()


def every(search, **how):
    found, token = [], None
    while True:
        page = search(page_token=token, **how)
        found += page
        token = page.token
        if not token:
            return found


def files(run_id, path=None):
    found = []
    for entry in client.list_artifacts(run_id, path):
        found += files(run_id, entry.path) if entry.is_dir else [[entry.path, entry.file_size]]
    return found


def experiment(one):
    return {
        "name": one.name,
        "artifact_location": one.artifact_location,
        "lifecycle_stage": one.lifecycle_stage,
        "creation_time": one.creation_time,
        "last_update_time": one.last_update_time,
        "tags": dict(one.tags),
    }


def point(metric):
    return [number(metric.value), metric.timestamp, str(metric.step)]


def dataset(one):
    about = one.dataset
    fields = [about.name, about.digest, about.source_type, about.source, about.schema, about.profile]
    return fields + [{t.key: t.value for t in one.tags}]


def run(one):
    inputs = one.inputs.dataset_inputs if one.inputs else []
    outputs = getattr(getattr(one, "outputs", None), "model_outputs", None) or []
    key = one.info.run_id
    return {
        "run_name": one.info.run_name,
        "experiment_id": one.info.experiment_id,
        "user_id": one.info.user_id,
        "status": one.info.status,
        "start_time": one.info.start_time,
        "end_time": one.info.end_time,
        "artifact_uri": one.info.artifact_uri,
        "lifecycle_stage": one.info.lifecycle_stage,
        "params": dict(one.data.params),
        "tags": dict(one.data.tags),
        "metrics": {k: number(v) for k, v in one.data.metrics.items()},
        "histories": {k: [point(m) for m in client.get_metric_history(key, k)] for k in one.data.metrics},
        "datasets": [dataset(one) for one in inputs],
        "outputs": [[o.model_id, str(o.step)] for o in outputs],
        "artifacts": files(key) if one.info.lifecycle_stage == "active" else [],
    }


def logged(one):
    return {
        "name": one.name,
        "experiment_id": one.experiment_id,
        "artifact_location": one.artifact_location,
        "creation_timestamp": one.creation_timestamp,
        "last_updated_timestamp": one.last_updated_timestamp,
        "model_type": one.model_type,
        "source_run_id": one.source_run_id,
        "status": one.status.name,
        "tags": dict(one.tags),
        "params": dict(one.params),
        "metrics": [[m.key, *point(m), m.run_id, m.dataset_name, m.dataset_digest] for m in one.metrics or []],
    }


def registered(one):
    return {
        "description": one.description or "",
        "creation_timestamp": one.creation_timestamp,
        "last_updated_timestamp": one.last_updated_timestamp,
        "tags": dict(one.tags),
        "aliases": {k: str(v) for k, v in dict(one.aliases).items()},
        "latest": [[v.current_stage, str(v.version)] for v in one.latest_versions],
    }


def version(one):
    return {
        "stage": one.current_stage,
        "description": one.description or "",
        "creation_timestamp": one.creation_timestamp,
        "last_updated_timestamp": one.last_updated_timestamp,
        "source": one.source,
        "run_id": one.run_id or "",
        "status": one.status,
        "tags": dict(one.tags),
        "aliases": sorted(one.aliases),
        "uri": client.get_model_version_download_uri(one.name, one.version),
    }


experiments = every(client.search_experiments, view_type=ViewType.ALL)
ids = [one.experiment_id for one in experiments]
runs = every(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL)
active = [one.experiment_id for one in experiments if one.lifecycle_stage == "active"]
models = every(client.search_logged_models, experiment_ids=active) if hasattr(client, "search_logged_models") else []
print(
    json.dumps(
        {
            "experiments": {one.experiment_id: experiment(one) for one in experiments},
            "runs": {one.info.run_id: run(one) for one in runs},
            "models": {one.model_id: logged(one) for one in models},
            "registered": {one.name: registered(one) for one in every(client.search_registered_models)},
            "versions": {f"{one.name} {one.version}": version(one) for one in every(client.search_model_versions)},
        }
    )
)
