"""Writes the USD of an arm from its table in :mod:`alice.arms` and its :class:`alice.assets.body.Body`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from alice.arms import Arm, Joint
from alice.cli import files

from .body import Body, Inertia, Part, Vector
from .usd_parts import add_box, add_cylinder, make_collider, new_stage, paint

_AXIS_TURNS = {"-X": Gf.Quatf(0, 0, 0, 1), "-Y": Gf.Quatf(0, 0, 0, 1), "-Z": Gf.Quatf(0, 1, 0, 0)}
"""Half turns (w, x, y, z as USD writes them) that flip a joint axis."""


def build(body: Body, path: str | Path) -> Path:
    """Write the articulation to ``path`` (a ``.usda`` file) and return the path.

    The robot stands on the origin with all joints at zero, fixed to the world by ``root_joint``.
    """
    arm = body.arm
    root = f"/{arm.name}"
    stage = new_stage(root, f"Written by scripts/build_assets.py from {arm.source}. Do not edit.")
    UsdPhysics.ArticulationRootAPI.Apply(stage.GetDefaultPrim())
    frames = _link_frames(arm)
    for link, position in frames.items():
        _add_link(stage, body, link, position)
    UsdGeom.Scope.Define(stage, f"{root}/joints")
    anchor = UsdPhysics.FixedJoint.Define(stage, f"{root}/joints/root_joint")
    anchor.CreateBody1Rel().SetTargets([f"{root}/{next(iter(frames))}"])
    for joint in arm.joints:
        _add_joint(stage, root, joint)
    files.write_text(path, stage.GetRootLayer().ExportToString())
    return Path(path)


def _link_frames(arm: Arm) -> dict[str, Vector]:
    """Return each link's origin in the base frame at zero pose [m], the base first; no link is turned there."""
    frames = {arm.joints[0].parent: (0.0, 0.0, 0.0)}
    for joint in arm.joints:
        frames[joint.child] = tuple(a + b for a, b in zip(frames[joint.parent], joint.offset, strict=True))
    return frames


def _add_link(stage: Usd.Stage, body: Body, link: str, position: Vector) -> None:
    """Add one rigid body with its mass, its drawn parts and its colliders."""
    path = f"/{body.arm.name}/{link}"
    shape = UsdGeom.Xform.Define(stage, path)
    shape.AddTranslateOp().Set(Gf.Vec3d(*position))
    UsdPhysics.RigidBodyAPI.Apply(shape.GetPrim())
    inertia = body.inertias[link]
    moments, axes = principal(inertia)
    api = UsdPhysics.MassAPI.Apply(shape.GetPrim())
    api.CreateMassAttr(body.arm.link_masses[link])
    api.CreateCenterOfMassAttr(Gf.Vec3f(*inertia.centre))
    api.CreateDiagonalInertiaAttr(Gf.Vec3f(*moments))
    api.CreatePrincipalAxesAttr(axes)
    for part in body.parts:
        if part.link == link:
            _add_part(stage, path, part)


def principal(inertia: Inertia) -> tuple[Vector, Gf.Quatf]:
    """Return the principal moments of inertia [kg·m²] and the rotation from their axes into the link's frame.

    Each axis keeps the place of the link's axis that is nearest to it.
    """
    if not any(inertia.products):
        return inertia.moments, Gf.Quatf(1, 0, 0, 0)
    xy, xz, yz = inertia.products
    moments, axes = np.linalg.eigh(np.diag(inertia.moments) + np.array([[0, xy, xz], [xy, 0, yz], [xz, yz, 0]]))
    order = []
    for row in np.abs(axes):
        order.append(max((column for column in range(3) if column not in order), key=lambda column: row[column]))
    axes = axes[:, order]
    axes *= np.where(np.diag(axes) < 0, -1.0, 1.0)
    if np.linalg.det(axes) < 0:
        axes[:, 2] *= -1.0
    # Pixar's matrices act on rows, so the axes are its rows.
    turn = Gf.Matrix3d(*axes.T.flatten().tolist()).ExtractRotation().GetQuat()
    return tuple(moments[order].tolist()), Gf.Quatf(turn)


def _add_part(stage: Usd.Stage, link: str, part: Part) -> None:
    """Add one primitive with its colour and, where it collides, an undrawn twin as the collider."""
    path = f"{link}/{part.name}"
    if part.axis:
        prim = add_cylinder(stage, path, part.size[0] / 2, part.size[2], part.centre, part.axis)
    else:
        prim = add_box(stage, path, part.size, part.centre)
    paint(prim, part.colour)
    if part.collides:
        make_collider(add_box(stage, f"{path}_collider", part.size, part.centre), part.friction)


def _add_joint(stage: Usd.Stage, root: str, joint: Joint) -> None:
    """Add one driven joint. USD writes angles in degrees, so revolute gains are per degree."""
    path = f"{root}/joints/{joint.name}"
    revolute = joint.kind == "revolute"
    kind = "angular" if revolute else "linear"
    prim = (UsdPhysics.RevoluteJoint if revolute else UsdPhysics.PrismaticJoint).Define(stage, path)
    prim.CreateBody0Rel().SetTargets([f"{root}/{joint.parent}"])
    prim.CreateBody1Rel().SetTargets([f"{root}/{joint.child}"])
    prim.CreateAxisAttr(joint.axis[-1])
    prim.CreateLocalPos0Attr(Gf.Vec3f(*joint.offset))
    prim.CreateLocalPos1Attr(Gf.Vec3f(0, 0, 0))
    turn = _AXIS_TURNS.get(joint.axis, Gf.Quatf(1, 0, 0, 0))
    prim.CreateLocalRot0Attr(turn)
    prim.CreateLocalRot1Attr(turn)
    unit = math.degrees(1.0) if revolute else 1.0
    prim.CreateLowerLimitAttr(joint.lower * unit)
    prim.CreateUpperLimitAttr(joint.upper * unit)
    drive = UsdPhysics.DriveAPI.Apply(prim.GetPrim(), kind)
    drive.CreateTypeAttr("force")
    drive.CreateStiffnessAttr(joint.stiffness / unit)
    drive.CreateDampingAttr(joint.damping / unit)
    drive.CreateMaxForceAttr(joint.effort_limit)
    # PhysX reads speed cap, armature and friction from attributes of its own.
    _add_physx(prim.GetPrim(), "PhysxJointAPI", armature=joint.armature, maxJointVelocity=joint.velocity_limit * unit)
    if joint.friction or joint.viscous_friction:
        _add_physx(
            prim.GetPrim(),
            f"PhysxJointAxisAPI:{kind}",
            staticFrictionEffort=joint.friction,
            dynamicFrictionEffort=joint.friction,
            viscousFrictionCoefficient=joint.viscous_friction / unit,
        )


def _add_physx(prim: Usd.Prim, schema: str, **values: float) -> None:
    """Give a joint attributes of PhysX.

    They are not marked as custom, as USD would do wherever PhysX's schemas happen not to be loaded: the file must not
    depend on that.
    """
    prim.AddAppliedSchema(schema)
    prefix = schema[0].lower() + schema[1:].replace("API", "")
    for name, value in values.items():
        prim.CreateAttribute(f"{prefix}:{name}", Sdf.ValueTypeNames.Float, custom=False).Set(value)
