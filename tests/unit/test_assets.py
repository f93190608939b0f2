"""The committed USD files are what the builders write, and hold what the tables say."""

import math
import re
from functools import partial

import pytest

pytest.importorskip("pxr")

import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

from alice.arms import ARMS
from alice.arms.xarm1s import FINGER_TRAVEL
from alice.assets import DATA_DIR, arm_builder, look, objects_builder
from alice.assets.bodies import BODIES, body_of
from alice.assets.body import Body, Inertia
from alice.assets.xarm1s_parts import MASS_BOXES
from alice.transfer.objects import BALL, DISH, NEST

FILES = {body.arm.name: body for body in BODIES.values()}
BUILDERS = {name: partial(arm_builder.build, body) for name, body in FILES.items()}
BUILDERS |= {"dish": objects_builder.build_dish, "nest": objects_builder.build_nest}


@pytest.fixture(params=sorted(BUILDERS))
def name(request) -> str:
    """Name of one of our USD files."""
    return request.param


@pytest.fixture
def stage(name) -> Usd.Stage:
    """The committed file, opened."""
    return Usd.Stage.Open(str(DATA_DIR / f"{name}.usda"))


@pytest.fixture(params=sorted(FILES))
def body(request) -> Body:
    """One of the bodies."""
    return FILES[request.param]


@pytest.fixture
def robot(body) -> Usd.Stage:
    """Its committed file, opened."""
    return Usd.Stage.Open(str(body.file))


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
# Arms
##


def test_every_arm_has_a_body():
    assert set(BODIES) == set(ARMS)
    for name, arm in ARMS.items():
        body = body_of(arm)
        assert BODIES[name] is body
        # What shares a file differs in nothing that the file says of shape and mass.
        for joint, other in zip(arm.joints, body.arm.joints, strict=True):
            assert (joint.name, joint.parent, joint.child) == (other.name, other.parent, other.child)
            assert (joint.axis, joint.offset, joint.kind) == (other.axis, other.offset, other.kind)
        assert arm.link_masses == body.arm.link_masses


def test_an_arm_without_a_body_is_refused():
    from dataclasses import replace

    with pytest.raises(ValueError, match=r"'stranger' has no body, use one of .*xarm1s.*assets/bodies.py"):
        body_of(replace(ARMS["xarm1s"], name="stranger"))


def test_the_links_and_their_masses(body, robot):
    links = {prim.GetName(): prim for prim in robot.Traverse() if prim.HasAPI(UsdPhysics.RigidBodyAPI)}
    assert list(links) == list(body.arm.link_masses)
    assert list(links) == [body.arm.joints[0].parent, *(joint.child for joint in body.arm.joints)]
    for link, prim in links.items():
        api = UsdPhysics.MassAPI(prim)
        assert api.GetMassAttr().Get() == pytest.approx(body.arm.link_masses[link])
        assert tuple(api.GetCenterOfMassAttr().Get()) == pytest.approx(body.inertias[link].centre)


def test_the_inertias_of_the_file_are_those_of_the_table(body, robot):
    """Turned back from the principal axes into those of the link."""
    for link, inertia in body.inertias.items():
        api = UsdPhysics.MassAPI(robot.GetPrimAtPath(f"/{body.arm.name}/{link}"))
        turn = Gf.Rotation(Gf.Quatd(api.GetPrincipalAxesAttr().Get()))
        axes = np.array([turn.TransformDir(Gf.Vec3d(*axis)) for axis in np.eye(3).tolist()]).T
        tensor = axes @ np.diag(tuple(api.GetDiagonalInertiaAttr().Get())) @ axes.T
        (xx, yy, zz), (xy, xz, yz) = inertia.moments, inertia.products
        np.testing.assert_allclose(tensor, [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]], atol=1e-5 * max(xx, yy, zz))


def test_no_link_turns_more_easily_than_matter_does(body):
    """The largest principal moment is at most the sum of the others."""
    for link, inertia in body.inertias.items():
        moments, _ = arm_builder.principal(inertia)
        assert min(moments) > 0 and 2 * max(moments) <= sum(moments) * (1 + 1e-9), link


def test_principal_axes_of_a_turned_box():
    """A box turned by 30 degrees about y has the moments of the box itself, about axes turned as far."""
    box = Inertia.of_box(1.0, (0.1, 0.2, 0.3), (0.0, 0.0, 0.0)).moments
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    tensor = turn @ np.diag(box) @ turn.T
    turned = Inertia((0, 0, 0), tuple(np.diag(tensor)), (tensor[0, 1], tensor[0, 2], tensor[1, 2]))
    moments, axes = arm_builder.principal(turned)
    assert moments == pytest.approx(box)
    assert (axes.GetReal(), *axes.GetImaginary()) == pytest.approx(
        (math.cos(math.pi / 12), 0, math.sin(math.pi / 12), 0), abs=1e-6
    )


