"""What every door in ``scripts/`` does before the simulator starts: find the task, check all words, choose a device."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from alice.cli import catalogue, files, terminal, usage
from alice.cli.usage import UsageError
from alice.runs import checkpoints, overrides, provenance, records, seeds, servo_file, world
from alice.system import affinity, device, kit, ranks

DEFAULT_AGENT = "rsl_rl_cfg_entry_point"
MAX_THREADS = 4
"""PyTorch threads of an update on the CPU at most: the networks are too small to share out more finely."""


@dataclass
class Job:
    """A checked command line."""

    task: str
    agent: str
    device: str
    words: list[str]
    """The ``name=value`` overrides."""
    env_cfg: Any
    agent_cfg: Any
    checkpoint: Path | None
    weights: dict[str, Any] | None
    """Content of :attr:`checkpoint`, on the CPU."""
    servo: Path | None = None
    """File of fitted servos; what it says is among the overrides."""

    @property
    def actor_groups(self) -> list[str]:
        """Observation groups of the network that acts."""
        return self.agent_cfg.obs_groups[self.role]

    @property
    def role(self) -> str:
        """Name of the network that acts in the agent configuration: ``actor``, or ``student`` of a distillation."""
        return "student" if hasattr(self.agent_cfg, "student") else "actor"

    @property
    def first_iteration(self) -> int:
        """Iteration that a training begins with: a run from a checkpoint counts on, unless it changes the algorithm."""
        if not self.weights or f"{self.role}_state_dict" not in self.weights:
            return 0
        return self.weights.get("iter", -1) + 1

    def set_seed(self, seed: int) -> None:
        """Set the seed of agent and environment; raise :class:`UsageError` if no generator takes it."""
        if not (isinstance(seed, int) and 0 <= seed < seeds.SIMULATOR_LIMIT):
            raise UsageError(f"seed {seed!r} is no whole number from 0 to {seeds.SIMULATOR_LIMIT - 1}; give another")
        self.agent_cfg.seed = self.env_cfg.seed = seed


FLAGS: dict[str, dict[str, Any]] = {
    "task": {"type": usage.word, "help": "task id"},
    "checkpoint": {
        "type": checkpoints.Policy(),
        "help": "a file, a run folder, 'latest' or 'released'",
    },
    "num_envs": {"type": usage.positive, "help": "number of environments"},
    "seed": {"type": usage.seed, "help": "seed of everything random"},
    "device": {"type": usage.word, "help": "cpu or cuda:N; default: CUDA where there is one"},
    "domain_rand": {"action": "store_true", "help": "randomize physics and servos (presets=domain_rand)"},
    "servo": {
        "type": files.Source(".json", "give the servo.json of identify_arm.py"),
        "help": "an arm's fitted servos, in the place of the table's ranges",
    },
    "agent": {"type": usage.word, "default": DEFAULT_AGENT, "help": "key of the agent configuration"},
    "encoder_weights": {
        "type": files.Source(".pt", "give a state_dict of torchvision's resnet18"),
        "help": "weights of ResNet-18 (presets=resnet18)",
    },
    "verbose": {"action": "store_true", "help": "show all that the simulator's libraries write"},
}
"""The flags that doors share."""


def add_flags(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add those of the shared flags that mean something to a door; the others keep their defaults.

    Args:
        parser: The door's parser.
        names: Which of :data:`FLAGS`; all of them if none is named.
    """
    names = names or tuple(FLAGS)
    for name, options in FLAGS.items():
        if name in names:
            parser.add_argument(f"--{name}", **options)
        else:
            parser.set_defaults(**{name: options.get("default", False if "action" in options else None)})


