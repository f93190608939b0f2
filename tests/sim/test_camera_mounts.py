"""What a camera sees from wherever it may be mounted: no housing, the gripper, and the ball.

The nearest project trained for weeks on blank pictures, because its camera sat inside of its own housing.
"""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice import arms  # noqa: E402

TASKS = ("Alice-Ball-Transfer-Camera", "Alice-Ball-Transfer-SO101-Camera")
MOUNTS = 256
"""Cameras, each mounted a little otherwise, over starts of their own."""


def _picture(env) -> torch.Tensor:
    """Return what all cameras see now, (N, H, W, 3)."""
    env.scene.write_data_to_sim()
    env.sim.forward()
    camera = env.scene["wrist_camera"]
    camera.reset()
    return camera.data.output["rgb"].torch[..., :3].int().clone()


def _changed(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return how many pixels differ between two pictures of each camera, (N,)."""
    return ((one - other).abs().amax(dim=-1) > 8).sum(dim=(1, 2))


@pytest.mark.parametrize("task", TASKS)
def test_a_mounted_camera_sees_the_gripper_and_the_ball(task, simulate):
    env = simulate("presets=camera_rand", task=task, num_envs=MOUNTS, play=True)
    arm, robot, ball = arms.of(env), env.scene["robot"], env.scene["ball"]
    first = _picture(env)
    spread = first.float().std(dim=(1, 2)).amax(dim=-1)
    assert spread.min() > 5, f"{int((spread <= 5).sum())} of {MOUNTS} cameras see one colour alone"

    joints = robot.data.joint_pos.torch.clone()
    closed = joints.clone()
    closed[:, arm.gripper_columns] = torch.tensor(arm.gripper.closed)
    robot.write_joint_position_to_sim_index(position=closed)
    moved = _changed(first, _picture(env))
    robot.write_joint_position_to_sim_index(position=joints)
    assert (moved >= 20).all(), f"{int((moved < 20).sum())} of {MOUNTS} cameras do not see the gripper close"

    pose = ball.data.root_link_pose_w.torch.clone()
    away = pose.clone()
    away[:, 2] -= 3.0
    with_ball = _picture(env)
    ball.write_root_pose_to_sim_index(root_pose=away)
    pixels = _changed(with_ball, _picture(env))
    ball.write_root_pose_to_sim_index(root_pose=pose)
    share = (pixels > 0).float().mean()
    assert share >= 0.95, f"the ball is in {share:.1%} of {MOUNTS} first pictures"
