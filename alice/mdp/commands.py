"""Command term: where the ball shall go, and how the policy is told. It also reports the stage rates of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.managers import CommandTerm, CommandTermCfg
from isaaclab.utils import configclass

from alice.transfer.state import transfer_state

from .reports import ReportModel, ReportRanges

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


class DishCommand(CommandTerm):
    """The dish's position; the reset event draws it together with the ball's.

    With ``reports`` given, the policy is told of ball and dish as by a camera over the table; the reading of the scene
    asks for it (:mod:`alice.transfer.reading`). Logs ``Metrics/transfer/<stage>_rate`` over the last finished
    home-start episodes, by the definitions of the audit.
    """

    cfg: DishCommandCfg

    def __init__(self, cfg: DishCommandCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self.reports = ReportModel(env.num_envs, cfg.reports, env.step_dt, env.device) if cfg.reports else None
        """What the policy is told of ball and dish; None for the truth."""
        self.report_share = 1.0
        """How much of the reports' ranges is drawn at a reset, in [0, 1]; 0 is the truth."""

    @property
    def command(self) -> torch.Tensor:
        """Centre of the dish on the table, (N, 3), base frame [m]."""
        return transfer_state(self._env).dish_pos

    def reset(self, env_ids=None) -> dict[str, float]:
        """Draw how ball and dish are told, and return the stage rates for the log.

        The dish itself is the reset event's business; the first report is read at the end of the reset.
        """
        super().reset(env_ids)
        if self.reports is not None:
            drawn = torch.arange(self.num_envs, device=self.device)[slice(None) if env_ids is None else env_ids]
            is_bad = torch.rand(len(drawn), 1, device=self.device) >= self.cfg.ideal_report_share
            self.reports.reset(drawn, self.report_share * is_bad)
        return {f"{stage}_rate": rate for stage, rate in transfer_state(self._env).books.rates().items()}

    def _update_metrics(self) -> None:
        pass

    def _resample_command(self, env_ids) -> None:
        pass

    def _update_command(self) -> None:
        pass


@configclass
class DishCommandCfg(CommandTermCfg):
    """Configuration of :class:`DishCommand`."""

    class_type: type[CommandTerm] = DishCommand
    resampling_time_range: tuple[float, float] = (1e6, 1e6)
    """Never within an episode [s]."""
    reports: ReportRanges | None = None
    """How bad the reports of ball and dish are; None for the truth."""
    tells_ball: bool = True
    """Whether the policy is told of the ball; one that sees it need not be."""
    ideal_report_share: float = 0.0
    """Share of the episodes in which the truth is told all the same, in [0, 1]."""
