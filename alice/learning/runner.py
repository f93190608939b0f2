"""RSL-RL's runners with checkpoints that survive: written whole, kept few, saved on a signal, resumed exactly.

A checkpoint is a *cut*: what a run does after it depends on the file alone. Behind the weights and the optimizer it
holds the random number generators, the step counters and the training state of the environment. Right after a save the
running training puts its generators into the saved state and begins every episode anew, exactly as a resumed training
does, so both go on alike. The price is that the episodes under way are lost, once per ``save_interval`` iterations.

The processes of a distributed training meet at the end of every iteration (:meth:`CutRunner._meet`): there they pool
their finished episodes, agree on a stop, and hand what each of them is to the one that saves.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rsl_rl.runners import DistillationRunner, OnPolicyRunner

from alice.learning import agreement, env_state, progress
from alice.learning.stop import Stop, TrainingStopped, leave_terminal
from alice.mdp.events import part_bodies
from alice.runs import checkpoints, launch

logger = logging.getLogger(__name__)

ENV_STATE, LOG, RANKS = "env_state", "log", "rank_states"
"""Keys of the environment's state, of the running means of the log, and of the environments' states of the other
processes in a checkpoint."""
RESERVE = 200_000_000
"""Disk space for logs and the temporary copy of a checkpoint [bytes]."""


class CutRunner:
    """What both runners below add to RSL-RL's; comes before the runner in their bases."""

    keep: int | None = None
    """Number of checkpoints that stay on the disk; all for None."""
    goes_on: bool = True
    """Whether the run of a loaded checkpoint is gone on with, random numbers included; if not, a new run begins."""
    learning_rate: float | None = None
    """Wins over the rate of a loaded checkpoint."""
    begins_last: bool = False
    """Whether a new run begins at the curriculum's last stage: one that begins at nothing but a policy's weights."""
    stop: Stop
    """Asked before every environment step."""
    _cut: dict[str, Any] | None = None
    """State of the environment at the last save or load, until it is begun again from there."""
    _saved: int | None = None
    """Iteration of the last save."""
    _has_saved: bool = False
    """Whether it has saved, so that the state behind :attr:`_cut` is its own."""
    _finished: int = -1
    """Last finished iteration."""
    _last: int = -1
    """Last iteration of this training."""
    _others: list[dict[str, Any]] | None = None
    """States of the other processes' environments at this cut, in the order of their ranks."""
    _has_own_state: bool = True
    """Whether :attr:`_cut` is this process's own, and not that of rank 0 for want of one."""
    _entropy_coef: float | None = None
    """What PPO pays for a nat of entropy before a stage's cost is taken off."""
    _agreed: int | None = None
    """Signal that all processes have agreed to stop for."""

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        """Train; see RSL-RL.

        Raises:
            TrainingStopped: After a signal that saves (:data:`alice.learning.stop.SIGNALS`), when the last finished
                iteration is on the disk; before the first iteration if the disk is too small for the checkpoints, and
                when it has filled up since.
        """
        self.stop.refusal = agreement.first(self.stop.refusal or self._lack_of_disk(num_learning_iterations))
        if self.stop.refusal:
            raise TrainingStopped
        launch.keep_freed_memory()
        self._finished = self.current_learning_iteration - 1
        self._last = self._finished + num_learning_iterations
        for term in env_state.staged_terms(self.env.unwrapped):
            term.is_driven = True
        self._random_lengths = init_at_random_ep_len
        stock_act, stock_update = self.alg.act, self.alg.update

        def act(obs):
            self._stop_if_asked()
            self.stop.has_begun = True
            return stock_act(obs if self._cut is None else self._begin_again())

        def update():
            with launch.learning_threads():
                losses = stock_update()
            self._choose_noise()
            self._finished += 1
            self._meet()
            return losses

        self.alg.act, self.alg.update = act, update
        self._choose_noise()
        try:
            with self.stop.listening(), progress.shown(self.logger):
                super().learn(num_learning_iterations, init_at_random_ep_len and self._cut is None)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._refuse_to_go_on(error)
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            leave_terminal()  # nobody reads what a training prints, which is all that it could not write
            self._save_and_leave(self.stop.signal or signal.SIGHUP)
        finally:
            del self.alg.act, self.alg.update
            if hasattr(self.logger.writer, "flush"):  # TensorBoard's own thread may not get to it any more
                self.logger.writer.flush()

    def _choose_noise(self) -> None:
        """Let the noise depend on what is seen, and cost something, once the training asks for calm.

        It changes from one rollout to the next. Where nothing has been found yet noise would only learn where it is
        safest to do nothing.
        """
        actor = getattr(self.alg, "actor", None)
        if not hasattr(actor, "is_attentive"):
            return
        if self._entropy_coef is None:
            self._entropy_coef = self.alg.entropy_coef
        stages = [term.curriculum.stage for term in env_state.staged_terms(self.env.unwrapped)]
        actor.is_attentive = all(stage.asks_calm for stage in stages)
        self.alg.entropy_coef = self._entropy_coef - sum(stage.noise_cost for stage in stages)

    def save(self, path: str, infos: dict | None = None) -> None:
        """Write a checkpoint under a temporary name, rename it and drop the oldest beyond :attr:`keep`."""
        if self._saved == self.current_learning_iteration:  # the last iteration comes twice
            return
        if agreement.is_alone():
            self._cut = env_state.collect(self.env.unwrapped)
        target = Path(path)
        write_whole(self._content(infos), target)
        self._saved, self._has_saved = self.current_learning_iteration, True
        self.logger.save_model(path, self.current_learning_iteration)
        if self.keep:
            checkpoints.prune(target.parent, self.keep)

    def load(self, path: str, load_cfg: dict | None = None, strict: bool = True, map_location: str | None = None):
        """Load a checkpoint, without running code from it, and go on with the iteration after it.

        Weights of other networks are told when the training would begin: Isaac Lab prints a traceback of what is raised
        here.
        """
        content = torch.load(path, weights_only=True, map_location=map_location)
        try:
            counts_on = self.alg.load(content, load_cfg, strict)
        except (RuntimeError, ValueError, KeyError) as error:
            self.stop.refusal = checkpoints.misfit(Path(path), error, "these networks")
            return None
        if counts_on:
            self.current_learning_iteration = content["iter"] + 1
            self._saved = content["iter"]
            self._cut = self._state_of_this_rank(content)
            if self._cut is None and not self.begins_last:
                logger.warning("%s holds no environment state: curriculum and randomness start afresh", path)
            if self.goes_on and LOG in content:
                log = content[LOG]
                self.logger.rewbuffer.extend(log["rewards"])
                self.logger.lenbuffer.extend(log["lengths"])
                self.logger.tot_timesteps = log["steps"]
            self._set_learning_rate()
        if self.begins_last:
            env_state.begin_at_last_stage(self.env.unwrapped)
            self._cut = env_state.collect(self.env.unwrapped)  # what has begun in the first stage is begun anew
        return content.get("infos")

    def _set_learning_rate(self) -> None:
        """Put the given learning rate in the place of the one that came with the optimizer's state."""
        if self.learning_rate is None:
            return
        self.alg.learning_rate = self.learning_rate
        for group in self.alg.optimizer.param_groups:
            group["lr"] = self.learning_rate

    def _begin_again(self):
        """Put the environment into the state of the last cut, begin every episode anew and return the observations."""
        part_bodies(self.env.unwrapped)
        # If all ranks took the generators of one over, they would all see the same episodes. A new run has a seed of
        # its own.
        is_same = (self.goes_on and self._has_own_state) or self._has_saved
        env_state.restore(self.env.unwrapped, self._cut, generators=is_same)
        self._choose_noise()  # the stage is known only now
        obs, _ = self.env.reset()
        self.logger.cur_reward_sum.zero_()  # of the episodes that the cut ended
        self.logger.cur_episode_length.zero_()
        if self._random_lengths:
            env_state.spread_episode_lengths(self.env.unwrapped)
        self._cut = None
        return obs.to(self.device)

    def _state_of_this_rank(self, content: dict[str, Any]) -> dict[str, Any] | None:
        """Return the environment's state that a checkpoint has for this process.

        A run that goes on with more processes than before has none for the new ones: they take counters and stage of
        rank 0, and keep the random numbers of their own seeds.
        """
        rank, others = self.gpu_global_rank, content.get(RANKS, [])
        self._has_own_state = rank <= len(others)
        return others[rank - 1] if 0 < rank <= len(others) else content.get(ENV_STATE)

    def _meet(self) -> None:
        """End an iteration together with the other processes, or alone."""
        terms = env_state.staged_terms(self.env.unwrapped)
        own = {"signal": self.stop.signal, "episodes": [term.finished() for term in terms]}
        found = agreement.gathered(own)
        for number, term in enumerate(terms):
            term.judge([episode for part in found for episode in part["episodes"][number]])
        if len(found) == 1:
            return
        self._agreed = next((part["signal"] for part in found if part["signal"]), None)
        is_saved = self._finished % self.cfg["save_interval"] == 0 or self._finished == self._last
        if self.logger.log_dir is not None and (is_saved or self._agreed):
            states = agreement.gathered(env_state.collect(self.env.unwrapped))
            self._cut, self._others = states[self.gpu_global_rank], states[1:]
            self._has_saved = True

    def _content(self, infos: dict | None) -> dict[str, Any]:
        log = self.logger
        means = {"rewards": list(log.rewbuffer), "lengths": list(log.lenbuffer), "steps": log.tot_timesteps}
        state = {"iter": self.current_learning_iteration, "infos": infos, ENV_STATE: self._cut, LOG: means}
        others = {} if self._others is None else {RANKS: self._others}
        return self.alg.save() | state | others

    def _lack_of_disk(self, iterations: int) -> str | None:
        """Compare the free space with the size of the checkpoints to come and return what to say if it is too small."""
        folder = self.logger.log_dir
        if folder is None or self.logger.disable_logs:
            return None
        size = _saved_size(self._content(None) | {ENV_STATE: env_state.collect(self.env.unwrapped)})
        count = iterations // self.cfg["save_interval"] + 2
        need = size * (min(count, self.keep + 1) if self.keep else count) + RESERVE
        free = shutil.disk_usage(folder).free
        if need <= free:
            return None
        return (
            f"the disk of {os.path.relpath(folder)} has {free / 1e6:.0f} MB free, the checkpoints need"
            f" {need / 1e6:.0f} MB; free some, or keep fewer with --keep N"
        )

    def _refuse_to_go_on(self, error: OSError) -> None:
        """Stop because the disk is full; what was saved before is whole."""
        folder = Path(self.logger.log_dir)
        newest = checkpoints.newest_in(folder)
        kept = f"the newest whole checkpoint is {newest.name}" if newest else "no checkpoint has been written"
        self.stop.refusal = (
            f"the disk of {os.path.relpath(folder)} is full ({error.strerror}), the training has stopped and {kept};"
            f" free some, then go on with --resume {os.path.relpath(folder)}, with fewer checkpoints by --keep N"
        )
        raise TrainingStopped from error

    def _stop_if_asked(self) -> None:
        """Stop for a signal of this process or, where there are several, for one that all of them have agreed on."""
        number = self.stop.signal if agreement.is_alone() else self._agreed
        if number is not None:
            self._save_and_leave(number)

    def _save_and_leave(self, number: int) -> None:
        self.stop.signal = number
        if self.logger.writer is not None and self._finished >= 0:
            self.current_learning_iteration = self._finished
            self.save(os.path.join(self.logger.log_dir, f"model_{self._finished}.pt"))
            self.logger.stop_logging_writer()
        raise TrainingStopped


