"""An ablation: what is told to which door, what is skipped the second time, and what the table says."""

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from alice.studies import ablation
from alice.studies.ablation import Cell, Variant
from alice.transfer import curriculum

PLAIN = Cell(Variant("plain", "q"), 1, 10)
HERE = Path(".")
SUCCESS_CURVE = ablation.success_curve
PARTS = Cell(Variant("parts", "q", ("--one",), then=("--two",), audits=("clean", "domain_rand")), 2, 10)


@pytest.fixture
def doors(tmp_path, monkeypatch):
    """Let the doors be played: each leaves what the real one would, and the list of calls is returned."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def play(door, words, name, cores, tell):
        calls.append((door, words))
        flags = dict(pairwise(words))
        if door == "evaluate.py":
            rate = 0.5 if "--domain_rand" in words else 0.9
            audit = {"episodes": int(flags["--episodes"]), "success": {"rate": rate}, "stages": {"lifted": 0.8}}
            ablation.Path(flags["--json"]).write_text(json.dumps(audit))
            return
        count = 0
        folder = ablation.find(name)
        if folder is None:
            folder = ablation.checkpoints.LOG_ROOT / ablation.EXPERIMENT / f"2026-01-01_00-00-00_{name}"
            (folder / "params").mkdir(parents=True)
            count = int(flags["--max_iterations"])
            if "--checkpoint" in flags:
                count += ablation.checkpoints.number(ablation.Path(flags["--checkpoint"])) + 1
            record = {"num_envs": 8, "steps_per_env": 4, "git_commit": "0123456789"}
            (folder / "params" / "alice.json").write_text(json.dumps(record))
        (folder / f"model_{(count or 10) - 1}.pt").touch()

    monkeypatch.setattr(ablation, "success_curve", lambda cell: [(32, 0.0), (320, 0.91)])
    monkeypatch.setattr(ablation, "_call", play)
    return calls


def test_the_variants_have_names_of_their_own_and_one_baseline():
    assert len(set(ablation.NAMES)) == len(ablation.VARIANTS)
    assert [v.name for v in ablation.VARIANTS if v.question == "baseline"] == ["baseline"]
    switched_off = {word.split("=")[0].split(".")[-1] for word in ablation.BANK_OFF}
    assert switched_off == set(curriculum.MIXED_STARTS) - {"home"}


def test_a_variant_is_trained_and_audited_once(doors):
    assert ablation.run([PLAIN], HERE, 1, 16, tell=lambda line: None) == []
    (train, words), (evaluate, audit) = doors
    assert (train, evaluate) == ("train.py", "evaluate.py")
    assert words[words.index("--seed") + 1] == "1" and words[words.index("--max_iterations") + 1] == "10"
    assert audit[audit.index("--seed") + 1] == "777" and "--domain_rand" not in audit
    assert ablation.run([PLAIN], HERE, 1, 16, tell=lambda line: None) == []
    assert len(doors) == 2, "the second time nothing is missing"


def test_what_is_done_stays_done_without_the_logs_but_not_for_a_longer_training(doors):
    ablation.run([PLAIN], HERE, 1, 16, tell=lambda line: None)
    shutil.rmtree("logs")
    ablation.run([PLAIN], HERE, 1, 16, tell=lambda line: None)
    assert len(doors) == 2
    assert not ablation.is_done(Cell(PLAIN.variant, 1, 20), HERE)


def test_the_second_part_starts_from_the_first(doors):
    ablation.run([PARTS], HERE, 1, 16, tell=lambda line: None)
    first, second, *audits = (words for _, words in doors)
    assert "--one" in first and "--checkpoint" not in first
    assert "--two" in second and second[second.index("--checkpoint") + 1].endswith("parts_s2_first/model_6.pt")
    assert second[second.index("--max_iterations") + 1] == "3"
    assert ["--domain_rand" in words for words in audits] == [False, True]
    assert all("_parts_s2" in words[words.index("--checkpoint") + 1] for words in audits)


def test_a_begun_run_is_resumed(doors):
    ablation.run([PLAIN], HERE, 1, 16, tell=lambda line: None)
    folder = ablation.find("plain_s1")
    (folder / "model_9.pt").rename(folder / "model_3.pt")
    (folder / "audit_clean.json").unlink()
    ablation.result_file(PLAIN, HERE).unlink()
    doors.clear()
    ablation.run([PLAIN], HERE, 1, 16, tell=lambda line: None)
    assert doors[0] == ("train.py", ["--resume", str(folder)])
    assert doors[1][0] == "evaluate.py"


def test_one_failure_does_not_stop_the_others(doors, monkeypatch):
    played = ablation._call

    def fail_first(door, words, name, cores, tell):
        if name == "plain_s1":
            raise ablation.CommandFailed("plain_s1: train.py left with 1")
        played(door, words, name, cores, tell)

    monkeypatch.setattr(ablation, "_call", fail_first)
    said = []
    assert ablation.run([PLAIN, PARTS], HERE, 2, 16, tell=said.append) == [PLAIN]
    assert "plain_s1: train.py left with 1" in said
    assert ablation.find("parts_s2") is not None


def test_runs_are_found_by_their_whole_name(doors):
    ablation.run([PARTS], HERE, 1, 16, tell=lambda line: None)
    assert ablation.find("parts_s2").name.endswith("_parts_s2")
    assert ablation.find("s2") is None and ablation.find("parts") is None


def _log(name: str, rates: dict[int, float]) -> None:
    pytest.importorskip("torch")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(ablation.find(name)) as writer:
        for step, rate in rates.items():
            writer.add_scalar("Metrics/transfer/success_rate", rate, step)


def test_the_table(doors, tmp_path, monkeypatch):
    cells = [PLAIN, PARTS, Cell(Variant("never_run", "q"), 1, 10)]
    ablation.run(cells[:2], HERE, 1, 16, tell=lambda line: None)
    _log("plain_s1", {0: 0.0, 4: 0.89, 9: 0.91})
    _log("parts_s2_first", {0: 0.0, 4: 0.5})
    _log("parts_s2", {5: 0.6, 9: 0.7})
    for cell in cells[:2]:
        ablation.result_file(cell, HERE).unlink()
    monkeypatch.setattr(ablation, "success_curve", SUCCESS_CURVE)
    ablation.run(cells[:2], HERE, 1, 16, tell=lambda line: None)
    results = ablation.collect(cells, HERE)
    assert list(results) == ["plain_s1", "parts_s2"]
    assert [steps for steps, _ in results["parts_s2"]["curve"]] == [32, 160, 192, 320]
    ablation.write_csv([result["row"] for result in results.values()], tmp_path / "table.csv")
    plain, parts = csv.DictReader((tmp_path / "table.csv").open())
    assert plain["env_steps_to_90"] == "320" and parts["env_steps_to_90"] == ""
    assert plain["clean_success"] == "0.9" and plain["domain_rand_success"] == ""
    assert parts["domain_rand_success"] == "0.5" and parts["commit"] == "0123456"
