"""Starts Ray for a study: Ray lives in an environment of its own, since it and ovphysx disagree about ``packaging``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alice.cli import files, usage
from alice.cli.usage import UsageError
from alice.runs import child, lock, provenance
from alice.studies import search, trials
from alice.system import affinity

ENVIRONMENT = Path(".ray")
"""Ray's environment, in the checkout."""
MAKE = "./isaaclab.sh -p -m venv .ray && .ray/bin/pip install -r cloud/ray.txt"
"""The command that makes it."""
PLAN = "plan.json"
"""What Ray is told, in the folder of the trials."""
SLOW = 600
"""How long Ray may take for each step of its start [s]: on a machine with trainings on all cores it takes minutes."""
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A worker that ends would kill the doors, which have not saved yet.
    "RAY_kill_child_processes_on_worker_exit": "0",
    # Without a GPU in --gpus a door decides itself what it runs on.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Workers are nicer than who starts them, and the doors would be with them.
    "RAY_worker_niceness": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_TMPDIR": "/tmp",  # the paths of its sockets have at most 107 characters
    "RAY_COLOR_PREFIX": "0",
    **{
        f"RAY_{name}": str(SLOW)
        for name in (
            "gcs_server_port_wait_time_s",
            "gcs_rpc_server_reconnect_timeout_s",
            "gcs_rpc_server_connect_timeout_s",
            "gcs_server_request_timeout_seconds",
            "py_gcs_connect_timeout_s",
            "worker_register_timeout_seconds",
            "NUM_REDIS_GET_RETRIES",
            "DASHBOARD_STARTUP_TIMEOUT_S",
        )
    },
    "RAY_agent_register_timeout_ms": f"{SLOW}000",
    "RAY_health_check_timeout_ms": f"{SLOW}000",
    "RAY_raylet_client_num_connect_attempts": str(SLOW),  # a second apart
}
"""Environment of Ray where it is started here; a cluster's own is set where it is started."""


def add_flags(parser: usage.DoorParser) -> None:
    """Add what says where trials run."""
    parser.add_argument("--cores", type=usage.positive, help="cores of each training; default: all of this machine")
    parser.add_argument("--gpus", type=usage.share, default=0.0, help="GPUs of each training, 0.5 is half of one")
    parser.add_argument("--address", type=usage.word, help="address of a Ray cluster; default: this machine alone")
    program = files.Source(program=True, remedy=f"make it by {MAKE}")
    parser.add_argument("--ray", type=program, help="Python of Ray's environment; default: .ray/bin/python")


def check(args) -> None:
    """Fill in what :func:`add_flags` leaves open; raise :class:`UsageError` if Ray is missing or would wait."""
    count = len(affinity.cores())
    args.cores = args.cores or count
    if not args.address and args.cores > count:
        raise UsageError(f"--cores {args.cores}: this machine has {count}; give at most that")
    default = provenance.ROOT / ENVIRONMENT / "bin" / "python"
    if not args.ray and not default.exists():
        raise UsageError(f"Ray's environment is missing; make it by {usage.from_here(MAKE)}, or give --ray")
    args.ray = args.ray or default


def run(args, folder: Path, todo: Sequence[trials.Trial] = (), searched: dict[str, Any] | None = None) -> int:
    """Run trials, those that are given or those of a search, and come back when no door of theirs is at work.

    Args:
        args: Flags of :func:`add_flags`, checked.
        folder: Of all trials; one start at a time works in it.
        todo: The trials, unless there is a search.
        searched: What is searched for, see :func:`alice.studies.search.trial`.

    Returns:
        Exit code of Ray's process, 128 and more after a signal.
    """
    with lock.Lock() as held:
        folder.mkdir(parents=True, exist_ok=True)
        held.take(folder)
        trials.wait_until_left(_names(folder, todo), folder)
        plan = _plan(args, folder, todo, searched)
        if plan["left"] <= 0:
            return 0
        provenance.write_json(folder / PLAN, plan)
        program = Path(__file__).with_name("on_ray.py")
        command = [str(args.ray), "-P", str(program), str(folder / PLAN)]
        environment = {**SETTINGS, **os.environ}
        # Nothing of the folder is held by Ray: its processes may outlive this one by seconds.
        with lock.Lock() as nothing:
            process = child.begin(command, nothing, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
            code = child.wait(process)
        trials.wait_until_left(_names(folder, todo), folder)
    return code


def _plan(args, folder: Path, todo: Sequence[trials.Trial], searched: dict[str, Any] | None) -> dict[str, Any]:
    """Return what Ray's process is told, and how many trials are left to do; see :func:`run`."""
    place = trials.Place(
        python=sys.executable,
        root=str(provenance.ROOT),
        cwd=os.getcwd(),
        folder=str(folder),
        cores=args.cores,
        threads=os.environ.get("OMP_NUM_THREADS"),
    )
    plan = {"place": vars(place), "search": searched, "gpus": args.gpus, "address": args.address}
    plan["num_cpus"] = len(affinity.cores())
    plan["trials"] = [trial.plain() for trial in todo if not trial.is_done(folder)]
    if not searched:
        return plan | {"left": len(plan["trials"])}
    provenance.write_json(folder / search.FILE, searched)
    done, begun = search.split(search.known(folder), folder)
    return plan | {"done": done, "begun": begun, "left": searched["trials"] - len(done)}


def _names(folder: Path, todo: Sequence[trials.Trial]) -> list[str]:
    return [trial.name for trial in todo] or [path.parent.name for path in folder.glob(f"*/{trials.FILE}")]
