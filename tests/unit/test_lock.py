"""One process at a time in the folder of a run."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from alice.cli.usage import UsageError
from alice.runs import lock

HOLDER = """
import sys, time
from pathlib import Path
from alice.runs import lock
held = lock.Lock()
held.take(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds the folder, and kill it in the end."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_until_the_first_is_killed(holder, tmp_path):
    with lock.Lock() as held:
        with pytest.raises(UsageError, match=f"in use by process {holder.pid} on "):
            held.take(tmp_path)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert (tmp_path / lock.FILE).exists(), "what is left of it does not matter"
        held.take(tmp_path)
        held.take(tmp_path)
    with lock.Lock() as other:
        other.take(tmp_path)


def test_a_child_process_keeps_the_lock_only_if_it_is_given_it(tmp_path):
    with lock.Lock() as held:
        held.take(tmp_path)
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        heir = subprocess.Popen(["sleep", "60"], pass_fds=held.descriptors)
    with lock.Lock() as held:
        with pytest.raises(UsageError, match="in use"):
            held.take(tmp_path)
        heir.kill()
        heir.wait()
        held.take(tmp_path)
    stranger.kill()
    stranger.wait()


def test_a_deleted_file_is_no_lock(tmp_path, monkeypatch):
    """One start deletes the file of a run that never began, while another has just opened it."""
    with lock.Lock() as first, lock.Lock() as second:
        first.take(tmp_path)
        stock, calls = lock._lock, []

        def late(descriptor, folder):
            if not calls:
                first.forget(tmp_path)
            calls.append(descriptor)
            stock(descriptor, folder)

        monkeypatch.setattr(lock, "_lock", late)
        second.take(tmp_path)
        assert len(calls) == 2
        with pytest.raises(UsageError, match="in use"):
            first.take(tmp_path)


def test_a_file_system_without_locks_is_told_and_used(tmp_path, monkeypatch, capsys):
    import errno
    import fcntl

    def flock(descriptor, how):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock.Lock() as held:
        held.take(tmp_path)
    told = capsys.readouterr().err
    assert "cannot be locked (Operation not supported)" in told and told.count("\n") == 1


def test_only_rank_0_holds_the_folder_of_a_distributed_training(holder, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with lock.Lock() as held:
        held.take(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with lock.Lock() as held, pytest.raises(UsageError, match="cannot be written"):
        held.take(tmp_path)
