"""Isaac Lab's own commands, as docs/isaaclab.md shows them, on what this machine has."""

import sys

import pytest

from alice.system import device

TASK = "Alice-Ball-Transfer"


@pytest.fixture
def isaaclab(monkeypatch, tmp_path, capfd):
    """Return a function that runs the ``isaaclab`` command in an empty folder and gives what it printed."""
    from isaaclab.cli import cli

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["isaaclab", *words])
        cli()
        return capfd.readouterr().out

    monkeypatch.chdir(tmp_path)
    return run


def test_train_runs_as_it_is_on_what_the_machine_has(isaaclab, tmp_path):
    words = ["--rl_library", "rsl_rl", "--task", TASK, "--num_envs", "16", "--max_iterations", "2"]
    isaaclab("train", *words)
    [agent] = tmp_path.glob("logs/rsl_rl/ball_transfer/*/params/agent.yaml")
    assert f"device: {device.preferred()}" in agent.read_text()
    [environment] = tmp_path.glob("logs/rsl_rl/ball_transfer/*/params/env.yaml")
    assert f"device: {device.preferred()}" in environment.read_text()
    assert (agent.parents[1] / "model_1.pt").is_file()


def test_an_agent_of_random_actions_runs(isaaclab):
    out = isaaclab("random_agent", "--task", TASK, "--num_envs", "4", "--max_steps", "5", "--viz", "none")
    assert "agent is running" in out


def test_the_tasks_are_listed(isaaclab):
    out = isaaclab("list_envs", "--keyword", "Alice")
    assert "Alice-Ball-Transfer " in out and "Alice-Ball-Transfer-Camera" in out
