"""One of several writers of a store. Usage: writer.py URI EXPERIMENT SHARED_RUN MODEL WHO RUNS POINTS VERSIONS"""

import fcntl
import sys
import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

uri, experiment, shared, model, who = sys.argv[1:6]
runs, points, versions = (int(one) for one in sys.argv[6:9])
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
for index in range(runs):
    run = client.create_run(experiment, run_name=f"{who} {index}").info.run_id
    metrics = [Metric(key, step * 0.5, step, step) for key in ("a", "b/c") for step in range(points)]
    client.log_batch(run, metrics, [Param("who", who)], [RunTag("index", str(index))])
    client.set_terminated(run)
    client.log_metric(shared, "shared", index, step=int(who) * 1_000_000 + index)

# MLflow's own writers lose versions to each other: its store looks whether a number is free and then writes, so two of them
# can take one; and one that meets another's unfinished version, after it has written its own, begins anew and makes two. So
# they take turns, as nobody else does: those that are not MLflow come and go between any two of their steps.
turn = open(f"{uri}.turn", "a")
for index in range(versions):
    for patience in range(100):
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            client.create_model_version(model, "s3://lake/model", tags={"who": who})
            break
        except Exception:
            # Three times it tries itself; among many writers that is not enough.
            if patience == 99:
                raise
        finally:
            fcntl.flock(turn, fcntl.LOCK_UN)
        time.sleep(0.01)
print("true")