@terminal.doing("loading Isaac Lab")
def prepare(
    args: argparse.Namespace,
    words: list[str],
    play_mode: bool,
    needs_checkpoint: bool = False,
    takes: tuple[str, ...] = (),
) -> Job:
    """Check a command line, the cheap things first, and return what to run.

    Args:
        args: Flags of :func:`add_flags`.
        words: The ``name=value`` overrides.
        play_mode: Whether the environment is evaluated and not trained on.
        needs_checkpoint: Whether there must be a checkpoint.
        takes: Other policies that the checkpoint may be, suffixes of :data:`alice.runs.checkpoints.OTHERS`.

    Raises:
        UsageError: If anything is wrong.
    """
    ranks.forget_ranks(getattr(args, "distributed", False))
    terminal.set_verbose(args.verbose)
    if args.domain_rand:
        words = overrides.with_preset(words, "domain_rand")
    if needs_checkpoint and not args.checkpoint:
        raise UsageError(f"--checkpoint is missing; {checkpoints.REMEDY}")
    task = catalogue.task(args.task)
    agent = catalogue.agent(task, args.agent)
    catalogue.check_presets(words)
    path = checkpoints.resolve(str(args.checkpoint), task) if args.checkpoint else None
    typed = words
    if path and play_mode:
        words = world.settle(path, words, getattr(args, "as_trained", None))
    is_other = path is not None and path.suffix in checkpoints.OTHERS
    if is_other and path.suffix not in takes:
        instead = "give the model_<number>.pt it came from" if path.suffix == ".onnx" else checkpoints.TRAINED
        raise UsageError(f"--checkpoint {path.name!r} is {checkpoints.OTHERS[path.suffix][0]}; {instead}")
    register()
    chosen = device.choose(args.device)
    start_warp()
    weights = checkpoints.load(path) if path and not is_other else None
    env_cfg, agent_cfg = overrides.resolve_config(task, agent, words, play_mode=play_mode)
    if args.servo:
        # It wins over what a policy was trained with, and is won over by what was typed.
        words = overrides.merge(overrides.merge(words, servo_file.words(args.servo, env_cfg)), typed)
        env_cfg, agent_cfg = overrides.resolve_config(task, agent, words, play_mode=play_mode)
    require_groups(task, env_cfg, agent_cfg)
    settle_physics(env_cfg)
    words = [*words, *settle_encoder(env_cfg, task, args.encoder_weights)]
    env_cfg.sim.device = agent_cfg.device = chosen
    if args.num_envs is not None:
        env_cfg.scene.num_envs = args.num_envs
    job = Job(task, agent, chosen, words, env_cfg, agent_cfg, path, weights, args.servo)
    job.set_seed(agent_cfg.seed if args.seed is None else args.seed)
    limit_threads()
    return job


def require_groups(task: str, env_cfg: Any, agent_cfg: Any) -> None:
    """Raise :class:`UsageError` if networks are to see observation groups that a task does not have."""
    there = [name for name, group in vars(env_cfg.observations).items() if group is not None]
    for role, groups in agent_cfg.obs_groups.items():
        for group in groups:
            if group not in there:
                raise UsageError(f"agent.obs_groups.{role}: {task} has no group {group!r}; use {', '.join(there)}")


def settle_encoder(env_cfg: Any, task: str, weights: str | None) -> list[str]:
    """Give a frozen encoder its weights, where a configuration has one, and see that they are there.

    Args:
        env_cfg: Environment configuration; changed in place.
        task: Task id, for the message.
        weights: What the user gave with ``--encoder_weights``; None for what the configuration says.

    Returns:
        Overrides that do the same.

    Raises:
        UsageError: If there are no weights, or nothing that takes them.
    """
    words = []
    for group, term, params in encoders(env_cfg):
        if weights:
            params["weights"] = str(Path(weights).resolve())
            words.append(f"env.observations.{group}.{term}.params.weights={params['weights']}")
        from alice.models import resnet

        resnet.FrozenResNet18(params["weights"])
    if weights and not words:
        raise UsageError(f"--encoder_weights: {task} has no frozen encoder; select one with presets=resnet18")
    return words


