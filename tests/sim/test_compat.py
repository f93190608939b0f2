"""The work-arounds whose effect shows in a running simulation alone."""

import ctypes
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alice.system import affinity

pytest.importorskip("ovphysx")

GET_TIMER_SLACK = 30
"""Of linux/prctl.h."""


def _switches() -> int:
    """Return how often the threads of this process have gone to sleep."""
    lines = [line for file in Path("/proc/self/task").glob("*/status") for line in file.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_all_work_arounds_are_in_place_when_ovphysx_runs(simulate):
    """They are put there by what is imported on the way to a running simulation, and not by a call."""
    import ovphysx
    import warp

    env = simulate()
    assert env.sim.physics_manager.handles_decimation()
    assert getattr(ovphysx.PhysX.attach_ovstage, "lets_threads_sleep", False) is sys.platform.startswith("linux")
    assert getattr(ovphysx.PhysXConfig, "is_matched_to_cores", False) is (len(affinity.cores()) < 8)
    cpu = warp.get_device("cpu")
    assert (cpu.pinned_allocator is cpu.default_allocator) is not warp.is_cuda_available()
    assert "libovphysx" in Path("/proc/self/maps").read_text(), "else the test of what is not loaded proves nothing"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the scheduler of Linux is meant")
def test_no_thread_of_an_idle_simulation_looks_for_work_all_the_time(simulate):
    simulate()
    before = _switches()
    time.sleep(1.0)
    assert _switches() - before < 2000, "stock: about 10,000"
    assert ctypes.CDLL(None).prctl(GET_TIMER_SLACK, 0, 0, 0, 0) < 1_000_000, "our own sleeps are as they were"


def test_a_simulation_without_an_environment_takes_single_steps_after_one(simulate):
    """A ball that falls for one step of 1/120 s, where six of them went into each step of the environment before."""
    import isaaclab.sim as sim_utils
    import torch
    from isaaclab.scene import InteractiveScene, InteractiveSceneCfg

    from alice.assets.objects import BALL_CFG
    from alice.tasks.ball_transfer.physics_cfg import PhysicsCfg

    env = simulate()
    env.step(torch.zeros(env.num_envs, env.action_manager.total_action_dim))
    simulate.close()
    sim_utils.create_new_stage()
    sim = sim_utils.SimulationContext(sim_utils.SimulationCfg(dt=1 / 120, device="cpu", physics=PhysicsCfg().ovphysx))
    try:
        cfg = InteractiveSceneCfg(num_envs=1, env_spacing=1.5)
        cfg.ball = BALL_CFG.replace(prim_path="{ENV_REGEX_NS}/Ball")
        scene = InteractiveScene(cfg)
        sim.reset()
        sim.step(render=False)
        scene.update(dt=1 / 120)
        speed = scene["ball"].data.root_com_vel_w.torch[0, 2].item()
    finally:
        sim.stop()
        sim.clear_instance()
    assert speed == pytest.approx(-9.81 / 120, rel=0.02)


def test_warp_does_not_tell_users_what_is_deprecated_in_isaac_lab():
    program = """
import alice.tasks, isaaclab.utils.warp, warp
warp.config.verbose = False  # deprecated too
warp.get_logger().warning("of a user's kernel", UserWarning)
"""
    command = [sys.executable, "-W", "always", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("Warp ")]
    assert [line for line in told if "CUDA" not in line] == ["Warp UserWarning: of a user's kernel"], done.stderr
