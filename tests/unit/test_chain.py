"""The chain of two trainings: what counts as the end of a stage."""

import argparse
from types import SimpleNamespace

import pytest

from alice.runs import chain, lock


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """Let the stages be told from a table: name of the stage to exit code and last checkpoint; return those run."""
    monkeypatch.chdir(tmp_path)
    names = iter(("distillation", "finetune"))
    begun = []

    def prepare(flags, words, play_mode):
        cfg = SimpleNamespace(experiment_name="x", run_name=next(names), max_iterations=100)
        job = {"task": "Task", "agent": flags.agent, "checkpoint": flags.checkpoint, "first_iteration": 0}
        return SimpleNamespace(agent_cfg=cfg, **job)

    def play(table):
        def run(door, words, held):
            name = ("distillation", "finetune")[len(begun)]
            code, last = table[name]
            begun.append(name)
            stamp = words[words.index("--run_timestamp") + 1]
            folder = tmp_path / "logs" / "rsl_rl" / "x" / f"{stamp}_{name}"
            folder.mkdir(parents=True)
            (folder / f"model_{last}.pt").touch()
            return code

        monkeypatch.setattr(chain.child, "run", run)
        return begun

    monkeypatch.setattr(chain.launch, "resolve_task", lambda name: name)
    monkeypatch.setattr(chain.launch, "prepare", prepare)
    monkeypatch.setattr(chain, "task_of_teacher", lambda task: "Teacher")
    monkeypatch.setattr(chain.checkpoints, "resolve", lambda name, task: tmp_path / "teacher.pt")
    monkeypatch.setattr(chain, "check", lambda job: None)
    monkeypatch.setattr(chain.Chain, "_compare", lambda self, job, ends: 0)
    return play


ARGS = dict.fromkeys(
    ("resume", "checkpoint", "phase", "num_envs", "seed", "device", "keep", "encoder_weights", "servo")
)
ARGS |= {"agent": chain.launch.DEFAULT_AGENT, "task": "Task", "teacher": "released", "domain_rand": False}
ARGS |= {"more_iterations": None, "run": None}
STOCK = argparse.Namespace(run_timestamp=None, run_name=None, experiment_name=None, distributed=False)


@pytest.mark.parametrize(
    ("table", "iterations", "expected", "code"),
    [
        ({"distillation": (0, 2), "finetune": (0, 2)}, 3, ["distillation", "finetune"], 0),
        ({"distillation": (0, 99), "finetune": (0, 99)}, None, ["distillation", "finetune"], 0),
        ({"distillation": (143, 1)}, 3, ["distillation"], 143),
        ({"distillation": (0, 1)}, 3, ["distillation"], 1),
        ({"distillation": (0, 2), "finetune": (0, 0)}, 3, ["distillation", "finetune"], 1),
    ],
)
def test_a_stage_that_stopped_early_ends_the_chain(table, iterations, expected, code, stages, capsys):
    begun = stages(table)
    args = argparse.Namespace(**ARGS, max_iterations=iterations)
    assert chain.run(args, [], [], STOCK, None, lock.Lock()) == code
    assert begun == expected
    assert ("the chain ended" in capsys.readouterr().err) == bool(code)


@pytest.mark.parametrize(
    ("given", "num_envs", "episodes"),
    [(2, 128, 38), (1, 4, 16), (None, 128, 512), (10_000, 128, 512)],
    ids=["two iterations", "next to nothing", "the stage as it is", "a long one"],
)
def test_the_ends_of_a_short_chain_are_compared_on_few_starts(given, num_envs, episodes):
    env_cfg = SimpleNamespace(
        scene=SimpleNamespace(num_envs=num_envs), sim=SimpleNamespace(dt=1 / 120), decimation=6, episode_length_s=8.0
    )
    job = SimpleNamespace(env_cfg=env_cfg, agent_cfg=SimpleNamespace(max_iterations=50, num_steps_per_env=24))
    assert chain.selection_episodes(job, given) == episodes
