"""Teacher-student distillation from a replay memory: DAgger as RSL-RL's runner drives it.

RSL-RL's ``Distillation`` learns from the last rollout alone. A rollout of a few hundred pictures of neighbouring
moments teaches a CNN little and makes it forget; here what was seen is kept, and each update draws from all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from rsl_rl.algorithms import Distillation
from rsl_rl.storage import RolloutStorage
from rsl_rl.utils import resolve_callable
from tensordict import TensorDict

from alice.learning import env_state, sight
from alice.models.keypoints import has_bfloat16

REFILL = 50_000
"""Samples that a run which goes on has before its first update: with fewer it would learn them by heart and forget the
others. It waits for half of what its memory held at most."""


class Replay:
    """The newest samples of a student's observations and its teacher's actions, a ring.

    Args:
        size: Number of samples it holds.
        groups: Observation groups to keep.
    """

    def __init__(self, size: int, groups: list[str]):
        self.size, self._groups = size, groups
        """Number of samples that it can hold."""
        self._rows: TensorDict | None = None
        self._next = 0
        self.fill = 0
        """Number of samples that it holds."""

    def add(self, observations: TensorDict, labels: torch.Tensor) -> None:
        """Put samples in; the oldest make room.

        Args:
            observations: Observation groups, (B, …) each.
            labels: Actions, (B, A).
        """
        rows = TensorDict({**{group: observations[group] for group in self._groups}, "labels": labels}, [len(labels)])
        rows = rows[-self.size :]
        if self._rows is None:
            self._rows = TensorDict(
                {key: torch.empty(self.size, *value.shape[1:], dtype=value.dtype) for key, value in rows.items()},
                [self.size],
            ).to(labels.device)
        places = (self._next + torch.arange(len(rows), device=labels.device)) % self.size
        self._rows[places] = rows
        self._next = int(places[-1] + 1) % self.size
        self.fill = min(self.fill + len(rows), self.size)

    def draw(self, count: int) -> tuple[TensorDict, torch.Tensor]:
        """Return ``count`` samples, drawn evenly with replacement: observation groups, (count, …), and actions."""
        rows = self._rows[torch.randint(self.fill, (count,), device=self._rows.device)]
        return rows.select(*self._groups), rows["labels"]


class ReplayDistillation(Distillation):
    """RSL-RL's distillation with a replay memory, a teacher that drives first, mirrored samples and a lesson in seeing.

    The student acts and the teacher tells what it would have done (DAgger). In the first steps the teacher acts, so
    that the memory begins with whole transfers. The student's noise differs between environments, from none to all of
    it: noise shows what errors lead to, but helps a student over where it would stand still without.

    Args:
        replay_size: Samples that are kept.
        min_replay: Samples that there must be before the first update.
        batch_size: Samples of an update; half of them drawn, the others their mirror images if there is a mirror.
        updates_per_step: Updates for each control step of a rollout.
        teacher_steps: Control steps in which the teacher drives.
        final_learning_rate: Where the learning rate ends.
        decay_iterations: Iterations in which it gets there, by the same factor in each.
        mirror: Function such as :func:`alice.learning.symmetry.mirror_left_right`, None for none.
        bfloat16: Whether convolutions and products are learned in 16 bits; None: on a CPU that has instructions for it
            (AMX, AVX512-BF16), where an update of ReLU convolutions takes two thirds of the time.
        ema_decay: Factor on the moving average of the student's weights for each update. The average acts, is saved and
            goes on to the next stage; 0 for the weights as they are learned.
        sight_weight: Factor on the loss of :class:`alice.learning.sight.SightLesson`; 0 for no such lesson.
        shift: Pictures that are learned from are moved by up to so many pixels.
        beginnings: Share of the environments whose episodes end early, one over a whole number. What is hard to see,
            the ball before it is grasped, fills a quarter of the samples otherwise.
        beginning_steps: After so many control steps.
    """

    def __init__(
        self,
        *args,
        replay_size: int,
        min_replay: int,
        batch_size: int,
        updates_per_step: float,
        teacher_steps: int,
        final_learning_rate: float,
        decay_iterations: int,
        mirror: str | None = None,
        bfloat16: bool | None = None,
        ema_decay: float = 0.0,
        sight_weight: float = 0.0,
        shift: int = 0,
        beginnings: float = 0.0,
        beginning_steps: int = 0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.groups = [*self._raw_student.obs_groups, *getattr(self._raw_student, "obs_groups_2d", [])]
        """Observation groups that the student learns from; the others are not kept."""
        self._lesson = sight.SightLesson(self._raw_student)
        self._sight_weight = sight_weight if self._lesson.is_possible else 0.0
        if self._sight_weight:
            self.groups.append(sight.GROUP)
        self._shift = shift if self._lesson.is_possible else 0
        if beginnings and not (beginnings <= 0.5 and math.isclose(1.0 / beginnings, round(1.0 / beginnings))):
            raise ValueError(f"beginnings={beginnings} is no share of the environments; give 0, 1/2, 1/3, 1/4 ...")
        self._beginning_steps = beginning_steps if beginnings else 0
        self._every = round(1.0 / beginnings) if beginnings else 0
        self.replay = Replay(replay_size, self.groups)
        self._min_replay = max(min_replay, 1)
        self._batch_size, self._updates_per_step = batch_size, updates_per_step
        self._teacher_steps = teacher_steps
        self._first_rate, self._final_rate = self.learning_rate, final_learning_rate
        self._decay_iterations = decay_iterations
        self._mirror = resolve_callable(mirror) if mirror else None
        self._env = None
        """Environment, whose arm the mirror knows; :meth:`construct_algorithm` sets it."""
        self._bfloat16 = has_bfloat16(self.device) if bfloat16 is None else bfloat16
        self._ema_decay = ema_decay
        self._learned: list[torch.Tensor] | None = None
        """Weights that are being learned, while the student has their average."""
        self._steps = 0

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Return actions, the teacher's at first and the student's then; the teacher's are kept as labels."""
        super().act(obs)
        mean, sample = self._raw_student.output_mean.detach(), self.transition.actions
        actions = self.transition.actions = torch.lerp(mean, sample, _noise_shares(len(mean)).to(mean.device))
        if self._steps < self._teacher_steps:
            actions = self.transition.actions = self.transition.privileged_actions
        self._steps += 1
        if self._beginning_steps:
            env_state.end_after(self._env.unwrapped, slice(1, None, self._every), self._beginning_steps)
        self.transition.observations = obs.select(*self.groups)
        # What lies outside of [-1, 1] moves the arm no further: the student need not learn it.
        self.transition.privileged_actions = self.transition.privileged_actions.clamp(-1.0, 1.0)
        return actions

    def update(self) -> dict[str, float]:
        """Remember the rollout, learn from what is remembered and return the losses."""
        seen = self.storage.observations.flatten(0, 1)
        self.replay.add(seen, self.storage.privileged_actions.flatten(0, 1))
        self._raw_student.update_normalization(seen)
        count = round(self._updates_per_step * self.storage.num_transitions_per_env)
        self.storage.clear()
        told = {"replay": float(self.replay.fill)}
        if self.replay.fill < self._min_replay:
            return told
        with self._learning(count):
            losses = torch.stack([self._learn() for _ in range(count)]).mean(dim=0)
        self.num_updates += 1
        self._set_rate(self._first_rate * self._decay(self.num_updates))
        return dict(zip(("behavior", "sight"), losses.tolist(), strict=True)) | told

    @contextmanager
    def _learning(self, count: int) -> Iterator[None]:
        """Give the student the weights that are learned for ``count`` updates, and their new average afterwards."""
        weights = [weight.detach() for weight in self._raw_student.parameters()]
        averages = [weight.clone() for weight in weights]
        for weight, learned in zip(weights, self._learned or weights, strict=True):
            weight.copy_(learned)
        yield
        self._learned = [weight.clone() for weight in weights]
        updates = self.num_updates * count
        # The first weights are no good: the average forgets them faster.
        decay = min(self._ema_decay, (1 + updates) / (10 + updates)) ** count
        for weight, average in zip(weights, averages, strict=True):
            weight.lerp_(average, decay)

    def _learn(self) -> torch.Tensor:
        """Take one step of the optimizer and return the losses in acting and in seeing, (2,)."""
        if self._mirror is None:
            obs, labels = self.replay.draw(self._batch_size)
        else:
            obs, labels = self.replay.draw(self._batch_size // 2)
            obs, labels = self._mirror(env=self._env, obs=obs, actions=labels)
        if self._shift:
            obs = sight.shifted(obs, self._shift)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self._bfloat16):
            actions = self.student(obs)
        acting = self.loss_fn(actions.float(), labels)
        seeing = self._lesson.loss(obs[sight.GROUP]) if self._sight_weight else torch.zeros_like(acting)
        loss = acting + self._sight_weight * seeing
        self.optimizer.zero_grad()
        loss.backward()
        if self.is_multi_gpu:
            self.reduce_parameters()
        if self.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.max_grad_norm)
        self.optimizer.step()
        return torch.stack((acting, seeing)).detach()

    def _decay(self, iterations: int) -> float:
        """Return the factor on the learning rate after so many iterations."""
        share = min(1.0, iterations / self._decay_iterations)
        return (self._final_rate / self._first_rate) ** share

    def _set_rate(self, rate: float) -> None:
        self.learning_rate = rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def save(self) -> dict:
        """Return what a checkpoint holds. The memory is not in it: a resumed run fills it anew before it learns."""
        state = {
            "steps": self._steps,
            "updates": self.num_updates,
            "learned": self._learned,
            "replay": self.replay.fill,
        }
        return {**super().save(), "distillation": state}

    def load(self, loaded_dict: dict, load_cfg: dict | None, strict: bool) -> bool:
        """Take a teacher's or a distillation's checkpoint over; see RSL-RL.

        Args:
            loaded_dict: Content of the checkpoint; a teacher's has no student, whatever ``load_cfg`` says.
            load_cfg: What to take over.
            strict: Whether all weights must be there.
        """
        if "student_state_dict" not in loaded_dict:
            load_cfg = None
        goes_on = super().load(loaded_dict, load_cfg, strict)
        if goes_on and "distillation" in loaded_dict:
            self._steps = loaded_dict["distillation"]["steps"]
            self.num_updates = loaded_dict["distillation"]["updates"]
            self._learned = loaded_dict["distillation"].get("learned")
            held = loaded_dict["distillation"].get("replay", self.replay.size)
            self._min_replay = max(self._min_replay, min(REFILL, held // 2))
            self._set_rate(self._first_rate * self._decay(self.num_updates))
        return goes_on

    @staticmethod
    def construct_algorithm(obs: TensorDict, env, cfg: dict, device: str) -> Distillation:
        """Make the algorithm; see RSL-RL. Only what is learned from is kept of a rollout."""
        algorithm = Distillation.construct_algorithm(obs, env, cfg, device)
        algorithm._env = env
        used = obs.select(*algorithm.groups)
        algorithm.storage = RolloutStorage(
            "distillation", env.num_envs, cfg["num_steps_per_env"], used, [env.num_actions], device
        )
        return algorithm


def _noise_shares(count: int) -> torch.Tensor:
    """Return how much of the noise each environment has, from none to all, (count, 1).

    In no order: environments of one kind of ball are neighbours.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return (order / max(count - 1, 1)).unsqueeze(-1)
