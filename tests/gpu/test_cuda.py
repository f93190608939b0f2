"""On a GPU the task learns, and fast. Each training is a process of its own: ovphysx keeps one device per process."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

ROOT = Path(__file__).resolve().parents[2]
WORDS = "--task Alice-Ball-Transfer --device cuda:0 --num_envs 2048 --max_iterations 50 --seed 3"


def _scalars(folder: Path, name: str) -> list[float]:
    """Return the values of one TensorBoard curve of the only run below ``folder``."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = folder.rglob("events.out.tfevents.*")
    accumulator = EventAccumulator(str(events.parent))
    accumulator.Reload()
    return [event.value for event in accumulator.Scalars(name)]


@pytest.mark.parametrize("physics", ["ovphysx", "newton_mjwarp"])
def test_fifty_updates_raise_the_reward(physics, tmp_path, capsys):
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *WORDS.split(), f"physics={physics}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    reward = _scalars(tmp_path, "Train/mean_reward")
    rate = sorted(_scalars(tmp_path, "Perf/total_fps"))[25]
    with capsys.disabled():
        print(f"\n{physics}: {rate:.0f} env-steps/s with learning, mean reward {reward[0]:.2f} to {reward[-1]:.2f}")
    first, last = sum(reward[:5]) / 5, sum(reward[-5:]) / 5
    assert last > first + 1.0
    assert rate > 5000