def encoders(env_cfg: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Return group, name and parameters of the observation terms with a frozen encoder."""
    return [
        (group, name, term.params)
        for group, group_cfg in vars(env_cfg.observations).items()
        if hasattr(group_cfg, "__dataclass_fields__")
        for name, term in vars(group_cfg).items()
        if "weights" in (getattr(term, "params", None) or ())
    ]


def describe(job: Job) -> dict[str, Any]:
    """Return what ran, where and with which files, ready for JSON.

    Args:
        job: Checked command line; its physics is named as the launched environment uses it.
    """
    record = records.of_checkpoint(job.checkpoint) if job.checkpoint else None
    content = {
        "task": job.task,
        "agent": job.agent,
        "num_envs": job.env_cfg.scene.num_envs,
        "physics": physics_name(job.env_cfg),
        "overrides": job.words,
        "device": job.device,
        "checkpoint": None,
        "checkpoint_sha256": None,
    }
    if job.servo:
        content["servo"] = {"file": job.servo.name, "sha256": provenance.sha256(job.servo)}
    if job.checkpoint:
        content.update(checkpoint=job.checkpoint.name, checkpoint_sha256=provenance.sha256(job.checkpoint))
        content["run"] = job.checkpoint.resolve().parent.name
        content["iterations"] = job.weights["iter"] + 1 if job.weights and "iter" in job.weights else None
        content["trained"] = record and record.get("date")
    return {**content, **provenance.collect(job.agent_cfg.seed, job.device)}


def physics_name(env_cfg: Any) -> str:
    """Return the preset name of the physics engine of a configuration."""
    names = {"OvPhysxCfg": "ovphysx", "PhysxCfg": "isaacsim_physx", "NewtonCfg": "newton_mjwarp"}
    kinds = [kind.__name__ for kind in type(env_cfg.sim.physics).__mro__]
    return next((names[kind] for kind in kinds if kind in names), kinds[0])


def resolve_task(name: str | None) -> str:
    """Return a task id of this project; it is registered from then on.

    Args:
        name: What the user gave with ``--task``; a namespace such as ``alice.tasks:`` is dropped.

    Raises:
        UsageError: If there is no such task.
    """
    task = catalogue.task(name)
    register()
    return task


def register() -> None:
    """Make our tasks known to Gymnasium; raise :class:`UsageError` without an Isaac Lab that they are for."""
    require_isaac_lab()
    importlib.import_module("alice.tasks")  # by name: this module must not depend on the tasks


def require_isaac_lab() -> None:
    """Raise :class:`UsageError` unless there is an Isaac Lab that alice is for; a newer one is tried."""
    try:
        found = metadata.version("isaaclab")
    except metadata.PackageNotFoundError:
        raise UsageError(
            "Isaac Lab is not installed for this Python; start with ./isaaclab.sh -p, which finds or makes one"
        ) from None
    major = int(found.partition(".")[0])
    if major < 3 or 3 < major < 28:  # a source checkout counts otherwise, see compat.ISAAC_LAB
        raise UsageError(
            f"found Isaac Lab {found} in {sys.prefix}, alice is for 3.0.0; deactivate that environment and start with"
            " ./isaaclab.sh -p, which makes one"
        )


def start_warp() -> None:
    """Load Warp, which everything simulated needs, without its warning where there is no driver of CUDA."""
    with _without_driver_warning():
        import warp

        try:
            warp.init()
        except OSError:  # no place for its cache: a home that is read-only, or none
            warp.config.kernel_cache_dir = tempfile.mkdtemp(prefix="warp-")
            print(f"alice: note: Warp keeps its kernels in {warp.config.kernel_cache_dir}: no home", file=sys.stderr)
            warp.init()


@contextlib.contextmanager
def _without_driver_warning() -> Iterator[None]:
    """Keep Warp's library from warning of a missing CUDA driver; all else on standard error comes through, later."""
    with tempfile.TemporaryFile("w+", newline="") as held:  # a clock's "\r" stays one
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not line.startswith("Warp CUDA warning: Could not find or load the NVIDIA CUDA driver"):
                    sys.stderr.write(line)


def limit_threads() -> None:
    """Give PyTorch one thread while an environment steps, unless ``OMP_NUM_THREADS`` says otherwise.

    Its tensors are small, and between two operations a helper thread spins on a core that PhysX could use: with two
    threads on two cores an environment steps a sixth slower.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def keep_freed_memory() -> bool:
    """Tell the allocator of Linux to keep large blocks that were freed, for the rest of the process.

    By default glibc gives large blocks back and asks for them anew: updates from pictures spend a quarter of their time
    on fresh pages for the same tensors.

    Returns:
        Whether the allocator took it: False on other systems.
    """
    import ctypes

    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # From malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD [bytes], M_TOP_PAD [bytes].
    return all([mallopt(-4, 0), mallopt(-1, 2**31 - 1), mallopt(-2, 64 << 20)])


@contextlib.contextmanager
def learning_threads() -> Iterator[None]:
    """Give PyTorch as many threads as small networks can use while the context is open."""
    import torch

    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(MAX_THREADS, len(affinity.cores())))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def settle_physics(env_cfg: Any) -> None:
    """Choose the physics engine where the configuration leaves it open.

    Raises:
        UsageError: If the choice cannot run here.
    """
    reasons = kit.needed(env_cfg)
    if reasons and (lack := kit.missing()):
        if physics_name(env_cfg) != "isaacsim_physx":
            raise UsageError(f"{' and '.join(reasons)}: Isaac Sim {lack}")
        raise UsageError(f"physics=isaacsim_physx: Isaac Sim {lack}; physics=ovphysx is the same PhysX without it")


def refuse_two_runtimes(jobs: list[Job]) -> None:
    """Raise :class:`UsageError` if one process would need PhysX both with and without Isaac Sim."""
    names = [physics_name(job.env_cfg) for job in jobs]
    if "ovphysx" in names and any(kit.needed(job.env_cfg) for job in jobs):
        raise UsageError("PhysX with and without Isaac Sim cannot be loaded in one process; give them one at a time")
