"""RSL-RL's runners with checkpoints that survive: written whole, kept few, saved on a signal, resumed exactly.

A checkpoint is a *cut*: what a run does after it depends on the file alone. Behind the weights and the optimizer it
holds the random number generators, the step counters and the training state of the environment. Right after a save the
running training puts its generators into the saved state and begins every episode anew, exactly as a resumed training
does, so both go on alike. The price is that the episodes under way are lost, once per ``save_interval`` iterations.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rsl_rl.runners import DistillationRunner, OnPolicyRunner

from alice import checkpoints, launch
from alice.learning import env_state, progress
from alice.mdp.events import part_bodies

logger = logging.getLogger(__name__)

ENV_STATE = "env_state"
"""Key of the environment's state in a checkpoint."""
RESERVE = 200_000_000
"""Disk space for logs and the temporary copy of a checkpoint [bytes]."""


class TrainingStopped(KeyboardInterrupt):
    """Ends a training before an environment step, when all is saved; :class:`Stop` knows why.

    A ``KeyboardInterrupt``, because Isaac Lab's entry point ends cleanly on that.
    """


class Stop:
    """Why a training has to stop, if it has to."""

    def __init__(self):
        self.signal: int | None = None
        """Number of the signal that asked for it, SIGINT or SIGTERM."""
        self.refusal: str | None = None
        """Why it cannot begin."""

    @contextmanager
    def listening(self):
        """Take the two signals while the context is open; a second SIGINT interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._ask) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _ask(self, number: int, frame) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        print("alice: stopping and saving", file=sys.stderr, flush=True)


class CutRunner:
    """What both runners below add to RSL-RL's; comes before the runner in their bases."""

    keep: int | None = None
    """Number of checkpoints that stay on the disk; all for None."""
    stop: Stop
    """Asked before every environment step."""
    _cut: dict[str, Any] | None = None
    """State of the environment at the last save or load, until it is begun again from there."""
    _saved: int | None = None
    """Iteration of the last save."""
    _finished: int = -1
    """Last finished iteration."""

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        """Train; see RSL-RL.

        Raises:
            TrainingStopped: After SIGINT or SIGTERM, when the last finished iteration is on the disk, and before the
                first iteration if the disk is too small for the checkpoints.
        """
        self._refuse_a_full_disk(num_learning_iterations)
        launch.keep_freed_memory()
        self._finished = self.current_learning_iteration - 1
        self._random_lengths = init_at_random_ep_len
        stock_act, stock_update = self.alg.act, self.alg.update

        def act(obs):
            self._stop_if_asked()
            return stock_act(obs if self._cut is None else self._begin_again())

        def update():
            with launch.learning_threads():
                losses = stock_update()
            self._finished += 1
            return losses

        self.alg.act, self.alg.update = act, update
        try:
            with self.stop.listening(), progress.shown(self.logger):
                super().learn(num_learning_iterations, init_at_random_ep_len and self._cut is None)
        finally:
            del self.alg.act, self.alg.update
            if hasattr(self.logger.writer, "flush"):  # TensorBoard's own thread may not get to it any more
                self.logger.writer.flush()

    def save(self, path: str, infos: dict | None = None) -> None:
        """Write a checkpoint under a temporary name, rename it and drop the oldest beyond :attr:`keep`."""
        if self._saved == self.current_learning_iteration:  # the last iteration comes twice
            return
        self._cut = env_state.collect(self.env.unwrapped)
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            torch.save(self._content(infos), temporary)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        self._saved = self.current_learning_iteration
        self.logger.save_model(path, self.current_learning_iteration)
        if self.keep:
            checkpoints.prune(target.parent, self.keep)

    def load(self, path: str, load_cfg: dict | None = None, strict: bool = True, map_location: str | None = None):
        """Load a checkpoint, without running code from it, and go on with the iteration after it."""
        content = torch.load(path, weights_only=True, map_location=map_location)
        if self.alg.load(content, load_cfg, strict):
            self.current_learning_iteration = content["iter"] + 1
            self._saved = content["iter"]
            self._cut = content.get(ENV_STATE)
            if self._cut is None:
                logger.warning("%s holds no environment state: curriculum and randomness start afresh", path)
        return content.get("infos")

    def _begin_again(self):
        """Put the environment into the state of the last cut, begin every episode anew and return the observations."""
        part_bodies(self.env.unwrapped)
        # Only rank 0 saves; if all ranks took its generators over, they would all see the same episodes.
        env_state.restore(self.env.unwrapped, self._cut, generators=self.gpu_global_rank == 0)
        obs, _ = self.env.reset()
        if self._random_lengths:
            env_state.spread_episode_lengths(self.env.unwrapped)
        self._cut = None
        return obs.to(self.device)

    def _content(self, infos: dict | None) -> dict[str, Any]:
        state = {"iter": self.current_learning_iteration, "infos": infos, ENV_STATE: self._cut}
        return self.alg.save() | state

    def _refuse_a_full_disk(self, iterations: int) -> None:
        """Compare the free space with the size of the checkpoints to come."""
        folder = self.logger.log_dir
        if folder is None or self.logger.disable_logs:
            return
        size = _saved_size(self._content(None) | {ENV_STATE: env_state.collect(self.env.unwrapped)})
        count = iterations // self.cfg["save_interval"] + 2
        need = size * (min(count, self.keep + 1) if self.keep else count) + RESERVE
        free = shutil.disk_usage(folder).free
        if need > free:
            self.stop.refusal = (
                f"the disk of {os.path.relpath(folder)} has {free / 1e6:.0f} MB free, the checkpoints need"
                f" {need / 1e6:.0f} MB; free some, or keep fewer with --keep N"
            )
            raise TrainingStopped

    def _stop_if_asked(self) -> None:
        if self.stop.signal is None:
            return
        if self.logger.writer is not None and self._finished >= 0:
            self.current_learning_iteration = self._finished
            self.save(os.path.join(self.logger.log_dir, f"model_{self._finished}.pt"))
            self.logger.stop_logging_writer()
        raise TrainingStopped


