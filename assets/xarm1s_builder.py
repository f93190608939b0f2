"""Writes the USD of the xArm 1S from the tables in :mod:`alice.robot` and :mod:`alice.assets.xarm1s_parts`."""

from __future__ import annotations

import math
from pathlib import Path

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from alice import robot
from alice.cli import files

from .usd_parts import add_box, add_cylinder, make_collider, new_stage, paint
from .xarm1s_parts import MASS_BOXES, PARTS, Part, box_inertia

ROOT = "/xarm1s"
_AXIS_TURNS = {"-X": Gf.Quatf(0, 0, 0, 1), "-Y": Gf.Quatf(0, 0, 0, 1), "-Z": Gf.Quatf(0, 1, 0, 0)}
"""Half turns (w, x, y, z as USD writes them) that flip a joint axis."""


def build(path: str | Path) -> Path:
    """Write the articulation to ``path`` (a ``.usda`` file) and return the path.

    The robot stands on the origin with all joints at zero, fixed to the world by ``root_joint``.
    """
    stage = new_stage(ROOT, "Written by scripts/build_assets.py from alice/robot.py. Do not edit.")
    UsdPhysics.ArticulationRootAPI.Apply(stage.GetDefaultPrim())
    frames = _link_frames()
    for link, position in frames.items():
        _add_link(stage, link, position)
    UsdGeom.Scope.Define(stage, f"{ROOT}/joints")
    anchor = UsdPhysics.FixedJoint.Define(stage, f"{ROOT}/joints/root_joint")
    anchor.CreateBody1Rel().SetTargets([f"{ROOT}/base"])
    for joint in robot.JOINTS:
        _add_joint(stage, joint)
    files.write_text(path, stage.GetRootLayer().ExportToString())
    return Path(path)


def _link_frames() -> dict[str, tuple[float, float, float]]:
    """Return each link's origin in the base frame at zero pose [m]; no link is turned there."""
    frames = {"base": (0.0, 0.0, 0.0)}
    for joint in robot.JOINTS:
        frames[joint.child] = tuple(a + b for a, b in zip(frames[joint.parent], joint.offset, strict=True))
    return frames


def _add_link(stage: Usd.Stage, link: str, position: tuple[float, float, float]) -> None:
    """Add one rigid body with its mass, its drawn parts and its colliders."""
    body = UsdGeom.Xform.Define(stage, f"{ROOT}/{link}")
    body.AddTranslateOp().Set(Gf.Vec3d(*position))
    UsdPhysics.RigidBodyAPI.Apply(body.GetPrim())
    mass = robot.LINK_MASSES[link]
    size, centre = MASS_BOXES[link]
    api = UsdPhysics.MassAPI.Apply(body.GetPrim())
    api.CreateMassAttr(mass)
    api.CreateCenterOfMassAttr(Gf.Vec3f(*centre))
    api.CreateDiagonalInertiaAttr(Gf.Vec3f(*box_inertia(mass, size)))
    api.CreatePrincipalAxesAttr(Gf.Quatf(1, 0, 0, 0))
    for part in PARTS:
        if part.link == link:
            _add_part(stage, part)


def _add_part(stage: Usd.Stage, part: Part) -> None:
    """Add one primitive with its colour and, where it collides, an undrawn twin as the collider."""
    path = f"{ROOT}/{part.link}/{part.name}"
    if part.axis:
        prim = add_cylinder(stage, path, part.size[0] / 2, part.size[2], part.centre, part.axis)
    else:
        prim = add_box(stage, path, part.size, part.centre)
    paint(prim, part.colour)
    if part.collides:
        make_collider(add_box(stage, f"{path}_collider", part.size, part.centre), part.friction)


def _add_joint(stage: Usd.Stage, joint: robot.Joint) -> None:
    """Add one driven joint. USD writes angles in degrees, so revolute gains are per degree."""
    path = f"{ROOT}/joints/{joint.name}"
    revolute = joint.kind == "revolute"
    prim = (UsdPhysics.RevoluteJoint if revolute else UsdPhysics.PrismaticJoint).Define(stage, path)
    prim.CreateBody0Rel().SetTargets([f"{ROOT}/{joint.parent}"])
    prim.CreateBody1Rel().SetTargets([f"{ROOT}/{joint.child}"])
    prim.CreateAxisAttr(joint.axis[-1])
    prim.CreateLocalPos0Attr(Gf.Vec3f(*joint.offset))
    prim.CreateLocalPos1Attr(Gf.Vec3f(0, 0, 0))
    turn = _AXIS_TURNS.get(joint.axis, Gf.Quatf(1, 0, 0, 0))
    prim.CreateLocalRot0Attr(turn)
    prim.CreateLocalRot1Attr(turn)
    unit = math.degrees(1.0) if revolute else 1.0
    prim.CreateLowerLimitAttr(joint.lower * unit)
    prim.CreateUpperLimitAttr(joint.upper * unit)
    drive = UsdPhysics.DriveAPI.Apply(prim.GetPrim(), "angular" if revolute else "linear")
    drive.CreateTypeAttr("force")
    drive.CreateStiffnessAttr(joint.stiffness / unit)
    drive.CreateDampingAttr(joint.damping / unit)
    drive.CreateMaxForceAttr(joint.effort_limit)
    # PhysX reads speed cap and armature from attributes of its own. They are not marked as custom, as USD would do
    # wherever PhysX's schemas happen not to be loaded: the file must not depend on that.
    prim.GetPrim().AddAppliedSchema("PhysxJointAPI")
    for name, value in (("armature", joint.armature), ("maxJointVelocity", joint.velocity_limit * unit)):
        prim.GetPrim().CreateAttribute(f"physxJoint:{name}", Sdf.ValueTypeNames.Float, custom=False).Set(value)
