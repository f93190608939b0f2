"""Both tasks on both engines on a GPU: nothing lies on the CPU, a partial reset is one, a run goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
TASK = "Alice-Ball-Transfer"


def run(script: Path, *words, cwd: Path) -> str:
    done = subprocess.run([sys.executable, script, *words], cwd=cwd, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("words", [(), ("--domain_rand",)], ids=["clean", "randomized"])
@pytest.mark.parametrize("physics", ["ovphysx", "newton_mjwarp"])
@pytest.mark.parametrize("task", [TASK, f"{TASK}-Camera"])
def test_a_world_lies_on_the_gpu_and_is_reset_in_part(task, physics, words, tmp_path):
    flags = ("--task", task, "--device", "cuda:0", "--num_envs", "84", f"physics={physics}", *words)
    assert run(ROOT / "tests" / "gpu" / "look_around.py", *flags, cwd=tmp_path).endswith("all is well\n")


def test_a_resumed_run_goes_on_from_the_state_of_its_checkpoint(tmp_path):
    """What the checkpoint holds is the same; whether the iterations after it are is not promised on a GPU."""
    words = ("--task", TASK, "--device", "cuda:0", "--num_envs", "256", "agent.save_interval=2", "physics=ovphysx")
    train = ROOT / "scripts" / "train.py"
    for run_folder, iterations in (("whole", "5"), ("cut", "3"), ("cut", "5")):
        run(train, *words, "--run", run_folder, "--max_iterations", iterations, cwd=tmp_path)
    whole, cut = (torch.load(tmp_path / name / "model_2.pt", weights_only=True) for name in ("whole", "cut"))
    assert whole["env_state"].keys() == cut["env_state"].keys() and "cuda" in cut["env_state"]["random"]
    last = torch.load(tmp_path / "cut" / "model_4.pt", weights_only=True)
    assert last["iter"] == 4 and last["log"]["steps"] == 5 * 256 * 24
    drift = {
        name: (values - last["actor_state_dict"][name]).abs().max().item()
        for name, values in torch.load(tmp_path / "whole" / "model_4.pt", weights_only=True)["actor_state_dict"].items()
        if values.is_floating_point()
    }
    print(f"\nlargest difference of the weights to those of an undisturbed run: {max(drift.values()):.3g}")
