"""One row of the randomization table at a time: how a policy's success falls as its range opens.

All rows of reports and pictures are at their nominal values but one, which is opened to a share of its width, and
beyond it. Every setting meets the same starts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from alice.arms import quantities
from alice.arms.quantities import QUANTITIES
from alice.cli import files, terminal
from alice.cli.usage import UsageError
from alice.evaluation.audit import audit
from alice.mdp.curriculums import opened
from alice.mdp.image_errors import ImageErrorRanges
from alice.mdp.reports import ReportRanges
from alice.runs import provenance, ranges

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper

Span = tuple[float, float]

REPORTS = {f"report_{name}": name for name in quantities.of_reports()}
"""Rows of the reports, and their fields in :class:`alice.mdp.reports.ReportRanges`."""
NEEDS = {"report_gap": ("report_gap_rate",), "report_gap_rate": ("report_gap",)}
"""Rows that do nothing without another, which is then open to its own width."""
FACTORS = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Shares of its width that a row is opened to."""


@dataclass
class Setting:
    """One row, opened to a share of its width, and what an audit said of it."""

    row: str
    unit: str
    factor: float
    low: float
    """Lowest and highest value that was drawn."""
    high: float
    success: float
    success_low: float
    """Bounds of the 95 % interval."""
    success_high: float
    carried_success: float


class Rows:
    """The rows that a configuration can open, all of them closed.

    Give the environment to :meth:`attach` before a row is opened: its managers work with copies of the configuration.

    Args:
        env_cfg: Environment configuration; its reports and picture errors become as wide as will be asked for, because
            what keeps the past is made that long.
        table: Range of each row, by its name in :data:`alice.arms.quantities.QUANTITIES`.
        widest: Largest share of a width that will be asked for.
    """

    def __init__(self, env_cfg: Any, table: Mapping[str, Span], widest: float):
        self._table = table
        self._pictures: list[ImageErrorRanges] = []
        self._reports = ReportRanges(**dict.fromkeys(REPORTS.values(), (0.0, 0.0)))
        env_cfg.commands.transfer.reports = self._reports
        env_cfg.commands.transfer.ideal_report_share = 0.0
        for group in vars(env_cfg.observations).values():
            for term in vars(group).values() if group is not None else ():
                if "errors" in (getattr(term, "params", None) or ()):
                    term.params["errors"] = ImageErrorRanges(
                        **{field.name: (0.0, 0.0) for field in fields(ImageErrorRanges)}
                    )
                    self._pictures.append(term.params["errors"])
        for name in self.names:
            self._put(name, widest)

    def attach(self, env: ManagerBasedRLEnv) -> None:
        """Open and close the rows of an environment from now on.

        Args:
            env: Made from the configuration.

        Raises:
            RuntimeError: If it draws reports or pictures in other places than the configuration does.
        """
        reports = env.command_manager.get_term("transfer").reports
        terms = [term for group in env.observation_manager._group_obs_term_cfgs.values() for term in group]
        pictures = [errors.ranges for term in terms if (errors := getattr(term.func, "errors", None)) is not None]
        if reports is None or len(pictures) != len(self._pictures):
            raise RuntimeError("the environment was made from another configuration than the rows")
        self._reports, self._pictures = reports.ranges, pictures

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows that act."""
        drawn_at_reset = [name for name in ranges.PICTURE if self._pictures]
        return (*REPORTS, *drawn_at_reset)

    def open(self, row: str | None, factor: float) -> Span:
        """Close all rows but one, open that to a share of its width, and return its range; None closes all."""
        for name in self.names:
            self._put(name, 0.0)
        for other in NEEDS.get(row, ()) if factor else ():
            self._put(other, 1.0)
        return self._put(row, factor) if row else (0.0, 0.0)

    def _put(self, row: str, factor: float) -> Span:
        """Set a row's range in place, where every reset looks, and return it."""
        span = tuple(float(end) for end in opened(self._table[row], QUANTITIES[row].nominal, factor))
        for holder in [self._reports] if row in REPORTS else self._pictures:
            setattr(holder, REPORTS.get(row) or ranges.PICTURE[row], span)
        return span


def sweep(
    env: RslRlVecEnvWrapper,
    policy: torch.nn.Module,
    rows: Rows,
    names: Sequence[str],
    factors: Sequence[float],
    episodes: int,
    seed: int,
    progress: bool,
) -> list[Setting]:
    """Audit a policy with each row alone at each share of its width.

    Args:
        env: Environment in play mode, made from the configuration of ``rows``, which are attached to it.
        policy: Network from observation groups to actions.
        rows: What to open.
        names: Which of them.
        factors: Shares of the width.
        episodes: Episodes of each setting.
        seed: Seed of the audits, the same for all.
        progress: Whether to draw a bar on standard error.
    """
    found, closed = [], None
    todo = [(name, factor) for name in names for factor in factors]
    for name, factor in terminal.bar(todo, unit="setting", disable=not progress):
        low, high = rows.open(name, factor)
        if factor == 0.0 and closed is not None:
            rates = closed  # all rows closed is one setting
        else:
            counted = audit.run_audit(env, policy, episodes, seed, show_progress=False)
            rates = {what: audit.rate(values) for what, values in audit.headlines(counted).items()}
            closed = rates if factor == 0.0 else closed
        success = rates["success"]
        interval = success["rate"], success["low"], success["high"]
        carried = rates["carried_success"]["rate"]
        found.append(Setting(name, QUANTITIES[name].unit, factor, low, high, *interval, carried))
    return found


def check(names: Sequence[str], known: Sequence[str], task: str) -> None:
    """Raise :class:`UsageError` if a row does not act in a task."""
    for name in names:
        if name not in known:
            raise UsageError(f"--rows {name}: it does not act in {task}; use some of {', '.join(known)}")


def lines(settings: Sequence[Setting], episodes: int) -> Iterator[str]:
    """Yield the table in Markdown, one line for each row and one column for each share of its width."""
    factors = list(dict.fromkeys(item.factor for item in settings))
    whole = {item.row: item for item in settings if item.factor == 1.0}
    yield f"| Row | Range at 1 | {' | '.join(f'{factor:g}' for factor in factors)} |"
    yield f"|---|---|{'---|' * len(factors)}"
    for row in dict.fromkeys(item.row for item in settings):
        rates = {item.factor: f"{item.success:.2%}" for item in settings if item.row == row}
        said = whole.get(row)
        span = f"{said.low:.4g} to {said.high:.4g} {said.unit}".strip() if said else "-"
        yield f"| `{row}` | {span} | {' | '.join(rates[factor] for factor in factors)} |"
    yield ""
    yield f"Success of {episodes} starts, the same for every cell; each row alone, opened to that share of its width."


def write(folder: Path, settings: Sequence[Setting], content: dict[str, Any]) -> None:
    """Write ``rows.json``, ``rows.csv``, ``rows.md`` and ``rows.png``.

    Args:
        folder: Where to.
        settings: What was found.
        content: Everything else for the JSON file.
    """
    from alice.evaluation.pictures import plots

    table = [vars(item) for item in settings]
    provenance.write_json(folder / "rows.json", {**content, "settings": table})
    files.write_text(folder / "rows.md", "\n".join(lines(settings, content["episodes"])) + "\n")
    with files.writing(folder / "rows.csv") as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    files.write_bytes(folder / "rows.png", plots.png(plots.rows(table)))
