"""Episodes that begin with the ball in hand begin with a ball that stays there."""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice import arms  # noqa: E402
from alice.learning import env_state  # noqa: E402
from alice.mdp.events import part_bodies  # noqa: E402
from alice.studies import ablation  # noqa: E402
from alice.transfer import curriculum  # noqa: E402
from alice.transfer.start_bank import START_KINDS, StartBank  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

ENDLESS = ("env.scene.ball=domain_rand",)
TASKS = ("Alice-Ball-Transfer", "Alice-Ball-Transfer-SO101")
# Newton's contacts are softer than those that settled the states, and it is slow: fewer of them, and one may slip.
CASES = [("ovphysx", 252, 0.98), ("newton_mjwarp", 21, 0.95)]


def _begin(env, kind: str) -> torch.Tensor:
    """Begin all episodes in one kind of state and return the action that keeps the arm there."""
    env.event_manager.get_term_cfg("reset_transfer").params["shares"] = {kind: 1.0}
    env.reset()
    arm, targets = arms.of(env), env.action_manager.get_term("joints").targets
    gripper, fingers = arm.gripper, arm.gripper_columns
    if kind == "above_dish":  # without the command to open that some of them get
        targets[:, fingers] = gripper.at_gap(2.0 * (transfer_state(env).ball_radius - gripper.squeeze))
    action = torch.zeros(env.num_envs, len(arm.action_names))
    share = (targets[:, fingers.start] - gripper.closed[0]) / (gripper.opened[0] - gripper.closed[0])
    action[:, -1] = 2.0 * share - 1.0
    return action


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("physics", "count", "share"), CASES)
def test_states_of_the_bank_stay_as_they_are(physics, count, share, task, simulate):
    env = simulate(f"physics={physics}", *ENDLESS, task=task, num_envs=count, endless=True)
    for kind in START_KINDS[1:]:
        action = _begin(env, kind)
        begun = transfer_state(env).now.ball_pos
        for _ in range(12):
            env.step(action)
        now = transfer_state(env).now
        moved = (now.ball_pos - begun).norm(dim=-1)
        kept = (moved < 0.005) & (now.true.is_pinched == (kind in ("in_hand", "above_dish")))
        assert kept.float().mean() >= share, (kind, kept.float().mean(), moved.max())


@pytest.mark.parametrize(("kind", "is_held"), [("above_dish", True), ("in_dish", False)])
def test_a_start_at_the_dish_counts_as_brought_however_it_is_begun(kind, is_held, simulate):
    """Letting go pays only what was brought; a training begins nearly all of its episodes by resets inside a step."""
    env = simulate(num_envs=16)
    env.event_manager.get_term_cfg("reset_transfer").params["shares"] = {kind: 1.0}
    state = transfer_state(env)
    env.reset()
    at_first = state.books.is_brought & state.now.is_over_dish
    env.episode_length_buf[:] = int(env.max_episode_length) - 1
    env.step(torch.zeros(16, 6))
    assert (env.episode_length_buf == 0).all(), "the step ended all episodes"
    begun_in_step = state.books.is_brought & state.now.is_over_dish
    assert at_first.all() and begun_in_step.all()
    letting_go = torch.zeros(16, 6)
    letting_go[:, 5] = 1.0
    earned = torch.zeros(16)
    for _ in range(8):
        env.step(letting_go)
        earned += sum(state.progress[part] for part in ("reach", "grasp", "lift", "transport", "release"))
    assert (earned >= -1e-4).all(), earned
    if is_held:
        assert (earned > 0).float().mean() >= 0.9, earned


def test_the_builder_finds_states_of_every_kind(simulate):
    from tqdm import tqdm

    from alice.evaluation.physics import start_states

    env = simulate(*ENDLESS, num_envs=252, play=True, endless=True)
    with tqdm(disable=True) as bar:
        bank = start_states.build(env, 8, bar)
    assert isinstance(bank, StartBank) and len(bank.kind) == 8 * 4 * 7
    for kind in range(1, len(START_KINDS)):
        assert (bank.kind == kind).sum() == 8 * 7


def test_kinds_that_are_switched_off_stay_off_in_every_stage(simulate):
    """The curriculum has shares of its own; an ablation of the start bank once trained with it because of them."""
    env = simulate(*ablation.BANK_OFF)
    (term,) = (cfg.func for cfg in env.curriculum_manager._term_cfgs)
    for stage in curriculum.NAMES:
        term.load_state_dict({"stage": stage, "window": []})
        assert env.event_manager.get_term_cfg("reset_transfer").params["shares"].keys() == {"home"}
        env.reset()
        assert transfer_state(env).books.is_home_start.all()


def test_what_follows_a_cut_does_not_depend_on_how_long_the_bodies_had_rested(simulate):
    """PhysX puts a body to sleep that has been slow for long enough, and counts from before the reset.

    A large ball in a nest rocks so little that it would fall asleep, and goes on rocking if it may not.
    """
    words = ("physics=ovphysx", "env.sim.physics.enable_enhanced_determinism=true", "presets=domain_rand")
    env = simulate(*words, num_envs=21, endless=True)
    env.event_manager.get_term_cfg("reset_transfer").params["shares"] = {"home": 1.0}
    still = torch.zeros(21, 6)
    followed = []
    for rest in (3, 10, 17):
        for _ in range(rest):
            env.step(still)
        part_bodies(env)
        env_state.forget_draws(env)
        env.reset(seed=5)
        ball = env.scene["ball"].data
        poses = []
        for _ in range(20):
            env.step(still)
            poses.append(ball.root_link_pose_w.torch.clone())
        followed.append(torch.stack(poses))
    assert all(torch.equal(other, followed[0]) for other in followed[1:])
    last = (followed[0][-1] != followed[0][-2]).any(dim=-1)
    assert last.any(), "some ball moves to the end, if by a hair"
