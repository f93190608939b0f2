"""A policy is told that it is played in another world than it was trained in, and can have that one."""

import json

import pytest

from alice.cli.usage import UsageError
from alice.runs import overrides, records, world


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "params").mkdir()
    record = {"overrides": ["env.scene.ball.spawn.radius=0.02", "presets=domain_rand", "env.curriculum=none"]}
    (tmp_path / records.RECORD).write_text(json.dumps(record))
    return tmp_path / "model_3.pt"


def test_it_is_told(checkpoint, capsys):
    assert world.settle(checkpoint, ["presets=domain_rand"], False) == ["presets=domain_rand"]
    told = capsys.readouterr().err
    assert told.startswith("alice: note: trained with env.scene.ball.spawn.radius=0.02, now without; --as_trained")
    world.settle(checkpoint, ["presets=domain_rand", "env.scene.ball.spawn.radius=0.02"], False)
    world.settle(checkpoint, [], None)
    assert capsys.readouterr().err == ""


def test_it_has_the_world_of_its_training_and_what_is_given_wins(checkpoint, capsys):
    given = ["env.scene.ball.spawn.radius=0.01", "presets=seven_actions"]
    words = world.settle(checkpoint, given, True)
    assert sorted(words) == ["env.scene.ball.spawn.radius=0.01", "presets=domain_rand,seven_actions"]
    assert world.settle(checkpoint, [], True) == ["env.scene.ball.spawn.radius=0.02", "presets=domain_rand"]
    assert capsys.readouterr().err == ""


def test_a_policy_of_unknown_origin_has_no_such_world(tmp_path):
    with pytest.raises(UsageError, match=r"--as_trained: nothing beside model_1.pt"):
        world.settle(tmp_path / "model_1.pt", [], True)


def test_overrides_of_the_same_name_are_replaced_and_presets_add_up():
    assert overrides.merge(["a=1", "presets=x,y", "b=2"], ["b=3", "presets=y,z"]) == ["a=1", "b=3", "presets=x,y,z"]
