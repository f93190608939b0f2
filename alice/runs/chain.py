"""The chain behind ``--teacher``: a state policy teaches one that sees, which then goes on by itself.

Each stage is a run of its own, in a process of its own, with its folder, provenance and checkpoints, so that a chain
that was cut off is gone on with stage by stage; with ``--run FOLDER`` the same command does so. PPO can spoil a
student, so the ends of both stages are audited on equal starts and the better one is named.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alice import arms
from alice.cli.usage import UsageError
from alice.contract import terms_of
from alice.runs import advice, chain_record, checkpoints, child, folders, launch, lock, records, resume
from alice.runs.launch import Job
from alice.transfer.outcome import SELECTION_SEED

STAGES = ("rsl_rl_distillation_cfg_entry_point", "rsl_rl_finetune_cfg_entry_point")
"""Agents of the stages in their order. Their own run names tell the folders of a chain apart."""
SELECTION_EPISODES = 512
"""Home starts on which the ends of the stages are compared, at most."""
LEAST_EPISODES = 16


def run(
    args: argparse.Namespace,
    words: list[str],
    others: list[str],
    stock: argparse.Namespace,
    asked: folders.Asked,
    held: lock.Lock,
) -> int:
    """Train stage after stage.

    Args:
        args: Flags of ``scripts/train.py``; ``--max_iterations`` counts for each stage.
        words: The ``name=value`` overrides; both stages get them, but each has its own run name behind a given one.
        others: All other flags; both stages get them.
        stock: The same, parsed.
        asked: What the command line asks for.
        held: Holds the folder of ``--run``.

    Returns:
        Exit code of what ended the chain.

    Raises:
        UsageError: If the task has no such stages, or the teacher does not fit.
    """
    _refuse_other_flags(args, stock)
    task = launch.resolve_task(args.task)
    teacher_task = task_of_teacher(task)
    teacher = checkpoints.resolve(str(args.teacher), teacher_task)
    if not any(word.startswith("env.curriculum=") for word in words):
        words = [*words, "env.curriculum=none"]  # a student is shown all of the job from the first step on
    words, name = _take_name(words, stock.run_name)
    others = resume.lasting(others)
    record = chain_record.Record(args.run, asked, held) if args.run else None
    if record and record.end:
        print(record.end)
        return 0
    args.max_iterations = record.iterations if record else args.max_iterations
    places = Places(args.run, datetime.now().strftime(records.STAMP), name, stock.experiment_name)
    return Chain(args, words, others, places, held, record).train(teacher)


def _refuse_other_flags(args: argparse.Namespace, stock: argparse.Namespace) -> None:
    """Raise :class:`UsageError` for flags that a chain sets itself."""
    given = {"--resume": args.resume, "--checkpoint": args.checkpoint, "--phase": args.phase}
    given |= {"--run_timestamp": stock.run_timestamp, "--more_iterations": args.more_iterations}
    for flag, value in given.items():
        if value:
            raise UsageError(f"--teacher begins a chain of two runs and does not go with {flag}; leave one of them out")
    if args.agent != launch.DEFAULT_AGENT:
        raise UsageError(f"--teacher chooses the agents itself; leave --agent {args.agent} out")


@dataclass(frozen=True)
class Places:
    """Where the runs of a chain lie."""

    run: Path | None
    """Folder of ``--run``, which holds one for each stage; None for folders with Isaac Lab's names."""
    stamp: str
    name: str | None
    experiment: str | None

    def of(self, job: Job) -> tuple[Path, list[str]]:
        """Return the folder of a stage and the flags that name it."""
        stage = job.agent_cfg.run_name
        if self.run:
            return self.run / stage, ["--run", str(self.run / stage)]
        run_name = f"{self.name}_{stage}" if self.name else stage
        experiment = self.experiment or job.agent_cfg.experiment_name
        flags = ["--experiment_name", experiment, "--run_name", run_name, "--run_timestamp", self.stamp]
        return checkpoints.LOG_ROOT / experiment / f"{self.stamp}_{run_name}", flags


