"""Command term: where the ball shall go. It also reports the stage rates of training."""

from __future__ import annotations

import torch
from isaaclab.managers import CommandTerm, CommandTermCfg
from isaaclab.utils import configclass

from alice.transfer.state import transfer_state


class DishCommand(CommandTerm):
    """The dish's position; the reset event draws it together with the ball's.

    Logs ``Metrics/transfer/<stage>_rate`` over the last finished home-start episodes, by the definitions of the audit.
    """

    cfg: DishCommandCfg

    @property
    def command(self) -> torch.Tensor:
        """Centre of the dish on the table, (N, 3), base frame [m]."""
        return transfer_state(self._env).dish_pos

    def reset(self, env_ids=None) -> dict[str, float]:
        """Return the stage rates for the log. The dish itself is the reset event's business."""
        super().reset(env_ids)
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
