"""A door in a process of its own: a signal reaches it once, it outlives nobody, and it holds what its parent holds."""

import os
import signal
import subprocess
import sys
import time

import pytest

from alice.cli.usage import UsageError
from alice.runs import lock

PARENT = """
import signal, sys
from pathlib import Path
from alice.runs import child, lock, provenance

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
provenance.ROOT = Path(sys.argv[1])
with lock.Lock() as held:
    held.take(provenance.ROOT)
    raise SystemExit(child.run("door", sys.argv[2:], held))
"""
# Saves for a moment when it is asked to stop, as a training does, and writes down what it got.
DOOR = """
import os, signal, sys, time
from pathlib import Path

here = Path(__file__).parent

def stop(number, frame):
    with (here / "got").open("a") as file:
        file.write(f"{number} ")
    time.sleep(0.5)
    raise SystemExit(128 + number)

for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
    signal.signal(getattr(signal, name), stop)
if sys.argv[1:] == ["wait"]:
    (here / "ready").touch()
    time.sleep(60)
if sys.argv[1:] == ["die"]:
    os.kill(os.getpid(), signal.SIGKILL)
raise SystemExit(int(sys.argv[1]))
"""


@pytest.fixture
def parent(tmp_path):
    """Return a function that starts a process with a door in it."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "door.py").write_text(DOOR)
    begun = []

    def begin(word: str) -> subprocess.Popen:
        line = [sys.executable, "-c", PARENT, str(tmp_path), word]
        begun.append(subprocess.Popen(line, start_new_session=True))
        _wait(lambda: word != "wait" or (scripts / "ready").exists())
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def _wait(done) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def _is_taken(held: lock.Lock, folder) -> bool:
    try:
        held.take(folder)
    except UsageError:
        return False
    return True


HANDED_ON = {number: number for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)}
HANDED_ON[signal.SIGINT] = signal.SIGTERM  # a terminal sends its own to every process


@pytest.mark.parametrize(("number", "got"), HANDED_ON.items())
def test_a_signal_is_handed_on_and_is_the_exit_code(number, got, parent, tmp_path):
    process = parent("wait")
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    assert (tmp_path / "scripts" / "got").read_text() == f"{int(got)} "


@pytest.mark.parametrize(("word", "code"), [("0", 0), ("3", 3), ("die", 128 + signal.SIGKILL)])
def test_the_exit_code_is_that_of_the_door(word, code, parent):
    assert parent(word).wait(timeout=60) == code


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell a child")
def test_a_door_whose_parent_is_killed_saves_and_holds_the_folder_until_then(parent, tmp_path):
    process = parent("wait")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with lock.Lock() as held:
        with pytest.raises(UsageError, match="in use by process"):
            held.take(tmp_path)
        _wait(lambda: _is_taken(held, tmp_path))
    assert (tmp_path / "scripts" / "got").read_text() == f"{int(signal.SIGTERM)} "


LOOKS = """
import sys, time
from pathlib import Path
from alice.runs import ahead, lock

def look():
    Path(sys.argv[1], "ready").touch()
    time.sleep(60)

with lock.Lock() as held:
    held.take(Path(sys.argv[1]))
    ahead.refuse(look)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell a child")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_looks_at_words_ahead_holds_no_folder_when_its_parent_is_gone(number, tmp_path):
    with subprocess.Popen([sys.executable, "-c", LOOKS, str(tmp_path)], start_new_session=True) as process:
        _wait((tmp_path / "ready").exists)
        process.send_signal(number)
    began = time.monotonic()
    with lock.Lock() as held:
        _wait(lambda: _is_taken(held, tmp_path))
    assert time.monotonic() - began < 30
