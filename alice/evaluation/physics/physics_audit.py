"""The physics audit: does the simulated arm and ball do what mechanics says they must?

Each check measures one thing that has an answer on paper and compares. It drives the simulator below the task's
actions, so that joint limits and drives can be asked for more than a policy may.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from alice.cli import files
from alice.evaluation.physics.physics_bench import FAR_AWAY, GRAVITY, Bench
from alice.mdp.events import part_bodies, place_transfer
from alice.transfer import geometry
from alice.transfer.objects import BALL
from alice.transfer.start_bank import START_KINDS, StartBank

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


@dataclass(frozen=True)
class Check:
    """One comparison."""

    name: str
    measured: float
    expected: float
    tolerance: float
    """Largest difference that passes."""
    unit: str
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the measurement agrees with paper."""
        return abs(self.measured - self.expected) <= self.tolerance


@dataclass
class Results:
    """All checks of one engine, and curves to draw."""

    checks: list[Check] = field(default_factory=list)
    curves: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """For each panel its lines: (K, 2) points each."""


def run(env: ManagerBasedRLEnv) -> Results:
    """Run all checks.

    Args:
        env: Endless environment (:func:`alice.evaluation.physics.start_states.make_endless`) in play mode, 8
            environments or more.
    """
    results = Results()
    bench = Bench(env)
    for check in (_fall, _settle, _roll_out, _limits, _sag, _swing, _rub, _grip, _repeat):
        check(bench, results)
    return results


##
# Checks
##


def _fall(bench: Bench, results: Results) -> None:
    """A ball let go 30 cm up gains g times the time, and lands no deeper than its radius."""
    height = 0.30
    bench.place(bench.upright, (*FAR_AWAY[:2], height + BALL.radius))
    points = [(0.0, height)]
    speed = 0.0
    for step in bench.step(10):
        points.append((step * bench.dt, float(bench.ball_pos[0, 2]) - BALL.radius))
        if step == 4:
            speed = -float(bench.ball_vel[0, 2])
    results.checks.append(Check("free fall: speed after 0.2 s", speed, 4 * bench.dt * GRAVITY, 0.02, "m/s"))
    results.curves["fall: height [m]"] = {"ball": np.array(points)}


def _settle(bench: Bench, results: Results) -> None:
    """A ball at rest on the table and an arm at home stay where they are."""
    bench.place(bench.kind.home)
    bench.go(1.0)
    before, arm = bench.ball_pos, bench.joint_pos
    bench.go(2.0)
    drift = (bench.ball_pos - before)[:, :2].norm(dim=-1).max()
    results.checks += [
        Check("ball at rest: height of its centre", float(bench.ball_pos[:, 2].mean()), BALL.radius, 5e-4, "m"),
        Check("ball at rest: drift in 2 s", float(drift), 0.0, 1e-3, "m"),
        Check("arm at home: creep in 2 s", float((bench.joint_pos - arm).abs().max()), 0.0, 2e-3, "rad"),
    ]


def _roll_out(bench: Bench, results: Results) -> None:
    """A ball that is pushed without spin slides until it rolls, at 5/7 of its speed, and then only slows down."""
    pushed = 0.4
    bench.place(bench.upright, (0.02, 0.30, BALL.radius), velocity=(pushed, 0.0, 0.0))
    speeds, spins = [pushed], [0.0]
    for _ in bench.step(round(1.0 / bench.dt)):
        speeds.append(float(bench.ball_vel[0, :2].norm()))
        spins.append(float(bench.ball.data.root_com_vel_w.torch[0, 3:].norm()) * BALL.radius)
    rolls = next((step for step, (v, spin) in enumerate(zip(speeds, spins, strict=True)) if abs(v - spin) < 0.01), -1)
    gain = max(float(np.max(np.diff(speeds[1:]))), 0.0)  # NumPy's max keeps a NaN, so that it fails
    results.checks += [
        Check("sliding ball: speed once it rolls", speeds[rolls], 5 / 7 * pushed, 0.02, "m/s", f"pushed at {pushed}"),
        Check("rolling ball: slip at the contact after 1 s", abs(speeds[-1] - spins[-1]), 0.0, 0.01, "m/s"),
        Check("rolling ball: largest gain of speed in a step", gain, 0.0, 2e-3, "m/s"),
    ]
    times = np.arange(len(speeds)) * bench.dt
    curve = np.stack((times, speeds), axis=-1)
    results.curves["roll-out: speed [m/s]"] = {"ball": curve}


