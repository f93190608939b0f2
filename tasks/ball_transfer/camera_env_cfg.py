"""``Alice-Ball-Transfer-Camera``: the same job from the pictures of a wrist camera."""

from __future__ import annotations

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

from alice.arms import XARM1S
from alice.assets import look
from alice.assets.wrist_camera import WRIST_CAMERA_CFG
from alice.assets.xarm1s_parts import ALUMINIUM, BRASS, GRAPHITE, ORANGE, SERVO_BLACK
from alice.mdp import images, observations
from alice.transfer.objects import BALL, DISH, TABLE

from .env_cfg import WORKSPACE, BallTransferEnvCfg, EventPresetsCfg, EventsCfg, ObservationsCfg, RandomizedEventsCfg
from .randomization_cfg import IMAGE_ERRORS, REDRAW, ROWS
from .scene_cfg import BallTransferSceneCfg

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

LOOKS: dict[str, tuple[str, Colour, str]] = {
    "ball_look": ("Ball/geometry/material", BALL.colour, "colour_ball"),
    "table_look": ("Table/geometry/material", TABLE.colour, "colour_table"),
    "dish_rim_look": (f"Dish/{look(DISH.colour)}", DISH.colour, "colour_dish"),
    "dish_floor_look": (f"Dish/{look(DISH.floor_colour)}", DISH.floor_colour, "colour_dish"),
    "finger_look": (f"Robot/{look(BRASS)}", BRASS, "colour_arm"),
    "plate_look": (f"Robot/{look(ALUMINIUM)}", ALUMINIUM, "colour_arm"),
    "bracket_look": (f"Robot/{look(GRAPHITE)}", GRAPHITE, "colour_arm"),
    "hub_look": (f"Robot/{look(ORANGE)}", ORANGE, "colour_arm"),
    "servo_look": (f"Robot/{look(SERVO_BLACK)}", SERVO_BLACK, "colour_arm"),
}
"""Scene name of each colour that is drawn: its material's place, its nominal value and its row of the table."""

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


def _look(name: str) -> PresetCfg:
    """Return a material that can be written, where colours are drawn."""
    material = VisualMaterialCfg(prim_path=f"{{ENV_REGEX_NS}}/{LOOKS[name][0]}", spawn=None)
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


def _recolour(name: str) -> EventTerm:
    """Return the term that draws a colour about its nominal value."""
    _, nominal, row = LOOKS[name]
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


def _around(margin: float, back: float | None = None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the workspace with a margin on all sides, or another one on the side of the arm's base [m]."""
    (x_min, x_max), (y_min, y_max) = WORKSPACE
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
            "area": _around(ROWS["clutter_place"].high, back=0.06),  # the base stands behind it
            "keep_out": _around(ROWS["clutter_place"].low),
        },
    )
    ball_look = _recolour("ball_look")
    table_look = _recolour("table_look")
    dish_rim_look = _recolour("dish_rim_look")
    dish_floor_look = _recolour("dish_floor_look")
    finger_look = _recolour("finger_look")
    plate_look = _recolour("plate_look")
    bracket_look = _recolour("bracket_look")
    hub_look = _recolour("hub_look")
    servo_look = _recolour("servo_look")


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


@configclass
class BallTransferCameraSceneCfg(BallTransferSceneCfg):
    """The scene with a camera on the hand. ``renderer=…`` selects another renderer than Newton's."""

    wrist_camera: CameraCfg = replace(
        WRIST_CAMERA_CFG,
        width=preset(default=XARM1S.camera.width, resnet18=RESNET_SIZE),
        height=preset(default=XARM1S.camera.height, resnet18=RESNET_SIZE),
        renderer_cfg=MultiBackendRendererCfg(),
    )
    ball_look = _look("ball_look")
    table_look = _look("table_look")
    dish_rim_look = _look("dish_rim_look")
    dish_floor_look = _look("dish_floor_look")
    finger_look = _look("finger_look")
    plate_look = _look("plate_look")
    bracket_look = _look("bracket_look")
    hub_look = _look("hub_look")
    servo_look = _look("servo_look")
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
    """What actor and critic see. The groups of the state task serve the critic and a teacher."""

    @configclass
    class ProprioceptionCfg(ObsGroup):
        """The joints as their servos report them, 14 numbers."""

        joint_pos = ObsTerm(func=observations.joint_pos)
        joint_vel = ObsTerm(func=observations.joint_vel, clip=(-10.0, 10.0))

    @configclass
    class GoalCfg(ObsGroup):
        """Where the ball shall go."""

        dish_place = ObsTerm(func=observations.dish_place_b)

    proprioception: ProprioceptionCfg = ProprioceptionCfg()
    goal: GoalCfg = GoalCfg()
    image: ImagePresetsCfg = ImagePresetsCfg()


@configclass
class BallTransferCameraEnvCfg(BallTransferEnvCfg):
    """Pick the ball out of its nest and put it in the dish, seeing the ball only through a camera on the hand.

    Task, Actions, Success conditions:
        Those of :class:`BallTransferEnvCfg`.
    Observations:
        Actor: ``image``, two frames of 64x48 RGB; ``proprioception``, joint positions and velocities as the servos
        report them; ``command_state``, joint targets and last action; ``goal``, x and y of the dish. Nothing of the
        ball. Critic: ``privileged``, the documented 28 numbers without errors, and ``command_state``. Teacher:
        ``policy`` and ``command_state``, what the actor of the state task sees.
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
