"""Runs trials on Ray. This file is a program of Ray's environment: ``python -P on_ray.py PLAN``, see ``engine.py``.

Ray says where and when a trial runs, starts it again when the process around it is killed, and asks Optuna for the next
point of a search. It keeps nothing that counts: what is done, and of what, is read from the trials' folders.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search.optuna import OptunaSearch

KILLS = 20
"""How often a trial goes on after its process was killed."""
NAME = "ray"
"""Folder of what Ray writes, among the trials."""


def main(plan: dict[str, Any]) -> None:
    """Run what is missing of a plan; see :func:`alice.studies.engine.run`."""
    sys.path.append(code := str(Path(__file__).resolve().parents[2]))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends Ray, and so its trials
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    where = {"address": plan["address"]} if plan["address"] else {"num_cpus": plan["num_cpus"]}
    ray.init(**where, include_dashboard=None if plan["address"] else False, logging_level=logging.ERROR)

    def work(config: dict[str, Any]) -> dict[str, float]:
        sys.path.append(code)  # this file is no module of a worker: its functions come to it by value
        from alice.cli.usage import UsageError
        from alice.studies import search, trials

        place = trials.Place(**plan["place"])
        trial = plan["trials"][config["number"]] if "number" in config else search.trial(plan["search"], config).plain()
        try:
            rate = trials.complete(trials.Trial.of(trial), place)
            print(f"{trial['name']}: {rate:.2%}")
        except (trials.DoorFailedError, UsageError) as error:
            print(error)
            return {"success": math.nan}
        return {"success": rate}

    folder = Path(plan["place"]["cwd"], plan["place"]["folder"]).resolve()
    shutil.rmtree(folder / NAME, ignore_errors=True)
    settings = {"metric": "success", "mode": "max"}
    space = {"number": tune.grid_search(list(range(len(plan["trials"]))))}
    if plan["search"]:
        space, more = None, searching(plan)
        settings |= more
    tuner = tune.Tuner(
        tune.with_resources(work, {"cpu": plan["place"]["cores"], "gpu": plan["gpus"]}),
        param_space=space,
        tune_config=tune.TuneConfig(**settings),
        run_config=tune.RunConfig(
            name=NAME, storage_path=str(folder), verbose=0, failure_config=tune.FailureConfig(max_failures=KILLS)
        ),
    )
    tuner.fit()
    ray.shutdown()


def searching(plan: dict[str, Any]) -> dict[str, Any]:
    """Return searcher and number of trials of a search that knows what lies in its folder.

    What is done is told to Optuna, what was begun is gone on with first.
    """
    import optuna

    domains = {name: domain(given["kind"], given["options"]) for name, given in plan["search"]["space"].items()}
    sampler = optuna.samplers.TPESampler(seed=plan["search"]["seed"] + len(plan["done"]) + len(plan["begun"]))
    searcher = OptunaSearch(
        OptunaSearch.convert_search_space(domains),
        metric="success",
        mode="max",
        points_to_evaluate=plan["begun"],
        sampler=sampler,
    )
    for values, rate in plan["done"]:
        searcher.add_evaluated_point(values, rate)
    return {"search_alg": searcher, "num_samples": plan["search"]["trials"] - len(plan["done"])}


def domain(kind: str, options: list) -> Any:
    """Return where a value is drawn from; see :func:`alice.studies.search.parse`."""
    if kind == "choice":
        return tune.choice(options)
    if kind == "log":
        return tune.loguniform(*options)
    if kind == "whole":
        return tune.randint(options[0], options[1] + 1)
    return tune.uniform(*options)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