def test_a_solid_box_turns_like_its_corners():
    """Like eight equal point masses at 1/sqrt(3) of the way to its corners."""
    for link, (size, _) in MASS_BOXES.items():
        x, y, z = (edge / 2 / math.sqrt(3) for edge in size)
        mass = ARMS["xarm1s"].link_masses[link]
        expected = (mass * (y * y + z * z), mass * (x * x + z * z), mass * (x * x + y * y))
        assert BODIES["xarm1s"].inertias[link].moments == pytest.approx(expected, rel=1e-4)


def test_only_what_can_touch_something_collides(body, robot):
    links = {prim.GetParent().GetName() for prim in _colliders(robot)}
    assert links >= {*body.arm.finger_links, body.arm.hand_link}
    assert links <= {*body.arm.finger_links, body.arm.hand_link, "wrist", "forearm", "lower_arm"}


def test_what_holds_the_ball_has_the_friction_of_the_pads(body, robot):
    for link in body.arm.finger_links:
        frictions = []
        for prim in _colliders(robot):
            if prim.GetParent().GetName() == link:
                material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
                frictions.append(UsdPhysics.MaterialAPI(material.GetPrim()).GetStaticFrictionAttr().Get())
        assert body.pad_friction == pytest.approx(max(frictions))


def test_every_look_is_a_material_of_the_file(body, robot):
    assert body.looks
    for colour in body.looks.values():
        assert robot.GetPrimAtPath(f"/{body.arm.name}/{look(colour)}"), colour


def test_the_joints_of_the_file(body, robot):
    joints = {
        prim.GetName(): prim
        for prim in robot.Traverse()
        if prim.IsA(UsdPhysics.RevoluteJoint) or prim.IsA(UsdPhysics.PrismaticJoint)
    }
    assert list(joints) == list(body.arm.names)
    root = f"/{body.arm.name}"
    for joint in body.arm.joints:
        prim = joints[joint.name]
        assert prim.IsA(UsdPhysics.RevoluteJoint) == (joint.kind == "revolute")
        api = UsdPhysics.Joint(prim)
        assert [str(path) for path in api.GetBody0Rel().GetTargets()] == [f"{root}/{joint.parent}"]
        assert [str(path) for path in api.GetBody1Rel().GetTargets()] == [f"{root}/{joint.child}"]


def test_no_link_is_called_like_a_joint(body):
    """A contact sensor with a filter finds neither then on ovphysx."""
    assert not set(body.arm.names) & set(body.arm.link_masses)


def test_angles_in_the_file_are_in_degrees():
    robot = Usd.Stage.Open(str(DATA_DIR / "xarm1s.usda"))
    shoulder = UsdPhysics.RevoluteJoint(robot.GetPrimAtPath("/xarm1s/joints/shoulder_joint"))
    elbow = UsdPhysics.RevoluteJoint(robot.GetPrimAtPath("/xarm1s/joints/elbow_joint"))
    finger = UsdPhysics.PrismaticJoint(robot.GetPrimAtPath("/xarm1s/joints/left_finger_joint"))
    assert shoulder.GetUpperLimitAttr().Get() == pytest.approx(90.0)
    assert elbow.GetLowerLimitAttr().Get() == pytest.approx(-120.0)
    assert finger.GetUpperLimitAttr().Get() == pytest.approx(0.025)
    drive = UsdPhysics.DriveAPI(elbow.GetPrim(), "angular")
    assert drive.GetStiffnessAttr().Get() == pytest.approx(1.47 / 4, rel=1e-3)  # full torque at 4 degrees
    assert drive.GetMaxForceAttr().Get() == pytest.approx(1.47)


def test_the_arm_is_bolted_down(body, robot):
    assert robot.GetDefaultPrim().HasAPI(UsdPhysics.ArticulationRootAPI)
    anchor = UsdPhysics.FixedJoint(robot.GetPrimAtPath(f"/{body.arm.name}/joints/root_joint"))
    assert not anchor.GetBody0Rel().GetTargets()  # the world
    assert [str(path) for path in anchor.GetBody1Rel().GetTargets()] == [f"/{body.arm.name}/base"]


def test_closed_pads_meet_in_the_middle_and_open_ones_let_a_ball_through():
    robot = Usd.Stage.Open(str(DATA_DIR / "xarm1s.usda"))
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), ["guide"])
    boxes = {
        side: cache.ComputeWorldBound(robot.GetPrimAtPath(f"/xarm1s/{side}_finger")).ComputeAlignedRange()
        for side in ("left", "right")
    }
    # The file shows the arm stretched up with closed fingers.
    assert boxes["left"].GetMin()[1] == pytest.approx(0.0, abs=1e-6)
    assert boxes["right"].GetMax()[1] == pytest.approx(0.0, abs=1e-6)
    assert boxes["left"].GetMax()[2] == pytest.approx(0.4298, abs=1e-4)
    assert 2 * FINGER_TRAVEL > 2 * BALL.radius + 0.015


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
