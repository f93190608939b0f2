"""The lesson in seeing: what an encoder is asked for, and what that does to it."""

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
from rsl_rl.models import MLPModel  # noqa: E402
from rsl_rl.storage import RolloutStorage  # noqa: E402
from tensordict import TensorDict  # noqa: E402

from alice.learning.ppo import StudentPPO  # noqa: E402
from alice.learning.sight import SightLesson, shifted  # noqa: E402
from alice.models.keypoints import KeypointCNNModel, KeypointEncoder  # noqa: E402

HEIGHT, WIDTH, COUNT = 24, 32, 64
GROUPS = {"actor": ["image", "state"], "critic": ["state"]}
CNN = {"output_channels": [8, 8], "kernel_size": [5, 3], "stride": [2, 1], "padding": "zeros", "activation": "relu"}
NOISE = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 0.3}


def _observations(count: int = COUNT) -> TensorDict:
    """Return pictures of a red and a green square on a grey that differs, and where they are."""
    at = torch.stack((torch.randint(2, WIDTH - 2, (count, 2)), torch.randint(2, HEIGHT - 2, (count, 2))), dim=-1)
    images = torch.randint(60, 120, (count, 1, 1, 1)).expand(count, 3, HEIGHT, WIDTH).clone()
    for row in range(count):
        for channel, (x, y) in enumerate(at[row].tolist()):
            images[row, channel, y - 1 : y + 2, x - 1 : x + 2] = 250
    places = (at + 0.5) * torch.tensor((2.0 / WIDTH, 2.0 / HEIGHT)) - 1.0
    sight = torch.cat((places, torch.ones(count, 2, 1)), dim=-1).flatten(1)
    return TensorDict({"image": images.byte(), "state": torch.randn(count, 4), "sight": sight}, [count])


def _actor(seed: int = 1) -> KeypointCNNModel:
    torch.manual_seed(seed)
    return KeypointCNNModel(
        _observations(2),
        GROUPS,
        "actor",
        2,
        hidden_dims=[16],
        cnn_cfg=copy.deepcopy(CNN),
        distribution_cfg=copy.deepcopy(NOISE),
    )


def _taught(actor: KeypointCNNModel, lesson: SightLesson, updates: int) -> list[float]:
    """Teach an actor to see and return the losses."""
    optimizer, losses = torch.optim.Adam(actor.parameters(), 3e-3), []
    for _ in range(updates):
        obs = _observations()
        actor(obs)
        loss = lesson.loss(obs["sight"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


def test_an_encoder_learns_where_things_are():
    actor = _actor()
    losses = _taught(actor, SightLesson(actor), 150)
    assert losses[-1] < 0.2 * losses[0]
    obs = _observations(200)
    with torch.no_grad():
        points = actor.cnns["image"](obs["image"])[:, :4].unflatten(-1, (2, 2))
    wanted = obs["sight"].unflatten(-1, (2, 3))[..., :2]
    assert (points - wanted).norm(dim=-1).median() < 0.12, "two pixels"


def test_what_is_outside_of_the_picture_teaches_nothing():
    actor, obs = _actor(), _observations()
    lesson = SightLesson(actor)
    obs["sight"][:, 2], obs["sight"][:, 5] = 0.0, 0.0
    actor(obs)
    assert float(lesson.loss(obs["sight"])) == 0.0
    obs["sight"][0, 2] = 1.0
    assert float(lesson.loss(obs["sight"])) > 0.0


def test_an_actor_without_eyes_has_no_lesson():
    assert not SightLesson(MLPModel(_observations(2), {"actor": ["state"]}, "actor", 2, [16])).is_possible


def test_a_new_encoder_sees_a_thing_move():
    """With a soft-argmax that is nearly even all points stayed within 0.004 of half a picture."""
    torch.manual_seed(0)
    encoder = KeypointEncoder((HEIGHT, WIDTH), 3, **copy.deepcopy(CNN))
    obs = _observations(100)
    with torch.no_grad():
        points = encoder(obs["image"])[:, :16].unflatten(-1, (8, 2))
    assert points.std(dim=0).mean() > 0.03


##
# Pictures that are moved
##


def test_pictures_and_places_move_together():
    torch.manual_seed(0)
    obs = _observations()
    moved = shifted(obs, 2)
    assert moved["image"].shape == obs["image"].shape and moved["image"].dtype == torch.uint8
    ways = (moved["sight"] - obs["sight"]).unflatten(-1, (2, 3))[..., :2] * torch.tensor((WIDTH / 2, HEIGHT / 2))
    torch.testing.assert_close(ways[:, 0], ways[:, 1], atol=1e-4, rtol=0)
    ways = ways[:, 0].round().long()
    assert {tuple(way) for way in ways.tolist()} > {(-2, 0), (2, 2)} and ways.abs().max() == 2
    for row, (right, down) in enumerate(ways.tolist()):
        rolled = obs["image"][row].roll((down, right), (1, 2))[:, 2:-2, 2:-2]
        assert torch.equal(moved["image"][row][:, 2:-2, 2:-2], rolled)
    assert torch.equal(obs["state"], moved["state"])


def test_what_is_moved_out_of_the_picture_is_no_longer_in_it():
    obs = TensorDict({"image": torch.zeros(50, 3, 8, 4).byte(), "sight": torch.tensor([[0.9, 0.0, 1.0]] * 50)}, [50])
    places = shifted(obs, 2)["sight"]
    assert torch.equal(places[:, 2] > 0, places[:, 0] < 1.0) and 0 < (places[:, 2] > 0).sum() < 50


##
# Beside PPO
##


def _ppo(weight: float) -> StudentPPO:
    actor, obs = _actor(), _observations(8)
    critic = MLPModel(obs, GROUPS, "critic", 1, [16])
    storage = RolloutStorage("rl", 8, 4, obs, [2])
    return StudentPPO(actor, critic, storage, num_learning_epochs=2, num_mini_batches=2, sight_weight=weight)


def _updated(ppo: StudentPPO) -> dict[str, float]:
    torch.manual_seed(6)
    with torch.inference_mode():
        for _ in range(4):
            obs = _observations(8)
            ppo.act(obs)
            ppo.process_env_step(obs, torch.randn(8), torch.zeros(8), {})
        ppo.compute_returns(obs)
    return ppo.update()


def test_ppo_learns_to_see_beside_its_own_lesson():
    ppo = _ppo(1.0)
    losses = [_updated(ppo)["sight"] for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]


def test_without_a_weight_it_is_rsl_rls_ppo():
    assert "sight" not in _updated(_ppo(0.0)) and _ppo(0.0).symmetry is None
