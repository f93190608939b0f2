"""Checkpoints are chosen by audit, runs are compared on equal starts."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from alice.cli.usage import UsageError  # noqa: E402
from alice.evaluation.audit import sweep  # noqa: E402
from alice.transfer.outcome import SELECTION_SEED  # noqa: E402


def _candidate(run: str, iteration: int, rate: float) -> sweep.Candidate:
    return sweep.Candidate(run, Path(f"{run}/model_{iteration}.pt"), iteration, rate, rate - 0.1, rate + 0.1)


def test_the_best_checkpoint_is_the_last_of_those_with_the_highest_success_of_its_own_run():
    found = [_candidate("a", 50, 0.9), _candidate("a", 100, 0.9), _candidate("a", 150, 0.4), _candidate("b", 50, 0.95)]
    assert sweep.best(found, "a").iteration == 100
    assert sweep.best(found, "b").iteration == 50


def test_a_pair_is_compared_start_by_start():
    first = torch.tensor([True] * 90 + [False] * 10)
    second = torch.tensor([True] * 88 + [False] * 2 + [True] * 8 + [False] * 2)
    result = sweep.compare(first, second)
    assert result["difference"] == pytest.approx(0.06)
    assert (result["only_first"], result["only_second"]) == (2, 8)
    # Two of ten fair coins or fewer on either side: 2 (1 + 10 + 45) / 1024.
    assert result["p_value"] == pytest.approx(112 / 1024)
    assert result["low"] < 0.0 < 0.06 < result["high"]


def test_policies_that_never_differed_have_an_interval_with_a_width():
    successes = torch.tensor([True, False, True])
    result = sweep.compare(successes, successes)
    assert result["low"] < result["difference"] == 0.0 < result["high"] and result["p_value"] == 1.0


def test_folders_that_are_no_runs_are_refused(tmp_path):
    with pytest.raises(UsageError, match="give run folders"):
        sweep.runs_of([str(tmp_path)], 1)
    with pytest.raises(UsageError, match="give run folders"):
        sweep.runs_of([str(tmp_path / "none")], 1)
    (tmp_path / "model_1.pt").touch()
    with pytest.raises(UsageError, match="given twice"):
        sweep.runs_of([str(tmp_path), str(tmp_path / ".")], 1)
    assert list(sweep.runs_of([str(tmp_path)], 1)) == [tmp_path.name]


def test_an_audit_never_counts_the_starts_that_checkpoints_were_chosen_on(tmp_path):
    (tmp_path / "model_1.pt").touch()
    with pytest.raises(UsageError, match="--seed 30260"):
        sweep.runs_of([str(tmp_path)], SELECTION_SEED)


def test_a_damaged_checkpoint_is_left_out_and_the_others_are_compared(tmp_path, monkeypatch, capsys):
    network = torch.nn.Linear(2, 1)
    for number in (1, 2, 3):
        torch.save({"actor_state_dict": network.state_dict()}, tmp_path / f"model_{number}.pt")
    (tmp_path / "model_2.pt").write_bytes(b"PK\x03\x04 cut off")
    audited = type("Audited", (), {"stages": torch.tensor([[True], [False]])})
    monkeypatch.setattr(sweep.audit, "run_audit", lambda *words, **more: audited)
    found = sweep.select(None, network, {"a": tmp_path}, "T", 2, progress=False)
    assert [item.iteration for item in found] == [1, 3]
    warning = capsys.readouterr().err
    assert warning.startswith("alice: warning:") and "model_2.pt" in warning and warning.count("\n") == 1
    for number in (1, 3):
        (tmp_path / f"model_{number}.pt").write_bytes(b"")
    with pytest.raises(UsageError, match="--checkpoints 'a': none of its checkpoints can be audited"):
        sweep.select(None, network, {"a": tmp_path}, "T", 2, progress=False)
