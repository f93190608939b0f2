"""One simulation at a time, kept open for as long as the next test asks for the same one."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from alice.runs import launch, overrides

ROOT = Path(__file__).resolve().parents[2]
TASK = "Alice-Ball-Transfer"


class Simulator:
    """Opens environments and closes them, one after another: Isaac Lab allows one per process.

    A test that asks for the environment that is open already gets it after a full reset, which saves a second with
    ovphysx and many with Newton.
    """

    def __init__(self):
        self._key = None
        self._env = None

    def __call__(
        self, *words: str, task: str = TASK, num_envs: int = 8, seed: int = 5, play: bool = False, endless: bool = False
    ):
        """Return an environment on the CPU, just reset.

        Args:
            words: Overrides such as ``physics=newton_mjwarp``.
            task: Task id.
            num_envs: Number of environments.
            seed: Seed.
            play: Whether it is in play mode: all starts from home.
            endless: Whether no episode ends by itself, so that a test can look at what comes after.
        """
        import gymnasium

        from alice.evaluation.physics import start_states

        key = (words, task, num_envs, seed, play, endless)
        if key != self._key:
            self.close()
            launch.resolve_task(task)
            env_cfg, _ = overrides.resolve_config(task, launch.DEFAULT_AGENT, list(words), play_mode=play)
            launch.settle_physics(env_cfg)
            env_cfg.sim.device, env_cfg.scene.num_envs, env_cfg.seed = "cpu", num_envs, seed
            if endless:
                start_states.make_endless(env_cfg)
            self._env, self._key = gymnasium.make(task, cfg=env_cfg), key
        self._env.reset()
        return self._env.unwrapped

    def close(self) -> None:
        """Close the environment that is open, if any."""
        if self._env is not None:
            self._env.close()
        self._env = self._key = None


_simulator = Simulator()


@pytest.fixture
def simulate() -> Simulator:
    """Return the function that opens an environment: ``simulate("physics=newton_mjwarp", num_envs=4)``."""
    return _simulator


@pytest.fixture
def door(monkeypatch, capfd):
    """Return a function that runs a script and gives exit code, standard output and standard error."""

    def run(name: str, *words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", [str(ROOT / "scripts" / f"{name}.py"), *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            runpy.run_path(sys.argv[0], run_name="__main__")
        return (leaving.value.code, *capfd.readouterr())

    return run


@pytest.hookimpl(tryfirst=True)  # before fixtures of any scope are made
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Close the environment that is open before a test that opens its own."""
    if "simulate" not in item.fixturenames:
        _simulator.close()


def pytest_sessionfinish() -> None:
    """Close what the last test left open."""
    _simulator.close()
