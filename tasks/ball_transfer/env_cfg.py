"""``Alice-Ball-Transfer``: the state task."""

from __future__ import annotations

from dataclasses import MISSING

from isaaclab.envs import ManagerBasedRLEnvCfg
from isaaclab.managers import CurriculumTermCfg as CurrTerm
from isaaclab.managers import EventTermCfg as EventTerm
from isaaclab.managers import ObservationGroupCfg as ObsGroup
from isaaclab.managers import ObservationTermCfg as ObsTerm
from isaaclab.managers import RewardTermCfg as RewTerm
from isaaclab.managers import TerminationTermCfg as DoneTerm
from isaaclab.utils import configclass
from isaaclab.visualizers import VisualizerCfg
from isaaclab_tasks.utils import PresetCfg
from isaaclab_tasks.utils.hydra import preset

from alice import arms
from alice.arms import XARM1S
from alice.assets.arms import articulation
from alice.mdp import actions, commands, curriculums, events, observations, rewards, terminations
from alice.system import device
from alice.transfer.curriculum import EARLY_COSTS, EARLY_WEIGHTS, LOST_COST, MIXED_STARTS
from alice.transfer.timing import CONTROL_RATE_HZ, PHYSICS_RATE_HZ

from .historic_rewards_cfg import AuditRewardsCfg
from .physics_cfg import PhysicsCfg
from .randomization_cfg import REPORTS, RandomizationEventsCfg, fit_randomization, ramped, servo_ranges
from .randomization_table import COMMON_ROWS
from .scene_cfg import BallTransferSceneCfg
from .worlds import MIN_SEPARATION, WORLDS

AUDIT_EPISODE_S = 8.0
"""Time for a transfer [s]."""
TRAINING_EPISODE_S = 4.0
"""Length of a training episode [s], twice what a transfer takes. A policy that has stopped getting on, with the ball
held over the dish, begins anew the sooner; time-outs are bootstrapped, so that it does not learn to hurry."""

IDEAL_SERVO_SHARE = 0.2
"""Share of the training episodes with ideal servos: their delay of zero lies outside of the servos' ranges."""
IDEAL_REPORT_SHARE = 0.2
"""Share of the training episodes in which the truth is told of ball and dish, for the same reason."""

TRUE_ARM = {"arm": "true"}
TRUE_BALL = {"ball": "true"}
TRUE_BOTH = {**TRUE_ARM, **TRUE_BALL}


@configclass
class ActionsCfg:
    """Six numbers: five joint increments and one gripper opening."""

    joints: actions.JointTargetActionCfg = actions.JointTargetActionCfg()


@configclass
class SevenActionsCfg:
    """The documented form: each finger has its own opening. It cannot be deployed, the arm has one gripper servo."""

    joints: actions.JointTargetActionCfg = actions.JointTargetActionCfg(coupled_fingers=False)


@configclass
class HobbyServoActionsCfg:
    """Six numbers through servos that are late, coarse, loose and badly zeroed."""

    joints: actions.JointTargetActionCfg = actions.JointTargetActionCfg(
        servo=servo_ranges(XARM1S), ideal_servo_share=IDEAL_SERVO_SHARE
    )


@configclass
class BinaryGripperActionsCfg:
    """Six numbers, of which the gripper's counts by its sign alone: a known mistake, kept to be measured."""

    joints: actions.JointTargetActionCfg = actions.JointTargetActionCfg(binary_gripper=True)


@configclass
class ActionPresetsCfg(PresetCfg):
    """``presets=seven_actions`` selects the documented form, ``presets=hobby_servo`` the servo model."""

    default: ActionsCfg = ActionsCfg()
    binary_gripper: BinaryGripperActionsCfg = BinaryGripperActionsCfg()
    seven_actions: SevenActionsCfg = SevenActionsCfg()
    hobby_servo: HobbyServoActionsCfg = HobbyServoActionsCfg()
    domain_rand: HobbyServoActionsCfg = HobbyServoActionsCfg()


