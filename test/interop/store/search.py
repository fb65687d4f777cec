"""Asks a store many searches; prints for each the ids found, or the error's code. Usage: search.py URI EXPERIMENT QUERIES"""

import json
import sys

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

uri, experiment, file = sys.argv[1:]
client = MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs(text, order):
    found = client.search_runs([experiment], text, ViewType.ACTIVE_ONLY, 1000, order)
    return [one.info.run_id for one in found]


def experiments(text, order):
    return [one.name for one in client.search_experiments(filter_string=text, order_by=order)]


def registered(text, order):
    return [one.name for one in client.search_registered_models(text, 1000, order)]


def versions(text, order):
    return [f"{one.name} {one.version}" for one in client.search_model_versions(text, 1000, order)]


def models(text, order):
    keys = [{"field_name": field, "ascending": up} for field, up in order or []]
    return [one.model_id for one in client.search_logged_models([experiment], text, order_by=keys or None)]


def answer(search, text, order):
    try:
        return {"found": search(text, order or None)}
    except MlflowException as error:
        return {"error": error.error_code}
    except Exception as error:
        return {"error": f"crash: {type(error).__name__}: {error}"}


searches = {
    "runs": runs,
    "experiments": experiments,
    "registeredModels": registered,
    "modelVersions": versions,
    "loggedModels": models,
}
queries = json.load(open(file, encoding="utf-8"))
print(json.dumps([answer(searches[target], text, order) for target, text, order in queries]))
