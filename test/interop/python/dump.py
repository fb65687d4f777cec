"""Prints what Python's client reads of one run, its logged models and one registered model, as JSON."""
import json
import sys

from mlflow import MlflowClient

uri, run_id, model_name = sys.argv[1:4]
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
run = client.get_run(run_id)
histories = {
    key: [[repr(m.value), m.timestamp, str(m.step)] for m in client.get_metric_history(run_id, key)]
    for key in run.data.metrics
}
inputs = [
    {
        "name": i.dataset.name,
        "digest": i.dataset.digest,
        "source_type": i.dataset.source_type,
        "source": i.dataset.source,
        "schema": i.dataset.schema,
        "profile": i.dataset.profile,
        "tags": {t.key: t.value for t in i.tags},
    }
    for i in (run.inputs.dataset_inputs if run.inputs else [])
]
models = []
for output in getattr(getattr(run, "outputs", None), "model_outputs", None) or []:
    model = client.get_logged_model(output.model_id)
    models.append(
        {
            "model_id": model.model_id,
            "name": model.name,
            "model_type": model.model_type,
            "status": str(model.status.name if hasattr(model.status, "name") else model.status),
            "params": dict(model.params or {}),
            "tags": dict(model.tags or {}),
            "source_run_id": model.source_run_id,
            "step": output.step,
        }
    )
registered = client.get_registered_model(model_name)
versions = [
    {
        "version": str(v.version),
        "stage": v.current_stage,
        "source": v.source,
        "run_id": v.run_id,
        "description": v.description,
        "status": v.status,
        "tags": dict(v.tags),
    }
    for v in client.search_model_versions(f"name = '{model_name}'")
]
experiment = client.get_experiment(run.info.experiment_id)
print(
    json.dumps(
        {
            "experiment": {"name": experiment.name, "tags": dict(experiment.tags)},
            "info": {
                "run_id": run.info.run_id,
                "run_name": run.info.run_name,
                "status": run.info.status,
                "start_time": run.info.start_time,
                "end_time": run.info.end_time,
                "lifecycle_stage": run.info.lifecycle_stage,
                "artifact_uri": run.info.artifact_uri,
                "user_id": run.info.user_id,
            },
            "params": dict(run.data.params),
            "tags": dict(run.data.tags),
            "latest": {k: repr(v) for k, v in run.data.metrics.items()},
            "histories": histories,
            "inputs": inputs,
            "models": models,
            "registered": {
                "description": registered.description,
                "tags": dict(registered.tags),
                "aliases": {k: str(v) for k, v in dict(registered.aliases).items()},
            },
            "versions": sorted(versions, key=lambda v: int(v["version"])),
            "artifacts": sorted((f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run_id)),
        }
    )
)
