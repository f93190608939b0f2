"""The doors as a user meets them: mistakes, a short training, its audit and its film.

They run inside this process, by the script's path, so that Isaac Lab is loaded once.
"""

import json
import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

from alice.runs import provenance
from alice.system import affinity, kit
from alice.transfer import outcome

ROOT = Path(__file__).resolve().parents[2]
TASK = ("--task", "Alice-Ball-Transfer", "--device", "cpu")  # ovphysx keeps one device per process


MISTAKES = {
    "task": ([("--task", "Alice-Ball-Transfr")], ["unknown task", "did you mean Alice-Ball-Transfer"]),
    "no task": ([()], ["--task is missing", "Alice-Ball-Transfer"]),
    "agent": ([TASK, ("--agent", "rsl_rl_ppo")], ["unknown agent", "rsl_rl_cfg_entry_point"]),
    "physics": ([TASK, ("physics=ovphisx",)], ["did you mean ovphysx", "newton_mjwarp", "isaacsim_physx"]),
    "preset": ([TASK, ("presets=eight_actions",)], ["did you mean seven_actions"]),
    "group": ([TASK, ("agent.obs_groups.actor=['policies']",)], ["has no group 'policies'", "use policy, privileged"]),
    "preset at a path": ([TASK, ("env.actions=eight",)], ["unknown preset env.actions=eight", "seven_actions"]),
    "last part": ([TASK, ("env.decimaton=2",)], ["no field 'decimaton'", "did you mean decimation", "episode_length"]),
    "middle part": ([TASK, ("env.evnts.reset_transfer.params.home_noise=0",)], ["'evnts'", "did you mean events"]),
    "parameter": ([TASK, ("env.events.reset_transfer.params.home_nose=0",)], ["did you mean home_noise"]),
    "type": ([TASK, ("env.sim.dt=1/240",)], ["env.sim.dt='1/240'", "must be a number"]),
    "agent field": ([TASK, ("agent.algorithm.lernin_rate=1",)], ["did you mean learning_rate"]),
    "no root": ([TASK, ("decimation=2",)], ["unknown override 'decimation'", "env.<field>="]),
    "device by override": ([TASK, ("env.sim.device=cpu",)], ["use --device"]),
    "environments by override": ([TASK, ("env.scene.num_envs=0",)], ["use --num_envs"]),
    "device": ([TASK, ("--device", "tpu")], ["--device 'tpu'", "cpu"]),
    "no Isaac Sim": ([TASK, ("physics=isaacsim_physx",)], ["is not installed", "docs/isaacsim.md", "physics=ovphysx"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(name, door, tmp_path, monkeypatch):
    words, expected = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    code, out, err = door("train", *(word for group in words for word in group))
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1 and err.startswith("alice: error: "), err
    for part in expected:
        assert part in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["train", "evaluate", "play"])
@pytest.mark.parametrize("kind", ["damaged", "foreign"])
def test_a_file_that_is_no_policy_is_refused(name, kind, door, tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    torch.save({"weights": torch.zeros(3)}, "a.pt")
    if kind == "damaged":
        Path("a.pt").write_bytes(Path("a.pt").read_bytes()[:300])
    code, out, err = door(name, *TASK, "--checkpoint", "a.pt")
    assert code == 2 and out == ""
    assert len(err.splitlines()) == 1 and "'a.pt'" in err and "scripts/train.py" in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_a_dry_run_of_an_ablation_lists_its_runs_and_writes_nothing(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "--variants baseline rent_reward --seeds 1 2 --output . --dry_run"
    code, out, err = door("ablate", *words.split())
    assert code == 0 and err == ""
    assert out.splitlines() == [f"{name}_s{seed}: missing" for seed in (1, 2) for name in ("baseline", "rent_reward")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(len(affinity.cores()) < 2, reason="one core")
def test_two_processes_are_measured_at_once(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "--physics ovphysx --envs 8 --processes 2 --seconds 2 --json speed.json"
    code, out, err = door("benchmark", *TASK, *words.split())
    assert code == 0, err
    assert re.search(r"^ovphysx +2 x 8 envs +\d+ env-steps/s ", out, re.MULTILINE)
    (row,) = json.loads(Path("speed.json").read_text())["rows"]
    assert (row["physics"], row["num_envs"], row["processes"]) == ("ovphysx", 8, 2)
    assert row["env_steps_per_s"] > 0
    assert sum(row["shares"].values()) == pytest.approx(1.0) and row["shares"]["physics"] > 0.2


def test_more_processes_than_cores_are_refused(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = door("benchmark", *TASK, "--processes", "1", "9999", "--json", "speed.json")
    assert code == 2 and out == "" and list(tmp_path.iterdir()) == []
    assert len(err.splitlines()) == 1 and "--processes 9999" in err and "give at most" in err


@pytest.mark.parametrize("name", ["benchmark", "audit_physics"])
def test_physx_with_and_without_isaac_sim_are_not_loaded_together(name, door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kit, "missing", lambda: None)
    code, out, err = door(name, *TASK, "--physics", "ovphysx", "isaacsim_physx")
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and "give them one at a time" in err, err


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Train for two updates and return the folder that the run was started in."""
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = "--num_envs 16 --max_iterations 2 --seed 7 env.events.reset_transfer.params.home_noise=0"
        patch.setattr(sys, "argv", [str(ROOT / "scripts" / "train.py"), *TASK, *words.split()])
        with pytest.raises(SystemExit) as leaving:
            runpy.run_path(sys.argv[0], run_name="__main__")
        assert leaving.value.code == 0
    return folder


def test_a_training_leaves_checkpoints_and_says_where_it_comes_from(run_folder):
    (run,) = (run_folder / "logs" / "rsl_rl" / "ball_transfer").iterdir()
    assert (run / "model_0.pt").is_file() and (run / "model_1.pt").is_file()
    said = json.loads((run / "params" / "alice.json").read_text())
    assert said["seed"] == 7 and said["num_envs"] == 16 and said["task"] == "Alice-Ball-Transfer"
    assert said["overrides"] == ["env.events.reset_transfer.params.home_noise=0"]
    assert said["command"].startswith("scripts/train.py --task") and said["versions"]["isaaclab"] == "3.0.0"
    assert said["physics"] == "ovphysx"
    assert "home_noise: 0\n" in (run / "params" / "env.yaml").read_text()  # the override got through


def test_the_audit_of_a_training_is_complete_and_adds_up(run_folder, door, monkeypatch):
    monkeypatch.chdir(run_folder)
    words = "--checkpoint latest --episodes 16 --num_envs 12 --seed 20261 --json audit.json"
    code, out, err = door("evaluate", *TASK, *words.split())
    assert code == 0, err
    assert "16 home starts, seed 20261, ovphysx on" in out
    assert "alice: starting 16 environments on ovphysx; what it writes goes to " in err
    assert "[Warning]" not in out + err, "what ovphysx writes stays out of sight"
    content = json.loads(Path("audit.json").read_text())
    assert content["episodes"] == 16 and content["seed"] == 20261 and content["num_envs"] == 16
    assert set(content["success"]) == {"rate", "low", "high"}
    assert list(content["stages"]) == list(outcome.STAGES)
    assert content["stages"]["success"] == content["success"]["rate"]
    rates = list(content["stages"].values())
    assert all(0.0 <= rate <= 1.0 for rate in rates) and rates[1] <= rates[0]
    assert list(content["outcomes"]) == list(outcome.OUTCOMES)
    assert sum(result["count"] for result in content["outcomes"].values()) == 16
    (checkpoint,) = run_folder.glob("logs/rsl_rl/*/*/model_1.pt")
    assert content["checkpoint_sha256"] == provenance.sha256(checkpoint)
    assert content["command"].startswith("scripts/evaluate.py --task Alice-Ball-Transfer")
    assert {"git_commit", "dirty", "versions", "hardware", "wall_time_s", "physics"} <= set(content)
    for joint in content["joints"].values():
        assert 0.0 <= joint["median_peak_effort"] <= joint["peak_effort"] <= joint["effort_limit"] + 1e-5


def test_a_checkpoint_of_another_shape_is_refused(run_folder, door, monkeypatch):
    monkeypatch.chdir(run_folder)
    before = sorted(run_folder.rglob("*"))
    code, _, err = door("evaluate", *TASK, "--checkpoint", "latest", "--episodes", "2", "presets=seven_actions")
    assert code == 2
    assert err.splitlines()[-1].startswith("alice: error: model_1.pt does not fit") and "Traceback" not in err
    assert sorted(run_folder.rglob("*")) == before


def test_a_film_and_a_picture_are_written(run_folder, door, monkeypatch):
    import imageio
    import numpy as np
    from PIL import Image

    monkeypatch.chdir(run_folder)
    words = "--checkpoint latest --steps 3 --video film.mp4 --picture scene.png"
    code, out, err = door("play", *TASK, *words.split())
    assert code == 0, err
    assert "written: film.mp4" in out
    with imageio.get_reader("film.mp4") as film:
        assert film.get_meta_data()["codec"] == "h264" and film.get_meta_data()["fps"] == 20
        assert film.count_frames() == 3
    picture = Image.open("scene.png")
    assert picture.size == (640, 480)
    pixels = np.asarray(picture).astype(int)
    is_red = pixels[..., 0] > 2 * pixels[..., 1:].max(axis=-1)
    is_blue = pixels[..., 2] > 1.3 * pixels[..., :2].max(axis=-1)
    assert is_red.sum() > 300 and is_blue.sum() > 1000  # the ball and the dish are in the picture


def test_a_disk_too_small_for_the_checkpoints_is_told_before_training(door, tmp_path, monkeypatch):
    from alice.learning import runner

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 8, 1_000_000))
    code, _, err = door("train", *TASK, "--num_envs", "4", "--max_iterations", "100")
    assert code == 2
    line = err.strip().splitlines()[-1]
    assert line.startswith("alice: error: the disk of logs") and "1 MB free" in line and "--keep N" in line
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("model_*"))
