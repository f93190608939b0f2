"""What a training needs is told before it starts, with the number that fits."""

import re
from types import SimpleNamespace

import pytest

from alice import memory
from alice.usage import UsageError


def _job(num_envs=128, width=64, frames=2, camera=True, **algorithm):
    params = {"frame_stack": frames, "sensor_cfg": None}
    scene = {"num_envs": num_envs}
    if camera:
        scene["wrist_camera"] = SimpleNamespace(width=width, height=width * 3 // 4)
    image = SimpleNamespace(wrist_image=SimpleNamespace(params=params))
    return SimpleNamespace(
        device="cpu",
        env_cfg=SimpleNamespace(scene=SimpleNamespace(**scene), observations=SimpleNamespace(image=image)),
        agent_cfg=SimpleNamespace(
            num_steps_per_env=24, algorithm=SimpleNamespace(**(algorithm or {"num_mini_batches": 8}))
        ),
    )


def _need(job) -> float:
    fixed, each = memory.estimate(job)
    return fixed + job.env_cfg.scene.num_envs * each


def test_pictures_cost_more_than_none_and_larger_ones_more():
    assert _need(_job(camera=False)) < _need(_job()) < _need(_job(width=224)) < _need(_job(width=224, frames=4))


def test_a_replay_memory_counts_once():
    small, large = (_job(num_envs=count, replay_size=60_000, batch_size=512) for count in (1, 2))
    fixed, each = memory.estimate(small)
    assert fixed > memory.PROCESS + 60_000 * 2 * 3 * 64 * 48
    assert _need(large) - _need(small) == pytest.approx(each)


def test_the_number_in_the_error_fits_and_one_more_does_not(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: int(4e9))
    with pytest.raises(UsageError, match=r"--num_envs 100000 needs about .* GB .* 4.0 GB are free") as told:
        memory.require(_job(num_envs=100_000))
    fitting = int(re.search(r"at most --num_envs (\d+) fits", str(told.value))[1])
    memory.require(_job(num_envs=fitting))
    with pytest.raises(UsageError):
        memory.require(_job(num_envs=fitting + 1))


def test_a_machine_that_is_too_small_for_one(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: int(1e9))
    with pytest.raises(UsageError, match="free some, or take another machine"):
        memory.require(_job(num_envs=1))


def test_where_memory_cannot_be_told_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: None)
    memory.require(_job(num_envs=10**9))


def test_this_machine_has_some():
    free = memory.free_bytes("cpu")
    assert free is None or free > 1e8