@dataclass(frozen=True)
class Chain:
    """Checked words of a chain."""

    args: argparse.Namespace
    words: list[str]
    others: list[str]
    places: Places
    held: lock.Lock
    record: chain_record.Record | None
    """What the folder of ``--run`` says."""

    def train(self, teacher: Path) -> int:
        """Train stage after stage, compare their ends and return the exit code."""
        start, ends = teacher, []
        for agent in STAGES:
            flags = argparse.Namespace(**{**vars(self.args), "agent": agent, "checkpoint": str(start)})
            job = launch.prepare(flags, self.words, play_mode=False)
            check(job)
            code, folder = self._complete(job, start)
            if code:
                remedy = [f"go on: {advice.again()}"] if self.record else _remedy(job.task, agent, folder)
                print(f"alice: the chain ended in {job.agent_cfg.run_name}", *remedy, sep="\n", file=sys.stderr)
                return code
            start = checkpoints.newest_in(folder)
            ends.append(start)
        return self._compare(job, ends)

    def _complete(self, job: Job, start: Path) -> tuple[int, Path]:
        """Train one stage, or what is missing of it, and return exit code and folder."""
        stage, (folder, place) = job.agent_cfg.run_name, self.places.of(job)
        content = folders.look(folder)
        last = job.first_iteration + (self.args.max_iterations or job.agent_cfg.max_iterations) - 1
        if content.record and not self.args.max_iterations:  # an earlier version may have had other defaults
            last = content.record["max_iterations"] - 1
        if (content.done or 0) > last:
            print(f"alice: {stage}: finished", flush=True)
            return 0, folder
        print(f"alice: {stage}: {start} -> {folder}", flush=True)
        if self.record:
            self.record.begin(stage)
        words = [*_flags(self.args, job), *self.others, *place, *self.words]
        code = child.run("train", words, self.held)
        newest = checkpoints.newest_in(folder) if folder.is_dir() else None
        is_short = newest is None or checkpoints.number(newest) < last  # a window that was closed leaves with 0
        return code or int(is_short), folder

    def _compare(self, job: Job, ends: list[Path]) -> int:
        """Audit the last checkpoints of the stages on equal starts, name the better one and return the exit code."""
        rates = []
        count = selection_episodes(job, self.args.max_iterations)
        print(f"alice: both ends are audited on {count} equal starts", flush=True)
        common = ["--task", job.task, "--episodes", str(count), "--seed", str(SELECTION_SEED)]
        for flag in ("device", "encoder_weights"):
            value = getattr(self.args, flag)
            common += [] if value is None else [f"--{flag}", str(value)]
        common += ["--domain_rand"] if self.args.domain_rand else []
        for end in ends:
            result = end.with_name("selection.json")
            if not chain_record.is_audited(end, result, count):
                which = ["--checkpoint", str(end), "--json", str(result)]
                world = records.world_words({"overrides": self.words})
                if code := child.run("evaluate", [*common, *which, *world], self.held):
                    return code
            rates.append(json.loads(result.read_text(encoding="utf-8"))["success"]["rate"])
        best = max(range(len(ends)), key=lambda index: (rates[index], index))
        table = ", ".join(f"{end.parent.name} {rate:.2%}" for end, rate in zip(ends, rates, strict=True))
        if self.record:
            self.record.finish(f"{table} of {count} starts", ends[best])
        print(f"alice: {table} of {count} starts; the better one: {ends[best]}")
        return 0


def _take_name(words: list[str], flag: str | None) -> tuple[list[str], str | None]:
    """Return the overrides without that of the run name, and the name that was given, by flag or override."""
    ours = "agent.run_name="
    names = [word.removeprefix(ours) for word in words if word.startswith(ours)]
    return [word for word in words if not word.startswith(ours)], flag or (names[-1] if names else None)


def selection_episodes(job: Job, iterations: int | None) -> int:
    """Return on how many home starts the stages are compared: an audit plays no more steps than a stage trained on.

    Args:
        job: The last stage.
        iterations: What the user gave with ``--max_iterations``, None for what the stage is set to.
    """
    env_cfg, agent_cfg = job.env_cfg, job.agent_cfg
    samples = (iterations or agent_cfg.max_iterations) * agent_cfg.num_steps_per_env * env_cfg.scene.num_envs
    longest = env_cfg.episode_length_s / (env_cfg.sim.dt * env_cfg.decimation)  # [control steps]
    return min(SELECTION_EPISODES, max(LEAST_EPISODES, int(samples / longest)))


def task_of_teacher(task: str) -> str:
    """Return the task whose policies can teach a task; raise :class:`UsageError` if there is none."""
    import gymnasium

    found = gymnasium.spec(task).kwargs.get("teacher_task")
    if found is None:
        raise UsageError(f"--teacher: {task} learns without one; leave it out")
    return found


def check(job: Job) -> None:
    """Raise :class:`UsageError` unless a distillation has a teacher, or a student, that fits its task.

    Args:
        job: Checked command line of a training.
    """
    if job.role != "student":
        return
    if job.weights is None:
        raise UsageError("a distillation needs a teacher: --checkpoint FILE of the state task, or --teacher released")
    if "student_state_dict" in job.weights:
        return
    wanted = sum(_size(job, group) for group in job.agent_cfg.obs_groups["teacher"])
    found = job.weights["actor_state_dict"].get("mlp.0.weight")
    width = None if found is None else found.shape[1]
    if width != wanted:
        raise UsageError(
            f"teacher {job.checkpoint.name!r} takes {width} numbers, {job.task} has {wanted} for it; give a policy of"
            f" {task_of_teacher(job.task)} without presets that change its observations"
        )


def _size(job: Job, group: str) -> int:
    """Return how many numbers an observation group has."""
    known = terms_of(arms.named(job.env_cfg.arm))
    terms = vars(getattr(job.env_cfg.observations, group))
    return sum(known[name].size for name, term in terms.items() if hasattr(term, "func"))


def _flags(args: argparse.Namespace, job: Job) -> list[str]:
    """Return the flags of one stage as words."""
    found = ["--task", job.task, "--agent", job.agent, "--checkpoint", str(job.checkpoint)]
    for name in ("num_envs", "seed", "device", "max_iterations", "keep", "encoder_weights", "servo"):
        value = getattr(args, name)
        found += [] if value is None else [f"--{name}", str(value)]
    return [*found, "--domain_rand"] if args.domain_rand else found


def _remedy(task: str, agent: str, folder: Path) -> list[str]:
    """Return the commands that go on with a chain, one a line."""
    if not folder.is_dir() or checkpoints.newest_in(folder) is None:
        return []
    lines = [f"go on: {advice.resume(folder)}"]
    if agent == STAGES[0]:
        words = ("--task", task, "--agent", STAGES[1], "--checkpoint", folder, "env.curriculum=none")
        lines.append(f"then: {advice.command('train', *words)}")
    return lines
