"""Curriculum term: puts the stages of :mod:`alice.transfer.curriculum` into effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from isaaclab.managers import CurriculumTermCfg, ManagerTermBase

from alice.system import ranks
from alice.transfer.curriculum import Curriculum
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


class StagedCurriculum(ManagerTermBase):
    """Moves through the stages by the success of home episodes, or stays at one.

    A runner that knows of it judges once an iteration (:attr:`is_driven`), so that all processes of a training change
    the stage at the same moment; without one, as under Isaac Lab's own command, every reset judges.

    It sets reward weights, start shares (of the kinds whose share in the configuration is not 0), the spread of ball
    and dish, the share of the domain randomization and whether success asks for calm, and logs
    ``Curriculum/stage/…``: the stage's number, its rate, how full its window is, and the share of the randomization
    that is on, 0 in a world without any.

    Args:
        cfg: Its ``params`` hold ``phase`` (:data:`alice.transfer.curriculum.PHASES`) and ``ramped``: event term of the
            domain randomization, its parameter that is a range (or ranges by name), and the nominal value within.
        env: Environment.

    Raises:
        ValueError: If the phase, a reward term or a start kind is unknown.
    """

    def __init__(self, cfg: CurriculumTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self.curriculum = Curriculum(cfg.params["phase"])
        self._rewards = {}
        for name in {name for stage in self.curriculum.stages for name in stage.terms}:
            if name not in env.reward_manager.active_terms:
                raise ValueError(
                    f"reward term {name!r} of the curriculum is unknown: {env.reward_manager.active_terms}"
                )
            self._rewards[name] = env.reward_manager.get_term_cfg(name)
        self._reset = env.event_manager.get_term_cfg("reset_transfer")
        self._area = self._reset.params["area"]
        self._kinds = {kind for kind, share in self._reset.params["shares"].items() if share > 0}
        active = {name for names in env.event_manager.active_terms.values() for name in names}
        self._ranges = []
        for name, key, nominal in cfg.params["ramped"]:
            if name in active:  # most of them only with domain randomization
                params = env.event_manager.get_term_cfg(name).params
                self._ranges.append((params, key, params[key], nominal))
        self._is_randomized = (
            env.action_manager.get_term("joints").cfg.servo is not None
            or env.command_manager.get_term("transfer").reports is not None
            or any(opened(whole, nominal, 1.0) != opened(whole, nominal, 0.0) for _, _, whole, nominal in self._ranges)
        )
        self._judged = 0
        self.is_driven = False
        """Whether :meth:`judge` is called from outside."""
        self._apply()
        print(f"curriculum: {self._shown()}", flush=True)

    def __call__(
        self,
        env: ManagerBasedRLEnv,
        env_ids: torch.Tensor | slice,
        phase: str,
        ramped: tuple[tuple[str, str, float], ...],
    ) -> dict[str, float]:
        """Return the numbers for the log; judge the episodes that have ended since, unless somebody else does."""
        if not self.is_driven:
            self.judge(self.finished())
        stage = self.curriculum.stage
        return {
            "number": float(self.curriculum.index),
            "rate": self.curriculum.rate(stage.measured),
            "window": self.curriculum.fill,
            "randomization": stage.randomization if self._is_randomized else 0.0,
        }

    def finished(self) -> list[tuple[bool, ...]]:
        """Return which stages the home episodes passed that have ended since the last call; oldest first."""
        books = transfer_state(self._env).books
        found = books.finished_since(self._judged)
        self._judged = books.finished_count
        return found

    def judge(self, episodes: Iterable[tuple[bool, ...]]) -> None:
        """Let finished home episodes, of this process or of several, decide about the stage."""
        before = self.curriculum.stage
        if not self.curriculum.add(episodes):
            return
        transfer_state(self._env).books.begin_stage()
        self._apply()
        steps = self._env.common_step_counter * self._env.num_envs * ranks.count()
        if ranks.rank() == 0:
            print(f"curriculum: {before.name} -> {self._shown()} after {steps:,} env steps", flush=True)

    def _shown(self) -> str:
        """Return the stage's name and its number, which is all that the log has."""
        return f"{self.curriculum.stage.name} (Curriculum/stage/number {self.curriculum.index})"

    def state_dict(self) -> dict[str, Any]:
        """Return stage and window."""
        return self.curriculum.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over stage and window and put the stage into effect."""
        before = self.curriculum.stage
        self.curriculum.load_state_dict(state)
        if self.curriculum.stage is not before:
            print(f"curriculum: goes on at {self._shown()}", flush=True)
        self._judged = transfer_state(self._env).books.finished_count
        self._apply()

    def _apply(self) -> None:
        """Put the stage into effect; running episodes are not touched."""
        stage = self.curriculum.stage
        for name, weight in stage.terms.items():
            self._rewards[name].weight = weight
        self._reset.params["shares"] = {kind: stage.starts[kind] for kind in stage.starts if kind in self._kinds}
        self._reset.params["area"] = shrink(self._area, stage.spread)
        for params, key, whole, nominal in self._ranges:
            params[key] = opened(whole, nominal, stage.randomization)
        self._env.action_manager.get_term("joints").servo_share = stage.randomization
        self._env.command_manager.get_term("transfer").report_share = stage.randomization
        transfer_state(self._env).books.asks_calm = stage.asks_calm


def opened(whole: tuple[float, float] | Mapping[str, tuple[float, float]], nominal: float, share: float):
    """Return a range that is open in part: its ends lie between the nominal value and those of the whole range.

    Args:
        whole: Range, whose ends may be one for each joint, or ranges by name.
        nominal: Value that is left of the range with a share of 0.
        share: In [0, 1].
    """
    if isinstance(whole, Mapping):
        return {name: opened(part, nominal, share) for name, part in whole.items()}
    return tuple(
        nominal + share * (bound - nominal)
        if isinstance(bound, (int, float))
        else tuple(nominal + share * (end - nominal) for end in bound)
        for bound in whole
    )


def shrink(
    area: tuple[tuple[float, float], tuple[float, float]], share: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return a rectangle about the same centre.

    Args:
        area: ((x_min, x_max), (y_min, y_max)) [m].
        share: Its sides as a share of the area's, in (0, 1].
    """
    (x_min, x_max), (y_min, y_max) = area
    x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    dx, dy = share * (x_max - x_min) / 2, share * (y_max - y_min) / 2
    return (x - dx, x + dx), (y - dy, y + dy)
