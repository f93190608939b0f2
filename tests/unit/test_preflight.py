"""What a training needs beside a right command line is looked at before anything heavy is loaded."""

import argparse
import os
from types import SimpleNamespace

import pytest

from alice.cli.usage import UsageError
from alice.runs import preflight
from alice.system import ranks
from alice.transfer import curriculum


def flags(**given) -> argparse.Namespace:
    names = ("resume", "checkpoint", "more_iterations", "max_iterations", "run", "teacher")
    return argparse.Namespace(**{**dict.fromkeys(names), **given})


@pytest.mark.parametrize(
    ("given", "stock", "reason"),
    [
        ({"resume": "latest", "checkpoint": "released"}, [], "give one of them"),
        ({"more_iterations": 3}, [], "counts on from a run: give --resume RUN"),
        ({"more_iterations": 3, "max_iterations": 3, "resume": "x"}, [], "give one of them"),
        ({}, ["--distributed"], "start it with torchrun"),
        ({"run": "x", "resume": "x"}, [], "give one of --run and --resume"),
        ({"run": "x"}, ["--run_name=mine"], "--run is the folder itself, --run_name names one"),
    ],
)
def test_flags_that_contradict_each_other(given, stock, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match=reason):
        preflight.check_flags(flags(**given), stock)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "a folder that all processes know: give --run FOLDER"),
        ({"run": "x", "teacher": "released"}, "leave --distributed out"),
    ],
)
def test_what_several_processes_would_not_agree_on_is_refused(given, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(UsageError, match=reason):
        preflight.check_flags(flags(**given), ["--distributed"])
    preflight.check_flags(flags(run="x"), ["--distributed"])


@pytest.mark.parametrize("name", ["logs", "logs/rsl_rl"])
def test_a_file_in_the_place_of_the_logs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir() if "/" in name else None
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match=f"'{name}' of the working directory is a file"):
        preflight.require_log_root()


def test_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preflight.require_log_root()
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(UsageError, match="the working directory cannot be written, runs go to logs/rsl_rl"):
        preflight.require_log_root()
    (tmp_path / "logs").mkdir()
    with pytest.raises(UsageError, match="the folder 'logs' cannot be written"):
        preflight.require_log_root()


def stock(**given) -> argparse.Namespace:
    names = ("experiment_name", "run_name", "run_timestamp", "logger", "visualizer")
    return argparse.Namespace(**{**dict.fromkeys(names), "video": False, **given})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"experiment_name": "lab/ball"}, "--experiment_name 'lab/ball' is no name of one folder"),
        ({"run_name": ".."}, "--run_name '..' is no name"),
        ({"run_name": "a" * 201}, "at most 200 characters"),
        ({"logger": "wandb"}, "--logger wandb needs the package wandb.*TensorBoard is there"),
        ({"visualizer": ["viser"]}, "--viz viser needs the package viser.*take one that is there: newton_gl"),
        ({"visualizer": "rerun"}, "--viz rerun needs the package rerun"),
        ({"video": True}, "needs? the package moviepy|with the package moviepy.*play.py --task T --checkpoint latest"),
    ],
)
def test_what_is_missing_is_named(given, reason, monkeypatch):
    there = ("pyglet",)
    find = lambda name: name if name in there else None  # noqa: E731
    monkeypatch.setattr(preflight.importlib.util, "find_spec", find)
    with pytest.raises(UsageError, match=reason):
        preflight.check_stock(stock(**given), "T")


def test_names_and_loggers_of_the_configuration_count_too(monkeypatch):
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"agent.run_name 'a/b'"):
        preflight.check_stock(stock(), "T", SimpleNamespace(run_name="a/b"))
    with pytest.raises(UsageError, match="--logger neptune"):
        preflight.check_stock(stock(), "T", SimpleNamespace(logger="neptune"))
    preflight.check_stock(stock(run_name="mine"), "T", SimpleNamespace(logger="tensorboard", run_name=""))


def test_a_film_needs_a_viewer_that_can_be_filmed(monkeypatch):
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name == "isaacsim" else name)
    with pytest.raises(UsageError, match="Isaac Sim, which is not installed; give --viz newton_gl"):
        preflight.check_stock(stock(video=True, visualizer=["viser"]), "T")
    preflight.check_stock(stock(video=True, visualizer=["newton_gl"]), "T")


def env_cfg(staged: bool = True, **rewards):
    names = {name for stage in curriculum.STAGES for name in stage.terms}
    return SimpleNamespace(
        curriculum=SimpleNamespace(stage=object()) if staged else None,
        rewards=SimpleNamespace(**{**dict.fromkeys(names, object()), **rewards}),
        events=SimpleNamespace(reset_transfer=object()),
        actions=SimpleNamespace(joints=object()),
    )


def test_the_stages_need_their_rewards_and_set_their_weights():
    preflight.check_terms(env_cfg(), ["env.rewards.action_rate.weight=-1"])
    with pytest.raises(UsageError, match=r"'lift', which is off; give env.curriculum=none"):
        preflight.check_terms(env_cfg(lift=None), [])
    with pytest.raises(UsageError, match=r"env.rewards.lift.weight is set anew.*env.curriculum=none"):
        preflight.check_terms(env_cfg(), ["env.rewards.lift.weight=3"])
    shares = "env.events.reset_transfer.params.shares.in_hand"
    preflight.check_terms(env_cfg(), [f"{shares}=0.0"])
    with pytest.raises(UsageError, match="in_hand is set anew"):
        preflight.check_terms(env_cfg(), [f"{shares}=0.5"])
    preflight.check_terms(env_cfg(staged=False, lift=None), [f"{shares}=0.5", "env.rewards.grasp.weight=3"])


@pytest.mark.parametrize("section", ["events", "actions"])
def test_an_episode_cannot_begin_without(section):
    cfg = env_cfg(staged=False)
    for name in vars(getattr(cfg, section)):
        setattr(getattr(cfg, section), name, None)
    with pytest.raises(UsageError, match=f"without env.{section}"):
        preflight.check_terms(cfg, [])


def test_what_a_launcher_left_is_forgotten_without_distributed(monkeypatch, capsys):
    for name in ranks.RANKS:
        monkeypatch.setenv(name, "2")
    ranks.forget_ranks(is_distributed=True)
    assert ranks.rank() == 2 and capsys.readouterr().err == ""
    ranks.forget_ranks(is_distributed=False)
    assert ranks.rank() == 0 and not set(ranks.RANKS) & set(os.environ)
    assert capsys.readouterr().err.startswith("alice: note: WORLD_SIZE, RANK, LOCAL_RANK of the environment")


def test_a_run_that_never_began_leaves_no_folder(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from alice.runs import checkpoints, folders, lock

    monkeypatch.chdir(tmp_path)
    first, second = (checkpoints.LOG_ROOT / "x" / name for name in ("1", "2"))
    for folder in (first, second):
        (folder / "params").mkdir(parents=True)
    folders.remove(first, lock.Lock())
    assert second.is_dir() and not first.exists()
    folders.remove(second, lock.Lock())
    assert not list(tmp_path.iterdir())