@configclass
class ObservationsCfg:
    """What actor and critic see."""

    @configclass
    class PolicyCfg(ObsGroup):
        """The documented 28 numbers, as the servos report them and as the policy is told of the ball."""

        joint_pos = ObsTerm(func=observations.joint_pos)
        joint_vel = ObsTerm(func=observations.joint_vel, clip=(-10.0, 10.0))
        tool_pos = ObsTerm(func=observations.tool_pos_b)
        ball_pos = ObsTerm(func=observations.ball_pos_b)
        tool_to_ball = ObsTerm(func=observations.tool_to_ball_b)
        ball_to_dish = ObsTerm(func=observations.ball_to_dish_b)
        gripper_gap = ObsTerm(func=observations.gripper_gap)
        pinch_flag = ObsTerm(func=observations.pinch_flag)

    @configclass
    class PrivilegedCfg(ObsGroup):
        """The same 28 numbers as they are, whatever is reported."""

        joint_pos = ObsTerm(func=observations.joint_pos, params=TRUE_ARM)
        joint_vel = ObsTerm(func=observations.joint_vel, params=TRUE_ARM, clip=(-10.0, 10.0))
        tool_pos = ObsTerm(func=observations.tool_pos_b, params=TRUE_ARM)
        ball_pos = ObsTerm(func=observations.ball_pos_b, params=TRUE_BALL)
        tool_to_ball = ObsTerm(func=observations.tool_to_ball_b, params=TRUE_BOTH)
        ball_to_dish = ObsTerm(func=observations.ball_to_dish_b, params=TRUE_BALL)
        gripper_gap = ObsTerm(func=observations.gripper_gap, params=TRUE_ARM)
        pinch_flag = ObsTerm(func=observations.pinch_flag, params=TRUE_BOTH)

    @configclass
    class CommandStateCfg(ObsGroup):
        """What has been commanded: the arm lags and sags behind it."""

        joint_targets = ObsTerm(func=observations.joint_targets)
        last_action = ObsTerm(func=observations.last_action)

    @configclass
    class GoalStateCfg(ObsGroup):
        """Whether the ball has got where it is to go.

        It follows from ``ball_to_dish``, but there it is a bump 3 cm wide in numbers that span 30 cm: a policy that has
        learned to fetch balls fetches those in the dish, too, and takes a million steps to tell them apart.
        """

        dish_flag = ObsTerm(func=observations.dish_flag)

    @configclass
    class PrivilegedGoalCfg(ObsGroup):
        """The same as it is, whatever is reported."""

        dish_flag = ObsTerm(func=observations.dish_flag, params=TRUE_BALL)

    policy: PolicyCfg = PolicyCfg()
    privileged: PrivilegedCfg = PrivilegedCfg()
    command_state: CommandStateCfg = CommandStateCfg()
    goal_state: GoalStateCfg = GoalStateCfg()
    privileged_goal: PrivilegedGoalCfg = PrivilegedGoalCfg()


@configclass
class CommandsCfg:
    """The goal, and how the policy is told of ball and dish: ``presets=reports`` and ``presets=domain_rand``."""

    transfer = commands.DishCommandCfg(
        reports=preset(default=None, reports=REPORTS, domain_rand=REPORTS), ideal_report_share=IDEAL_REPORT_SHARE
    )


@configclass
class EventsCfg:
    """How an episode begins."""

    reset_transfer = EventTerm(
        func=events.reset_transfer,
        mode="reset",
        params={
            "shares": dict(MIXED_STARTS),
            "bank": MISSING,
            "area": MISSING,
            "min_separation": MIN_SEPARATION,
            "home_noise": 0.05,
            "table_height": (0.0, 0.0),
        },
    )


@configclass
class RandomizedEventsCfg(EventsCfg, RandomizationEventsCfg):
    """How an episode begins, in a world that is not quite known."""

    def __post_init__(self):
        self.reset_transfer.params["table_height"] = COMMON_ROWS["table_height"].span


