"""Leads a person through a calibration, one joint at a time, and makes the arm's file of what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from alice.arms import Arm
from alice.deploy import calibration
from alice.deploy.bus.interface import Bus
from alice.deploy.calibration import Calibration, CalibrationError, ServoCalibration
from alice.deploy.clock import Clock

from . import fit as fits
from . import plausible, tasks
from .fit import Fit
from .person import Person
from .plausible import Finding
from .recording import Left, Measurement, Notes, Recorder, let_go
from .tasks import Task

TRIES = 3
"""How often a task is asked for until what is wrong with it ends the calibration."""
CHECK_WITHIN = 0.008
"""How far from a mark the tip may be by the arm's own reckoning [m]."""


@dataclass
class Guide:
    """One calibration of one arm."""

    arm: Arm
    bus: Bus
    clock: Clock
    person: Person
    notes: Notes
    ball: float
    """Diameter of the gauge ball [m]."""
    accepted: frozenset[str] = frozenset()
    """Keys of findings that are true of this arm."""
    _signs: list[int] = field(default_factory=list)

    def __post_init__(self):
        self._signs = [
            -joint.counts_sign if f"mirrored sign {joint.name}" in self.accepted else joint.counts_sign
            for joint in self.arm.arm_joints
        ]

    @property
    def signs(self) -> np.ndarray:
        """Whether counts grow with each arm joint, (A,)."""
        return np.array(self._signs)

    def measure(self) -> None:
        """Ask for all that is not in the notes yet.

        Raises:
            CalibrationError: If a measurement stays wrong, by name, or the person stops.
        """
        let_go(self.bus, self.clock, self.arm, self.person)
        recorder, plan = Recorder(self.bus, self.clock, self.arm), tasks.plan(self.arm, self.ball)
        left = [task for task in plan if task.key not in self.notes.made]
        self.person.tell(f"{self.arm.title}: {len(left)} of {len(plan)} things to do; torque is off")
        for number, task in enumerate(left, start=1):
            self.person.tell(f"{number}/{len(left)}")
            self._do(recorder, task)

    def _do(self, recorder: Recorder, task: Task) -> None:
        for attempt in range(TRIES):
            try:
                made = recorder.carry_out(self.person, task)
            except Left as left:
                if str(left) == "skip":
                    return
                raise CalibrationError("stopped; the same command goes on from here") from None
            found = self._first_of(self._about(task, made))
            if found is None:
                self.notes.keep(made)
                return
            self.person.tell(f"{found}{'' if attempt + 1 == TRIES else '; once more:'}")
        raise CalibrationError(str(found))

    def _about(self, task: Task, made: Measurement) -> Iterable[Finding]:
        sign = None if task.column is None or task.column >= len(self._signs) else self._signs[task.column]
        yield from plausible.about(self.arm, task, made, sign)
        if task.kind == tasks.GRIP:
            yield from plausible.about_gripper(self.arm, {**self.notes.made, task.key: made}, self.ball)

    def _first_of(self, findings: Iterable[Finding]) -> Finding | None:
        return next((finding for finding in findings if finding.key not in self.accepted), None)

    ##
    # What comes of it
    ##

    def fit(self) -> Fit:
        """Fit what was measured.

        Raises:
            CalibrationError: If nothing of a joint was measured.
        """
        plan = tasks.plan(self.arm, self.ball)
        if not any(task.kind == tasks.HOLD and task.key in self.notes.made for task in plan):
            raise CalibrationError("nothing was held at a reference: command against read-back hides a wrong zero")
        return fits.fit(self.arm, plan, self.notes.made, self.signs)

    def finish(self, found: Fit, name: str, made_at: str) -> Calibration:
        """Return the arm's calibration, not verified.

        Args:
            found: The fit.
            name: What its owner calls the arm.
            made_at: When, in words.

        Raises:
            CalibrationError: If measurements contradict each other or do not tell enough, by name.
        """
        findings = [*found.findings(self.arm, self.notes.made, self.signs), *found.refused(self.arm)]
        finding = self._first_of(findings)
        if finding is not None:
            raise CalibrationError(str(finding))
        servos = [self._servo(found, column) for column in range(len(self.arm.arm_joints))]
        height = self.arm.chain.shoulder[1] + found.lift
        made = Calibration(self.arm.name, (*servos, self._gripper()), name, made_at, shoulder_height=round(height, 5))
        return calibration.from_json(made.to_json(), self.arm)

    def _servo(self, found: Fit, column: int) -> ServoCalibration:
        joint = self.arm.arm_joints[column]
        sweep = self.notes.made.get(f"sweep {joint.name}")
        ends = None if sweep is None else plausible.stops(sweep, column)
        return ServoCalibration(
            id=joint.servo_id,
            joint=joint.name,
            sign=self._signs[column],
            zero_counts=round(float(found.zero_counts(self.arm, self.signs)[column]), 3),
            servo_gain=round(float(found.gain[column]), 5),
            stops_counts=None if ends is None else tuple(sorted(round(end, 1) for end in ends)),
        )

    def _gripper(self) -> ServoCalibration:
        """Return the gripper's servo: its counts from closed to the gauge ball say where the widest opening is."""
        column, made = len(self.arm.arm_joints), self.notes.made
        keys = [f"grip {name}" for name in (tasks.CLOSED, tasks.BALL)]
        if not all(key in made for key in keys):
            raise CalibrationError("the gripper was not measured; closed and the gauge ball are needed")
        closed, at_ball = (made[key].counts[column] for key in keys)
        angles = plausible.gripper_angles(self.arm, self.ball)
        opened = closed + (at_ball - closed) * (angles[2] - angles[0]) / (angles[1] - angles[0])
        joint = plausible.joint_of(self.arm, column)
        return ServoCalibration(
            joint.servo_id, calibration.GRIPPER, closed_counts=round(closed, 2), open_counts=round(opened, 2)
        )


@dataclass(frozen=True)
class Checked:
    """What a check run says of each mark."""

    misses: dict[str, float]
    """Distance between mark and tip by the arm's own reckoning [m]."""

    @property
    def is_good(self) -> bool:
        """Whether the kinematics agree with all marks."""
        return bool(self.misses) and max(self.misses.values()) <= CHECK_WITHIN


def check(arm: Arm, made: Calibration, bus: Bus, clock: Clock, person: Person) -> tuple[Calibration, Checked]:
    """Let a person touch three marks with the tip, and see whether the arm knows where they are.

    Args:
        arm: The arm.
        made: Its calibration.
        bus: The bus.
        clock: Its clock.
        person: The person.

    Returns:
        The calibration, ``verified`` as the check says, and the misses.

    Raises:
        CalibrationError: If a servo does not answer, or a mark was left out.
    """
    let_go(bus, clock, arm, person)
    recorder, misses = Recorder(bus, clock, arm), {}
    for task in tasks.of_marks(arm, tasks.CHECK):
        try:
            found = recorder.carry_out(person, task)
        except Left as left:
            raise CalibrationError(f"{str(left) or 'left'}: a check needs all its marks") from None
        finding = next(plausible.about(arm, task, found), None)
        if finding is not None:
            raise CalibrationError(str(finding))
        reckoned = tasks.tip(arm, made.joints(found.counts)) + np.array([0.0, 0.0, made.lift])
        misses[task.key] = float(np.linalg.norm(reckoned - task.point))
        person.tell(f"{task.key}: {misses[task.key] * 1e3:.1f} mm")
    checked = Checked(misses)
    return (calibration.verified(made) if checked.is_good else replace(made, verified=False)), checked
