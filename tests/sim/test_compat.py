"""The work-arounds whose effect shows in a running simulation alone."""

import ctypes
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ovphysx")

GET_TIMER_SLACK = 30
"""Of linux/prctl.h."""


def _switches() -> int:
    """Return how often the threads of this process have gone to sleep."""
    lines = [line for file in Path("/proc/self/task").glob("*/status") for line in file.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the scheduler of Linux is meant")
def test_no_thread_of_an_idle_simulation_looks_for_work_all_the_time(simulate):
    simulate()
    before = _switches()
    time.sleep(1.0)
    assert _switches() - before < 2000, "stock: about 10,000"
    assert ctypes.CDLL(None).prctl(GET_TIMER_SLACK, 0, 0, 0, 0) < 1_000_000, "our own sleeps are as they were"
