"""A simulated arm that bytes move: goals come out of an emulated arm's servos, and its links are the simulator's."""

from __future__ import annotations

import argparse
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice.cli import terminal
from alice.cli.usage import UsageError
from alice.deploy.emulator.camera import SharedPicture, grained
from alice.deploy.emulator.plant import Plant
from alice.deploy.emulator.terminal import Terminal
from alice.runs import launch
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

CAMERA = "wrist_camera"


class WiredArms:
    """The arms of N environments, moved by N emulated arms. Links go back where an environment begins anew.

    Args:
        env: Environments. Servos of their own stand aside: those that are late and loose are the emulated ones.
        plant: The emulated arms, whose links are given.
        is_placed: Whether they stand already where the environments begin.

    Raises:
        UsageError: If the environments are of another arm.
    """

    def __init__(self, env: ManagerBasedRLEnv, plant: Plant, is_placed: bool = False):
        if env.cfg.arm != plant.arm.name:
            raise UsageError(f"the task simulates {env.cfg.arm}, the emulated arm is {plant.arm.name}; give its task")
        self._env, self._plant = env, plant
        self._term = env.action_manager.get_term("joints")
        self._idle = torch.zeros(env.num_envs, env.action_manager.total_action_dim, device=env.device)
        self.begin(np.arange(0 if is_placed else env.num_envs))

    def begin(self, rows: np.ndarray) -> None:
        """Let the emulated arms of environments stand where those begin."""
        if len(rows):
            self._plant.place(rows, self.joint_pos()[rows], self._term.targets.cpu().numpy()[rows])

    def joint_pos(self) -> np.ndarray:
        """Return where the simulated joints are, (N, J) [rad, m]."""
        return transfer_state(self._env).now.true.joint_pos.cpu().numpy()

    def pull(self, driven: np.ndarray, targets: np.ndarray | None = None) -> torch.Tensor:
        """Decide where the drives pull to in the coming control step; return the actions to step with, (N, A).

        Args:
            driven: Where the drives pull to, (N, J) [rad, m]: :meth:`alice.deploy.emulator.plant.Plant.driven`.
            targets: What the robot's side commanded, (N, J) [rad, m]; the same if None.
        """
        made = [torch.as_tensor(driven if one is None else one, dtype=torch.float32) for one in (targets, driven)]
        self._term.take_over(*(tensor.to(self._env.device) for tensor in made))
        return self._idle

    def step(self, driven: np.ndarray, targets: np.ndarray | None = None) -> tuple[Any, np.ndarray]:
        """Move all arms for one control step.

        Args:
            driven: As of :meth:`pull`.
            targets: Likewise.

        Returns:
            Observations, and which environments have begun anew, indices (K,).
        """
        with torch.no_grad():
            obs, _, terminated, truncated, _ = self._env.step(self.pull(driven, targets))
        return obs, (terminated | truncated).nonzero().flatten().cpu().numpy()

    def tell(self, anew: np.ndarray) -> None:
        """Tell the emulated arms where their links are now.

        Args:
            anew: Environments that have begun anew, (K,).
        """
        self._plant.set_joint_pos(self.joint_pos())
        self.begin(anew)

    def picture(self) -> np.ndarray | None:
        """Return what the wrist camera of the first arm sees, (H, W, 3) uint8; None without one."""
        if CAMERA not in self._env.scene.sensors:
            return None
        return self._env.scene[CAMERA].data.output["rgb"].torch[0, ..., :3].cpu().numpy().astype(np.uint8)


def scenery(env: ManagerBasedRLEnv) -> str:
    """Return where ball and dish of the first environment are, as flags of ``run_arm.py``."""
    state = transfer_state(env)
    (x, y, _), radius = state.now.ball_pos[0].tolist(), float(state.ball_radius[0])
    dish = state.dish_pos[0].tolist()
    return f"--ball {x:.3f} {y:.3f} {radius:g} --dish {dish[0]:.3f} {dish[1]:.3f}"


def serve(env: ManagerBasedRLEnv, served: Terminal, seconds: float, shared: SharedPicture | None) -> tuple[int, int]:
    """Let a simulated arm be driven over a port in real time, until interrupted or for so long.

    The simulator moves in control steps. Its drives pull to where the servos are when a step begins, so links are up to
    one step later than the servos' own delay; where the simulator is slower than time, by as much more.

    Args:
        env: One environment in which no episode ends, just reset.
        served: The port, with an emulated arm whose links are given.
        seconds: How long [s].
        shared: Where pictures go, if anywhere.

    Returns:
        Control steps, and how many began late; when it is interrupted, too.
    """
    plant, clock = served.arm.plant, served.arm.clock
    arms, stop = WiredArms(env, plant), Event()
    thread = Thread(target=served.serve, args=(stop,), daemon=True)
    thread.start()
    due, ends = clock.now(), clock.now() + seconds
    steps = late = 0
    try:
        while clock.now() < ends:
            with served.lock:
                driven = plant.driven(clock.now())
            _, anew = arms.step(driven)
            with served.lock:
                arms.tell(anew)
            if shared is not None and (picture := arms.picture()) is not None:
                shared.write(grained(picture, steps), clock.now())
            steps, due = steps + 1, due + env.step_dt
            if clock.now() > due:
                late, due = late + 1, clock.now()
            clock.sleep_until(due)
    except KeyboardInterrupt:
        pass  # the usual end: what came of it is told all the same
    finally:
        stop.set()
        thread.join()
    return steps, late


def job_of(task: str, device: str | None, seed: int) -> launch.Job:
    """Return one environment of a task, in which no episode ends.

    Args:
        task: Its id.
        device: ``cpu`` or ``cuda:N``; None for CUDA where there is one.
        seed: Seed of ball and dish.

    Raises:
        UsageError: If there is no such task, or Isaac Lab is missing.
    """
    from alice.evaluation.physics import start_states

    parser = argparse.ArgumentParser()
    launch.add_flags(parser, "task")
    flags = parser.parse_args(["--task", task])
    flags.device, flags.seed, flags.num_envs = device, seed, 1
    job = launch.prepare(flags, [], play_mode=True)
    start_states.make_endless(job.env_cfg)
    return job


def simulate(job: launch.Job, served: Terminal, name: str, seconds: float, picture: Path | None) -> str:
    """Let a simulated arm be driven over a port until interrupted or for so long [s]; return what came of it.

    Args:
        job: From :func:`job_of`.
        served: The port.
        name: What the port is called; told when the simulation stands.
        seconds: How long [s].
        picture: File for what the wrist camera sees.
    """
    from alice.evaluation.audit import policy

    shared = SharedPicture(picture, is_writer=True) if picture else None
    try:
        with policy.open_environment(job) as env:
            env.unwrapped.reset()
            if shared is not None and (seen := WiredArms(env.unwrapped, served.arm.plant).picture()) is not None:
                shared.write(seen, served.arm.clock.now())
            terminal.say(f"port {name}\n{scenery(env.unwrapped)}")
            steps, late = serve(env.unwrapped, served, seconds, shared)
            lies = "lies" if transfer_state(env.unwrapped).now.is_in_dish[0] else "does not lie"
    finally:
        if shared is not None:
            shared.close()
    return f"{steps} control steps, {late} of them late; the ball {lies} in the dish"
