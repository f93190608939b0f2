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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
"""How often a trial goes on after its process was killed."""
SLOW = 600.0
"""How long Ray may take to start where there is no setting for it [s]; for all else see ``engine.py``."""
NAME = "ray"
"""Folder of what Ray writes, among the trials."""


def main(plan: dict[str, Any]) -> None:
    """Run what is missing of a plan; see :func:`alice.studies.engine.run`."""
    import ray
    from ray import tune

    sys.path.append(str(ROOT))
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    start(plan)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends Ray, and so its trials
    folder = Path(plan["place"]["cwd"], plan["place"]["folder"]).resolve()
    shutil.rmtree(folder / NAME, ignore_errors=True)
    settings = searching(plan) if plan["search"] else {}
    space = None if plan["search"] else {"number": tune.grid_search(list(range(len(plan["trials"]))))}
    failures = tune.FailureConfig(max_failures=KILLS)
    tuner = tune.Tuner(
        tune.with_resources(work_of(plan, str(ROOT)), {"cpu": plan["place"]["cores"], "gpu": plan["gpus"]}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="success", mode="max", reuse_actors=True, **settings),
        run_config=tune.RunConfig(name=NAME, storage_path=str(folder), verbose=0, failure_config=failures),
    )
    tuner.fit()
    ray.shutdown()


def work_of(plan: dict[str, Any], code: str) -> Callable[[dict[str, Any]], dict[str, float]]:
    """Return what a worker does with a trial: from what was chosen to its success rate, NaN if a door has failed.

    Args:
        plan: What is to be done.
        code: Folder of alice. This file is no module of a worker: its functions come to it by value.
    """

    def trial(config: dict[str, Any]) -> dict[str, float]:
        sys.path.append(code)
        from alice.cli.usage import UsageError
        from alice.studies import search, trials

        if plan["search"]:
            one = search.trial(plan["search"], config)
        else:
            one = trials.Trial.of(plan["trials"][config["number"]])
        try:
            rate = trials.complete(one, trials.Place(**plan["place"]))
        except (trials.DoorFailedError, UsageError) as error:
            print(error)
            return {"success": math.nan}
        print(f"{one.name}: {rate:.2%}")
        return {"success": rate}

    return trial


def start(plan: dict[str, Any]) -> None:
    """Start Ray, or join a cluster."""
    import ray
    from ray._private import services

    stock = services.get_node

    def patiently(*words: Any) -> Any:  # Ray gives its own parts 30 s, and there is no setting for that
        until = time.monotonic() + SLOW
        while True:
            try:
                return stock(*words)
            except RuntimeError:
                if time.monotonic() > until:
                    raise
                time.sleep(1.0)

    services.get_node = patiently
    where = {"address": plan["address"]} if plan["address"] else {"num_cpus": plan["num_cpus"]}
    ray.init(**where, include_dashboard=None if plan["address"] else False, logging_level=logging.ERROR)


def searching(plan: dict[str, Any]) -> dict[str, Any]:
    """Return searcher and number of trials of a search that knows what lies in its folder.

    What is done is told to Optuna, what was begun is gone on with first.
    """
    import optuna
    from ray.tune.search.optuna import OptunaSearch

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
    return {"search_alg": searcher, "num_samples": plan["left"]}


def domain(kind: str, options: list) -> Any:
    """Return where a value is drawn from; see :func:`alice.studies.search.parse`."""
    from ray import tune

    if kind == "choice":
        return tune.choice(options)
    if kind == "log":
        return tune.loguniform(*options)
    if kind == "whole":
        return tune.randint(options[0], options[1] + 1)
    return tune.uniform(*options)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