def write_whole(content: dict[str, Any], target: Path) -> None:
    """Write a checkpoint under a temporary name and rename it: a reader never sees half of it.

    Args:
        content: What RSL-RL saves.
        target: File.

    Raises:
        OSError: If the disk is full or cannot be written; what was there before is untouched.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    file = io.BytesIO()
    torch.save(content, file)  # into memory: its own writer hides why a disk did not take it
    try:
        with temporary.open("wb") as stream:
            stream.write(file.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


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

    def _set_learning_rate(self) -> None:
        """Leave the rate to :class:`alice.learning.distillation.ReplayDistillation`, which works it out at a load."""


@contextmanager
def cut_runners(**settings: Any):
    """Let Isaac Lab's entry point make the runners of this module while the context is open.

    Isaac Lab 3.0.0 takes no runner class from a configuration; its factory looks the two classes up in its module.

    Args:
        settings: Attributes of :class:`CutRunner`: ``keep``, ``goes_on``, ``learning_rate``, ``begins_last``.

    Yields:
        The :class:`Stop` of the training.
    """
    from isaaclab_rl.rsl_rl import utils

    stock = utils.OnPolicyRunner, utils.DistillationRunner
    stop = Stop()
    ours = {**settings, "stop": stop}
    utils.OnPolicyRunner = type("OnPolicyRunner", (CutOnPolicyRunner,), ours)
    utils.DistillationRunner = type("DistillationRunner", (CutDistillationRunner,), ours)
    try:
        with stop.leaving():
            yield stop
    finally:
        utils.OnPolicyRunner, utils.DistillationRunner = stock
