"""``Alice-Ball-Transfer-Camera``: the same job from the pictures of a wrist camera."""

from __future__ import annotations

from dataclasses import MISSING

import isaaclab.sim as sim_utils
from isaaclab.assets import RigidObjectCfg, VisualMaterialCfg
from isaaclab.managers import EventTermCfg as EventTerm
from isaaclab.managers import ObservationGroupCfg as ObsGroup
from isaaclab.managers import ObservationTermCfg as ObsTerm
from isaaclab.managers import SceneEntityCfg
from isaaclab.sensors import CameraCfg
from isaaclab.utils import configclass, replace
from isaaclab_tasks.utils import PresetCfg
from isaaclab_tasks.utils.hydra import preset
from isaaclab_tasks.utils.presets import MultiBackendRendererCfg

from alice import arms
from alice.arms import XARM1S
from alice.assets import look
from alice.assets.arms import wrist_camera
from alice.assets.bodies import body_of
from alice.mdp import images, observations
from alice.transfer.objects import BALL, DISH, TABLE

from .env_cfg import (
    BallTransferEnvCfg,
    CommandsCfg,
    EventPresetsCfg,
    EventsCfg,
    ObservationsCfg,
    RandomizedEventsCfg,
    alternatives,
)
from .randomization_cfg import IMAGE_ERRORS, REDRAW
from .randomization_table import COMMON_ROWS as ROWS
from .scene_cfg import BallTransferSceneCfg
from .worlds import WORLDS

FRAMES = 2
"""Frames that the actor sees at once: two show motion."""
RESNET_FRAMES, RESNET_SIZE = 4, 224
"""The documented variant: frames, and width and height of each [pixels]."""
RESNET_NUM_ENVS = 16
"""Environments of the documented variant: a picture has 16 times the pixels, and goes through a ResNet-18."""

CAMERA = SceneEntityCfg("wrist_camera")

##
# What looks different in every episode
##

Colour = tuple[float, float, float]
Area = tuple[tuple[float, float], tuple[float, float]]

LOOKS: dict[str, tuple[str, Colour, str]] = {
    "ball_look": ("Ball/geometry/material", BALL.colour, "colour_ball"),
    "table_look": ("Table/geometry/material", TABLE.colour, "colour_table"),
    "dish_rim_look": (f"Dish/{look(DISH.colour)}", DISH.colour, "colour_dish"),
    "dish_floor_look": (f"Dish/{look(DISH.floor_colour)}", DISH.floor_colour, "colour_dish"),
}
"""Scene name of each colour that is drawn: its material's place, its nominal value and its row of the table."""


ARM_LOOKS = ("arm_look_0", "arm_look_1", "arm_look_2", "arm_look_3", "arm_look_4")
"""Scene names of the colours of an arm's body, in the order of :attr:`alice.assets.body.Body.looks`; the last ones stay
empty where it has fewer."""


CLUTTER: dict[str, tuple[sim_utils.SpawnerCfg, float]] = {
    "clutter_box": (sim_utils.CuboidCfg(size=(0.05, 0.03, 0.04)), 0.02),
    "clutter_can": (sim_utils.CylinderCfg(radius=0.018, height=0.06), 0.03),
    "clutter_book": (sim_utils.CuboidCfg(size=(0.10, 0.07, 0.012)), 0.006),
}
"""Things on the table, out of the hand's way: their shape and half height [m]."""
CLUTTER_COLOURS: dict[str, Colour] = {
    "clutter_box": (0.10, 0.35, 0.12),
    "clutter_can": (0.55, 0.50, 0.08),
    "clutter_book": (0.30, 0.30, 0.32),
}


def _drawn_look(place: str) -> PresetCfg:
    """Return a material that can be written, where colours are drawn."""
    material = VisualMaterialCfg(prim_path=f"{{ENV_REGEX_NS}}/{place}", spawn=None)
    return preset(default=None, camera_rand=material, domain_rand=material)


def _clutter(name: str) -> PresetCfg:
    """Return a thing on the table, where there is clutter."""
    shape, half_height = CLUTTER[name]
    thing = RigidObjectCfg(
        prim_path=f"{{ENV_REGEX_NS}}/{name}",
        spawn=replace(
            shape,
            rigid_props=[sim_utils.UsdPhysicsRigidBodyCfg(kinematic_enabled=True)],
            collision_props=[sim_utils.UsdPhysicsCollisionCfg()],  # Newton knows no body without one
            visual_material=sim_utils.PreviewSurfaceCfg(diffuse_color=CLUTTER_COLOURS[name]),
        ),
        init_state=RigidObjectCfg.InitialStateCfg(pos=(0.45, 0.0, half_height)),
    )
    return preset(default=None, camera_rand=thing, domain_rand=thing)


