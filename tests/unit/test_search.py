"""A search: what its words mean, which trials they make, and the table."""

import csv
import json

import pytest

from alice.cli.usage import UsageError
from alice.studies import search, trials

SPACE = dict(map(search.parse, ["agent.entropy=log:1e-4..1e-2", "agent.steps=16..48", "env.rewards=rent|progress"]))
SEARCH = {"space": SPACE, "trials": 3, "seed": 1, "train": ["--task", "T"], "audit": ["--task", "T"]}
VALUES = {"agent.entropy": 0.001, "agent.steps": 20, "env.rewards": "rent"}


def test_words_say_where_their_values_come_from():
    assert SPACE == {
        "agent.entropy": {"kind": "log", "options": [1e-4, 1e-2]},
        "agent.steps": {"kind": "whole", "options": [16, 48]},
        "env.rewards": {"kind": "choice", "options": ["rent", "progress"]},
    }
    assert search.parse("a=-1..2.5")[1] == {"kind": "plain", "options": [-1.0, 2.5]}
    assert not search.is_searched("physics=ovphysx") and not search.is_searched("a=0.5")


@pytest.mark.parametrize("word", ["a=1..", "a=x..y", "a=2..1", "a=log:0..1", "a=nan..1", "a=1..inf", "a=b|", "a=b|b"])
def test_a_word_that_means_nothing_is_told(word):
    assert search.is_searched(word)
    with pytest.raises(UsageError, match=r"give name=LOW\.\.HIGH"):
        search.parse(word)


def test_the_ends_of_all_ranges_are_looked_at():
    assert search.edges(SPACE) == [
        ["agent.entropy=0.0001", "agent.steps=16", "env.rewards=rent"],
        ["agent.entropy=0.01", "agent.steps=48", "env.rewards=progress"],
    ]


def test_equal_choices_are_one_trial_and_only_the_training_is_told():
    one, other = search.trial(SEARCH, VALUES), search.trial(SEARCH, {**VALUES, "agent.steps": 21})
    assert one.name == search.trial(SEARCH, dict(reversed(VALUES.items()))).name != other.name
    train, audit = one.steps
    assert train.words[-3:] == ("agent.entropy=0.001", "agent.steps=20", "env.rewards=rent")
    assert not any("=" in word for word in audit.words) and audit.product == trials.AUDIT
    assert trials.Trial.of(json.loads(json.dumps(one.plain()))) == one


def _leave(folder, values, rate=None):
    one = search.trial(SEARCH, values)
    (folder / one.name).mkdir(parents=True)
    (folder / one.name / trials.FILE).write_text(json.dumps(one.plain()))
    if rate is not None:
        audit = {"success": {"rate": rate, "low": 0.0, "high": 1.0}, "episodes": 8}
        (folder / one.name / trials.AUDIT).write_text(json.dumps(audit))


def test_what_lies_in_the_folder_is_known(tmp_path):
    _leave(tmp_path, VALUES, 0.5)
    _leave(tmp_path, {**VALUES, "agent.steps": 17}, 0.75)
    _leave(tmp_path, {**VALUES, "agent.steps": 18})
    begun = search.known(tmp_path)
    done, unfinished = search.split(begun, tmp_path)
    assert sorted(rate for _, rate in done) == [0.5, 0.75] and unfinished == [{**VALUES, "agent.steps": 18}]
    table = search.rows(begun, tmp_path)
    search.write_csv(table, tmp_path / "table.csv")
    best, other = csv.DictReader((tmp_path / "table.csv").open())
    assert (best["success"], best["agent.steps"]) == ("0.75", "17") and other["env.rewards"] == "rent"
    assert search.shown(table).splitlines()[0].startswith("  75.00%  agent.entropy=0.001 agent.steps=17")


def test_a_folder_of_something_else_is_refused(tmp_path):
    search.refuse_others(tmp_path / "new", SEARCH)
    (tmp_path / "letter").touch()
    with pytest.raises(UsageError, match="holds something and no search"):
        search.refuse_others(tmp_path, SEARCH)
    (tmp_path / search.FILE).write_text(json.dumps(SEARCH))
    search.refuse_others(tmp_path, {**SEARCH, "trials": 30})
    with pytest.raises(UsageError, match=r"begun with other words \(train in"):
        search.refuse_others(tmp_path, {**SEARCH, "train": ["--task", "U"]})