@configclass
class EventPresetsCfg(PresetCfg):
    """``presets=domain_rand`` selects the randomized world."""

    default: EventsCfg = EventsCfg()
    domain_rand: RandomizedEventsCfg = RandomizedEventsCfg()


def _progress(part: str) -> RewTerm:
    """Return the term that pays the progress of a part of the job; the whole part pays its early weight."""
    weight = EARLY_WEIGHTS[part] * CONTROL_RATE_HZ
    return RewTerm(func=rewards.transfer_progress, weight=weight, params={"part": part})


def _rent(part: str) -> RewTerm:
    """Return the term that pays a part's early weight in every second that the part is done."""
    return RewTerm(func=rewards.transfer_potential, weight=EARLY_WEIGHTS[part], params={"part": part})


@configclass
class RewardsCfg:
    """Progress terms: a weight is the reward of the whole part, because Isaac Lab multiplies by the step length."""

    reach = _progress("reach")
    grasp = _progress("grasp")
    lift = _progress("lift")
    transport = _progress("transport")
    release = _progress("release")
    rest = RewTerm(func=rewards.rest_progress, weight=EARLY_WEIGHTS["rest"] * CONTROL_RATE_HZ)
    success = RewTerm(func=rewards.transfer_success, weight=EARLY_WEIGHTS["success"] * CONTROL_RATE_HZ)
    ball_lost = RewTerm(
        func=rewards.is_terminated_term,
        weight=-LOST_COST * CONTROL_RATE_HZ,
        params={"term_name": "ball_lost"},
    )
    unrest = RewTerm(func=rewards.arm_unrest_l1, weight=-EARLY_COSTS["unrest"])
    jerk = RewTerm(func=rewards.TargetJerk, weight=-EARLY_COSTS["jerk"])
    work = RewTerm(func=rewards.servo_power, weight=-EARLY_COSTS["work"], params={"transfer_work": MISSING})
    action_rate = RewTerm(func=rewards.action_rate_l2, weight=-0.01)
    action_excess = RewTerm(func=rewards.action_excess_l2, weight=-0.5)


@configclass
class RentRewardsCfg(RewardsCfg):
    """The same parts paid for as long as they last: a known mistake, kept to be measured (``docs/ablation.md``)."""

    reach = _rent("reach")
    grasp = _rent("grasp")
    lift = _rent("lift")
    transport = _rent("transport")
    release = _rent("release")


@configclass
class RewardPresetsCfg(PresetCfg):
    """``env.rewards=rent`` selects the mistake, ``env.rewards=audit`` all terms for the reward audit."""

    default: RewardsCfg = RewardsCfg()
    rent: RentRewardsCfg = RentRewardsCfg()
    audit: AuditRewardsCfg = AuditRewardsCfg()


@configclass
class TerminationsCfg:
    """How an episode ends."""

    update = DoneTerm(func=terminations.UpdateTransfer)  # ends nothing, and comes first
    time_out = DoneTerm(func="isaaclab.envs.mdp:time_out", time_out=True)
    success = DoneTerm(func=terminations.transfer_success)
    ball_lost = DoneTerm(
        func=terminations.is_ball_lost, params={"min_radius": MISSING, "max_radius": MISSING, "min_height": 0.0}
    )


@configclass
class CurriculumCfg:
    """The stages of :mod:`alice.transfer.curriculum`, moved through by success; ``--phase NAME`` stays at one."""

    stage = CurrTerm(func=curriculums.StagedCurriculum, params={"phase": "auto", "ramped": MISSING})


@configclass
class NoCurriculumCfg:
    """Nothing changes in the course of a training."""


@configclass
class CurriculumPresetsCfg(PresetCfg):
    """``env.curriculum=none`` selects a training without stages."""

    default: CurriculumCfg = CurriculumCfg()
    none: NoCurriculumCfg = NoCurriculumCfg()


def alternatives(presets: PresetCfg) -> list:
    """Return what a choice of presets chooses from."""
    return [value for value in vars(presets).values() if value is not None]