def _saved_size(content: dict[str, Any]) -> int:
    """Return the size of a checkpoint [bytes]. Adam's two moments count even before its first step."""
    file = io.BytesIO()
    torch.save(content, file)
    weights = sum(v.numel() * 4 for k, d in content.items() if k.endswith("_state_dict") for v in _tensors(d))
    has_moments = bool(content.get("optimizer_state_dict", {}).get("state"))
    return file.tell() + (0 if has_moments else 2 * weights)


def _tensors(content: Any) -> list[torch.Tensor]:
    return [item for item in content.values() if isinstance(item, torch.Tensor)]


class CutOnPolicyRunner(CutRunner, OnPolicyRunner):
    """PPO's runner with cuts."""


class CutDistillationRunner(CutRunner, DistillationRunner):
    """The runner of teacher-student distillation with cuts."""


@contextmanager
def cut_runners(keep: int | None = None):
    """Let Isaac Lab's entry point make the runners of this module while the context is open.

    Isaac Lab 3.0.0 takes no runner class from a configuration; its factory looks the two classes up in its module.

    Args:
        keep: Number of checkpoints that stay on the disk; all for None.

    Yields:
        The :class:`Stop` of the training.
    """
    from isaaclab_rl.rsl_rl import utils

    stock = utils.OnPolicyRunner, utils.DistillationRunner
    stop = Stop()
    ours = {"keep": keep, "stop": stop}
    utils.OnPolicyRunner = type("OnPolicyRunner", (CutOnPolicyRunner,), ours)
    utils.DistillationRunner = type("DistillationRunner", (CutDistillationRunner,), ours)
    try:
        yield stop
    finally:
        utils.OnPolicyRunner, utils.DistillationRunner = stock
