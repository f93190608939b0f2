"""One row of the randomization at a time: what is opened, how far, and what is written of it."""

import csv
import json
from types import SimpleNamespace

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from export_jobs import CAMERA, TASK, configurations  # noqa: E402

from alice.arms import XARM1S  # noqa: E402
from alice.arms.quantities import QUANTITIES  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.evaluation.audit import rows  # noqa: E402
from alice.tasks.ball_transfer.randomization_table import rows_of  # noqa: E402
from alice.transfer import outcome  # noqa: E402

TABLE = {name: row.span for name, row in rows_of(XARM1S).items()}


def _opened(task: str, widest: float = 2.0) -> tuple[rows.Rows, SimpleNamespace, SimpleNamespace | None]:
    """Return the rows of a task, its reports and its picture errors."""
    import copy

    env_cfg = copy.deepcopy(configurations(task, ("presets=domain_rand",))[0])
    made = rows.Rows(env_cfg, TABLE, widest)
    term = getattr(getattr(env_cfg.observations, "image", None), "wrist_image", None)
    return made, env_cfg.commands.transfer.reports, term and term.params["errors"]


def _is_closed(holder, *but: str) -> bool:
    """Whether all fields of ranges are at their nominal values, but for some."""
    names = {**{field: row for row, field in rows.REPORTS.items()}, **{v: k for k, v in rows.ranges.PICTURE.items()}}
    values = {name: value for name, value in vars(holder).items() if name not in but}
    return all(value == (QUANTITIES[names[name]].nominal,) * 2 for name, value in values.items())


def test_a_state_policy_has_the_rows_of_the_reports_and_a_camera_policy_the_pictures_too():
    made, reports, errors = _opened(TASK)
    assert made.names == tuple(rows.REPORTS) and errors is None
    assert reports.age == (0.04, 0.30), "as long a memory as the widest row needs"
    made, _, errors = _opened(CAMERA)
    assert set(made.names) == {*rows.REPORTS, *rows.ranges.PICTURE} and errors.latency == (0.0, 4.0)
    with pytest.raises(UsageError, match="--rows image_drop: it does not act in T"):
        rows.check(["image_drop"], tuple(rows.REPORTS), "T")


def test_one_row_is_open_and_the_others_are_closed():
    made, reports, errors = _opened(CAMERA)
    assert made.open("report_age", 1.5) == pytest.approx((0.03, 0.225))
    assert reports.age == pytest.approx((0.03, 0.225)) and _is_closed(reports, "age") and _is_closed(errors)
    assert made.open("image_exposure", 0.5) == pytest.approx((0.8, 1.3))
    assert _is_closed(reports) and _is_closed(errors, "exposure")
    assert made.open("report_gap", 1.0) == (0.0, 0.3) and reports.gap_rate == (0.0, 1.0), "a gap needs to begin"
    made.open("report_gap", 0.0)
    assert _is_closed(reports) and _is_closed(errors)
    made.open(None, 1.0)
    assert _is_closed(reports)


def _success(env, policy, episodes, seed, show_progress) -> SimpleNamespace:
    """Return as many successes as the age of reports leaves: all at none, half at 0.15 s."""
    env.calls.append(seed)
    stages = torch.ones(episodes, len(outcome.STAGES), dtype=torch.bool)
    stages[: round(episodes * env.reports.age[1] / 0.3)] = False
    return SimpleNamespace(stages=stages, placed=stages[:, 0])


def test_every_setting_meets_the_same_starts_and_the_closed_one_is_audited_once(monkeypatch, tmp_path):
    made, reports, _ = _opened(TASK)
    monkeypatch.setattr(rows.audit, "run_audit", _success)
    env = SimpleNamespace(calls=[], reports=reports)
    found = rows.sweep(env, None, made, ["report_age", "report_noise"], (0.0, 1.0, 2.0), 100, 9, progress=False)
    assert env.calls == [9] * 5
    assert [(item.row, item.factor, item.success) for item in found] == [
        ("report_age", 0.0, 1.0),
        ("report_age", 1.0, 0.5),
        ("report_age", 2.0, 0.0),
        *(("report_noise", factor, 1.0) for factor in (0.0, 1.0, 2.0)),
    ]
    assert (found[1].low, found[1].high, found[1].unit) == (0.02, 0.15, "s")
    assert found[1].success_low < 0.5 < found[1].success_high
    table = list(rows.lines(found, 100))
    assert table[2] == "| `report_age` | 0.02 to 0.15 s | 100.00% | 50.00% | 0.00% |"
    rows.write(tmp_path, found, {"episodes": 100})
    assert json.loads((tmp_path / "rows.json").read_text())["settings"][1]["success"] == 0.5
    with (tmp_path / "rows.csv").open() as file:
        assert [line["factor"] for line in csv.DictReader(file)] == ["0.0", "1.0", "2.0"] * 2
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "rows.md").read_text().startswith("| Row | Range at 1 | 0 | 1 | 2 |")
