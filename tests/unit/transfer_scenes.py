"""Scenes of a transfer for an environment without a simulator, and how they follow one another."""

import torch

from alice.transfer.state import transfer_state

DISH = (0.20, 0.05, 0.0)
NEST = (0.20, -0.06, 0.015)
RESTING = (0.20, 0.05, 0.017)  # ball centre on the floor of the dish: 15 mm radius, 2 mm floor
SETTLED = {"ball": RESTING, "tool": (0.20, 0.05, 0.10), "gap": 0.05, "gap_target": 0.05, "speed": 0.0}
AT_HOME = {"ball": NEST, "tool": (0.17, 0.0, 0.134), "gap": 0.04, "gap_target": 0.04, "speed": 0.0}


def begin(env, is_home_start: bool = True, **scene):
    """Let an episode begin in a scene, at home if none is given, and return the environment."""
    env.put(**(scene or AT_HOME))
    count = env.num_envs
    home = torch.full((count,), is_home_start)
    transfer_state(env).begin_episode(torch.arange(count), torch.tensor([DISH]).repeat(count, 1), home)
    env.end_reset(torch.arange(count))
    return env


def step(env, **scene):
    """Put things in place, let a control step pass and return the state."""
    env.put(**scene)
    env.advance()
    return transfer_state(env)
