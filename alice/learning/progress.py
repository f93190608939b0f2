"""One line beneath RSL-RL's table of an iteration: the stage, the success, the steps and the time left."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alice.transfer.curriculum import NAMES

if TYPE_CHECKING:
    from rsl_rl.utils.logger import Logger


@contextmanager
def shown(logger: Logger) -> Iterator[None]:
    """Print the line after each table of a logger while the context is open."""
    stock = logger.log

    def log(*, it: int, start_it: int, total_it: int, **figures) -> None:
        last = dict(logger.ep_extras[-1]) if logger.ep_extras else {}  # the table empties the list
        stock(it=it, start_it=start_it, total_it=total_it, **figures)
        if logger.writer is not None:  # rank 0 alone
            size = logger.cfg["num_steps_per_env"] * logger.num_envs * logger.gpu_world_size
            left = logger.tot_time / (it + 1 - start_it) * (total_it - it - 1)
            print(line(last, (it + 1) * size, total_it * size, left), flush=True)

    logger.log = log
    try:
        yield
    finally:
        del logger.log


def line(last: Mapping[str, float], steps: int, total: int, left: float) -> str:
    """Return where a training stands.

    Args:
        last: What the environment logged in its last step; a training without curriculum has no stage in it.
        steps: Environment steps so far.
        total: Environment steps of the whole training.
        left: Time to its end [s].
    """
    parts = []
    if "Curriculum/stage/number" in last:
        number = int(last["Curriculum/stage/number"])
        parts.append(f"stage {number + 1} of {len(NAMES)}: {NAMES[number]}")
    if "Metrics/transfer/success_rate" in last:
        parts.append(f"success {float(last['Metrics/transfer/success_rate']):.1%}")
    parts.append(f"{steps:,} of {total:,} steps")
    parts.append(f"{datetime.timedelta(seconds=round(left))} left")
    return f"alice: {' | '.join(parts)}"
