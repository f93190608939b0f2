"""From a command line to a loop that may run: all is checked before a byte is sent, every mistake is one line."""

from __future__ import annotations

import gc
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alice import arms, contract
from alice.arms import Arm, kinematics
from alice.cli.usage import UsageError
from alice.contract import Contract, ImageInput
from alice.deploy import calibration as calibrations
from alice.deploy import camera as cameras
from alice.deploy import policy as policies
from alice.deploy.bus.interface import Bus, BusError
from alice.deploy.bus.opening import EMULATED, bus_on, open_bus, protocol_of
from alice.deploy.calibration import Calibration, CalibrationError
from alice.deploy.camera import CameraError
from alice.deploy.clock import Clock
from alice.deploy.loop import Ended, Loop, Operator
from alice.deploy.operator import Console
from alice.deploy.pilot import Plan
from alice.deploy.readings import FURTHEST, LARGEST_RADIUS
from alice.deploy.runtime import PolicyError
from alice.deploy.watching import Eye

TEACH = "teach"
NEEDS_BALL = ("ball_pos", "tool_to_ball", "ball_to_dish", "pinch_flag", "dish_flag")
"""Terms of a policy that must be told where the ball is."""
NEEDS_DISH = ("dish_place", "ball_to_dish", "dish_flag")
HEIGHTS = (-0.02, 0.10)
"""Heights of the tip at which a dish is taught [m]."""


@dataclass
class Parts:
    """What a loop is made of."""

    arm: Arm
    policy: Any
    calibration: Calibration
    bus: Bus
    camera: Eye | None
    straight: Any
    opened: ExitStack
    """Gives ports back when it is closed."""


def place(words: list[str] | None, names: str) -> tuple[float, ...] | None:
    """Return the numbers of a flag such as ``--dish X Y`` [m].

    Args:
        words: What the user gave; None if nothing.
        names: Flag and names of its numbers, such as ``--dish X Y``.

    Raises:
        UsageError: If they are others.
    """
    if words is None:
        return None
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        numbers = ()
    if len(numbers) != len(names.split()) - 1 or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{names} takes {len(names.split()) - 1} numbers [m], it was given {' '.join(words)!r}")
    if max(map(abs, numbers)) > FURTHEST:
        raise UsageError(f"{names}: {max(numbers, key=abs):g} m is out of every reach; give metres in the base frame")
    if names.endswith("R") and not 0.0 < numbers[-1] <= LARGEST_RADIUS:
        raise UsageError(f"{names}: {numbers[-1]:g} m is no ball's radius, need 0 to {LARGEST_RADIUS:g} m")
    return numbers


def open_parts(args: Any, clock: Clock) -> Parts:
    """Check policy, arm, calibration, camera and port in this order, and open what has to be.

    Args:
        args: The command line of ``run_arm.py``.
        clock: Clock of bus and camera.

    Raises:
        UsageError: If one of them is wrong. Nothing has been sent.
    """
    arm, opened = arms.named(args.arm), ExitStack()
    try:
        policy = policies.load(args.policy)
        contract.check(policy.contract, arm)
        _check_told(policy.contract, args)
        calibration = _calibration(args, arm)
        straight = cameras.straightener(calibration.camera, policy.contract)
        emulated = _emulated(args, arm, clock)
        eye = _camera(args, clock, policy.contract, emulated)
        if eye is not None:
            opened.callback(eye.close)
        bus = _bus(args, arm, clock, policy.contract, emulated)
        opened.callback(bus.close)
    except (PolicyError, contract.ContractError, CalibrationError, CameraError, BusError) as problem:
        opened.close()
        raise UsageError(str(problem)) from problem
    except BaseException:
        opened.close()
        raise
    return Parts(arm, policy, calibration, bus, eye, straight, opened)


def _check_told(promised: Contract, args: Any) -> None:
    """Raise :class:`UsageError` if the policy must be told what the command line does not say."""
    terms = {term.name for item in promised.inputs if not isinstance(item, ImageInput) for term in item.terms}
    if args.dish is None and (args.trials or terms & set(NEEDS_DISH)):
        raise UsageError("--dish is missing: give X and Y of its centre [m], or the word teach")
    if args.dish == [TEACH] and args.mode == "dry":
        raise UsageError("--dish teach lets the servos go, which a dry run does not; give X and Y [m]")
    if args.ball is None and terms & set(NEEDS_BALL):
        raise UsageError("--ball is missing: this policy is told where the ball lies, give X Y R [m]")
    sees = any(isinstance(item, ImageInput) for item in promised.inputs)
    if sees and args.camera is None:
        raise UsageError(f"--camera is missing: this policy sees; give a number, {cameras.EMULATED}, or a file")