def _recolour(name: str, nominal: Colour, row: str) -> EventTerm:
    """Return the term that draws a colour about its nominal value."""
    spans = {
        channel: (max(0.0, value + ROWS[row].low), min(1.0, value + ROWS[row].high))
        for channel, value in zip("rgb", nominal, strict=True)
    }
    return EventTerm(
        func="isaaclab.envs.mdp:randomize_visual_material",
        mode="reset",
        min_step_count_between_reset=REDRAW,
        params={"materials": [SceneEntityCfg(name)], "channels": {"color": spans}},
    )


def _around(area: Area, margin: float, back: float | None = None) -> Area:
    """Return a rectangle with a margin on all sides, or another one on the side of the arm's base [m]."""
    (x_min, x_max), (y_min, y_max) = area
    return (x_min - (margin if back is None else back), x_max + margin), (y_min - margin, y_max + margin)


@configclass
class CameraRandomizationEventsCfg:
    """The camera rows as event terms; those of the picture are in the observation."""

    camera_mount = EventTerm(
        func="alice.mdp.events:randomize_camera_mount",
        mode="reset",
        params={
            "sensor_cfg": CAMERA,
            "position": ROWS["camera_position"].span,
            "rotation": ROWS["camera_rotation"].span,
        },
    )
    clutter = EventTerm(
        func="alice.mdp.events:scatter",
        mode="reset",
        min_step_count_between_reset=REDRAW,
        params={
            "things": {name: half_height for name, (_, half_height) in CLUTTER.items()},
            "area": MISSING,
            "keep_out": MISSING,
        },
    )
    ball_look = _recolour("ball_look", *LOOKS["ball_look"][1:])
    table_look = _recolour("table_look", *LOOKS["table_look"][1:])
    dish_rim_look = _recolour("dish_rim_look", *LOOKS["dish_rim_look"][1:])
    dish_floor_look = _recolour("dish_floor_look", *LOOKS["dish_floor_look"][1:])
    arm_look_0: EventTerm | None = None
    arm_look_1: EventTerm | None = None
    arm_look_2: EventTerm | None = None
    arm_look_3: EventTerm | None = None
    arm_look_4: EventTerm | None = None


@configclass
class CameraRandomizedEventsCfg(EventsCfg, CameraRandomizationEventsCfg):
    """How an episode begins, seen by a camera that is not quite known."""


@configclass
class AllRandomizedEventsCfg(RandomizedEventsCfg, CameraRandomizationEventsCfg):
    """How an episode begins, in a world and before a camera that are not quite known."""


@configclass
class CameraEventPresetsCfg(EventPresetsCfg):
    """``presets=camera_rand`` draws what the camera sees, ``presets=domain_rand`` the world as well."""

    camera_rand: CameraRandomizedEventsCfg = CameraRandomizedEventsCfg()
    domain_rand: AllRandomizedEventsCfg = AllRandomizedEventsCfg()


##
# Scene and observations
##


def _wrist_camera(arm: arms.Arm) -> CameraCfg:
    """Return an arm's camera with the size and the renderer that presets choose."""
    return replace(
        wrist_camera(arm),
        width=preset(default=arm.camera.width, resnet18=RESNET_SIZE),
        height=preset(default=arm.camera.height, resnet18=RESNET_SIZE),
        renderer_cfg=MultiBackendRendererCfg(),
    )


@configclass
class BallTransferCameraSceneCfg(BallTransferSceneCfg):
    """The scene with a camera on the hand. ``renderer=…`` selects another renderer than Newton's."""

    wrist_camera: CameraCfg = _wrist_camera(XARM1S)
    ball_look = _drawn_look(LOOKS["ball_look"][0])
    table_look = _drawn_look(LOOKS["table_look"][0])
    dish_rim_look = _drawn_look(LOOKS["dish_rim_look"][0])
    dish_floor_look = _drawn_look(LOOKS["dish_floor_look"][0])
    arm_look_0: PresetCfg | None = None
    arm_look_1: PresetCfg | None = None
    arm_look_2: PresetCfg | None = None
    arm_look_3: PresetCfg | None = None
    arm_look_4: PresetCfg | None = None
    clutter_box = _clutter("clutter_box")
    clutter_can = _clutter("clutter_can")
    clutter_book = _clutter("clutter_book")


def _errors() -> PresetCfg:
    return preset(default=None, camera_rand=IMAGE_ERRORS, domain_rand=IMAGE_ERRORS)


@configclass
class ImageCfg(ObsGroup):
    """What the camera sees, uint8."""

    wrist_image = ObsTerm(
        func=images.wrist_image,
        params={"sensor_cfg": CAMERA, "channel_first": True, "frame_stack": FRAMES, "errors": _errors()},
    )


@configclass
class ResNetFeaturesCfg(ObsGroup):
    """What a frozen ResNet-18 makes of it, 512 numbers."""

    wrist_image = ObsTerm(
        func=images.resnet18_features,
        params={
            "sensor_cfg": CAMERA,
            "channel_first": True,
            "frame_stack": RESNET_FRAMES,
            "errors": _errors(),
            "weights": None,
        },
    )


