"""Where the joints were when a picture was taken, of NumPy and PyTorch alike."""

import pytest

np = pytest.importorskip("numpy")

from made_up import contract_of, image, vector  # noqa: E402

from alice.arms import XARM1S  # noqa: E402
from alice.deploy.observation import Controller  # noqa: E402
from alice.deploy.readings import ReadingError  # noqa: E402
from alice.transfer.past import DEPTH, Past  # noqa: E402

HOME = np.array([list(XARM1S.home)], np.float32)
PICTURE = np.zeros((1, 48, 64, 3), np.uint8)


@pytest.fixture(params=["numpy", "torch"])
def array(request):
    """Return what makes arrays of lists."""
    if request.param == "numpy":
        return lambda rows: np.array(rows, np.float32)
    torch = pytest.importorskip("torch")
    return lambda rows: torch.tensor(rows)


def test_readings_of_a_moment_between_two_are_in_proportion(array):
    past, nobody = Past(array([[0.0], [0.0]]), 0.05), array([[0.0], [0.0]]) > 1
    for step in range(1, 5):
        past = past.after(array([[float(step)], [10.0 * step]]), nobody if step % 2 else None)
    assert past.at(array([0.0, 0.0]))[:, 0].tolist() == [4.0, 40.0]
    assert past.at(array([0.05, 0.125]))[:, 0].tolist() == pytest.approx([3.0, 15.0])
    assert past.at(array([-0.1, 9.0]))[:, 0].tolist() == [4.0, 0.0], "the future is now, and all that is older one"
    assert DEPTH * 0.05 > 0.3, "two steps late and three in a row lost"


def test_nothing_was_before_an_episode(array):
    past = Past(array([[1.0], [1.0]]), 0.05)
    later = past.after(array([[2.0], [2.0]]), array([[0.0], [1.0]]) > 0.5)
    assert later.at(array([0.05, 0.05]))[:, 0].tolist() == [1.0, 2.0]
    assert past.at(array([0.0, 0.0]))[:, 0].tolist() == [1.0, 1.0], "the past itself has not changed"
    later.begin([0], array([[7.0]]))
    assert later.at(array([0.075]))[:, 0].tolist() == [7.0, 2.0], "one age for all"


def _seeing() -> Controller:
    return Controller(contract_of(vector("x", "joint_pos", "picture_joint_pos"), image()))


def _shown(controller: Controller, base: float, age: float) -> list[float]:
    """Return the base joint now and at the picture's moment, as the policy is shown them."""
    joints = HOME.copy()
    joints[0, 0] = base
    row = controller.inputs(joints, pictures=PICTURE, picture_age=[age])["x"][0]
    return [round(float(row[0]), 5), round(float(row[7]), 5)]


def test_the_policy_is_shown_the_joints_of_its_pictures_moment():
    controller = _seeing()
    assert _shown(controller, 0.0, 0.1) == [0.0, 0.0], "an episode begins"
    assert _shown(controller, 0.1, 0.05) == [0.1, 0.0]
    assert _shown(controller, 0.2, 0.025) == [0.2, 0.15]
    assert _shown(controller, 0.3, 0.1) == [0.3, 0.1]
    controller.begin([0], HOME)
    assert _shown(controller, 0.4, 0.1) == [0.4, 0.4]


def test_an_input_that_was_refused_has_not_been_taken_down():
    controller = _seeing()
    _shown(controller, 0.0, 0.0)
    with pytest.raises(ValueError, match="the policy sees image"):
        controller.inputs(HOME + 0.01, picture_age=[0.0])
    assert _shown(controller, 0.1, 0.05) == [0.1, 0.0]


def test_an_age_is_asked_for_and_is_a_number():
    with pytest.raises(ValueError, match="the policy sees picture_joint_pos: give picture_age"):
        _seeing().inputs(HOME, pictures=PICTURE)
    with pytest.raises(ReadingError, match="picture_age: nan is no time; give seconds"):
        _seeing().inputs(HOME, pictures=PICTURE, picture_age=[float("nan")])
    with pytest.raises(ValueError, match="picture_age has the shape"):
        _seeing().inputs(HOME, pictures=PICTURE, picture_age=[0.0, 0.0])
