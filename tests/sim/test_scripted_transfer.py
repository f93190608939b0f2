"""A transfer by script, through the task's own six actions: friction alone grips, carries and lets go."""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.evaluation.audit import manners  # noqa: E402
from alice.evaluation.physics.scripted import Script  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

# Task, physics, number of environments and share of them that must succeed.
# Newton comes first, because test_arm_bodies.py has left it open.
CASES = [
    ("Alice-Ball-Transfer", "newton_mjwarp", 8, 1.0),
    ("Alice-Ball-Transfer", "ovphysx", 256, 0.97),
    ("Alice-Ball-Transfer-SO101", "ovphysx", 256, 0.95),
    pytest.param("Alice-Ball-Transfer-SO101", "newton_mjwarp", 32, 0.95, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("task", "physics", "num_envs", "share"), CASES)
def test_the_script_lifts_holds_and_puts_the_ball_into_the_dish(task, physics, num_envs, share, simulate):
    env = simulate(f"physics={physics}", task=task, num_envs=num_envs, play=True, endless=True)
    opened = torch.zeros(num_envs, env.action_manager.total_action_dim)
    opened[:, -1] = 1.0
    env.step(opened)
    script, counted = Script(env), manners.Manners(env)
    lifted, held, slip = _run(env, script, counted)
    state = transfer_state(env)
    success = state.books.stages[:, -1]
    held &= slip < 0.003
    report = (
        f"lifted {_share(lifted)}, held {_share(held)}, success {_share(success)}, largest slip"
        f" {1000 * slip.max():.2f} mm; failed: balls {state.now.ball_pos[~success][:4].tolist()},"
        f" dishes {state.dish_pos[~success][:4].tolist()}"
    )
    assert lifted.float().mean() >= share, report
    assert held.float().mean() >= share, report
    assert success.float().mean() >= share, report
    unit = env.reward_manager.get_term_cfg("work").params["transfer_work"]
    assert 1.0 < counted.results()["work"].median() / unit < 4.0, (
        "the cost of work must weigh about the same against the job on every arm"
    )


def _run(env, script: Script, counted: manners.Manners) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Play the script.

    Returns:
        Whether the ball was pinched 5 cm or more over its rest, (N,) bool, whether it was pinched in the air in every
        step of the ``hold`` leg, (N,) bool, and how far it moved between the pads during that leg, (N,) [m].
    """
    lifted = torch.zeros(env.num_envs, dtype=torch.bool)
    held, slip = ~lifted, torch.zeros(env.num_envs)
    grip, steps = None, 0
    while script.leg is not None:
        leg = script.leg.name
        env.step(script.act())
        counted.note(torch.ones_like(lifted))
        now = transfer_state(env).now
        lifted |= now.true.is_pinched & (now.height >= 0.05)
        if leg == "hold":
            steps += 1
            place = now.ball_pos - now.true.tool_pos
            grip = place.clone() if grip is None else grip
            slip = torch.maximum(slip, (place - grip).norm(dim=-1))
            held &= now.true.is_pinched & (now.height > 0.02)
    assert steps * env.step_dt == pytest.approx(2.0)
    return lifted, held, slip


def _share(flags: torch.Tensor) -> str:
    return f"{int(flags.sum())}/{len(flags)}"
