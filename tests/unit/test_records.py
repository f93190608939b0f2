"""What a run says about itself, and which one is the latest: by what was written, never by the times of files."""

import json
import os
import shutil
from datetime import datetime, timedelta, timezone

import pytest

from alice.runs import records

NOW = datetime.now(timezone.utc)


def make(root, name: str, date=None, created=None, resumed=(), **more):
    """Make a run folder; dates are hours ago."""
    folder = root / name
    (folder / "params").mkdir(parents=True)
    manifest = {"task": "T"} | ({"created_at": _ago(created)} if created is not None else {})
    (folder / records.MANIFEST).write_text(json.dumps(manifest))
    if date is not None:
        content = {"date": _ago(date), "resumed": [{"date": _ago(hours)} for hours in resumed], **more}
        (folder / records.RECORD).write_text(json.dumps(content))
    return folder


def _ago(hours: float) -> str:
    return (NOW - timedelta(hours=hours)).isoformat()


def test_the_time_is_that_of_the_last_resumption_then_of_the_beginning_then_of_the_manifest_then_of_the_name(tmp_path):
    resumed = make(tmp_path, "a", date=9, resumed=(5, 2), created=9)
    begun = make(tmp_path, "b", date=7, created=7)
    stock = make(tmp_path, "c", created=6)
    named = make(tmp_path, "2026-01-02_03-04-05_mine")
    nothing = make(tmp_path, "d")
    hours = [(NOW - records.time_of(folder)).total_seconds() / 3600 for folder in (resumed, begun, stock)]
    assert hours == pytest.approx([2, 7, 6])
    assert records.time_of(named).replace(tzinfo=None) == datetime(2026, 1, 2, 3, 4, 5)
    assert records.time_of(nothing).timestamp() == 0


def test_a_touched_or_copied_run_becomes_no_newer(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    from alice.runs import checkpoints

    monkeypatch.chdir(tmp_path)
    root = checkpoints.LOG_ROOT / "x"
    old, new = make(root, "1", date=30), make(root, "2", date=3)
    for folder, number in ((old, 100), (new, 7)):
        torch.save({"actor_state_dict": {}, "iter": number}, folder / f"model_{number}.pt")
    os.utime(old / records.MANIFEST)
    shutil.copytree(old, checkpoints.LOG_ROOT / "y" / "copy")  # with the times of today
    os.utime(new / records.MANIFEST, (1000, 1000))
    assert checkpoints.resolve("latest", "T") == new / "model_7.pt"
    told = capsys.readouterr().err
    assert told.startswith(f"alice: latest: {new}, 8 iterations, ") and told.endswith("UTC, 3 hours ago\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (-60, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (2e6, "23 d")],
)
def test_ages(seconds, text):
    assert records.age(datetime.now(timezone.utc) - timedelta(seconds=seconds)).startswith(text)


TRAINED = [
    "physics=ovphysx",
    "presets=domain_rand,resnet18",
    "env.scene.ball.spawn.radius=0.02",
    "env.curriculum=none",
    "env.rewards.lift.weight=3",
    "env.events.reset_transfer.params.shares.home=1.0",
    "agent.student.hidden_dims=[8]",
    "agent.algorithm.gamma=0.9",
]


def test_the_world_of_a_policy_is_what_an_audit_can_take_over():
    assert records.world_words({"overrides": TRAINED}) == [*TRAINED[:3], "agent.actor.hidden_dims=[8]"]
    assert records.world_words({}) == []


def test_what_an_audit_leaves_out_is_found():
    record = {"overrides": TRAINED}
    assert records.differences(record, []) == TRAINED[:3]
    assert records.differences(record, [*TRAINED[:1], "presets=x,resnet18,domain_rand"]) == TRAINED[2:3]
    assert records.differences(record, TRAINED) == []


def test_a_record_that_cannot_be_read_is_none(tmp_path):
    folder = make(tmp_path, "a", date=1)
    assert records.of_checkpoint(folder / "model_1.pt")["date"]
    (folder / records.RECORD).write_text("{")
    assert records.read(folder) is None and records.of_checkpoint(folder / "model_1.pt") is None
    (folder / "released.json").write_text(json.dumps({"training": {"overrides": ["a=1"]}}))
    assert records.of_checkpoint(folder / "released.pt") == {"overrides": ["a=1"]}
