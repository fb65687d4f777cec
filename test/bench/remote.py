"""Python's client, logging points to a server. Usage: remote.py batch|buffered|plain URL POINTS"""

import json
import math
import sys
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric

kind, url, points = sys.argv[1], sys.argv[2], int(sys.argv[3])
mlflow.set_tracking_uri(url)
client = MlflowClient(url)
run = client.create_run("0").info.run_id
BATCH = 1000
now = lambda: int(time.time() * 1000)


def batch(first):
    return [Metric(f"loss{i % 20}", math.sin(i), now(), i // 20) for i in range(first, first + BATCH)]


def log_batches():
    for first in range(0, points, BATCH):
        client.log_batch(run, metrics=batch(first))


def buffered():
    """Each point by itself; the client's queue makes batches of them."""
    pending = []
    for i in range(points):
        pending.append(client.log_metric(run, f"loss{i % 20}", math.sin(i), now(), i // 20, synchronous=False))
    for one in pending:
        one.wait()


def plain():
    for i in range(points):
        client.log_metric(run, f"loss{i % 20}", math.sin(i), now(), i // 20)


client.log_batch(run, metrics=batch(-BATCH))
start, cpu = time.perf_counter(), time.process_time()
{"batch": log_batches, "buffered": buffered, "plain": plain}[kind]()
spent = {"ms": (time.perf_counter() - start) * 1000, "cpuMs": (time.process_time() - cpu) * 1000, "runId": run}
print(json.dumps(spent))
