"""Plays what an arm was told into the training's simulator: once as its table has it, once with its fitted servos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice.arms.fitted import BUS_WIDE, FittedServos, keys
from alice.arms.quantities import QUANTITIES, of_servo
from alice.evaluation.physics.physics_bench import Bench
from alice.mdp.servos import ServoModel, ServoRanges

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def replay(env: ManagerBasedRLEnv, start: np.ndarray, commands: np.ndarray, found: FittedServos) -> np.ndarray:
    """Return where joints would have been reported after each control step, without and with the fitted servos.

    Args:
        env: Endless environment of the arm's task with two environments.
        start: Where the arm stood, (J,) [rad, m].
        commands: Its joint targets, one row for each control step of the environment, (K, J) [rad, m].
        found: Its servos.

    Returns:
        (2, K, J) [rad, m].
    """
    bench = Bench(env)
    arm, device = bench.kind, bench.device
    bench.place(torch.tensor(start, dtype=torch.float32, device=device))
    _stiffen(bench, found)
    columns, fingers = arm.arm_columns, arm.gripper_columns

    def angles(joints: torch.Tensor) -> torch.Tensor:
        return torch.cat((joints[:, columns], arm.gripper.servo_angle(joints[:, fingers])), dim=-1)

    def joints(angle: torch.Tensor) -> torch.Tensor:
        return torch.cat((angle[:, :-1], arm.gripper.from_servo(angle[:, -1:])), dim=-1)

    counts = arm.joints[0].servo.counts_per_radian
    servos = ServoModel(1, len(arm.servo_ids), _exactly(arm, found), env.step_dt, counts, device)
    begin = torch.tensor(start, dtype=torch.float32, device=device).unsqueeze(0)
    servos.reset(torch.zeros(1, dtype=torch.long, device=device), angles(begin))
    places = np.zeros((2, *commands.shape))
    for row, command in enumerate(commands):
        target = torch.tensor(command, dtype=torch.float32, device=device).unsqueeze(0)
        bench.targets[0] = target[0]
        bench.targets[1] = joints(servos.follow(angles(target)))[0]
        for _ in bench.step():
            pass
        now = bench.joint_pos
        seen = joints((angles(now[1:]) - servos.offset) / servos.gain)
        places[0, row], places[1, row] = now[0].cpu().numpy(), seen[0].cpu().numpy()
    return places


def _stiffen(bench: Bench, found: FittedServos) -> None:
    """Give the second arm the fitted stiffness and damping, joint by joint."""
    names = dict(zip(bench.kind.servo_ids, bench.kind.action_names, strict=True))
    for quantity in ("stiffness", "damping"):
        fits = found.quantities.get(f"drive_{quantity}", {})
        values = [getattr(joint, quantity) for joint in bench.kind.joints]
        gains = torch.tensor([values, values], device=bench.device)
        for column, joint in enumerate(bench.kind.joints):
            fit: Any = fits.get(names[joint.servo_id])
            gains[1, column] *= 1.0 if fit is None or fit.value is None else fit.value
        getattr(bench.arm, f"write_joint_{quantity}_to_sim_index")(**{quantity: gains})


def _exactly(arm, found: FittedServos) -> ServoRanges:
    """Return servos that are as fitted, and ideal in all that was refused; nothing is drawn but noise."""
    ranges = {}
    for name in of_servo():
        quantity = f"servo_{name}"
        fits = [found.quantities.get(quantity, {}).get(key) for key in keys(arm, quantity)]
        values = [QUANTITIES[quantity].nominal if fit is None or fit.value is None else fit.value for fit in fits]
        ranges[name] = (values[0], values[0]) if quantity in BUS_WIDE else (tuple(values), tuple(values))
    return ServoRanges(**ranges)
