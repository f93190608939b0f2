"""The state of every ball transfer, worked out once a control step and read by all terms.

Rewards, terminations, observations, metrics and the audit ask the same questions (where is the ball seen from the tool,
is it pinched, does it lie in the dish). They are answered here, once, so that there is one definition of success and
the answers cost one pass over the simulator's buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from alice import geometry, outcome, robot
from alice.objects import DISH

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

HISTORY = 1000
"""Number of finished home-start episodes behind the training metrics."""


@dataclass
class Arm:
    """The joints and what follows from them for the hand."""

    joint_pos: torch.Tensor
    """(N, 7) [rad, m]."""
    joint_vel: torch.Tensor
    """(N, 7) [rad/s, m/s]."""
    tool_pos: torch.Tensor
    """(N, 3), base frame [m]."""
    gap: torch.Tensor
    """Distance between the pads, (N,) [m]."""
    is_pinched: torch.Tensor
    """(N,) bool."""


@dataclass
class Snapshot:
    """One reading of the scene. All positions are in the robot's base frame [m]; N is the number of environments."""

    true: Arm
    """The arm as it is."""
    measured: Arm
    """The arm as its servos report it: no speeds, these are differences. Everything else here is the truth."""
    ball_pos: torch.Tensor
    """(N, 3)."""
    ball_speed: torch.Tensor
    """(N,) [m/s]."""
    tool_ball_distance: torch.Tensor
    """(N,) [m]."""
    height: torch.Tensor
    """Height of the ball over its rest on the table, (N,) [m]."""
    dish_distance: torch.Tensor
    """Horizontal distance of ball and dish centre, (N,) [m]."""
    is_over_dish: torch.Tensor
    """Ball inside the rim or up to 8 cm above it, held or falling, (N,) bool."""
    is_in_dish: torch.Tensor
    """Ball on the floor of the dish, (N,) bool."""
    is_settled: torch.Tensor
    """The whole success condition for this one step, (N,) bool."""


