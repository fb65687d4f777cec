"""Changes a run in place in all the ways that Python's client knows, and deletes another. Usage: change.py URI RUN"""

import json
import sys

from mlflow import MlflowClient
from mlflow.entities import Metric

uri, run = sys.argv[1:]
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
client.set_tag(run, "t0", "changed")
client.delete_tag(run, "t1")
client.log_batch(run, metrics=[Metric("latest", -1.0, 1_800_000_000_000, 100)])
client.log_param(run, "new by python", "yes")
client.set_terminated(run, "KILLED")
client.update_run(run, name="renamed: yes")
other = client.create_run(client.get_run(run).info.experiment_id, run_name="gone")
client.delete_run(other.info.run_id)
print(json.dumps({"deleted": other.info.run_id}))