def _limits(bench: Bench, results: Results) -> None:
    """A joint that is led half a radian (5 mm) beyond its limits stops there and is no faster than its servo.

    Each joint has an environment of its own. Targets move as fast as the task lets them.
    """
    kind = bench.kind
    joints = range(len(kind.joints))
    bench.place(bench.upright)
    lower, upper, step, over, fastest = (
        torch.tensor([entry(joint) for joint in kind.joints], device=bench.device)
        for entry in (
            lambda joint: joint.lower,
            lambda joint: joint.upper,
            lambda joint: (kind.speed_cap if joint in kind.arm_joints else kind.gripper.speed_cap) * bench.dt,
            lambda joint: 0.5 if joint.kind == "revolute" else 0.005,
            lambda joint: joint.velocity_limit,
        )
    )
    places, speeds = [], []
    for goal in (upper + over, lower - over):
        for _ in range(round(3.2 / bench.dt)):
            now = bench.targets[joints, joints]
            bench.targets[joints, joints] = now + (goal - now).clamp(-step, step)
            bench.go(bench.dt)
            places.append(bench.joint_pos[joints, joints])
            speeds.append(bench.arm.data.joint_vel.torch[joints, joints].abs() / fastest)
    path = torch.stack(places)
    beyond = torch.maximum(path - upper, lower - path).amax()
    results.checks += [
        Check("joint sweep: furthest beyond a limit", max(float(beyond), 0.0), 0.0, 0.03, "rad or m"),
        Check("joint sweep: fastest joint / its servo", float(torch.stack(speeds).amax()), 0.55, 0.5, ""),
    ]
    times = np.arange(1, len(path) + 1) * bench.dt
    shares = ((path - lower) / (upper - lower)).cpu().numpy()
    results.curves["sweep: share of the range"] = {
        joint.label: np.stack((times, shares[:, index]), axis=-1) for index, joint in enumerate(kind.joints)
    }


SAG_PITCHES = ((0.0, 1.2, 1.4, 1.4), (0.5, 0.6, 1.6, 2.0), (-0.5, 0.0, 1.3, 2.1))
"""Yaw joint and the pitch of the three links from straight up [rad]."""
PAYLOAD = 0.10
"""Mass added to the hand [kg]."""


def _sag(bench: Bench, results: Results) -> None:
    """The error of a loaded joint without friction is the torque that gravity puts on it, over its stiffness."""
    bench.rub(0.0)
    stiffness = torch.tensor([joint.stiffness for joint in bench.kind.pitch_joints], device=bench.device)
    columns, points = [bench.kind.joints.index(joint) for joint in bench.kind.pitch_joints], []
    hand = torch.tensor(
        [list(bench.arm.body_names).index(bench.kind.hand_link)], device=bench.device, dtype=torch.int32
    )
    for load in (0.0, PAYLOAD):
        _weigh_hand(bench, hand, bench.kind.link_masses[bench.kind.hand_link] + load)
        for yaw, *pitches in SAG_PITCHES:
            bench.place(bench.pitched(yaw, pitches))
            bench.go(2.0)
            error = (bench.joint_pos - bench.targets)[0, columns]
            points += torch.stack((bench.gravity_torque(load)[0] / stiffness, error), dim=-1).tolist()
    _weigh_hand(bench, hand, bench.kind.link_masses[bench.kind.hand_link])
    bench.rub(1.0)
    degrees = np.degrees(np.array(points))
    off = float(np.abs(degrees[:, 0] - degrees[:, 1]).max())
    largest = float(np.abs(degrees[:, 1]).max())
    results.checks += [
        Check("sag: largest difference from torque over stiffness", off, 0.0, 0.5, "degrees"),
        Check("sag: largest", largest, 2.0, 2.0, "degrees", "4 degrees are full torque"),
    ]
    results.curves["sag: measured over predicted [degrees]"] = {"joints": degrees[degrees[:, 0].argsort()]}


def _weigh_hand(bench: Bench, hand: torch.Tensor, mass: float) -> None:
    """Set the mass of the hand [kg]."""
    masses = torch.full((bench.count, 1), mass, device=bench.device)
    bench.arm.set_masses_index(masses=masses, body_ids=hand)