@configclass
class ImagePresetsCfg(PresetCfg):
    """``presets=resnet18`` selects the documented variant."""

    default: ImageCfg = ImageCfg()
    resnet18: ResNetFeaturesCfg = ResNetFeaturesCfg()


@configclass
class CameraObservationsCfg(ObservationsCfg):
    """What actor and critic see. A teacher sees what the critic of the state task does: ball *and arm* as they are.

    A picture shows how far the ball is from the hand, not where servos with wrong zeros think that the hand is. A
    teacher that trusted them would miss the ball by their error, and its student be taught not to believe its eyes.
    """

    @configclass
    class ProprioceptionCfg(ObsGroup):
        """The joints as their servos report them, 14 numbers."""

        joint_pos = ObsTerm(func=observations.joint_pos)
        joint_vel = ObsTerm(func=observations.joint_vel, clip=(-10.0, 10.0))

    @configclass
    class GoalCfg(ObsGroup):
        """Where the ball shall go, as the policy is told."""

        dish_place = ObsTerm(func=observations.dish_place_b)

    @configclass
    class PictureJointsCfg(ObsGroup):
        """Where the joints were when the newest picture was taken, 7 numbers, 6 of an SO-101."""

        picture_joint_pos = ObsTerm(func=observations.picture_joint_pos)

    @configclass
    class SightCfg(ObsGroup):
        """Where ball and tool point are in the newest picture, 6 numbers: a lesson, not what an actor sees."""

        seen_points = ObsTerm(func=observations.seen_points)

    policy: ObsGroup | None = None
    goal_state: ObsGroup | None = None
    proprioception: ProprioceptionCfg = ProprioceptionCfg()
    goal: GoalCfg = GoalCfg()
    image: ImagePresetsCfg = ImagePresetsCfg()
    picture_joints: PictureJointsCfg = PictureJointsCfg()  # must come after the pictures, as the next one
    sight: SightCfg = SightCfg()


@configclass
class CameraCommandsCfg(CommandsCfg):
    """The same goal; of the ball the policy is told nothing."""

    transfer = CommandsCfg().transfer.replace(tells_ball=False)


@configclass
class BallTransferCameraEnvCfg(BallTransferEnvCfg):
    """Pick the ball out of its nest and put it in the dish, seeing the ball only through a camera on the hand.

    Task, Actions, Success conditions:
        Those of :class:`BallTransferEnvCfg`.
    Observations:
        Actor: ``image``, two frames of 64x48 RGB; ``proprioception``, joint positions and velocities as the servos
        report them; ``picture_joints``, the positions at the moment of the newest frame; ``command_state``, joint
        targets and last action; ``goal``, x and y of the dish. Nothing of the ball. Critic: ``privileged``, the
        documented 28 numbers without errors, and ``command_state``. Teacher: these and ``privileged_goal``, what the
        actor of the state task sees, with ball, dish and arm as they are.
        ``presets=resnet18``, the documented variant: actor ``image``, 512 features of four frames of 224x224, and
        ``proprioception``; critic ``privileged``.
    Randomizations:
        ``presets=camera_rand``: mount and lens of the camera, errors of the picture, colours, clutter.
        ``presets=domain_rand``: all of that, and the world of :class:`BallTransferEnvCfg`.
    """

    scene: BallTransferCameraSceneCfg = BallTransferCameraSceneCfg(
        num_envs=preset(default=128, resnet18=RESNET_NUM_ENVS), env_spacing=1.2
    )
    observations: CameraObservationsCfg = CameraObservationsCfg()
    events: CameraEventPresetsCfg = CameraEventPresetsCfg()
    commands: CameraCommandsCfg = CameraCommandsCfg()

    def fit_to_arm(self) -> None:
        """Put the arm's camera into the scene as well, and its colours and surroundings into the terms."""
        super().fit_to_arm()
        arm, workspace = arms.named(self.arm), WORLDS[self.arm].workspace
        self.scene.wrist_camera = _wrist_camera(arm)
        drawn = [chosen for chosen in alternatives(self.events) if isinstance(chosen, CameraRandomizationEventsCfg)]
        for events in drawn:
            events.clutter.params.update(
                area=_around(workspace, ROWS["clutter_place"].high, back=0.06),  # the base stands behind it
                keep_out=_around(workspace, ROWS["clutter_place"].low),
            )
        looks = body_of(arm).looks
        for name, colour in zip(ARM_LOOKS[: len(looks)], looks.values(), strict=True):
            setattr(self.scene, name, _drawn_look(f"Robot/{look(colour)}"))
            for events in drawn:
                setattr(events, name, _recolour(name, colour, "colour_arm"))
