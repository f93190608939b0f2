"""What an arm is told, and when it is told to stop: a state machine, without input and output. NumPy only.

The loop looks at the arm once in a control step and hands over what it saw (:class:`Look`), times included;
:meth:`Safety.advance` says which state follows, :meth:`Safety.command` where the servos shall be. Nothing jumps: a
command is at most one step from the last one, in every state. The table is in :mod:`alice.deploy.states`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from alice.deploy.guard import RAISED_HEIGHT, RESTING_HEIGHT, Guard
from alice.deploy.states import BY_NAME, ENDS, EVENTS, ORDERS, RESUME, Bounds, Event, Order, State


@dataclass(frozen=True)
class Look:
    """What the loop saw in one control step; ages in s."""

    joints: np.ndarray | None = None
    """Last accepted readings, (J,) [rad, m]; None before the first."""
    read_at: float = -np.inf
    """When the oldest of them was read."""
    reading_age: float = np.inf
    unread: str = ""
    """Which servo has the oldest one, for the message."""
    outside: str = ""
    """Which joint is where none can be."""
    health_age: float = np.inf
    unheard: int = 0
    """Questions for temperature and supply in a row that nobody answered."""
    hot: str = ""
    bad_voltage: str = ""
    fault: str = ""
    picture_age: float | None = None
    """None if the policy sees none."""
    misses: int = 0
    """Late commands of the last 10."""
    refusals: int = 0
    """Times in a row that the policy gave what is no action."""
    refusal: str = ""
    stops: int = 0
    """How often the operator has asked to stop."""
    lost: str = ""
    """Why the bus is lost."""
    is_checked: bool = False
    unchecked: str = ""
    """What is missing before it may move."""
    wants: str = ""
    """What the trials ask for: ``go``, ``over``, ``finished``."""


@dataclass
class Safety:
    """The state machine of one arm.

    Args:
        guard: Its limits.
        home: Where every trial begins, (J,) [rad, m].
        bounds: When something counts as wrong.
    """

    guard: Guard
    home: np.ndarray
    bounds: Bounds = field(default_factory=Bounds)
    state: State = State.CHECKING
    event: Event | None = None
    """What led to the state."""
    reason: str = ""
    """The same in words, with numbers."""
    ended_by: Event | None = None
    """First event that ends the program."""
    end_reason: str = ""
    last: np.ndarray | None = None
    """Last command, or where the arm was found, (J,) [rad, m]."""
    hindered: str = ""
    """What kept the last command back: ``table``, ``self`` or nothing."""

    def __post_init__(self):
        self._since: float | None = None
        self._resume, self._is_pushed, self._strikes, self._struck_at = State.READY, False, 0, -np.inf
        self._well_since, self._stuck_since = np.inf, np.inf
        self._sent: deque[tuple[float, np.ndarray]] = deque(maxlen=64)
        self._goals: list[np.ndarray] = []
        self._course = ""
        self._held: deque[float] = deque(maxlen=self.bounds.holds)

    @property
    def order(self) -> Order:
        """What the servos are told now."""
        return ORDERS[self.state][0]

    @property
    def exit_code(self) -> int:
        """With what the program ends."""
        return 0 if self.ended_by is None else self.ended_by.exit_code

    def advance(self, now: float, look: Look) -> State:
        """Take in what was seen and return the state that follows.

        Args:
            now: Time by the loop's clock [s].
            look: What it saw.
        """
        self._since = now if self._since is None else self._since
        if self.state is State.CHECKING and look.joints is not None:
            self.last = np.array(look.joints, float)
        happening = self._happening(now, look)
        is_wrong = any(event.to.get(State.RUNNING) is State.HOLDING for event, _ in happening)
        self._well_since = np.inf if is_wrong else min(self._well_since, now)
        for event, detail in happening:
            if self.state in event.to:
                self._enter(now, event, detail)
                break
        return self.state

    def _enter(self, now: float, event: Event, detail: str) -> None:
        """Go where an event leads."""
        follows = event.to[self.state]
        if follows is State.HOLDING:
            self._resume, self._is_pushed = self.state, event.name == "off course"
            self._held.append(now)
        if event.exit_code is not None and self.ended_by is None and follows in (*ENDS, State.LOWERING):
            self.ended_by, self.end_reason = event, detail or event.meaning
        if event.name == "not well":
            self.ended_by, self.end_reason = self.event, self.reason
        if self.state is State.CHECKING and follows in ENDS and event.name != "stop":
            self.ended_by = BY_NAME["not ready"]
        self.event, self.reason = event, detail or event.meaning
        self.state = self._resume if follows == RESUME else follows
        self._since, self._stuck_since, self._well_since, self._goals = now, np.inf, np.inf, []

    def _happening(self, now: float, look: Look) -> list[tuple[Event, str]]:
        """Return what is happening with its details, in the order of :data:`EVENTS`."""
        bounds, age = self.bounds, look.reading_age
        said = {**self._seen(look, bounds), **self._judged(now, look, bounds)}
        said["blind"] = age > bounds.reading_age and f"{look.unread or 'a servo'} has not answered for {age:.2f} s"
        return [(event, str(said[event.name])) for event in EVENTS if said[event.name]]

    def _seen(self, look: Look, bounds: Bounds) -> dict[str, str | bool]:
        """Return what of the events shows in a look alone, with its details."""
        return {
            "bus lost": look.lost,
            "second stop": look.stops >= 2 and "the operator asked a second time",
            "servo fault": look.fault,
            "too hot": look.hot,
            "bad voltage": look.bad_voltage,
            "stop": look.stops >= 1 and "the operator asked to stop",
            "outside": look.outside,
            "off course": self._off_course(look),
            "no health": (
                look.unheard >= bounds.unheard and f"{look.unheard} questions in a row for heat and supply failed"
            )
            or (look.health_age > bounds.health_age and f"no temperature or voltage for {look.health_age:.1f} s"),
            "late": look.misses >= bounds.misses and f"{look.misses} of the last 10 commands were late",
            "old picture": look.picture_age is not None
            and look.picture_age > bounds.picture_age
            and f"the newest good picture is {look.picture_age:.2f} s old",
            "no action": look.refusals >= bounds.refusals and (look.refusal or "the policy gives no action"),
            "checked": look.is_checked and "every check is passed",
            "at home": self._is_home(look) and "at home",
            "go": look.wants == "go" and "a trial begins",
            "over": look.wants == "over" and "the trial is over",
            "finished": look.wants == "finished" and "no more trials",
        }

    def _judged(self, now: float, look: Look, bounds: Bounds) -> dict[str, str | bool]:
        """Return what of the events comes of time in a state, with its details."""
        lasted = now - self._since
        is_often = len(self._held) == bounds.holds and now - self._held[0] < bounds.often
        is_slow = lasted > bounds.longest and self.state in (State.HOMING, State.LOWERING)
        return {
            "not well": self.state is State.HOLDING
            and lasted > (bounds.clear if self._is_pushed or is_often else bounds.holding)
            and self.reason,
            "well again": not (self._is_pushed or is_often)
            and now - self._well_since >= bounds.clear
            and "all is well again",
            "not ready": self.state is State.CHECKING
            and lasted > bounds.checking
            and (look.unchecked or "the checks are not passed"),
            "blocked": (is_slow and f"not there after {lasted:.0f} s")
            or (now - self._stuck_since > bounds.blocked and f"kept back by the {self.hindered} guard"),
            "lowered": self.state is State.LOWERING and self._is_there() and "down",
        }

    def _off_course(self, look: Look) -> str:
        """Return which joint two readings in a row show away from all commands that it may still be following."""
        if look.joints is None or not self._sent or look.read_at <= self._struck_at:
            return self._course if self._strikes >= 2 else ""
        recent = [command for at, command in self._sent if at > look.read_at - self.bounds.memory]
        recent = np.array(recent or [self._sent[-1][1]])
        away = np.maximum(recent.min(axis=0) - look.joints, look.joints - recent.max(axis=0))
        columns = self.guard.arm.arm_columns
        worst = int(np.argmax(away[columns]))
        self._struck_at = look.read_at
        self._strikes = self._strikes + 1 if away[worst] > self.bounds.following else 0
        joint = self.guard.arm.joints[worst]
        self._course = f"{joint.name} is {away[worst]:.2f} {joint.unit} away from its commands"
        return self._course if self._strikes >= 2 else ""

    def _is_home(self, look: Look) -> bool:
        """Whether the last command is home and the readings have come after it."""
        if self.state is not State.HOMING or self.last is None or look.joints is None:
            return False
        columns = self.guard.arm.arm_columns
        apart = np.abs(look.joints - self.home)[columns].max()
        return bool(np.abs(self.last - self.home).max() < 1e-6 and apart <= self.bounds.following)

    def _is_there(self) -> bool:
        """Whether the last of the goals is reached."""
        return len(self._goals) == 1 and np.abs(self.last - self._goals[0]).max() < 1e-6

    def command(self, now: float, look: Look, wanted: np.ndarray | None = None) -> np.ndarray | None:
        """Return where the servos shall be, at most one step from the last command.

        Args:
            now: Time by the loop's clock [s].
            look: What was seen in this control step.
            wanted: What the policy wants, (J,) [rad, m]; heard in RUNNING alone.

        Returns:
            (J,) [rad, m]; None where they are told nothing, or to give up their torque.
        """
        if self.order is not Order.MOVE or self.last is None:
            return None
        step = self.guard.step if self.state is State.RUNNING else self.guard.slow
        goal = self._goal(wanted)
        if self.state in (State.HOMING, State.LOWERING):
            goal = self.guard.towards(self.last, goal, step)
        fresh, self.hindered = self.guard.allowed(self.last, goal, step)
        if self.state in (State.HOLDING, State.LOWERING):
            fresh = self._given_way(fresh, look)
        is_stuck = self.hindered and np.abs(fresh - self.last).max() < 0.1 * self.guard.slow.min()
        self._stuck_since = min(self._stuck_since, now) if is_stuck else np.inf
        self.last = fresh
        self._sent.append((now, fresh))
        return fresh.copy()

    def _goal(self, wanted: np.ndarray | None) -> np.ndarray:
        """Return where the state leads."""
        if self.state is State.RUNNING and wanted is not None and np.isfinite(wanted).all():
            return np.asarray(wanted, float)
        if self.state is State.READY:
            return self.home
        if self.state not in (State.HOMING, State.LOWERING):
            return self.last
        if not self._goals and self.state is State.LOWERING:
            self._goals = [self.guard.with_tip_at(self.last, min(RESTING_HEIGHT, self.guard.tip_height(self.last)))]
        elif not self._goals:
            is_low = self.guard.tip_height(self.last) < RAISED_HEIGHT
            self._goals = [self.guard.with_tip_at(self.last, RAISED_HEIGHT)] if is_low else []
            self._goals.append(self.home)
        if len(self._goals) > 1 and np.abs(self.last - self._goals[0]).max() < 1e-6:
            self._goals.pop(0)
        return self._goals[0]

    def _given_way(self, fresh: np.ndarray, look: Look) -> np.ndarray:
        """Return a command that goes back towards the readings where a joint was pushed away from it."""
        if look.joints is None or look.reading_age > self.bounds.reading_age:
            return fresh
        away = look.joints - self.last
        is_pushed = np.abs(away) > self.bounds.pushed
        is_pushed[self.guard.arm.gripper_columns] = False
        step = np.clip(away, -self.guard.step, self.guard.step)
        return self.guard.allowed(self.last, np.where(is_pushed, self.last + step, fresh), self.guard.step)[0]
