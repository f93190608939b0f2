"""Opens a task, plays a little, resets a part of it, and prints what is wrong: ``look_around.py --task … --device …``.

A process of its own, because ovphysx keeps one device for each. ``tests/gpu/test_worlds.py`` starts it on CUDA,
``tests/sim/test_look_around.py`` on a CPU.
"""

import dataclasses
import sys

import torch

from alice.cli import usage
from alice.runs import launch

STEPS = 12


def strays(value, device: torch.device, name: str, seen: set[int]) -> list[str]:
    """Return the names of tensors below a value that lie on another device."""
    if id(value) in seen or len(name) > 200:
        return []
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        return [] if value.device.type == device.type else [f"{name} is on {value.device}"]
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif dataclasses.is_dataclass(value) or type(value).__module__.startswith("alice."):
        parts = vars(value).items() if hasattr(value, "__dict__") else ()
    else:
        return []
    return [found for key, part in parts for found in strays(part, device, f"{name}.{key}", seen)]


def look(env) -> list[str]:
    """Return what is wrong with an environment, one sentence each."""
    from alice.transfer.state import transfer_state

    device, wrong = torch.device(env.device), []
    obs, _ = env.reset()
    actions = torch.zeros(env.num_envs, env.action_manager.total_action_dim, device=env.device)
    for step in range(STEPS):
        obs, reward, terminated, truncated, _ = env.step(torch.rand_like(actions) * 2 - 1)
        for name, value in {**obs, "reward": reward, "terminated": terminated, "truncated": truncated}.items():
            if value.device.type != device.type:
                wrong.append(f"{name} is on {value.device}")
            if not torch.isfinite(value.float()).all():
                wrong.append(f"{name} is not finite in step {step}")
    kept = {"transfer": transfer_state(env), "joints": env.action_manager.get_term("joints")}
    kept["command"] = env.command_manager.get_term("transfer")
    for name, value in kept.items():
        wrong += strays(vars(value), device, name, set())
    return wrong + partial_reset(env)


def partial_reset(env) -> list[str]:
    """Reset every third environment and return what it did to the others, or did not do to these."""
    chosen = torch.arange(0, env.num_envs, 3, device=env.device, dtype=torch.int32)
    others = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    others[chosen.long()] = False
    joints, ball = env.scene["robot"].data.joint_pos, env.scene["ball"].data.root_link_pose_w
    before = joints.torch.clone(), ball.torch.clone(), env.episode_length_buf.clone()
    env.reset(env_ids=chosen)
    after = joints.torch, ball.torch, env.episode_length_buf
    names = ("joints", "balls", "lengths of the episodes")
    touched = [
        f"a partial reset has touched the {name} of others"
        for name, old, new in zip(names, before, after, strict=True)
        if not torch.allclose(old[others].float(), new[others].float(), rtol=0, atol=1e-6)
    ]
    return touched + (
        [] if (env.episode_length_buf[chosen.long()] == 0).all() else ["a partial reset begins no episodes"]
    )


def main(argv: list[str]) -> int:
    """Open, look, and print what is wrong."""
    parser = usage.DoorParser(__doc__, "physics=newton_mjwarp", prog="look_around.py")
    launch.add_flags(parser)
    args, words = usage.parse(parser, argv)
    job = launch.prepare(args, words, play_mode=False)

    from alice.evaluation.audit import policy

    with policy.open_environment(job) as env:
        wrong = sorted(set(look(env.unwrapped)))
    print("\n".join(wrong) or "all is well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
