"""Which checkpoint of a run counts, what is deleted, and what is never opened."""

import os
import pickle

import pytest

torch = pytest.importorskip("torch")

from alice.cli.usage import UsageError  # noqa: E402
from alice.runs import checkpoints  # noqa: E402


def save(folder, number: int, **more):
    file = folder / f"model_{number}.pt"
    torch.save({"actor_state_dict": {"w": torch.full((2,), float(number))}, "iter": number, **more}, file)
    return file


def test_newest_is_by_number_not_by_name(tmp_path):
    for number in (750, 5000, 50):
        save(tmp_path, number)
    (tmp_path / "model_99999.pt.bak").touch()
    assert checkpoints.newest_in(tmp_path).name == "model_5000.pt"
    assert [file.name for file in checkpoints.newest_first(tmp_path)] == [
        "model_5000.pt",
        "model_750.pt",
        "model_50.pt",
    ]


def test_prune_keeps_the_newest_and_touches_nothing_else(tmp_path):
    for number in (0, 50, 100, 1000):
        save(tmp_path, number)
    other = tmp_path / "events.out"
    other.touch()
    checkpoints.prune(tmp_path, 2)
    assert sorted(os.listdir(tmp_path)) == ["events.out", "model_100.pt", "model_1000.pt"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_newest_file_falls_back_with_a_warning(damage, tmp_path, capsys):
    save(tmp_path, 50)
    newest = save(tmp_path, 100)
    content = {"truncated": newest.read_bytes()[:-200], "empty": b"", "text": b"not a checkpoint"}[damage]
    newest.write_bytes(content)
    file, state = checkpoints.newest_sound(tmp_path)
    assert file.name == "model_50.pt" and state["iter"] == 50
    warning = capsys.readouterr().err
    assert warning.startswith("alice: warning:") and "model_100.pt" in warning and warning.count("\n") == 1


def test_nothing_sound_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"holds no model_<number>\.pt"):
        checkpoints.newest_sound(tmp_path)
    (tmp_path / "model_1.pt").write_bytes(b"PK\x03\x04 but no archive")
    with pytest.raises(UsageError, match="none of its checkpoints can be opened"):
        checkpoints.newest_sound(tmp_path)


class Bomb:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    mark = tmp_path / "exploded"
    pickle.loads(pickle.dumps(Bomb(mark))).close()
    assert mark.exists(), "the bomb works"
    mark.unlink()
    file = save(tmp_path, 1, infos=Bomb(mark))
    with pytest.raises(UsageError, match="holds more than weights"):
        checkpoints.load(file)
    assert not mark.exists()


def test_the_latest_run_is_of_the_task_or_of_any(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no run of any task"):
        checkpoints.latest_run(None)
    for age, task in enumerate(("Alice-B", "Alice-A")):
        folder = tmp_path / checkpoints.LOG_ROOT / "x" / task
        folder.mkdir(parents=True)
        save(folder, 1)
        (folder / "run.json").write_text(f'{{"task": "{task}"}}')
        os.utime(folder / "run.json", (1000 - age, 1000 - age))
    assert checkpoints.latest_run(None).name == "Alice-B"
    assert checkpoints.latest_run("Alice-A").name == "Alice-A"
