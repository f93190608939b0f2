"""The state of every ball transfer, worked out once a control step and read by all terms.

Rewards, terminations, observations, metrics and the audit ask the same questions (where is the ball seen from the tool,
is it pinched, does it lie in the dish). They are answered here, once, so that there is one definition of success and
the answers cost one pass over the simulator's buffers.

When the answers are brought up to date is the business of one place, :class:`alice.mdp.terminations.UpdateTransfer`:
once a control step after the physics, once a reset after everything else of the reset. Asking changes nothing, so it
does not matter who asks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .books import Books
from .potentials import potentials
from .reading import Reader, Snapshot

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


class TransferState:
    """Reading, progress and books of all environments.

    Use :func:`transfer_state` to get the one of an environment.
    """

    def __init__(self, env: ManagerBasedRLEnv):
        self._env = env
        n, device = env.num_envs, env.device
        self.dish_pos = torch.zeros(n, 3, device=device)
        """Centre of the dish on the table, (N, 3), base frame [m]."""
        self.table_height = torch.zeros(n, device=device)
        """Height of the table's surface in the base frame, (N,) [m]."""
        self.ball_radius = _ball_radii(env)
        """(N,) [m]."""
        self.books = Books(n, device)
        """What the episodes have come to."""
        self.potentials: dict[str, torch.Tensor] = {}
        """How far each part of the job is, (N,) in [0, 1]."""
        self.progress: dict[str, torch.Tensor] = {}
        """Change of each potential over the last control step, (N,) in [-1, 1]."""
        self._reader = Reader(env, self.ball_radius)
        self._now: Snapshot | None = None
        self._step = env.common_step_counter

    @property
    def now(self) -> Snapshot:
        """The last reading of the scene."""
        if self._now is None:  # the managers ask for the sizes of their terms before the first reset
            self.read_start(slice(0, 0))
        return self._now

    @property
    def is_up_to_date(self) -> bool:
        """Whether no control step has passed since the last :meth:`advance`."""
        return self._step == self._env.common_step_counter

    def advance(self) -> None:
        """Bring everything up to date after a control step."""
        self._reader.keep(self.now)
        self._step = self._env.common_step_counter
        before = self.potentials
        self._now = self._reader.read(self.dish_pos, self.table_height)
        self.books.note(self._now, self._env.episode_length_buf)
        self.potentials = self._potentials()
        self.progress = {name: value - before[name] for name, value in self.potentials.items()}

    def begin_episode(self, env_ids: torch.Tensor, dish_pos: torch.Tensor, is_home_start: torch.Tensor) -> None:
        """Close the books on the episodes of ``env_ids`` and open new ones.

        What has been placed is read by :meth:`read_start`, once the whole reset is through.

        Args:
            env_ids: Environments to reset, (K,) long.
            dish_pos: New dish centres on the table, (K, 3), base frame [m].
            is_home_start: Whether each new episode starts from home, (K,) bool.
        """
        length = self._env.episode_length_buf
        ended = env_ids[length[env_ids] > 0]
        if len(ended) > 0:
            self.books.close(ended, self.now, self._env.termination_manager.get_term("ball_lost"), length)
        self.dish_pos[env_ids] = dish_pos
        self.table_height[env_ids] = dish_pos[:, 2]
        self.books.open(env_ids, is_home_start)
        self._reader.forget(env_ids)

    def read_start(self, env_ids: torch.Tensor | slice) -> None:
        """Bring everything up to date after a reset of some environments.

        A start with the ball at the dish counts as brought. What a reset changes is no progress.

        Args:
            env_ids: The environments, (K,) or a slice.
        """
        self._now = self._reader.read(self.dish_pos, self.table_height, started=env_ids)
        self.books.is_brought[env_ids] |= self._now.is_over_dish[env_ids]
        self.potentials = self._potentials()
        self.progress = {name: torch.zeros_like(value) for name, value in self.potentials.items()}

    def state_dict(self) -> dict[str, torch.Tensor | int]:
        """Return what outlives the running episodes."""
        return self.books.state_dict()

    def load_state_dict(self, state: dict[str, torch.Tensor | int]) -> None:
        """Take over a :meth:`state_dict` and the environment's step counter."""
        self.books.load_state_dict(state)
        self._step = self._env.common_step_counter

    def _potentials(self) -> dict[str, torch.Tensor]:
        return potentials(self._now, self.dish_pos, self.ball_radius, self.books.is_brought)


def _ball_radii(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Return the radius of the ball in each environment, (N,) [m]: the cloner deals several sizes out."""
    spawn = env.scene["ball"].cfg.spawn
    radii = torch.tensor([asset.radius for asset in getattr(spawn, "assets_cfg", [spawn])], device=env.device)
    if len(radii) == 1:
        return radii.repeat(env.num_envs)
    # The ball is the only asset of several kinds, so a kind of environment is a size of ball.
    layout = env.sim.get_clone_plan().topology.world_prototype_layout
    return radii[torch.as_tensor(layout, dtype=torch.long, device=env.device)]


def stored_state(env: ManagerBasedRLEnv) -> TransferState:
    """Return the :class:`TransferState` of an environment, made at the first call, to bring it up to date."""
    state = env.__dict__.get("transfer_state")
    if state is None:
        state = env.__dict__["transfer_state"] = TransferState(env)
    return state


def transfer_state(env: ManagerBasedRLEnv) -> TransferState:
    """Return the :class:`TransferState` of an environment, to read.

    Raises:
        RuntimeError: If a control step has passed that it does not know of.
    """
    state = stored_state(env)
    if not state.is_up_to_date:
        raise RuntimeError(
            "the state of the transfer is older than the control step: UpdateTransfer must be the first of the task's"
            " termination terms"
        )
    return state
