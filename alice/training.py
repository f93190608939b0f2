"""Hands a checked command line to Isaac Lab's RSL-RL entry point and keeps the run's provenance.

The entry point does the work. It names the run folder after ``--run_timestamp``; this module chooses that name, makes
the folder and writes ``params/alice.json`` into it before training starts: it is there however the run ends.
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from pathlib import Path

from alice import checkpoints, launch, provenance, usage
from alice.launch import Job

RECORD = Path("params") / "alice.json"
"""The provenance of a run, in its folder."""


def stock_flags(words: list[str], parser: usage.DoorParser) -> argparse.Namespace:
    """Parse the flags that only Isaac Lab's entry point knows.

    Args:
        words: What the door's parser left over, without overrides.
        parser: The door's parser, for suggestions.

    Raises:
        UsageError: If a flag is unknown or has a wrong value.
    """
    from isaaclab.app import add_launcher_args
    from isaaclab_rl.entrypoints.backends.cli_args_rsl_rl import add_rsl_rl_args
    from isaaclab_rl.entrypoints.common import add_common_train_args

    stock = usage.DoorParser(add_help=False)
    add_common_train_args(stock, agent_default=None, agent_help="")
    stock.add_argument("--external_callback")
    stock.add_argument("--resume_optimizer_state", action=argparse.BooleanOptionalAction)
    add_rsl_rl_args(stock)
    add_launcher_args(stock)
    args, unknown = stock.parse_known_args(words)
    usage.refuse_unknown(unknown, parser)
    return args


def begin(job: Job, stock: argparse.Namespace) -> Path:
    """Make the run folder, a new one unless ``--run_timestamp`` names it, and write the provenance into it.

    Args:
        job: Checked command line.
        stock: Flags of Isaac Lab's entry point.

    Returns:
        ``logs/rsl_rl/<experiment>/<timestamp>[_<run name>]``, relative to the working directory.
    """
    experiment = stock.experiment_name or job.agent_cfg.experiment_name
    run_name = stock.run_name or job.agent_cfg.run_name
    suffix = f"_{run_name}" if run_name else ""
    root = checkpoints.LOG_ROOT / experiment
    stamp = stock.run_timestamp or datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    folder = root / f"{stamp}{suffix}"
    count = 1
    while folder.exists() and not stock.run_timestamp:  # two runs begun in the same second
        count += 1
        folder = root / f"{stamp}-{count}{suffix}"
    (folder / RECORD).parent.mkdir(parents=True, exist_ok=True)
    if os.environ.get("RANK", "0") == "0":
        provenance.write_json(folder / RECORD, launch.describe(job))
    return folder


def train(job: Job, stock: argparse.Namespace, words: list[str], folder: Path) -> int:
    """Run Isaac Lab's entry point.

    Args:
        job: Checked command line.
        stock: Flags of the entry point, parsed.
        words: The same flags as words, to be handed on.
        folder: Run folder from :func:`begin`.

    Returns:
        Exit code.
    """
    from isaaclab_rl.entrypoints import run_train_cli

    run_name = stock.run_name or job.agent_cfg.run_name
    stamp = folder.name.removesuffix(f"_{run_name}") if run_name else folder.name
    argv = ["--rl_library", "rsl_rl", "--task", job.task, "--agent", job.agent, "--seed", str(job.agent_cfg.seed)]
    argv += ["--num_envs", str(job.env_cfg.scene.num_envs), "--max_iterations", str(job.agent_cfg.max_iterations)]
    argv += ["--checkpoint", str(job.checkpoint)] if job.checkpoint else []
    if not stock.distributed:  # torchrun gives each process its own device
        argv += ["--device", job.device, f"agent.device={job.device}"]
    return run_train_cli([*argv, *words, "--run_timestamp", stamp, *job.words])


def closing_line(job: Job, folder: Path) -> str:
    """Return the line that ends a training: where the newest checkpoint lies and how to audit it."""
    newest = checkpoints.newest_in(folder)
    if newest is None:
        return f"no checkpoint was written to {folder}"
    kept = ("physics=", "presets=", "env.actions", "env.observations", "agent.actor", "agent.obs_groups")
    words = " ".join(word for word in job.words if word.startswith(kept))
    return (
        f"checkpoint: {newest}  audit it: ./isaaclab.sh -p scripts/evaluate.py --task {job.task}"
        f" --checkpoint {newest} --episodes 1024 {words}".rstrip()
    )