def _swing(bench: Bench, results: Results) -> None:
    """Without drives and friction the arm falls freely: its energy stays."""
    bench.place(bench.pitched(0.0, (0.25, 0.55, 0.85)))
    bench.gains(0.0)
    bench.rub(0.0)
    start = float(bench.energy()[0])
    points, lowest = [(0.0, 0.0)], 0.0
    for step in bench.step(4):
        change = float(bench.energy()[0]) - start
        points.append((step * bench.dt, change))
        kinetic = _speed_energy(bench)
        lowest = np.maximum(lowest, kinetic)
    bench.gains(1.0)
    bench.rub(1.0)
    changes = np.array(points)[:, 1] / lowest
    worst, gained = float(np.max(np.abs(changes))), float(np.max(changes))  # a NaN stays one, and fails
    results.checks += [
        Check("free swing: energy gained / kinetic energy", max(gained, 0.0), 0.0, 0.02, ""),
        Check("free swing: energy lost or gained / kinetic energy", worst, 0.0, 0.10, "", "0.2 s"),
    ]
    results.curves["free swing: change of energy [J]"] = {"arm": np.array(points)}


def _speed_energy(bench: Bench) -> float:
    """Return a lower bound of the kinetic energy: that of the links' centres and of the rotors [J]."""
    data = bench.arm.data
    links = (data.body_mass.torch * data.body_com_lin_vel_w.torch.square().sum(dim=-1)).sum(dim=-1)
    armature = torch.tensor([joint.armature for joint in bench.kind.joints], device=bench.device)
    return float(0.5 * (links + (armature * data.joint_vel.torch.square()).sum(dim=-1))[0])


def _rub(bench: Bench, results: Results) -> None:
    """Friction holds the yaw joint against less torque, and leaves of more what drives it against its viscous part."""
    yaw = bench.kind.joints[0]
    if not (yaw.friction and yaw.viscous_friction):
        return
    torques = yaw.friction + torch.linspace(-0.2, 1.4, bench.count, device=bench.device) * yaw.friction
    bench.place(bench.upright)
    speeds = bench.pull(0, torques, 0.9)
    paper = (torques - yaw.friction).clamp(min=0.0) / yaw.viscous_friction
    results.checks += [
        Check("joint friction: speed under 0.8 of it", float(speeds[0].abs()), 0.0, 0.01, "rad/s"),
        Check("joint friction: speed under 2.4 of it / paper", float(speeds[-1] / paper[-1]), 1.0, 0.05, ""),
    ]
    results.curves["joint friction: speed [rad/s] over torque [N·m]"] = {
        "measured": torch.stack((torques, speeds), dim=-1).cpu().numpy(),
        "paper": torch.stack((torques, paper), dim=-1).cpu().numpy(),
    }


