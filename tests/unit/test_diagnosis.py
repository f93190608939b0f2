"""The doctor's reading of a run: each cause from its evidence alone, and silence where nothing is wrong."""

import copy
import math

import pytest

pytest.importorskip("yaml")

from alice.cli.usage import UsageError
from alice.doctor import diagnosis, machine
from alice.doctor.diagnosis import Run

PROGRESS = {"func": "alice.mdp.rewards:transfer_progress", "weight": 100.0, "params": {"part": "lift"}}
ENV = {
    "sim": {"gravity": [0.0, 0.0, -9.81]},
    "scene": {"ball": {"spawn": {"rigid_props": [{"disable_gravity": False}]}}},
    "rewards": {"lift": PROGRESS},
}
AGENT = {"max_iterations": 330, "actor": {"distribution_cfg": {"std_range": [0.05, 1.0]}}, "algorithm": {}}
HEALTHY = {
    **{f"Metrics/transfer/{stage}_rate": 0.97 for stage in ("reached", "pinched", "lifted", "carried", "released")},
    "Metrics/transfer/success_rate": 0.95,
    "Policy/mean_std": 0.3,
    "Loss/value": 0.1,
    "Loss/learning_rate": 3e-4,
    "Curriculum/stage/number": 4.0,
    "Episode_Termination/ball_lost": 0.02,
    "Episode_Reward/action_rate": -0.005,
    "Episode_Reward/reach": 0.5,
}


def run(env=None, agent=None, iterations=330, **changes) -> Run:
    """Return a healthy run with some values changed; tags are written with ``__`` for a slash."""
    values = HEALTHY | {name.replace("__", "/"): value for name, value in changes.items()}
    scalars = {tag: [(step, value) for step in range(iterations)] for tag, value in values.items()}
    return Run(None, env or ENV, agent or AGENT, scalars)


def names(found: Run) -> list[str]:
    return [cause.name for cause in diagnosis.causes(found)]


def test_a_healthy_run_has_no_causes():
    assert names(run()) == [] and diagnosis.stuck_stage(run()) is None


def _changed(path: tuple, value) -> dict:
    env = copy.deepcopy(ENV)
    place = env
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return env


@pytest.mark.parametrize(
    ("env", "evidence"),
    [
        (_changed(("sim", "gravity"), [0.0, 0.0, 0.0]), r"sim.gravity is \(0.0, 0.0, 0.0\)"),
        (
            _changed(("scene", "ball", "spawn", "rigid_props"), [{"disable_gravity": True}]),
            r"scene.ball.spawn.rigid_props.0.disable_gravity is true",
        ),
    ],
)
def test_gravity_that_is_off_comes_first(env, evidence):
    found = diagnosis.causes(run(env, Metrics__transfer__lifted_rate=0.0))
    assert found[0].name == "gravity is off"
    import re

    assert re.search(evidence, found[0].evidence)


def test_rent_is_named_with_its_terms():
    rent = {"func": "alice.mdp.rewards:transfer_potential", "weight": 2.0, "params": {"part": "grasp"}}
    (cause,) = diagnosis.causes(run({**ENV, "rewards": {"lift": PROGRESS, "grasp": rent}}))
    assert cause.name == "the reward pays for a posture and not for progress" and cause.evidence.startswith("grasp pay")
    assert names(run({**ENV, "rewards": {"grasp": {**rent, "weight": 0.0}}})) == []


def test_noise_without_bound():
    agent = {**AGENT, "actor": {"distribution_cfg": {"std_range": [1e-6, 1e6]}}}
    (cause,) = diagnosis.causes(run(agent=agent, Policy__mean_std=2.5))
    assert cause.name == "the action noise has no useful bound"
    assert "2.50" in cause.evidence and "1000000.0" in cause.evidence


SIGNS = {
    "the losses are not numbers": {"Loss__value": math.nan},
    "holding is worth more than lifting": {"Metrics__transfer__lifted_rate": 0.02},
    "the training is young": {"iterations": 20},
    "the ball flies or rolls away": {"Episode_Termination__ball_lost": 0.5},
    "moving costs more than reaching pays": {
        "Metrics__transfer__reached_rate": 0.0,
        "Metrics__transfer__pinched_rate": 0.0,
        "Episode_Reward__action_rate": -0.6,
    },
    "the learning rate has collapsed": {"Loss__learning_rate": 1e-5},
    "the curriculum does not move on": {"Curriculum__stage__number": 1.0},
}


@pytest.mark.parametrize("name", SIGNS)
def test_each_sign_has_its_cause(name):
    assert names(run(**SIGNS[name])) == [name]


def test_the_stuck_stage_is_the_first_that_fails():
    assert diagnosis.stuck_stage(run(Metrics__transfer__lifted_rate=0.1)) == "lifted"


def test_a_run_is_read_from_its_folder(tmp_path):
    pytest.importorskip("torch")
    from torch.utils.tensorboard import SummaryWriter

    (tmp_path / "params").mkdir()
    text = "sim:\n  gravity: !!python/tuple\n  - 0.0\n  - 0.0\n  - -9.81\nfunc: !!python/name:os.system ''\n"
    (tmp_path / "params" / "env.yaml").write_text(text)
    (tmp_path / "params" / "agent.yaml").write_text("max_iterations: 5\n")
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("Metrics/transfer/reached_rate", 0.1 * step, step)
    found = diagnosis.read(tmp_path)
    assert found.iterations == 3 and found.env["sim"]["gravity"] == [0.0, 0.0, -9.81]
    assert found.rates["reached"] == pytest.approx(0.1) and found.env["func"] in ("", None, "os.system")


def test_what_is_no_run_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no TensorBoard log"):
        diagnosis.read(tmp_path)


##
# The machine
##


def test_a_full_disk_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda place: type("U", (), {"free": 100e6})())
    finding = machine._disk(tmp_path / "logs", 14.0)
    assert finding.level == "problem" and "--keep N" in finding.text


def test_a_missing_or_wrong_package_is_a_problem(monkeypatch):
    def version(name):
        if name == "onnx":
            raise machine.metadata.PackageNotFoundError
        return "2.0.0" if name == "isaaclab" else machine.REQUIRED.get(name, ("1.0",))[0]

    monkeypatch.setattr(machine.metadata, "version", version)
    found = {finding.name: finding for finding in machine._packages()}
    assert found["isaaclab"].level == "problem" and "2.0.0, need 3.0.0" in found["isaaclab"].text
    assert found["onnx"].level == "problem" and found["rsl-rl-lib"].level == "ok"


def test_versions_are_those_that_setup_asks_for():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "setup.py").read_text(encoding="utf-8")
    for name, wanted in machine.REQUIRED.items():
        assert f"{name}=={wanted[0]}" in text.replace("[ovphysx]", ""), name
