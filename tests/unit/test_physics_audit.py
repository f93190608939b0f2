"""Checks of the physics whose measurement is no number must fail."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("isaaclab")

from made_up import CRANE  # noqa: E402

from alice.arms import ARMS, XARM1S, kinematics  # noqa: E402
from alice.evaluation.physics import physics_audit  # noqa: E402
from alice.evaluation.physics.physics_audit import Results  # noqa: E402
from alice.evaluation.physics.physics_bench import Bench  # noqa: E402


class FakeBench:
    """A bench whose ball and arm follow a list of numbers; all else is refused."""

    __slots__ = ("_numbers", "ball", "ball_vel", "dt")
    upright = ()

    def __init__(self, numbers: list[float]):
        self._numbers, self.dt = numbers, 1.0 / len(numbers)

    def place(self, *args, **kwargs) -> None:
        self._follow(self._numbers[0])

    def pitched(self, yaw: float, pitches) -> tuple:
        return ()

    def gains(self, share: float) -> None:
        pass

    def rub(self, share: float) -> None:
        pass

    def step(self, count: int):
        for step, number in enumerate(self._numbers[1 : count + 1], start=1):
            self._follow(number)
            yield step

    def energy(self) -> list[float]:
        return [self.ball_vel[0, 0]]

    def _follow(self, number: float) -> None:
        self.ball_vel = torch.tensor([[number, 0.0, 0.0]])
        spin = torch.tensor([[0.0, 0.0, 0.0, number / 0.015, 0.0, 0.0]])
        self.ball = SimpleNamespace(data=SimpleNamespace(root_com_vel_w=SimpleNamespace(torch=spin)))


def verdicts(check, numbers: list[float]) -> dict[str, bool]:
    results = Results()
    check(FakeBench(numbers), results)
    return {item.name: item.passed for item in results.checks}


NAN = float("nan")


@pytest.mark.parametrize(("broken", "expected"), [(2 / 7, True), (NAN, False), (0.9, False)])
def test_a_speed_that_is_no_number_is_no_slow_ball(broken, expected):
    slowing = [2 / 7] * 20
    slowing[7] = broken  # 0.9 is a gain of speed
    assert verdicts(physics_audit._roll_out, slowing)["rolling ball: largest gain of speed in a step"] is expected


@pytest.mark.parametrize(("broken", "expected"), [(1.001, True), (NAN, False), (1.5, False)])
def test_an_energy_that_is_no_number_is_not_kept(broken, expected, monkeypatch):
    monkeypatch.setattr(physics_audit, "_speed_energy", lambda bench: 0.3)
    found = verdicts(physics_audit._swing, [1.0, 1.0, broken, 1.0, 1.0])
    assert set(found.values()) == {expected} and len(found) == 2
    monkeypatch.setattr(physics_audit, "_speed_energy", lambda bench: NAN)
    assert not any(verdicts(physics_audit._swing, [1.0] * 5).values())


##
# Poses and forces of any arm
##


class StillBench(Bench):
    """A bench without a simulator: joints stand where they are put."""

    joint_pos = None

    def __init__(self, kind, joint_pos=None, targets=None):
        self.kind, self.device = kind, "cpu"
        self.joint_pos, self.targets = joint_pos, targets


@pytest.mark.parametrize("arm", [*ARMS.values(), CRANE], ids=lambda arm: arm.name)
def test_links_are_pitched_as_told(arm, tool_point):
    pose = StillBench(arm).pitched(0.3, (0.25, 0.55, 0.85))
    assert len(pose) == len(arm.joints)
    lengths = arm.chain.lengths
    reach, height = (
        start + sum(length * turn(pitch) for length, pitch in zip(lengths, (0.25, 0.55, 0.85), strict=True))
        for start, turn in zip(arm.chain.shoulder, (math.sin, math.cos), strict=True)
    )
    point = tool_point(dict(zip(arm.names, pose, strict=True)), arm)
    assert math.hypot(*point[:2]) == pytest.approx(reach, abs=1e-6) and point[2] == pytest.approx(height, abs=1e-6)
    assert abs(math.atan2(point[1], point[0])) == pytest.approx(0.3)
    opened = torch.tensor(pose[arm.gripper_columns])
    assert arm.gripper.gap(opened) == pytest.approx(0.04, abs=1e-5), "4 cm of opening"
    up = torch.tensor([StillBench(arm).upright])
    assert kinematics.forward(arm, up)[1][0].tolist() == pytest.approx([0.0, 0.0, 1.0], abs=1e-6)


def test_each_finger_of_a_pair_presses_as_its_drive_does():
    """100 N/m on 15 mm are 1.5 N, whatever the other finger does to be there."""
    stands = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.015, 0.015]])
    bench = StillBench(XARM1S, stands, torch.zeros(1, 7))
    assert bench.squeeze().tolist() == pytest.approx([1.5], rel=1e-3)


def test_a_jaw_presses_with_its_torque_over_its_lever():
    """20 N·m/rad on 0.05 rad are 1 N·m, and the ball touches the jaw 69.5 mm along it from its axis.

    By pencil: at 0.25 rad a ball of 17 mm radius lies 74.6 mm before and 11.1 mm below the axis.
    """
    stands = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.25]])
    bench = StillBench(CRANE, stands, stands - 0.05)
    assert float(bench.squeeze()) == pytest.approx(1.0 / 0.0695, rel=0.03)
    harder = StillBench(CRANE, stands, stands - 1.0)
    assert float(harder.squeeze()) == pytest.approx(2.0 * float(bench.squeeze()), rel=1e-3), "no more than its cap"
