"""Signals: which save, which leave at once, and what is left to a terminal that has gone away."""

import os
import signal
import subprocess
import sys

import pytest

from alice.learning import stop


@pytest.fixture(autouse=True)
def hang_ups_count():
    """Undo ``nohup``, which the tests themselves may have been started with: children inherit what is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", stop.SIGNALS)
def test_every_signal_asks_for_a_stop_and_is_given_back(number):
    code = """
import os, signal, sys
from alice.learning.stop import Stop
number, before, asked = int(sys.argv[1]), signal.getsignal(int(sys.argv[1])), Stop()
with asked.listening():
    os.kill(os.getpid(), number)
    assert asked.signal == number
assert signal.getsignal(number) is before
with open("done", "w") as file:
    file.write("done")
"""
    done = subprocess.run([sys.executable, "-c", code, str(int(number))], capture_output=True, text=True, cwd=_folder())
    assert done.returncode == 0, done.stderr
    assert number == signal.SIGHUP or done.stderr == "alice: stopping and saving\n"


def _folder() -> str:
    import tempfile

    return tempfile.mkdtemp()


def test_a_second_interrupt_does_not_wait():
    asked = stop.Stop()
    with asked.listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_after_another_signal_still_saves():
    """The process of a chain hands a Ctrl-C on as SIGTERM, beside the SIGINT of the terminal, in any order."""
    asked = stop.Stop()
    with asked.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_before_the_first_step_a_signal_leaves_at_once_with_its_number():
    for number in stop.SIGNALS[1:]:
        with pytest.raises(SystemExit) as leaving, stop.Stop().leaving():
            os.kill(os.getpid(), number)
        assert leaving.value.code == 128 + number


def test_nohup_stays_in_force():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asked = stop.Stop()
        with asked.listening():
            os.kill(os.getpid(), signal.SIGHUP)
        assert asked.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)
