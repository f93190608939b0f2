"""A trial of a study, without Ray: whatever is killed around its doors, it goes on and does nothing twice."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from fake_doors import checkout, iterations

from alice.cli.usage import UsageError
from alice.studies import trials
from alice.studies.trials import FOLDER, Place, Step, Trial

COUNT = 30
PATIENCE = 60


def trial(name: str = "one", *words: str) -> Trial:
    run = f"{FOLDER}/training"
    train = Step("train", ("--max_iterations", str(COUNT), "--run", run, *words))
    audit = Step("evaluate", ("--checkpoint", run, "--json", f"{FOLDER}/{trials.AUDIT}"), trials.AUDIT)
    return Trial(name, (train, audit))


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    monkeypatch.setattr(trials.tempfile, "gettempdir", lambda: str(tmp_path))  # cores of this test alone
    (tmp_path / "checkout").mkdir()
    root = checkout(tmp_path / "checkout")
    return Place(python=sys.executable, root=str(root), cwd=str(tmp_path), folder="runs", cores=1)


def begin(one: Trial, place: Place) -> int:
    """Complete a trial in a process of its own and return its id."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            trials.complete(one, place, tell=lambda line: None)
            code = 0
        finally:
            os._exit(code)
    return child


def wait_for(done) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_trial_is_trained_and_audited_once(place, tmp_path):
    rate = trials.complete(trial(), place)
    folder = tmp_path / "runs" / "one"
    assert iterations(folder) == list(range(COUNT)) and 0 < rate < 1
    assert trials.complete(trial(), place) == rate
    assert (folder / "audits").read_text() == "begun\n", "the second time nothing is done"
    assert trial().is_done(tmp_path / "runs")


def test_it_goes_on_after_its_process_was_killed_once_its_door_has_left(place, tmp_path):
    expected = trials.complete(trial("undisturbed"), place)
    folder = tmp_path / "runs" / "one"
    for _ in range(3):
        child = begin(trial(), place)
        before = len(iterations(folder)) if (folder / "training" / "iterations").exists() else 0
        wait_for(lambda seen=before: (folder / "training" / "iterations").exists() and len(iterations(folder)) > seen)
        os.kill(child, signal.SIGKILL)
        assert exit_code(child) == -signal.SIGKILL
    assert trials.complete(trial(), place) == expected
    assert (folder / "training" / "saved").exists()
    assert iterations(folder) == list(range(COUNT)), "nothing twice"
    assert not (folder / "training" / "refused").exists(), "no door was refused by one that was still saving"


def test_one_waits_until_doors_have_left(place, tmp_path):
    child = begin(trial(), place)
    run = tmp_path / "runs" / "one" / "training"
    wait_for((run / "iterations").exists)
    os.kill(child, signal.SIGKILL)
    exit_code(child)
    trials.wait_until_left(["one", "never_begun"], tmp_path / "runs")
    assert (run / "saved").exists()


def test_a_door_that_fails_says_where_its_words_are(place, tmp_path):
    with pytest.raises(trials.DoorFailedError, match=r"one: train left with 1, see runs/one/doors\.log"):
        trials.complete(trial("one", "agent.fails=1"), place)
    assert "no good" in (tmp_path / "runs" / "one" / trials.LOG).read_text()


def test_a_door_that_is_asked_to_leave_is_not_one_that_fails(place, tmp_path):
    child = begin(trial(), place)
    run = tmp_path / "runs" / "one" / "training"
    wait_for((run / "iterations").exists)
    os.kill(int((run / "process").read_text()), signal.SIGTERM)
    assert exit_code(child) == 99
    assert trials.complete(trial(), place) > 0 and iterations(run.parent) == list(range(COUNT))


def test_two_trials_at_a_time_keep_to_cores_of_their_own(place, tmp_path, monkeypatch):
    monkeypatch.setattr(trials.affinity, "cores", lambda: [4, 7])
    with trials.lock.Lock() as first, trials.lock.Lock() as second, trials.lock.Lock() as third:
        assert [trials._claim(first, 1), trials._claim(second, 1)] == [[4], [7]]
        monkeypatch.setattr(trials, "PATIENCE", 0.1)
        with pytest.raises(UsageError, match="in use"):
            trials._claim(third, 1)
    with trials.lock.Lock() as fourth:
        assert trials._claim(fourth, 2) == [4, 7]


def test_a_door_has_the_threads_of_the_user_and_nothing_of_ray(place, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("RAY_ADDRESS", "somewhere")
    Path(place.root, "scripts", "train.py").write_text("import os, sys\nsys.exit(str(sorted(os.environ)))")
    with pytest.raises(trials.DoorFailedError):
        trials.complete(trial(), place)
    told = (tmp_path / "runs" / "one" / trials.LOG).read_text()
    assert "'PATH'" in told and "RAY_ADDRESS" not in told and "OMP_NUM_THREADS" not in told


def test_a_folder_of_other_words_is_refused(place, tmp_path):
    trials.complete(trial(), place)
    with pytest.raises(UsageError, match=r"'.*one' was begun with other words"):
        trials.complete(trial("one", "agent.more=1"), place)


@pytest.mark.parametrize("content", ["{", "{}", '{"success": {"rate": "high"}}', '{"success": 3}'])
def test_a_damaged_audit_is_told_in_a_line(content, tmp_path):
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(UsageError, match=r"the audit .*delete it, and it is made anew"):
        trials.success(tmp_path / "audit.json")
