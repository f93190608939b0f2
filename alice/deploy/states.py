"""States, events and what follows from them: the table of :mod:`alice.deploy.safety`, as ``docs/robot.md`` shows it.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """What the arm is doing."""

    CHECKING = "checking"
    HOMING = "homing"
    READY = "ready"
    RUNNING = "running"
    HOLDING = "holding"
    LOWERING = "lowering"
    OFF = "off"
    LOST = "lost"


class Order(str, Enum):
    """What the servos are told in a control step."""

    NOTHING = "nothing"
    MOVE = "go to the command"
    RELEASE = "torque off"


ORDERS = {
    State.CHECKING: (Order.NOTHING, "nothing: they stay as they were found, not a byte is written to move them"),
    State.HOMING: (Order.MOVE, "torque on where they stand, then slowly home (0.3 rad/s), first up if the tip is low"),
    State.READY: (Order.MOVE, "stay at home"),
    State.RUNNING: (Order.MOVE, "the policy's targets, within position, step, table and self limits"),
    State.HOLDING: (Order.MOVE, "stay at the last command; a joint that was pushed away gives way to where it is"),
    State.LOWERING: (Order.MOVE, "slowly down (0.3 rad/s) until the tip is 5 mm over the table; gripper as it is"),
    State.OFF: (Order.RELEASE, "torque off"),
    State.LOST: (Order.NOTHING, "nothing can be said; the last move, of at most 1.5 periods, ends and is held"),
}
"""What the servos are told in each state, in one word for the loop and in a sentence for the page."""
ENDS = frozenset({State.OFF, State.LOST})
RESUME = "where it was"
"""In the table: the state that was left for HOLDING."""


@dataclass(frozen=True)
class Event:
    """Something that may happen to an arm."""

    name: str
    meaning: str
    to: dict[State, State | str]
    """Which state follows in which; it stays in those that are not named."""
    exit_code: int | None = None
    """With what the program ends if this ended it."""


def _in(states: str, follows: State | str) -> dict[State, State | str]:
    """Return one state that follows in several, which are named by their first letters."""
    found = [state for state in State if state.value in states.split()]
    return dict.fromkeys(found, follows)


_AT_WORK = "homing ready running"
_UPRIGHT = f"{_AT_WORK} holding"
_REFUSE = _in("checking", State.OFF)
_SAFETY = 3
"""Exit code where safety ended it; 2 where nothing was moved, 130 as for every program that is interrupted."""

EVENTS: tuple[Event, ...] = (
    Event(
        "bus lost",
        "the port is gone, or it refuses",
        _in(f"checking {_UPRIGHT} lowering off", State.LOST),
        _SAFETY,
    ),
    Event("second stop", "the operator asks again", _in("homing ready running holding lowering", State.OFF), 130),
    Event(
        "servo fault",
        "two answers in a row have an error bit set",
        {**_REFUSE, **_in(_UPRIGHT, State.LOWERING)},
        _SAFETY,
    ),
    Event("too hot", "a servo says twice in a row that it is", {**_REFUSE, **_in(_UPRIGHT, State.LOWERING)}, _SAFETY),
    Event(
        "bad voltage",
        "two answers in a row are outside of the arm's supply",
        {**_REFUSE, **_in(_UPRIGHT, State.LOWERING)},
        _SAFETY,
    ),
    Event("stop", "the operator's key, SIGINT or SIGTERM", {**_REFUSE, **_in(_UPRIGHT, State.LOWERING)}, 130),
    Event("blind", "a servo's position is older than its age limit", _in(_AT_WORK, State.HOLDING), _SAFETY),
    Event("outside", "twice in a row a joint is reported where none can be", _in(_AT_WORK, State.HOLDING), _SAFETY),
    Event(
        "off course",
        "two readings in a row are further from the latest commands than the following error allowed",
        _in(_AT_WORK, State.HOLDING),
        _SAFETY,
    ),
    Event(
        "no health",
        "3 questions in a row for temperature and supply are not answered, or one is older than its age limit",
        _in(_AT_WORK, State.HOLDING),
        _SAFETY,
    ),
    Event("late", "3 of the last 10 commands were more than 10 ms late", _in(_AT_WORK, State.HOLDING), _SAFETY),
    Event("old picture", "the newest good picture is older than its age limit", _in("running", State.HOLDING), _SAFETY),
    Event("no action", "the policy has refused 3 times in a row", _in("running", State.HOLDING), _SAFETY),
    Event(
        "not well",
        "it is held for 2 s, or for the eighth time in 10 s, or because it was off course",
        _in("holding", State.LOWERING),
    ),
    Event("well again", "nothing was wrong for 0.25 s", _in("holding", RESUME)),
    Event("not ready", "the checks are not passed within 3 s", _REFUSE, 2),
    Event(
        "blocked",
        "table or self guard let nothing move for 1 s, or it is not there after 30 s",
        {State.HOMING: State.LOWERING, State.LOWERING: State.OFF},
        _SAFETY,
    ),
    Event("checked", "every check is passed", _in("checking", State.HOMING)),
    Event("at home", "command and readings are at home", _in("homing", State.READY)),
    Event("go", "a trial begins", _in("ready", State.RUNNING)),
    Event("over", "the time of the trial is over", _in("running", State.HOMING)),
    Event("finished", "there are no more trials", _in("ready", State.LOWERING), 0),
    Event("lowered", "the command is down", _in("lowering", State.OFF)),
)
"""Every event, the first that happens is the one that counts."""
BY_NAME = {event.name: event for event in EVENTS}


@dataclass(frozen=True)
class Bounds:
    """When something counts as wrong. Times in s."""

    reading_age: float = 0.125
    """Oldest position that a servo is driven with: two and a half periods."""
    health_age: float = 1.5
    unheard: int = 3
    """Questions for temperature and supply in a row that nobody answers."""
    picture_age: float = 0.15
    following: float = 0.15
    """Largest distance of an arm joint's reading from all commands of :attr:`memory` [rad]: three times the sag and
    play that were seen. The gripper, which closes on things, is not watched."""
    memory: float = 0.35
    """How far back a reading may lag behind commands."""
    holding: float = 2.0
    holds: int = 8
    """How often it may be held in :attr:`often`."""
    often: float = 10.0
    clear: float = 0.25
    checking: float = 3.0
    blocked: float = 1.0
    longest: float = 30.0
    """Longest way home or down."""
    misses: int = 3
    """Of the last 10 commands."""
    refusals: int = 3
    pushed: float = 0.08
    """How far a joint may be from its command while it is held before the command gives way [rad]."""