@configclass
class BallTransferEnvCfg(ManagerBasedRLEnvCfg):
    """Pick the ball out of its nest and put it in the dish.

    Task:
        Ball and dish are drawn over 20 x 24 cm of table, at least 8 cm apart. The arm starts above the table with an
        open gripper. Gravity acts on everything; the ball is held by friction alone.
    Actions:
        Six numbers in [-1, 1] at 20 Hz: five increments of joint targets (1 = 0.1 rad) and one gripper opening.
        ``presets=seven_actions``: each finger its own opening. ``presets=hobby_servo``: through real servos.
    Observations:
        Actor: ``policy``, the documented 28 numbers, ``command_state``, joint targets and last action, and
        ``goal_state``, whether the ball is in or over the dish. Critic: ``privileged`` and ``privileged_goal``, the
        same without the errors of servos and reports, and ``command_state``.
    Randomizations:
        Ball, dish and, by 0.05 rad, the home pose. In training half of the episodes start later in the job, and the
        stages of :mod:`alice.transfer.curriculum` widen the workspace.
        ``presets=domain_rand``: physics, servos, ball and table as well, and what the policy is told of ball and dish
        (:mod:`alice.tasks.ball_transfer.randomization_cfg`).
    Success conditions:
        Ball at rest in the dish, gripper clear of it, arm calm, for 10 consecutive control steps
        (:mod:`alice.transfer.outcome`).
    """

    arm: str = XARM1S.name
    """Name of the arm in :data:`alice.arms.ARMS`. The task decides it: scene, workspace and starts belong to it."""
    scene: BallTransferSceneCfg = BallTransferSceneCfg(num_envs=512, env_spacing=1.2)
    observations: ObservationsCfg = ObservationsCfg()
    actions: ActionPresetsCfg = ActionPresetsCfg()
    commands: CommandsCfg = CommandsCfg()
    rewards: RewardPresetsCfg = RewardPresetsCfg()
    terminations: TerminationsCfg = TerminationsCfg()
    events: EventPresetsCfg = EventPresetsCfg()
    curriculum: CurriculumPresetsCfg = CurriculumPresetsCfg()

    def __post_init__(self):
        self.decimation = PHYSICS_RATE_HZ // CONTROL_RATE_HZ
        self.episode_length_s = TRAINING_EPISODE_S
        self.sim.device = device.preferred()
        self.sim.dt = 1.0 / PHYSICS_RATE_HZ
        self.sim.render_interval = self.decimation
        self.sim.physics = PhysicsCfg()
        self.fit_to_arm()
        self.sim.default_visualizer_cfg = VisualizerCfg(eye=(0.55, -0.45, 0.40), lookat=(0.12, 0.0, 0.08))

    def fit_to_arm(self) -> None:
        """Put the arm into the scene, and its workspace, starts, limits and uncertainties into the terms."""
        arm, world = arms.named(self.arm), WORLDS[self.arm]
        self.scene.robot = articulation(arm)
        for chosen in alternatives(self.events):
            chosen.reset_transfer.params.update(area=world.workspace, bank=str(world.starts))
            if isinstance(chosen, RandomizationEventsCfg):
                fit_randomization(chosen, arm)
        for chosen in alternatives(self.actions):
            if chosen.joints.servo is not None:
                chosen.joints.servo = servo_ranges(arm)
        for chosen in alternatives(self.rewards):
            chosen.work.params["transfer_work"] = world.transfer_work
        self.curriculum.default.stage.params["ramped"] = ramped(arm)
        self.terminations.ball_lost.params.update(min_radius=world.nearest, max_radius=world.furthest)

    def play_mode(self) -> None:
        """Start every episode from home, as the audit does, without a curriculum."""
        super().play_mode()
        self.episode_length_s = AUDIT_EPISODE_S
        self.curriculum = None
        self.actions.joints.ideal_servo_share = 0.0
        self.commands.transfer.ideal_report_share = 0.0
        self.events.reset_transfer.params["shares"] = {"home": 1.0}
