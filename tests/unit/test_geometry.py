"""Geometry against hand-computed cases."""

import math

import pytest

torch = pytest.importorskip("torch")

from alice.transfer import geometry  # noqa: E402

HALF = math.sqrt(0.5)
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


##
# Transforms
##


@pytest.mark.parametrize(
    ("quat", "vector", "expected"),
    [
        ((0.0, 0.0, 0.0, 1.0), (0.3, -0.2, 0.1), (0.3, -0.2, 0.1)),
        ((0.0, 0.0, HALF, HALF), X, Y),
        ((0.0, 0.0, HALF, HALF), Y, (-1.0, 0.0, 0.0)),
        ((HALF, 0.0, 0.0, HALF), Y, Z),
        ((0.0, HALF, 0.0, HALF), Z, X),
        ((0.0, -HALF, 0.0, HALF), Z, (-1.0, 0.0, 0.0)),
        ((0.0, 0.0, -HALF, -HALF), X, Y),  # the same turn with the other sign
        ((1.0, 0.0, 0.0, 0.0), (0.1, 0.2, 0.3), (0.1, -0.2, -0.3)),
        ((0.5, 0.5, 0.5, 0.5), (1.0, 2.0, 3.0), (3.0, 1.0, 2.0)),  # 120 degrees about the diagonal
    ],
)
def test_rotate_by_hand(quat, vector, expected):
    turned = geometry.rotate(torch.tensor([quat]), torch.tensor([vector]))
    torch.testing.assert_close(turned, torch.tensor([expected]), atol=1e-6, rtol=0)


def test_rotate_shares_one_vector_among_all_rotations():
    quats = torch.tensor([(0.0, 0.0, 0.0, 1.0), (0.0, 0.0, HALF, HALF)])
    turned = geometry.rotate(quats, torch.tensor(X))
    torch.testing.assert_close(turned, torch.tensor([X, Y]), atol=1e-6, rtol=0)


##
# Kernels and tests
##


def test_tanh_kernel_falls_from_one_to_nothing():
    distance = torch.linspace(0.0, 1.0, 101)
    value = geometry.tanh_kernel(distance, 0.2)
    assert value[0] == 1.0
    assert (value.diff() < 0).all()
    assert value[20] == pytest.approx(0.2384, abs=1e-4)  # tanh(1) = 0.7616
    assert 0 <= value[-1] < 1e-3
    assert (geometry.tanh_kernel(distance[1:], 0.4) > value[1:]).all()


@pytest.mark.parametrize(
    ("distance", "gap", "target", "expected"),
    [
        (0.000, 0.0300, 0.000, True),  # a ball of 30 mm between the pads, told to shut
        (0.013, 0.0300, 0.000, True),
        (0.015, 0.0300, 0.000, False),  # the ball is beside the pads
        (0.000, 0.0250, 0.000, True),  # soft pads sink in a little
        (0.000, 0.0230, 0.000, False),  # nothing that thin is this ball
        (0.000, 0.0330, 0.000, False),  # not closed on the ball yet
        (0.000, 0.0300, 0.030, False),  # in place, but not squeezed
        (0.000, 0.0300, 0.050, False),  # told to open
        (0.000, 0.0300, 0.029, True),
    ],
)
def test_pinch_truth_table(distance, gap, target, expected):
    flag = geometry.is_pinched(*(torch.tensor([value]) for value in (distance, gap, target, 0.015)))
    assert flag.tolist() == [expected] and flag.dtype == torch.bool


def test_the_pinch_follows_the_radius_of_each_ball():
    still = torch.zeros(2)
    flag = geometry.is_pinched(still, torch.tensor([0.030, 0.030]), still, torch.tensor([0.015, 0.020]))
    assert flag.tolist() == [True, False]
