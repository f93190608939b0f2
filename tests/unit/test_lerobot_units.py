"""Joint values as LeRobot has them: names, degrees, a gripper from 0 to 100, and back without loss."""

import math

import numpy as np
import pytest

from alice.arms import ARMS, SO101, XARM1S, lerobot

KNOWN = [arm for arm in ARMS.values() if arm.lerobot]


def _poses(arm, count: int = 200) -> np.ndarray:
    """Return joint positions within the limits, (count, J), coupled fingers alike."""
    shares = np.random.default_rng(3).random((count, len(arm.action_names)))
    columns = [*range(arm.arm_columns.stop), *[arm.arm_columns.stop] * len(arm.gripper_joints)]
    return np.asarray(arm.lower) + shares[:, columns] * (np.asarray(arm.upper) - np.asarray(arm.lower))


@pytest.mark.parametrize("arm", KNOWN, ids=lambda arm: arm.name)
def test_values_lead_back_to_the_joints_they_come_from(arm):
    poses = _poses(arm)
    values = lerobot.values_of(arm, poses)
    assert values.shape == (len(poses), len(lerobot.FEATURES))
    assert np.abs(lerobot.joints_of(arm, values) - poses).max() < 1e-12


@pytest.mark.parametrize("arm", KNOWN, ids=lambda arm: arm.name)
def test_the_gripper_counts_from_0_closed_to_100_open(arm):
    ends = np.asarray([arm.lower, arm.upper])
    assert np.allclose(lerobot.values_of(arm, ends)[:, -1], (0.0, 100.0))


@pytest.mark.parametrize("arm", KNOWN, ids=lambda arm: arm.name)
def test_tensors_give_what_arrays_give(arm):
    torch = pytest.importorskip("torch")
    poses = _poses(arm).astype(np.float32)
    values = lerobot.values_of(arm, torch.from_numpy(poses))
    assert values.dtype == torch.float32
    assert np.allclose(values.numpy(), lerobot.values_of(arm, poses), atol=1e-4)
    assert np.allclose(lerobot.joints_of(arm, values).numpy(), poses, atol=1e-5)


def test_names_are_those_of_lerobots_follower():
    assert [joint.name for joint in SO101.joints] == list(lerobot.NAMES)
    assert lerobot.FEATURES[0] == "shoulder_pan.pos" and lerobot.FEATURES[-1] == "gripper.pos"


def test_zeros_of_the_so101_are_in_the_middle_of_the_sweep_and_where_the_urdf_rolls():
    """docs/so101.md: 4.1, -1.7, -6.9 and -1.1 degrees of ours; our roll is theirs less 0.0487."""
    zero = lerobot.joints_of(SO101, np.zeros(6))
    assert np.allclose(np.degrees(zero[:4]), (4.1, -1.7, -6.9, -1.1), atol=0.05)
    assert zero[4] == pytest.approx(-0.0486795)


def test_the_xarm_counts_our_angles():
    home = np.asarray(XARM1S.home)
    values = lerobot.values_of(XARM1S, home)
    assert values[2] == pytest.approx(math.degrees(0.95))
    assert values[5] == pytest.approx(80.0)  # 20 of 25 mm
