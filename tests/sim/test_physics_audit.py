"""The physics audit passes on the default engine, and notices physics that is not right."""

import pytest

pytest.importorskip("isaaclab")

from alice.evaluation.physics import physics_audit

TASKS = ("Alice-Ball-Transfer", "Alice-Ball-Transfer-SO101")


@pytest.fixture
def bench(simulate):
    return physics_audit.Bench(simulate("physics=ovphysx", num_envs=16, play=True, endless=True))


@pytest.mark.parametrize("task", TASKS)
def test_every_check_passes_and_has_a_curve_or_a_figure(simulate, task):
    results = physics_audit.run(simulate("physics=ovphysx", task=task, num_envs=16, play=True, endless=True))
    assert [check.name for check in results.checks if not check.passed] == [], physics_audit.table(results)
    assert len(results.checks) >= 15
    for panel, lines in results.curves.items():
        for name, points in lines.items():
            assert points.ndim == 2 and points.shape[1] == 2 and len(points) > 4, (panel, name)


def test_a_ball_that_weighs_nothing_is_noticed(bench):
    results = physics_audit.Results()
    gravity = physics_audit.GRAVITY
    try:
        physics_audit.GRAVITY = 1.62
        physics_audit._fall(bench, results)
    finally:
        physics_audit.GRAVITY = gravity
    assert not results.checks[0].passed


def test_weak_drives_are_noticed(bench):
    results = physics_audit.Results()
    bench.gains(0.6)
    physics_audit._sag(bench, results)
    bench.gains(1.0)
    assert not results.checks[0].passed, "sag no longer follows from torque and stiffness"
