"""Python's MLflow client, timed at what python.ts does with ours. Usage: peer.py points URI | fill DATABASE RUNS | search URI TIMES"""

import json
import os
import sqlite3
import sys
import time

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric  # noqa: E402


def points(uri):
    """Points per second: in batches of 1,000, the client's fastest way."""
    client = MlflowClient(uri)
    run = client.create_run("0").info.run_id
    batches = [[Metric(f"loss{i % 20}", i * 0.1, int(time.time() * 1000), b * 1000 + i) for i in range(1000)] for b in range(5)]
    client.log_batch(run, metrics=batches[0])
    start = time.perf_counter()
    for batch in batches[1:]:
        client.log_batch(run, metrics=batch)
    return {"perSecond": 4000 / (time.perf_counter() - start)}


def fill(database, runs):
    """Puts the same runs into a database that the client laid out; row by row through the client takes an hour."""
    experiment = MlflowClient(f"sqlite:///{database}").create_experiment("bench")
    db = sqlite3.connect(database)
    insert_run = "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'LOCAL', 'bench', 'FINISHED', ?, ?, 'active', ?, ?)"
    for run in json.load(open(runs)):
        run_id, at = run["runId"], run["startTime"]
        db.execute(insert_run, (run_id, run["runName"], at, at, run["artifactUri"], experiment))
        metrics = run["metrics"].items()
        db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, 0, 0)", [(k, v, at, run_id) for k, v in metrics])
        db.executemany("INSERT INTO latest_metrics VALUES (?, ?, ?, 0, 0, ?)", [(k, v, at, run_id) for k, v in metrics])
        db.executemany("INSERT INTO params VALUES (?, ?, ?)", [(k, v, run_id) for k, v in run["params"].items()])
        db.execute("INSERT INTO tags VALUES ('mlflow.runName', ?, ?)", (run["runName"], run_id))
    db.commit()
    return {"experimentId": experiment}


def search(uri, times):
    """Milliseconds of each search, and what it found."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("bench").experiment_id
    took = []
    for _ in range(int(times)):
        start = time.perf_counter()
        found = client.search_runs([experiment], "metrics.m1 > 0.5", max_results=100, order_by=["metrics.m2 DESC"])
        took.append((time.perf_counter() - start) * 1000)
    return {"ms": took, "runIds": [run.info.run_id for run in found]}


command, *arguments = sys.argv[1:]
print(json.dumps({"points": points, "fill": fill, "search": search}[command](*arguments)))
