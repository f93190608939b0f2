"""Writes the USD of the dish and the nest from the tables in :mod:`alice.transfer.objects`."""

from __future__ import annotations

import math
from pathlib import Path

from pxr import Gf, Usd, UsdPhysics

from alice.cli import files
from alice.transfer.objects import DISH, NEST

from .usd_parts import add_box, add_cylinder, make_collider, new_stage, paint

_NOTE = "Written by scripts/build_assets.py from alice/transfer/objects.py. Do not edit."

_GAP = 0.0005
"""How far colliders end above the table [m]: no ball fits under them, and Newton, which treats a kinematic body as one
that could move, would otherwise solve for two dozen contacts of dish and nest with the table."""
_PANEL_GAP = 0.004
"""How much shorter a panel's collider is at its lower end [m]."""


def build_dish(path: str | Path) -> Path:
    """Write the dish: a flat floor inside a ring of panels that lean outwards. Origin on the table, in the middle."""
    stage = _new_body("/dish")
    thick = DISH.floor_thickness
    floor = add_cylinder(stage, "/dish/floor", DISH.floor_radius, thick, (0.0, 0.0, thick / 2), "Z")
    paint(floor, DISH.floor_colour)
    square = (DISH.floor_side, DISH.floor_side, thick - _GAP)
    make_collider(add_box(stage, "/dish/floor_collider", square, (0.0, 0.0, (thick + _GAP) / 2)), DISH.friction)
    run, rise = DISH.rim_radius - DISH.floor_radius, DISH.rim_height
    lean = math.atan2(run, rise)
    for k in range(DISH.panels):
        turn = 2 * math.pi * k / DISH.panels
        width = 2 * DISH.rim_radius * math.tan(math.pi / DISH.panels)
        length = math.hypot(run, rise)
        for name, cut in ((f"panel_{k:02d}", 0.0), (f"panel_{k:02d}_collider", _PANEL_GAP)):
            share = (1 + cut / length) / 2  # of the way from the lower to the upper edge
            middle = DISH.floor_radius + share * run
            centre = (middle * math.cos(turn), middle * math.sin(turn), share * rise)
            box = add_box(
                stage, f"/dish/{name}", (DISH.panel_thickness, width, length - cut), centre, _turn(turn, lean)
            )
            make_collider(box, DISH.friction) if cut else paint(box, DISH.colour)
    return _write(stage, path)


def build_nest(path: str | Path) -> Path:
    """Write the nest: a flat ring that keeps the ball from rolling off. Origin on the table, in the middle.

    The ring is drawn; what collides is a triangle of three bars inside it, tangent to its inner edge.
    """
    stage = _new_body("/nest")
    middle, across = (NEST.inner_radius + NEST.outer_radius) / 2, NEST.outer_radius - NEST.inner_radius
    lift = NEST.height / 2
    for k in range(NEST.segments):
        turn = 2 * math.pi * k / NEST.segments
        size = (across, 2 * NEST.outer_radius * math.tan(math.pi / NEST.segments), NEST.height)
        centre = (middle * math.cos(turn), middle * math.sin(turn), lift)
        paint(add_box(stage, f"/nest/segment_{k:02d}", size, centre, _turn(turn, 0.0)), NEST.colour)
    for k in range(3):
        turn = 2 * math.pi * k / 3
        centre = (middle * math.cos(turn), middle * math.sin(turn), (NEST.height + _GAP) / 2)
        size = (across, 0.016, NEST.height - _GAP)
        bar = add_box(stage, f"/nest/bar_{k}_collider", size, centre, _turn(turn, 0.0))
        make_collider(bar, NEST.friction)
    return _write(stage, path)


def _new_body(root: str) -> Usd.Stage:
    """Return a stage whose root is a kinematic rigid body: it is placed at a reset and then stands still."""
    stage = new_stage(root, _NOTE)
    UsdPhysics.RigidBodyAPI.Apply(stage.GetDefaultPrim()).CreateKinematicEnabledAttr(True)
    return stage


def _turn(about_z: float, lean: float) -> Gf.Quatf:
    """Return the rotation that leans a panel outwards by ``lean`` and then turns it by ``about_z`` [rad]."""
    leaned = Gf.Rotation(Gf.Vec3d(0, 1, 0), math.degrees(lean))
    return Gf.Quatf((leaned * Gf.Rotation(Gf.Vec3d(0, 0, 1), math.degrees(about_z))).GetQuat())


def _write(stage: Usd.Stage, path: str | Path) -> Path:
    files.write_text(path, stage.GetRootLayer().ExportToString())
    return Path(path)
