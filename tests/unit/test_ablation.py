"""An ablation: what is told to which door, what is done, and what the table says."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import pytest

from alice.studies import ablation, trials
from alice.studies.ablation import Cell, Variant
from alice.transfer import curriculum

PLAIN = Cell(Variant("plain", "q"), 1, 10)
PARTS = Cell(Variant("parts", "q", ("--one",), then=("--two",), audits=("clean", "domain_rand")), 2, 10)


def test_the_variants_have_names_of_their_own_and_one_baseline():
    assert len(set(ablation.NAMES)) == len(ablation.VARIANTS)
    assert [v.name for v in ablation.VARIANTS if v.question == "baseline"] == ["baseline"]
    switched_off = {word.split("=")[0].split(".")[-1] for word in ablation.BANK_OFF}
    assert switched_off == set(curriculum.MIXED_STARTS) - {"home"}


def test_a_cell_is_trained_and_audited():
    train, audit = PLAIN.trial().steps
    flags, asked = dict(pairwise(train.words)), dict(pairwise(audit.words))
    assert (train.door, audit.door) == ("train", "evaluate")
    assert (flags["--seed"], flags["--max_iterations"]) == ("1", "10") and "--checkpoint" not in flags
    assert asked["--seed"] == "777" and asked["--checkpoint"] == flags["--run"] and "--domain_rand" not in audit.words
    assert asked["--json"].endswith(trials.AUDIT) and audit.product == trials.AUDIT


def test_the_second_part_starts_from_the_first():
    first, second, *audits = PARTS.trial().steps
    assert "--one" in first.words and "--checkpoint" not in first.words
    flags = dict(pairwise(second.words))
    assert "--two" in second.words and flags["--checkpoint"] == dict(pairwise(first.words))["--run"] != flags["--run"]
    assert dict(pairwise(first.words))["--max_iterations"] == "7" and flags["--max_iterations"] == "3"
    assert ["--domain_rand" in step.words for step in audits] == [False, True]
    assert all(dict(pairwise(step.words))["--checkpoint"] == flags["--run"] for step in audits)
    assert len({step.product for step in audits}) == 2


def test_words_of_all_cells_are_told_to_both_doors_but_for_those_of_the_agent():
    cell = Cell(PLAIN.variant, 1, 10, ("--num_envs", "4", "physics=ovphysx", "agent.save_interval=2"))
    train, audit = cell.trial().steps
    assert train.words[-4:] == cell.words
    assert "physics=ovphysx" in audit.words and "agent.save_interval=2" not in audit.words
    assert "--num_envs" not in audit.words


def test_an_audit_has_the_actions_that_were_trained():
    cell = Cell(Variant("gripper", "q", ("env.actions=binary_gripper", "env.rewards=rent")), 1, 10)
    assert [word for word in cell.trial().steps[-1].words if "=" in word] == ["env.actions=binary_gripper"]


def _log(folder: Path, rates: dict[int, float]) -> None:
    pytest.importorskip("torch")
    from torch.utils.tensorboard import SummaryWriter

    (folder / "params").mkdir(parents=True)
    record = {"num_envs": 8, "steps_per_env": 4, "git_commit": "0123456789"}
    (folder / "params" / "alice.json").write_text(json.dumps(record))
    with SummaryWriter(folder) as writer:
        for step, rate in rates.items():
            writer.add_scalar("Metrics/transfer/success_rate", rate, step)


def _audit(file: Path, rate: float) -> None:
    file.write_text(json.dumps({"episodes": 16, "success": {"rate": rate}, "stages": {"lifted": 0.8}}))


def test_the_table(tmp_path):
    cells = [PLAIN, PARTS, Cell(Variant("never_run", "q"), 1, 10)]
    plain, parts = tmp_path / "plain_s1", tmp_path / "parts_s2"
    _log(plain / "training", {0: 0.0, 4: 0.89, 9: 0.91})
    _log(parts / "first", {0: 0.0, 4: 0.5})
    _log(parts / "training", {5: 0.6, 9: 0.7})
    _audit(plain / "audit_clean.json", 0.9), _audit(parts / "audit_clean.json", 0.9)
    _audit(parts / "audit_domain_rand.json", 0.5)
    for cell in cells[:2]:
        assert not ablation.is_done(cell, tmp_path / "out")
        ablation.keep(cell, tmp_path / "out", tmp_path / cell.name)
        assert ablation.is_done(cell, tmp_path / "out")
    assert not ablation.is_done(Cell(PLAIN.variant, 1, 20), tmp_path / "out")
    results = ablation.collect(cells, tmp_path / "out")
    assert list(results) == ["plain_s1", "parts_s2"]
    assert [steps for steps, _ in results["parts_s2"]["curve"]] == [32, 160, 192, 320]
    ablation.write_csv([result["row"] for result in results.values()], tmp_path / "table.csv")
    first, second = csv.DictReader((tmp_path / "table.csv").open())
    assert first["env_steps_to_90"] == "320" and second["env_steps_to_90"] == ""
    assert first["clean_success"] == "0.9" and first["domain_rand_success"] == ""
    assert second["domain_rand_success"] == "0.5" and second["commit"] == "0123456"