class TransferState:
    """Snapshot, milestones and progress of all environments.

    Use :func:`transfer_state` to get the one of an environment.
    """

    def __init__(self, env: ManagerBasedRLEnv):
        self._env = env
        self._hand = env.scene["robot"].find_bodies("hand")[0][0]
        n, device = env.num_envs, env.device
        self.dish_pos = torch.zeros(n, 3, device=device)
        """Centre of the dish on the table, (N, 3), base frame [m]."""
        self.table_height = torch.zeros(n, device=device)
        """Height of the table's surface in the base frame, (N,) [m]."""
        self.ball_radius = _ball_radii(env)
        """(N,) [m]."""
        self.is_home_start = torch.ones(n, dtype=torch.bool, device=device)
        """Whether the running episode began at the home pose with the ball in its nest, (N,)."""
        self.stages = torch.zeros(n, len(outcome.STAGES), dtype=torch.bool, device=device)
        """Milestones of the running episode, (N, 6) in the order of :data:`alice.outcome.STAGES`."""
        self.stage_steps = torch.zeros(n, len(outcome.STAGES), dtype=torch.long, device=device)
        """Control step of each milestone, (N, 6); 0 while it has not happened."""
        self.max_height = torch.zeros(n, device=device)
        """Greatest height of the pinched ball in the running episode, (N,) [m]."""
        self.potentials: dict[str, torch.Tensor] = {}
        self.progress: dict[str, torch.Tensor] = {}
        """Change of each potential over the last control step, (N,) in [-1, 1]."""
        self.last_stages = torch.zeros_like(self.stages)
        """:attr:`stages` of the episode that ended last in each environment, (N, 6)."""
        self.last_stage_steps = torch.zeros_like(self.stage_steps)
        """:attr:`stage_steps` of that episode, (N, 6)."""
        self.last_max_height = torch.zeros_like(self.max_height)
        """:attr:`max_height` of that episode, (N,) [m]."""
        self.last_in_dish = torch.zeros_like(self.is_home_start)
        """Whether the ball lay in the dish at its end, (N,)."""
        self.last_held = torch.zeros_like(self.is_home_start)
        """Whether the ball was pinched at its end, (N,)."""
        self.last_lost = torch.zeros_like(self.is_home_start)
        """Whether it ended because the ball was lost, (N,)."""
        self.last_length = torch.zeros(n, dtype=torch.long, device=device)
        """Its length, (N,) [control steps]."""
        self._hold = torch.zeros(n, dtype=torch.long, device=device)
        self._is_brought = torch.zeros_like(self.is_home_start)
        self._finished = torch.zeros(HISTORY, len(outcome.STAGES), device=device)
        self._finished_stage = torch.zeros(HISTORY, dtype=torch.long, device=device)
        self.finished_count = 0
        """Number of home-start episodes that have ended."""
        self._stage = 0
        self._began_in_stage = torch.zeros(n, dtype=torch.long, device=device)
        self._reported = torch.zeros(n, 7, device=device)
        self._has_reported = torch.zeros(n, 1, dtype=torch.bool, device=device)
        self._step = env.common_step_counter
        self._dirty = True
        self._tool_in_hand = torch.tensor(robot.TOOL_IN_HAND, device=device)
        self.now: Snapshot | None = None

    ##
    # Reading
    ##

    def refresh(self) -> None:
        """Bring everything up to date: one full update per control step, one re-reading after a reset."""
        if self._env.common_step_counter != self._step:
            self._step = self._env.common_step_counter
            self._advance()
        elif self._dirty:
            self._read()
            self._is_brought |= self.now.is_over_dish & (self._env.episode_length_buf == 0)
            self.potentials = self._potentials(self.now)
            self.progress = {name: torch.zeros_like(value) for name, value in self.potentials.items()}
        self._dirty = False

    def rates(self) -> dict[str, float]:
        """Return the share of the last :data:`HISTORY` home-start episodes that passed each stage, in [0, 1]."""
        count = min(self.finished_count, HISTORY)
        if count == 0:
            return {}
        return dict(zip(outcome.STAGES, self._finished[:count].mean(dim=0).tolist(), strict=True))

    def finished_since(self, count: int) -> list[tuple[bool, ...]]:
        """Return which stages the home-start episodes passed that ended since there were ``count`` of them.

        Oldest first, :data:`HISTORY` at most, without those that began before the last :meth:`begin_stage`.
        """
        first = max(count, self.finished_count - HISTORY)
        places = torch.arange(first, self.finished_count, device=self._finished.device) % HISTORY
        places = places[self._finished_stage[places] == self._stage]
        return [tuple(passed) for passed in self._finished[places].bool().tolist()]

    def _read(self) -> None:
        scene = self._env.scene
        arm, ball = scene["robot"].data, scene["ball"].data
        origins = scene.env_origins
        hand = arm.body_link_pose_w.torch[:, self._hand]
        joint_pos = arm.joint_pos.torch.clone()
        tool_pos = hand[:, :3] + geometry.rotate(hand[:, 3:], self._tool_in_hand) - origins
        ball_pos = ball.root_link_pose_w.torch[:, :3] - origins
        ball_speed = ball.root_com_vel_w.torch[:, :3].norm(dim=-1)
        radius = self.ball_radius
        true = self._arm(joint_pos, arm.joint_vel.torch.clone(), tool_pos, ball_pos)
        reported = self._env.action_manager.get_term("joints").read_back(joint_pos)
        measured = self._measure(reported, ball_pos)
        distance = (tool_pos - ball_pos).norm(dim=-1)
        height = ball_pos[:, 2] - radius - self.table_height
        dish_distance = (ball_pos - self.dish_pos)[:, :2].norm(dim=-1)
        over_dish = (dish_distance < DISH.rim_radius - 0.008) & (height < 0.08)
        in_dish = (dish_distance < DISH.floor_radius) & (height < DISH.floor_thickness + 0.006)
        is_released = (true.gap > 2 * radius + 0.004) | (distance > 0.03)
        is_clear = distance > outcome.CLEAR_DISTANCE
        self.now = Snapshot(
            true=true,
            measured=measured,
            ball_pos=ball_pos,
            ball_speed=ball_speed,
            tool_ball_distance=distance,
            height=height,
            dish_distance=dish_distance,
            is_over_dish=over_dish,
            is_in_dish=in_dish,
            is_settled=in_dish & (ball_speed < outcome.REST_SPEED) & is_released & is_clear,
        )

    def _arm(
        self, joint_pos: torch.Tensor, joint_vel: torch.Tensor, tool_pos: torch.Tensor, ball_pos: torch.Tensor
    ) -> Arm:
        """Return what follows for the hand from joints (N, 7) [rad, m], tool point and ball, (N, 3) [m] each."""
        gap = joint_pos[:, 5] + joint_pos[:, 6]
        gap_target = self._env.action_manager.get_term("joints").targets[:, 5:].sum(dim=-1)
        distance = (tool_pos - ball_pos).norm(dim=-1)
        is_pinched = geometry.is_pinched(distance, gap, gap_target, self.ball_radius)
        return Arm(joint_pos, joint_vel, tool_pos, gap, is_pinched)

    def _measure(self, reported: torch.Tensor, ball_pos: torch.Tensor) -> Arm:
        """Return what follows from reported joint positions, (N, 7) [rad, m], and the ball's position, (N, 3) [m].

        Bus servos report no speed: it is the difference of two reports.
        """
        change = (reported - self._reported) * robot.CONTROL_RATE_HZ
        tool_pos, _ = geometry.forward_kinematics(reported)
        return self._arm(reported, torch.where(self._has_reported, change, 0.0), tool_pos, ball_pos)

    def _advance(self) -> None:
        if self.now is not None:
            self._reported = self.now.measured.joint_pos
            self._has_reported[:] = True
        self._read()
        now = self.now
        self._hold = torch.where(now.is_settled, self._hold + 1, 0)
        held_height = torch.where(now.true.is_pinched, now.height, 0.0)
        self.max_height = torch.maximum(self.max_height, held_height)
        reached = (now.tool_ball_distance < outcome.REACHED_DISTANCE) | self.stages[:, 0]
        events = torch.stack(
            (
                reached,
                now.true.is_pinched,
                held_height >= outcome.LIFTED_HEIGHT,
                (held_height > 0.01) & (now.dish_distance < outcome.CARRIED_DISTANCE),
                now.is_in_dish & (now.tool_ball_distance > 0.03) & self.stages[:, 1],
                self._hold >= outcome.HOLD_STEPS,
            ),
            dim=-1,
        )
        new = events & ~self.stages
        self.stage_steps = torch.where(new, self._env.episode_length_buf.unsqueeze(-1), self.stage_steps)
        self.stages |= events
        self._is_brought |= events[:, outcome.STAGES.index("carried")]
        potentials = self._potentials(now)
        self.progress = {name: value - self.potentials[name] for name, value in potentials.items()}
        self.potentials = potentials

    def _potentials(self, now: Snapshot) -> dict[str, torch.Tensor]:
        """Return how far each part of the job is, (N,) in [0, 1] each.

        All but ``release`` are 1 while a ball that was carried there is over the dish, held or not, so that letting go
        there costs nothing. A ball that was thrown there counts as let go.
        """
        radius = self.ball_radius
        near = now.tool_ball_distance
        pinched = now.true.is_pinched.float()
        reach = 0.5 * geometry.tanh_kernel(near, 0.10) + 0.5 * geometry.tanh_kernel(near, 0.03)
        goal = self.dish_pos.clone()
        goal[:, 2] += radius + 0.03
        # Only what lies above the goal's height counts as too high: low is the lift term's business.
        offset = now.ball_pos - goal
        far = torch.cat((offset[:, :2], offset[:, 2:].clamp(min=0.0)), dim=-1).norm(dim=-1)
        raised = (now.height / 0.02).clamp(0.0, 1.0)
        transport = 0.5 * geometry.tanh_kernel(far, 0.15) + 0.5 * geometry.tanh_kernel(far, 0.04)
        opened = ((now.true.gap - 2 * radius) / 0.008).clamp(0.0, 1.0)
        away = ((near - 0.01) / outcome.CLEAR_DISTANCE).clamp(0.0, 1.0)
        done = now.is_over_dish & self._is_brought
        return {
            "reach": torch.where(done, 1.0, reach),
            "grasp": torch.where(done, 1.0, pinched),
            "lift": torch.where(done, 1.0, pinched * (now.height / outcome.LIFTED_HEIGHT).clamp(0.0, 1.0)),
            "transport": torch.where(done, 1.0, pinched * raised * transport),
            "release": torch.where(done, 0.3 * opened + 0.7 * away, 0.0),
        }

    ##
    # Writing
    ##

    def begin_episode(self, env_ids: torch.Tensor, dish_pos: torch.Tensor, is_home_start: torch.Tensor) -> None:
        """Close the books on the episodes of ``env_ids`` and open new ones.

        Args:
            env_ids: Environments to reset, (K,) long.
            dish_pos: New dish centres on the table, (K, 3), base frame [m].
            is_home_start: Whether each new episode starts from home, (K,) bool.
        """
        self._close_episode(env_ids[self._env.episode_length_buf[env_ids] > 0])
        self.dish_pos[env_ids] = dish_pos
        self.table_height[env_ids] = dish_pos[:, 2]
        self.is_home_start[env_ids] = is_home_start
        self._began_in_stage[env_ids] = self._stage
        self._has_reported[env_ids] = False
        self.stages[env_ids] = False
        self.stage_steps[env_ids] = 0
        self.max_height[env_ids] = 0.0
        self._hold[env_ids] = 0
        self._is_brought[env_ids] = False
        self._dirty = True

    def begin_stage(self) -> None:
        """Tell the episodes that begin from now on from those before, for :meth:`finished_since`."""
        self._stage += 1

    def leave_out_running_episodes(self) -> None:
        """Keep the episodes under way out of :meth:`rates`."""
        self.is_home_start[:] = False

    def state_dict(self) -> dict[str, torch.Tensor | int]:
        """Return what outlives the running episodes: the results behind :meth:`rates`."""
        return {
            "finished": self._finished.cpu().clone(),
            "finished_stage": self._finished_stage.cpu().clone(),
            "finished_count": self.finished_count,
            "stage": self._stage,
        }

    def load_state_dict(self, state: dict[str, torch.Tensor | int]) -> None:
        """Take over a :meth:`state_dict` and the environment's step counter."""
        self._finished[:] = state["finished"].to(self._finished.device)
        self._finished_stage[:] = state["finished_stage"].to(self._finished.device)
        self.finished_count, self._stage = int(state["finished_count"]), int(state["stage"])
        self._step = self._env.common_step_counter
        self._dirty = True

    def _close_episode(self, env_ids: torch.Tensor) -> None:
        """Keep the results of the episodes of ``env_ids``, which have just ended."""
        if len(env_ids) == 0:
            return
        self.last_stages[env_ids] = self.stages[env_ids]
        self.last_stage_steps[env_ids] = self.stage_steps[env_ids]
        self.last_max_height[env_ids] = self.max_height[env_ids]
        self.last_in_dish[env_ids] = self.now.is_in_dish[env_ids]
        self.last_held[env_ids] = self.now.true.is_pinched[env_ids]
        self.last_lost[env_ids] = self._env.termination_manager.get_term("ball_lost")[env_ids]
        self.last_length[env_ids] = self._env.episode_length_buf[env_ids]
        counted = env_ids[self.is_home_start[env_ids]]
        places = (self.finished_count + torch.arange(len(counted), device=counted.device)) % HISTORY
        self._finished[places] = self.stages[counted].float()
        self._finished_stage[places] = self._began_in_stage[counted]
        self.finished_count += len(counted)


def _ball_radii(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Return the radius of the ball in each environment, (N,) [m]: the cloner deals several sizes out."""
    spawn = env.scene["ball"].cfg.spawn
    radii = torch.tensor([asset.radius for asset in getattr(spawn, "assets_cfg", [spawn])], device=env.device)
    if len(radii) == 1:
        return radii.repeat(env.num_envs)
    # The ball is the only asset of several kinds, so a kind of environment is a size of ball.
    layout = env.sim.get_clone_plan().topology.world_prototype_layout
    return radii[torch.as_tensor(layout, dtype=torch.long, device=env.device)]


def transfer_state(env: ManagerBasedRLEnv) -> TransferState:
    """Return the up-to-date :class:`TransferState` of an environment, made at the first call."""
    state = env.__dict__.get("transfer_state")
    if state is None:
        state = env.__dict__["transfer_state"] = TransferState(env)
    state.refresh()
    return state
