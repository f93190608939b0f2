"""Flags of an audit over the wire: what they imply and what does not go with them."""

import argparse

import pytest

from alice.cli.usage import UsageError
from alice.deploy.bus.opening import PROTOCOLS, WITHOUT_READ_BACK
from alice.deploy.guard import TABLE_DEPTH
from alice.evaluation import wire_flags


def parsed(*words, **others):
    parser = argparse.ArgumentParser()
    wire_flags.add(parser)
    defaults = dict.fromkeys((*wire_flags.FOREIGN, "seed", "domain_rand"))
    return argparse.Namespace(**{**defaults, **vars(parser.parse_args(words)), **others})


def test_the_wire_implies_the_servo_model_beside_other_presets():
    assert wire_flags.settle(parsed(), ["env.x=1"]) == ["env.x=1"]
    args = parsed("--through_wire")
    assert wire_flags.settle(args, ["presets=servo_12v"]) == ["presets=servo_12v,hobby_servo"]
    assert args.table_depth == TABLE_DEPTH
    randomized = parsed("--through_wire", domain_rand=True)
    assert wire_flags.settle(randomized, []) == [], "which has a servo model itself"


def test_a_bus_without_read_back_is_compared_with_the_closed_loop_without():
    for protocol in WITHOUT_READ_BACK:
        args = parsed("--through_wire", "--protocol", protocol)
        found = wire_flags.settle(args, ["env.actions.joints.servo.reads_back=true"])
        assert sorted(found) == ["env.actions.joints.servo.reads_back=false", "presets=hobby_servo,reports"]
    assert set(WITHOUT_READ_BACK) == {name for name in PROTOCOLS["lx"] if name.startswith("lsc")}


@pytest.mark.parametrize(
    ("words", "others", "reason"),
    [
        (["--protocol", "lx"], {}, "give --through_wire, too"),
        (["--table_depth", "0"], {}, "give --through_wire, too"),
        (["--told_once"], {}, "give --through_wire, too"),
        (["--through_wire"], {"probe": "blank"}, "leave out --probe"),
        (["--through_wire"], {"seed": "release"}, "no release figure"),
    ],
)
def test_what_does_not_go_together_is_told(words, others, reason):
    with pytest.raises(UsageError, match=reason):
        wire_flags.settle(parsed(*words, **others), [])
