"""The table of randomization: a row, or a bound of one, that nothing reads would promise what no run does."""

import importlib
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

from alice.arms import ARMS
from alice.arms.quantities import QUANTITIES
from alice.tasks.ball_transfer.randomization_table import ARM_ROWS, BACKENDS, COMMON_ROWS, rows_of
from alice.tasks.ball_transfer.worlds import WORLDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "alice.tasks.ball_transfer"
READERS = ("randomization_cfg", "env_cfg", "camera_env_cfg")
EVERY_ARM = pytest.mark.parametrize("arm", ARM_ROWS)


class Spied:
    """A row that notes which of its fields are read."""

    def __init__(self, row):
        self._row, self.read = row, set()

    def __getattr__(self, name: str):
        self.read |= {"low", "high"} if name == "span" else {name}
        return getattr(self._row, name)


@pytest.fixture
def spied(monkeypatch):
    """Return a function from an arm's name to its rows after both task configurations were declared anew from them."""

    def declare(arm: str) -> dict[str, Spied]:
        for rows in (COMMON_ROWS, ARM_ROWS[arm]):
            for name, row in rows.items():
                monkeypatch.setitem(rows, name, Spied(row))
        package = importlib.import_module(PACKAGE)
        for module in READERS:
            monkeypatch.delitem(sys.modules, f"{PACKAGE}.{module}", raising=False)
            monkeypatch.setattr(package, module, None, raising=False)  # importing sets it
        env_cfg = importlib.import_module(f"{PACKAGE}.camera_env_cfg").BallTransferCameraEnvCfg()
        env_cfg.arm = arm
        env_cfg.fit_to_arm()
        for module in READERS:
            del sys.modules[f"{PACKAGE}.{module}"]
        return rows_of(ARMS[arm])

    return declare


@EVERY_ARM
def test_both_bounds_of_every_row_are_read(arm, spied):
    rows = spied(arm)
    unread = {name: {"low", "high"} - row.read for name, row in rows.items() if not {"low", "high"} <= row.read}
    assert not unread


@EVERY_ARM
def test_every_row_is_a_range_about_or_beside_its_nominal_value(arm):
    for name, row in rows_of(ARMS[arm]).items():
        assert row.low <= row.high, name
        assert (row.low, row.high) != (row.nominal, row.nominal), f"{name} changes nothing"


def test_every_arm_has_the_same_rows_and_none_twice():
    assert ARM_ROWS.keys() == WORLDS.keys() <= ARMS.keys()
    one = next(iter(ARM_ROWS.values()))
    for rows in ARM_ROWS.values():
        assert rows.keys() == one.keys() and not rows.keys() & COMMON_ROWS.keys()


@EVERY_ARM
def test_what_is_said_of_servos_and_camera_has_the_names_and_units_of_the_quantities(arm):
    rows = rows_of(ARMS[arm])
    assert QUANTITIES.keys() <= rows.keys()
    for name, quantity in QUANTITIES.items():
        unit, nominal = rows[name].unit, rows[name].nominal
        # The friction of the joints is counted beside the table's, or as a share of it.
        assert unit == quantity.unit or (name == "joint_friction" and unit == "of nominal"), name
        assert nominal == (1.0 if unit == "of nominal" else quantity.nominal), name


@pytest.mark.parametrize("arm", [None, *{id(ARM_ROWS[arm]): arm for arm in reversed(ARM_ROWS)}.values()])
def test_the_table_is_the_one_in_the_docs(arm):
    from alice.tasks.ball_transfer.randomization_cfg import ramped

    rows, title = (COMMON_ROWS, "Whatever the arm") if arm is None else (ARM_ROWS[arm], ARMS[arm].title)
    page = (ROOT / "docs" / "randomization.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^{title}:$\n\n((?:\|.*\n)*)", page, re.MULTILINE)
    lines = {line.split("`")[1]: line for line in table.splitlines() if line.startswith("| `")}
    assert lines.keys() == rows.keys()
    for name, row in rows.items():
        _, _, span, unit, drawn, source, acts_on, _ = (cell.strip() for cell in lines[name].split("|"))
        assert span == f"{row.low:.4g} to {row.high:.4g}" and unit == (row.unit or "-") and source == row.source, name
        words = drawn.split(", ")
        assert words[0] == row.when and ("log-uniform" in words) == (row.distribution == "log_uniform"), name
        assert acts_on == row.acts_on and set(row.backends) <= set(BACKENDS), name
        assert ("isaacsim_physx: declared, not run" in acts_on) == ("isaacsim_physx" in row.backends), name
        opened = name.startswith(("servo_", "report_")) or any(
            name in place[:2] for place in ramped(ARMS[arm or "xarm1s"])
        )
        opened |= name in ("drive_stiffness", "drive_damping")
        assert ("ramped" in words) == opened, name
