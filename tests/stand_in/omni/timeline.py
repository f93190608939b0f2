"""Stands in for Kit's timeline: nobody stops it."""

from enum import IntEnum
from types import SimpleNamespace

_STREAM = SimpleNamespace(create_subscription_to_pop_by_type=lambda kind, function: None)


class TimelineEventType(IntEnum):
    """Kinds of events."""

    PLAY, STOP = range(2)


def get_timeline_interface():
    """Return the timeline."""
    return SimpleNamespace(get_timeline_event_stream=lambda: _STREAM)
