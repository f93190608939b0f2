"""The table of randomization: a row, or a bound of one, that nothing reads would promise what no run does."""

import importlib
import sys
import types
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

PACKAGE = "alice.tasks.ball_transfer"
FOLDER = Path(__file__).resolve().parents[2] / "tasks" / "ball_transfer"
TABLE_ENDS = "HOBBY_SERVO = "


class Spied:
    """A row that notes which of its fields are read."""

    def __init__(self, row):
        self._row, self.read = row, set()

    def __getattr__(self, name: str):
        self.read |= {"low", "high"} if name == "span" else {name}
        return getattr(self._row, name)


@pytest.fixture
def rows(monkeypatch) -> dict[str, Spied]:
    """Return the rows after both task configurations were declared anew from them."""
    name = f"{PACKAGE}.randomization_cfg"
    source = (FOLDER / "randomization_cfg.py").read_text(encoding="utf-8")
    assert source.count(TABLE_ENDS) == 1
    module = types.ModuleType(name)
    module.__dict__["spy"] = lambda table: {key: Spied(row) for key, row in table.items()}
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source.replace(TABLE_ENDS, f"ROWS = spy(ROWS)\n{TABLE_ENDS}"), name, "exec"), module.__dict__)
    package = importlib.import_module(PACKAGE)
    for other in ("env_cfg", "camera_env_cfg"):
        monkeypatch.delitem(sys.modules, f"{PACKAGE}.{other}", raising=False)
        monkeypatch.setattr(package, other, None, raising=False)  # importing sets it
    importlib.import_module(f"{PACKAGE}.camera_env_cfg").BallTransferCameraEnvCfg()
    for other in ("env_cfg", "camera_env_cfg"):
        del sys.modules[f"{PACKAGE}.{other}"]
    return module.ROWS


def test_both_bounds_of_every_row_are_read(rows):
    unread = {name: {"low", "high"} - row.read for name, row in rows.items() if not {"low", "high"} <= row.read}
    assert not unread


def test_every_row_is_a_range_about_or_beside_its_nominal_value(rows):
    for name, row in rows.items():
        assert row.low <= row.high, name
        assert (row.low, row.high) != (row.nominal, row.nominal), f"{name} changes nothing"
