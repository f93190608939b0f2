"""The committed USD files are what the builders write, and hold what the tables say."""

import math
import re

import pytest

pytest.importorskip("pxr")

from pxr import Usd, UsdGeom, UsdPhysics, UsdShade

from alice import robot
from alice.assets import DATA_DIR, objects_builder, xarm1s_builder
from alice.assets.xarm1s_parts import MASS_BOXES
from alice.transfer.objects import BALL, DISH, NEST

BUILDERS = {
    "xarm1s": xarm1s_builder.build,
    "dish": objects_builder.build_dish,
    "nest": objects_builder.build_nest,
}
COLLIDING_LINKS = {"hand", "left_finger", "right_finger", "wrist", "forearm"}


@pytest.fixture(params=sorted(BUILDERS))
def name(request) -> str:
    """Name of one of our USD files."""
    return request.param


@pytest.fixture
def stage(name) -> Usd.Stage:
    """The committed file, opened."""
    return Usd.Stage.Open(str(DATA_DIR / f"{name}.usda"))


@pytest.fixture(scope="module")
def arm() -> Usd.Stage:
    """The committed arm."""
    return Usd.Stage.Open(str(DATA_DIR / "xarm1s.usda"))


def _colliders(stage: Usd.Stage) -> list[Usd.Prim]:
    return [prim for prim in stage.Traverse() if prim.HasAPI(UsdPhysics.CollisionAPI)]


##
# All files
##


def test_there_is_a_builder_for_every_file():
    assert {path.name for path in DATA_DIR.glob("*.usd*")} == {f"{name}.usda" for name in BUILDERS}


def test_the_committed_file_is_what_the_builder_writes(name, tmp_path):
    built = BUILDERS[name](tmp_path / f"{name}.usda").read_text()
    committed = (DATA_DIR / f"{name}.usda").read_text()
    assert built == committed, "run scripts/build_assets.py and commit the result"


def test_building_twice_gives_the_same_file(name, tmp_path):
    first = BUILDERS[name](tmp_path / "first.usda").read_text()
    assert BUILDERS[name](tmp_path / "second.usda").read_text() == first


def test_the_file_needs_no_other_file(name, stage):
    text = (DATA_DIR / f"{name}.usda").read_text()
    assert "@" not in text and "://" not in text  # asset paths stand between @
    assert not re.search(r"[\"'](/|[A-Za-z]:\\)", text), "an absolute path"
    assert not stage.GetRootLayer().GetExternalReferences()
    assert len(stage.GetUsedLayers(includeClipLayers=True)) == 2  # the file and its session layer


def test_units_are_metres_kilograms_and_z_up(stage):
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdPhysics.GetStageKilogramsPerUnit(stage) == 1.0
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    assert stage.GetDefaultPrim()


def test_every_collider_has_friction_of_its_own(stage):
    colliders = _colliders(stage)
    assert colliders
    for prim in colliders:
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
        assert material and material.GetPrim().HasAPI(UsdPhysics.MaterialAPI), prim.GetPath()
        api = UsdPhysics.MaterialAPI(material.GetPrim())
        friction = api.GetStaticFrictionAttr().Get()
        assert 0.2 < friction <= 1.2
        assert api.GetDynamicFrictionAttr().Get() == friction
        assert api.GetRestitutionAttr().Get() == 0.0


def test_what_collides_is_not_drawn_and_what_is_drawn_has_a_colour(stage):
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Gprim):
            is_guide = UsdGeom.Imageable(prim).GetPurposeAttr().Get() == "guide"
            assert is_guide == prim.HasAPI(UsdPhysics.CollisionAPI), prim.GetPath()
            if not is_guide:
                material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
                assert material, prim.GetPath()


##
# Arm
##


def test_the_links_and_their_masses(arm):
    bodies = {prim.GetName(): prim for prim in arm.Traverse() if prim.HasAPI(UsdPhysics.RigidBodyAPI)}
    assert set(bodies) == set(robot.LINK_MASSES)
    for link, prim in bodies.items():
        api = UsdPhysics.MassAPI(prim)
        assert api.GetMassAttr().Get() == pytest.approx(robot.LINK_MASSES[link])
        assert tuple(api.GetCenterOfMassAttr().Get()) == pytest.approx(MASS_BOXES[link][1])


def test_the_inertias_are_those_of_the_table_of_boxes(arm):
    """A solid box turns like eight equal point masses at 1/sqrt(3) of the way to its corners."""
    for link, (size, _) in MASS_BOXES.items():
        x, y, z = (edge / 2 / math.sqrt(3) for edge in size)
        mass = robot.LINK_MASSES[link]
        expected = (mass * (y * y + z * z), mass * (x * x + z * z), mass * (x * x + y * y))
        api = UsdPhysics.MassAPI(arm.GetPrimAtPath(f"/xarm1s/{link}"))
        assert tuple(api.GetDiagonalInertiaAttr().Get()) == pytest.approx(expected, rel=1e-4)


