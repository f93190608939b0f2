"""What a training needs is told before it starts, with the number that fits."""

import re
from types import SimpleNamespace

import pytest

from alice.cli.usage import UsageError
from alice.runs import memory


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


def _group(folder, limit, used, cached, version):
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"cache 5\n{names[2]} {cached}\n")


V1_NONE = 9223372036854771712
"""What version 1 says where there is no limit."""


@pytest.mark.parametrize(
    ("membership", "groups", "expected"),
    [
        ("0::/\n", {".": ("2000", 700, 100, 2)}, [1400]),
        ("0::/\n", {".": ("max", 700, 100, 2)}, []),
        ("0::/job/step\n", {"job": (5000, 700, 0, 2), "job/step": ("max", 600, 0, 2)}, [4300]),
        ("0::/job/step\n", {"job": (5000, 700, 0, 2), "job/step": (1000, 600, 50, 2)}, [450, 4300]),
        ("0::/outside/docker-1\n", {".": (2000, 1500, 0, 2)}, [500]),  # the path of the host, seen from inside
        ("4:memory:/docker/1\n0::/\n", {"memory": (3000, 1000, 200, 1)}, [2200]),
        ("4:cpu,memory:/a\n", {"memory/a": (3000, 1000, 0, 1), "memory": (V1_NONE, 0, 0, 1)}, [2000, V1_NONE]),
        ("3:cpu:/a\n", {"memory/a": (3000, 1000, 0, 1)}, []),
        ("0::/\n", {".": (2000, 5000, 0, 2)}, [1]),  # already over it: nothing fits
        ("odd\n\n", {".": (2000, 700, 100, 2)}, []),
    ],
)
def test_the_limit_of_a_container_counts(membership, groups, expected, tmp_path):
    for name, group in groups.items():
        _group(tmp_path / "cgroup" / name, *group)
    (tmp_path / "self").write_text(membership)
    assert memory.group_free_bytes(tmp_path / "cgroup", tmp_path / "self") == expected


def test_a_container_smaller_than_its_machine_is_what_a_training_must_fit_into(monkeypatch):
    monkeypatch.setattr(memory, "group_free_bytes", lambda: [int(1.5e9), V1_NONE])
    assert memory.free_bytes("cpu") <= 1.5e9
    with pytest.raises(UsageError, match=r"1\.5 GB are free"):
        memory.require(_job(num_envs=4096))


def test_a_system_without_control_groups_has_no_such_limit(tmp_path):
    assert memory.group_free_bytes(tmp_path, tmp_path / "nothing") == []


def test_this_machine_has_some():
    free = memory.free_bytes("cpu")
    assert free is None or free > 1e8
