"""Any whole number is a seed, and the release seed follows from the acting network alone."""

import random

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from alice.runs import seeds  # noqa: E402


@pytest.mark.parametrize("seed", [0, 4_294_968, 2**32, 2**64 - 1, 2**64, 10**40])
def test_any_whole_number_seeds_all_generators(seed):
    def draw():
        seeds.sow(seed, 1, 2)
        return random.random(), np.random.rand(), float(torch.rand(()))

    assert draw() == draw()
    seeds.sow(seed, 1, 3)
    assert float(torch.rand(())) != draw()[2]
    assert 0 <= seeds.for_simulator(seed) < 2**32


def test_small_seeds_are_the_simulators_own_and_large_ones_stay_exact():
    assert seeds.for_simulator(777) == 777 and seeds.in_json(777) == 777
    assert seeds.in_json(2**53) == "9007199254740992"


def _weights() -> dict:
    return {"mlp.weight": torch.tensor([[1.0, -2.5]]), "count": torch.tensor(3), "mlp.bias": torch.zeros(2)}


def test_the_release_seed_is_the_documented_hash():
    import hashlib

    content = b"count int64 \n" + (3).to_bytes(8, "little")
    content += b"mlp.bias float32 2\n" + bytes(8)
    content += b"mlp.weight float32 1,2\n" + np.array([1.0, -2.5], "<f4").tobytes()
    assert seeds.of_release(_weights()) == int(hashlib.sha256(content).hexdigest()[:16], 16)


def test_order_and_layout_do_not_matter_but_every_bit_of_the_network_does():
    known = seeds.of_release(_weights())
    assert seeds.of_release(dict(reversed(_weights().items()))) == known
    turned = _weights() | {"mlp.weight": torch.tensor([[1.0], [-2.5]]).T}
    assert seeds.of_release(turned) == known
    for change in (
        {"mlp.bias": torch.tensor([0.0, 1e-45])},
        {"mlp.bias": torch.zeros(1, 2)},
        {"mlp.bias": torch.zeros(2, dtype=torch.int32)},
        {"other": torch.zeros(0)},
    ):
        assert seeds.of_release(_weights() | change) != known
