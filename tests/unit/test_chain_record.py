"""The folder of a chain: words, stages, and the better of its ends."""

import json

import pytest
from run_folders import make_run, words

from alice.cli.usage import UsageError
from alice.runs import chain_record, checkpoints, folders, lock, records
from alice.runs.folders import Asked


def test_a_chain_remembers_words_iterations_stages_and_its_better_end(tmp_path):
    place = tmp_path / "chain"
    with lock.Lock() as held:
        record = chain_record.Record(place, Asked(words(seed=2), 5), held)
        assert not place.exists(), "until the first stage begins"
        record.begin("distillation")
        with pytest.raises(UsageError, match="--seed 3 was --seed 2"):
            chain_record.Record(place, Asked(words(seed=3), 5), held)
        assert chain_record.Record(place, Asked(words(seed=2)), held).iterations == 5
        record = chain_record.Record(place, Asked(words(seed=2), 8), held)
        assert record.iterations == 8, "the first stage may still go on"
        record.begin("finetune")
        with pytest.raises(UsageError, match=r"ended after 8, and the second one has begun.*--resume .*finetune"):
            chain_record.Record(place, Asked(words(seed=2), 9), held)
        assert record.end is None
        better = make_run(place / "finetune", 7) / "model_7.pt"
        record.finish("50.00% of 4 starts", better)
        end = chain_record.Record(place, Asked(words(seed=2)), held).end
    assert end == f"finished: {place}; 50.00% of 4 starts; the better one: {better}"
    with pytest.raises(UsageError, match="holds a chain of --teacher"), lock.Lock() as held:
        folders.enter(place, Asked(words()), held)


def test_a_chain_is_a_policy_for_every_door(tmp_path, capsys):
    make_run(tmp_path / "first", 9)
    (tmp_path / records.CHAIN).write_text(json.dumps({"stages": ["first", "second"]}))
    assert checkpoints.resolve(str(tmp_path), "") == tmp_path / "first" / "model_9.pt"
    assert "has not compared its ends" in capsys.readouterr().err
    make_run(tmp_path / "second", 3, 4)
    assert checkpoints.resolve(str(tmp_path), "") == tmp_path / "second" / "model_4.pt"
    (tmp_path / records.CHAIN).write_text(json.dumps({"stages": ["first", "second"], "better": "first/model_9.pt"}))
    capsys.readouterr()
    assert checkpoints.resolve(str(tmp_path), "") == tmp_path / "first" / "model_9.pt"
    assert capsys.readouterr().err == ""


def test_a_run_is_no_chain(tmp_path):
    make_run(tmp_path / "a", 3)
    with lock.Lock() as held, pytest.raises(UsageError, match="holds a run without --teacher"):
        chain_record.Record(tmp_path / "a", Asked(words()), held)


def test_an_audit_is_done_once(tmp_path):
    end, result = tmp_path / "model_1.pt", tmp_path / "selection.json"
    end.write_bytes(b"weights")
    assert not chain_record.is_audited(end, result, 4)
    from alice.runs import provenance

    result.write_text(json.dumps({"checkpoint_sha256": provenance.sha256(end), "episodes": 4}))
    assert chain_record.is_audited(end, result, 4)
    assert not chain_record.is_audited(end, result, 8)
    end.write_bytes(b"other weights")
    assert not chain_record.is_audited(end, result, 4)