def test_only_what_can_touch_something_collides(arm):
    links = {prim.GetParent().GetName() for prim in _colliders(arm)}
    assert links == COLLIDING_LINKS


def test_the_joints_of_the_file(arm):
    joints = {
        prim.GetName(): prim
        for prim in arm.Traverse()
        if prim.IsA(UsdPhysics.RevoluteJoint) or prim.IsA(UsdPhysics.PrismaticJoint)
    }
    assert list(joints) == list(robot.JOINT_NAMES)
    for joint in robot.JOINTS:
        prim = joints[joint.name]
        assert prim.IsA(UsdPhysics.RevoluteJoint) == (joint.kind == "revolute")
        api = UsdPhysics.Joint(prim)
        assert [str(path) for path in api.GetBody0Rel().GetTargets()] == [f"/xarm1s/{joint.parent}"]
        assert [str(path) for path in api.GetBody1Rel().GetTargets()] == [f"/xarm1s/{joint.child}"]


def test_angles_in_the_file_are_in_degrees(arm):
    shoulder = UsdPhysics.RevoluteJoint(arm.GetPrimAtPath("/xarm1s/joints/shoulder_joint"))
    elbow = UsdPhysics.RevoluteJoint(arm.GetPrimAtPath("/xarm1s/joints/elbow_joint"))
    finger = UsdPhysics.PrismaticJoint(arm.GetPrimAtPath("/xarm1s/joints/left_finger_joint"))
    assert shoulder.GetUpperLimitAttr().Get() == pytest.approx(90.0)
    assert elbow.GetLowerLimitAttr().Get() == pytest.approx(-120.0)
    assert finger.GetUpperLimitAttr().Get() == pytest.approx(0.025)
    drive = UsdPhysics.DriveAPI(elbow.GetPrim(), "angular")
    assert drive.GetStiffnessAttr().Get() == pytest.approx(1.47 / 4, rel=1e-3)  # full torque at 4 degrees
    assert drive.GetMaxForceAttr().Get() == pytest.approx(1.47)


def test_the_arm_is_bolted_down(arm):
    assert arm.GetDefaultPrim().HasAPI(UsdPhysics.ArticulationRootAPI)
    anchor = UsdPhysics.FixedJoint(arm.GetPrimAtPath("/xarm1s/joints/root_joint"))
    assert not anchor.GetBody0Rel().GetTargets()  # the world
    assert [str(path) for path in anchor.GetBody1Rel().GetTargets()] == ["/xarm1s/base"]


def test_closed_pads_meet_in_the_middle_and_open_ones_let_a_ball_through(arm):
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), ["guide"])
    boxes = {
        side: cache.ComputeWorldBound(arm.GetPrimAtPath(f"/xarm1s/{side}_finger")).ComputeAlignedRange()
        for side in ("left", "right")
    }
    # The file shows the arm stretched up with closed fingers.
    assert boxes["left"].GetMin()[1] == pytest.approx(0.0, abs=1e-6)
    assert boxes["right"].GetMax()[1] == pytest.approx(0.0, abs=1e-6)
    assert boxes["left"].GetMax()[2] == pytest.approx(0.4298, abs=1e-4)
    assert 2 * robot.FINGER_TRAVEL > 2 * BALL.radius + 0.015


##
# Dish and nest
##


@pytest.mark.parametrize("name", ["dish", "nest"])
def test_dish_and_nest_are_kinematic(stage):
    api = UsdPhysics.RigidBodyAPI(stage.GetDefaultPrim())
    assert api.GetKinematicEnabledAttr().Get() is True


@pytest.mark.parametrize(
    ("name", "outer", "height"), [("dish", DISH.rim_radius, DISH.rim_height), ("nest", None, 0.002)]
)
def test_the_colliders_have_the_size_of_the_table(stage, outer, height):
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), ["guide"])
    box = cache.ComputeWorldBound(stage.GetDefaultPrim()).ComputeAlignedRange()
    low, high = box.GetMin(), box.GetMax()
    assert abs(low[2]) < 0.002 and high[2] == pytest.approx(height, abs=0.002)
    widest = outer or NEST.outer_radius
    assert high[0] == pytest.approx(widest, abs=0.004)
    assert max(-low[0], -low[1], high[1]) < widest + 0.005


def test_a_ball_lies_on_the_floor_of_the_dish_and_in_the_nest():
    assert BALL.radius < DISH.floor_radius
    sagitta = BALL.radius - math.sqrt(BALL.radius**2 - NEST.inner_radius**2)
    assert sagitta > NEST.height  # the ring's edge is lower than the ball's flank there: the ball rests on the table
