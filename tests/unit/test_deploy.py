"""The robot side: what it makes of readings and actions is what the training side makes of them."""

from dataclasses import replace

import pytest

np = pytest.importorskip("numpy")

from alice import robot  # noqa: E402
from alice.contract import TERMS, Contract, VectorInput  # noqa: E402
from alice.deploy.observation import Controller, forward_kinematics  # noqa: E402

HOME = np.array([[robot.HOME[name] for name in robot.JOINT_NAMES]], np.float32)
BALL, DISH, RADIUS = np.array([[0.2, 0.0, 0.015]]), np.array([[0.15, 0.1, 0.0]]), np.array([0.015])


def make(*names: str, count: int = 1) -> Controller:
    """Return a controller whose policy sees some terms as the input ``x``."""
    return Controller(Contract("T", "1", None, "", (VectorInput("x", tuple(TERMS[name] for name in names)),)), count)


def test_the_tool_point_is_where_the_joint_table_puts_it(tool_point):
    generator = np.random.default_rng(3)
    joints = generator.uniform(-1.2, 1.2, (50, 7))
    expected = [tool_point(dict(zip(robot.JOINT_NAMES, row, strict=True))) for row in joints.tolist()]
    np.testing.assert_allclose(forward_kinematics(joints), expected, atol=1e-9)


def test_terms_come_in_the_order_of_the_contract():
    vector = make("ball_pos", "ball_to_dish", "joint_targets").inputs(HOME, BALL, DISH, RADIUS)["x"]
    assert vector.dtype == np.float32 and vector.shape == (1, 13)
    np.testing.assert_allclose(vector[0, :6], [0.2, 0.0, 0.015, -0.05, 0.1, -0.015], atol=1e-7)
    np.testing.assert_allclose(vector[0, 6:], HOME[0])


def test_speed_is_the_difference_of_two_readings_and_zero_at_the_start():
    controller = make("joint_vel", count=2)
    first, second = np.repeat(HOME, 2, 0), np.repeat(HOME + 0.01, 2, 0)
    ball, dish, radius = BALL.repeat(2, 0), DISH.repeat(2, 0), RADIUS.repeat(2)
    assert not controller.inputs(first, ball, dish, radius)["x"].any()
    np.testing.assert_allclose(controller.inputs(second, ball, dish, radius)["x"], 0.2, rtol=1e-4)
    controller.begin(np.array([False, True]), HOME)
    speeds = controller.inputs(first, ball, dish, radius)["x"]
    np.testing.assert_allclose(speeds[0], -0.2, rtol=1e-4)
    assert not speeds[1].any()


def test_numbers_are_cut_and_scaled_as_the_contract_says():
    term = replace(TERMS["ball_pos"], clip=(-0.1, 0.1), scale=2.0)
    controller = Controller(Contract("T", "1", None, "", (VectorInput("x", (term,)),)))
    np.testing.assert_allclose(controller.inputs(HOME, BALL, DISH, RADIUS)["x"], [[0.2, 0.0, 0.03]], atol=1e-7)


def test_the_pinch_flag_is_that_of_training():
    torch = pytest.importorskip("torch")
    from alice import geometry

    generator = np.random.default_rng(5)
    count = 4000
    joints = np.repeat(HOME, count, 0)
    joints[:, 5:] = generator.uniform(0.010, 0.020, (count, 2))
    controller = make("pinch_flag", count=count)
    controller.targets[:, 5:] = generator.uniform(0.005, 0.020, (count, 2))
    tool = forward_kinematics(joints)
    ball = tool + generator.normal(0.0, 0.008, (count, 3))
    radius = generator.uniform(0.012, 0.018, count)
    found = controller.inputs(joints, ball, np.repeat(DISH, count, 0), radius)["x"][:, 0]
    expected = geometry.is_pinched(
        torch.from_numpy(np.linalg.norm(tool - ball, axis=-1)),
        torch.from_numpy(joints[:, 5] + joints[:, 6]),
        torch.from_numpy(controller.targets[:, 5] + controller.targets[:, 6]),
        torch.from_numpy(radius),
    ).numpy()
    assert 0.05 < expected.mean() < 0.95
    assert (found == expected).mean() > 0.999  # rounding at a threshold


def test_targets_move_by_the_scaled_action_and_the_gripper_slews():
    controller = make("last_action")
    after = controller.targets_after(np.array([[1.0, -0.5, 0.0, 0.0, 9.0, -1.0]]))
    np.testing.assert_allclose((after - HOME)[0], [0.1, -0.05, 0.0, 0.0, 0.1, -0.003, -0.003], atol=1e-6)
    np.testing.assert_allclose(controller.inputs(HOME, BALL, DISH, RADIUS)["x"], [[1.0, -0.5, 0.0, 0.0, 1.0, -1.0]])
    for _ in range(50):
        after = controller.targets_after(np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(after[0], [joint.upper for joint in robot.JOINTS], rtol=1e-6)


def test_targets_that_were_returned_do_not_change_later():
    controller = make("last_action")
    first = controller.targets_after(np.zeros((1, 6)))
    kept = first.copy()
    controller.targets_after(np.ones((1, 6)))
    assert (first == kept).all()