def _calibration(args: Any, arm: Arm) -> Calibration:
    """Return the arm's calibration; the nominal one for an emulated arm, and to look at one that has none."""
    is_dry = args.mode == "dry"
    if args.calibration is not None:
        return calibrations.read(args.calibration, arm, must_be_verified=not is_dry)
    if args.port == EMULATED or is_dry:
        return calibrations.nominal(arm)
    raise UsageError(
        "--calibration is missing: an arm is not moved before its zeros and signs are known; look without moving with"
        " --mode dry"
    )


def _emulated(args: Any, arm: Arm, clock: Clock) -> Any:
    """Return the emulated arm of a run in one process; None for a real port."""
    if args.port != EMULATED:
        return None
    from alice.deploy.emulator import EmulatedArm

    return EmulatedArm(arm, clock=clock, protocol=protocol_of(arm, EMULATED, args.protocol))


def _camera(args: Any, clock: Clock, promised: Contract, emulated: Any) -> Eye | None:
    if args.camera is None:
        return None
    faults = None if emulated is None else emulated.faults
    return cameras.open_camera(args.camera, clock, promised, faults, args.camera_delay)


def _bus(args: Any, arm: Arm, clock: Clock, promised: Contract, emulated: Any) -> Bus:
    stiffness = promised.trained_for.get("drive_stiffness", (1.0, 1.0))
    if emulated is None:
        return open_bus(arm, args.port, clock, args.protocol, stiffness)
    return bus_on(arm, emulated.wire(), clock, emulated.protocol, stiffness)


##
# Teaching
##


def teach_dish(parts: Parts, clock: Clock, console: Console, tell: Any = print) -> tuple[float, float]:
    """Return where the tool point was led to by hand, x and y [m].

    Torque is switched off after the operator has said that the arm is held, and stays off.

    Args:
        parts: The arm.
        clock: Clock of the bus.
        console: Operator.
        tell: Called with a line for the operator.

    Raises:
        UsageError: If the operator stops, a servo does not answer, or the hand is not over the table.
    """
    ids = parts.arm.servo_ids
    try:
        tell("hold the arm with your hand, then press Enter: its servos will let go")
        _wait(clock, console)
        parts.bus.torque(ids, False, 0.1)
        tell("lead the gripper over the middle of the dish, then press Enter")
        _wait(clock, console)
        found: dict[int, Any] = {}
        for _ in range(20):
            found |= parts.bus.positions([i for i in ids if i not in found], 0.1)
    except BusError as problem:
        raise UsageError(str(problem)) from problem
    if silent := [i for i in ids if i not in found]:
        raise UsageError(f"no position from servo {', '.join(map(str, silent))}: see power, wires and ids")
    joints = parts.calibration.joints([found[i].counts for i in ids])
    tool, direction = kinematics.forward(parts.arm, joints)
    height = tool[2] + parts.arm.tool_to_tip * direction[2] + parts.calibration.lift
    if not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise UsageError(f"the tip is {height * 1e3:.0f} mm over the table; lead it over the dish, closer than 100 mm")
    dish = float(np.round(tool[0], 3)), float(np.round(tool[1], 3))
    tell(f"the dish is at x {dish[0]:+.3f}, y {dish[1]:+.3f} m")
    return dish


def _wait(clock: Clock, console: Console) -> None:
    """Return when Enter is pressed."""
    while True:
        pressed = console.keys()
        if console.stops:
            raise UsageError("stopped before the dish was taught; its servos have no torque")
        if "\n" in pressed or "\r" in pressed:
            return
        clock.sleep_until(clock.now() + 0.05)


def loop_of(
    parts: Parts, clock: Clock, plan: Plan, console: Operator, is_dry: bool, about: dict[str, Any], tell: Any
) -> Loop:
    """Return the loop of an arm; see :class:`alice.deploy.loop.Loop`."""
    arguments = (parts.bus, clock, parts.policy, parts.calibration, plan, console, parts.camera, is_dry, about, tell)
    return Loop(*arguments, straight=parts.straight)


def drive(loop: Loop, box: Path) -> Ended:
    """Run a loop to its end and write its black box, also if it crashes."""
    ended, began, worked = None, time.monotonic(), time.process_time()
    gc.collect()
    gc.freeze()  # what is there now is not looked through while the arm moves
    try:
        ended = loop.run()
    finally:
        share = (time.process_time() - worked) / max(1e-9, time.monotonic() - began)
        timing = {**loop.punctuality.summary(), "late": loop.late, "cpu_share": round(share, 4)}
        loop.box.about["timing"] = timing
        loop.box.write(box, "crash" if ended is None else f"{ended.event}: {ended.reason}")
    return ended