def _grip(bench: Bench, results: Results) -> None:
    """A held ball slips once its weight is more than the friction of two pads, 2 mu F; more would be glue."""
    bank = StartBank.load(bench.env.event_manager.get_term_cfg("reset_transfer").params["bank"], str(bench.device))
    fits = (bank.kind == START_KINDS.index("in_hand")) & ((bank.radius - BALL.radius).abs() < 1e-5)
    rows = fits.nonzero().squeeze(-1)[:1].repeat(bench.count)
    start = bank.take(rows)
    part_bodies(bench.env)
    nest, dish = (torch.nn.functional.pad(place, (0, 1)) for place in (start.nest, start.dish))
    home = torch.ones_like(bench.everyone, dtype=torch.bool)
    place_transfer(bench.env, bench.everyone, start.joint_pos, start.targets, start.ball, nest, dish, home)
    bench.targets = start.targets.clone()
    hand = list(bench.arm.body_names).index(bench.kind.hand_link)
    tool = torch.tensor(bench.kind.tool_in_hand, device=bench.device)

    def in_hand() -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ball seen from the point between the pads, (N, 3), and how far along the hand that is, (N,).

        Of the hand as it is: it tilts when the arm sags.
        """
        pose = bench.arm.data.body_link_pose_w.torch[:, hand]
        seen = bench.ball_pos + bench.env.scene.env_origins - pose[:, :3] - geometry.rotate(pose[:, 3:], tool)
        return seen, (seen * geometry.rotate(pose[:, 3:], tool / tool.norm())).sum(dim=-1)

    masses = torch.logspace(math.log10(0.02), math.log10(0.8), bench.count, device=bench.device).unsqueeze(-1)
    bench.go(0.3)
    squeeze = bench.squeeze().mean()
    only = torch.zeros(1, dtype=torch.int32, device=bench.device)
    before, depth = in_hand()
    bench.ball.set_masses_index(masses=masses, body_ids=only)
    bench.go(1.0)
    after, deeper = in_hand()
    # Along the hand, as it falls out. Between faces that are not parallel a ball may swing aside as well, about the
    # line through both contacts, which leaves out its centre by 1.5 mm on the SO-101; further away, it is lost.
    slip = torch.maximum((deeper - depth).abs(), ((after - before).norm(dim=-1) - 0.006).clamp(min=0.0))
    bench.ball.set_masses_index(masses=torch.full_like(masses, BALL.mass), body_ids=only)
    held = slip < 0.003
    heaviest = float(masses[held].max()) if held.any() else 0.0
    limit = 2.0 * float(squeeze) * BALL.friction / GRAVITY
    real = float(slip[int((masses.squeeze(-1) - 0.03).abs().argmin())])
    results.checks += [
        Check("grip: heaviest ball held / friction limit", heaviest / limit, 0.65, 0.4, "", f"limit {limit:.3f} kg"),
        Check("grip: slip of a 30 g ball in 1 s", real, 0.0, 1e-3, "m"),
    ]
    points = torch.stack((masses.squeeze(-1), slip.clamp(max=0.02)), dim=-1).cpu().numpy()
    results.curves["grip: slip in 1 s [m] over mass [kg]"] = {"ball": points}


def _repeat(bench: Bench, results: Results) -> None:
    """Two equal runs are equal."""
    ends = []
    for _ in range(2):
        bench.place(bench.upright, (0.15, 0.20, BALL.radius), velocity=(0.1, 0.0, 0.0))
        generator = torch.Generator().manual_seed(1)
        for _ in range(20):
            columns = bench.kind.arm_columns
            change = 0.1 * (2.0 * torch.rand(len(bench.kind.joints), generator=generator) - 1.0)
            bench.targets[:, columns] += change[columns].to(bench.device)
            bench.go(bench.dt)
        ends.append(torch.cat((bench.joint_pos, bench.ball_pos), dim=-1))
    apart = float((ends[0] - ends[1]).abs().max())
    results.checks.append(Check("two equal runs of 1 s: largest difference", apart, 0.0, 1e-4, "rad or m"))


##
# Output
##


def table(results: Results) -> str:
    """Return the checks as a Markdown table."""
    lines = ["| Check | measured | paper | passes within | |", "|---|---|---|---|---|"]
    for check in results.checks:
        unit = f" {check.unit}" if check.unit else ""
        verdict = "ok" if check.passed else "FAIL"
        note = f"{verdict}; {check.note}" if check.note else verdict
        lines.append(
            f"| {check.name} | {check.measured:.4g}{unit} | {check.expected:.4g} | {check.tolerance:.4g} | {note} |"
        )
    return "\n".join(lines)


def plot(results: dict[str, Results], path) -> None:
    """Draw the curves of all engines, a panel each.

    Args:
        results: Results by physics preset.
        path: PNG file.
    """
    from alice.evaluation.pictures import plots

    panels = list(next(iter(results.values())).curves)
    figure, axes = plots.pyplot.subplots(2, math.ceil(len(panels) / 2), figsize=(13, 6.4), layout="constrained")
    for axis, panel in zip(axes.flat, panels, strict=False):
        for style, (preset, result) in zip(("-", "--", ":"), results.items(), strict=False):
            for index, (name, points) in enumerate(result.curves[panel].items()):
                only = len(result.curves[panel]) == 1
                label = preset if only else (f"{name}, {preset}" if len(results) == 1 else None)
                axis.plot(points[:, 0], points[:, 1], style, color=f"C{index}", linewidth=1, label=label)
        axis.set_title(panel, fontsize=9)
        axis.grid(alpha=0.3)
        if len(next(iter(results.values())).curves[panel]) == 1:
            axis.legend(fontsize=7)
    for axis in list(axes.flat)[len(panels) :]:
        axis.axis("off")
    files.write_bytes(path, plots.png(figure))
