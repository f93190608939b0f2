"""Probes spoil the picture and nothing else."""

import pytest

torch = pytest.importorskip("torch")
tensordict = pytest.importorskip("tensordict")

from alice.evaluation.audit.probes import Probe  # noqa: E402


class FakePolicy:
    """Keeps what it is shown."""

    def __init__(self):
        self.seen, self.told = [], []

    def __call__(self, obs):
        self.seen.append(obs)
        return torch.zeros(len(obs), 6)

    def reset(self, dones):
        self.told.append(dones)


def _moment(step: int):
    image = torch.arange(1, 5).view(4, 1, 1, 1).expand(4, 6, 3, 3).byte() + 10 * step
    return tensordict.TensorDict({"image": image, "joints": torch.full((4, 2), float(step))}, [4])


def _shown(kind: str, dones=((), (), ())) -> list[list[int]]:
    """Return which picture each environment was shown at each of three steps."""
    policy = FakePolicy()
    probe = Probe(policy, kind)
    for step, ended in enumerate(dones):
        obs = _moment(step)
        assert probe(obs).shape == (4, 6)
        assert torch.equal(obs["image"], _moment(step)["image"]), "the environment's own picture is left alone"
        assert torch.equal(policy.seen[-1]["joints"], obs["joints"])
        done = torch.tensor([env in ended for env in range(4)])
        probe.reset(done)
        assert torch.equal(policy.told[-1], done)
    return [moment["image"][:, 0, 0, 0].tolist() for moment in policy.seen]


def test_blank_is_black():
    assert _shown("blank") == [[0, 0, 0, 0]] * 3


def test_shuffled_shows_the_film_of_another_environment():
    assert _shown("shuffled") == [[4, 1, 2, 3], [14, 11, 12, 13], [24, 21, 22, 23]]


def test_frozen_shows_the_first_picture_of_each_episode():
    assert _shown("frozen") == [[1, 2, 3, 4]] * 3
    assert _shown("frozen", ((1,), (), ())) == [[1, 2, 3, 4], [1, 12, 3, 4], [1, 12, 3, 4]]
