"""Checks of the physics whose measurement is no number must fail."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("isaaclab")

from alice.evaluation.physics import physics_audit  # noqa: E402
from alice.evaluation.physics.physics_audit import Results  # noqa: E402


class FakeBench:
    """A bench whose ball and arm follow a list of numbers; all else is refused."""

    __slots__ = ("_numbers", "ball", "ball_vel", "dt")

    def __init__(self, numbers: list[float]):
        self._numbers, self.dt = numbers, 1.0 / len(numbers)

    def place(self, *args, **kwargs) -> None:
        self._follow(self._numbers[0])

    def gains(self, share: float) -> None:
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
