"""The arm's calm: what success asks for at the end, what a rest pays, and what was placed without it."""

import pytest

torch = pytest.importorskip("torch")

from transfer_scenes import AT_HOME, SETTLED, begin, step  # noqa: E402

from alice.mdp import rewards  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402


@pytest.fixture
def env(make_env):
    """One environment at the start of an episode."""
    return begin(make_env(1))


def test_success_asks_for_an_arm_that_moves_slowly_through_the_whole_rest_condition(make_env):
    env = begin(make_env(4))
    joints = env.scene["robot"].data.joint_pos.torch
    for number in range(10):
        speeds = [0.0, -0.4, 0.4 if number == 5 else 0.2, 0.2]
        joints[:, 2] += torch.tensor(speeds) * env.step_dt
        joints[3, 5] = 0.001 * number + 0.02  # a finger is no arm joint
        step(env, **SETTLED)
    begin(env)
    last = transfer_state(env).books.last
    assert last.stages[:, -1].tolist() == [True, False, False, True]
    assert last.placed.tolist() == [True, True, True, True]


def test_a_training_may_ask_for_calm_later(make_env):
    env = begin(make_env(1))
    books = transfer_state(env).books
    assert books.asks_calm, "as an audit does"
    books.asks_calm = False
    for _ in range(10):
        env.scene["robot"].data.joint_pos.torch[:, 2] += 0.4 * env.step_dt
        step(env, **SETTLED)
    assert books.stages[:, -1].tolist() == [True]


def test_a_rest_pays_once_for_each_step_that_it_is_longer_than_ever(env):
    paid = []
    for settled in (True, True, False, True, True, True, False):
        step(env, **(SETTLED if settled else AT_HOME))
        paid.append(rewards.rest_progress(env).item())
    assert paid == pytest.approx([0.1, 0.1, 0.0, 0.0, 0.0, 0.1, 0.0])
    begin(env)
    step(env, **SETTLED)
    assert rewards.rest_progress(env).item() == pytest.approx(0.1)


def test_the_ball_is_placed_once_for_all_and_no_episode_inherits_it(env):
    for _ in range(10):
        step(env, **SETTLED)
    step(env, **AT_HOME)
    begin(env)
    assert transfer_state(env).books.last.placed.tolist() == [True]
    step(env, **SETTLED)
    begin(env)
    assert transfer_state(env).books.last.placed.tolist() == [False]
