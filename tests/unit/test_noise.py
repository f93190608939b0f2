"""Noise that depends on what is seen. No simulator."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")

from tensordict import TensorDict  # noqa: E402

from alice.models.noise import (  # noqa: E402
    AttentiveNoiseCNNModel,
    AttentiveNoiseMLPModel,
    BoundedGaussianDistribution,
)

LOW, HIGH = 0.03, 1.0
CFG = {"init_std": 0.6, "std_type": "log", "std_range": (LOW, HIGH)}


def _distribution(init_std: float = 0.6) -> BoundedGaussianDistribution:
    return BoundedGaussianDistribution(3, **CFG | {"init_std": init_std})


@pytest.mark.parametrize("init_std", [0.05, 0.3, 0.6])
def test_without_a_shift_the_noise_is_the_learned_one(init_std):
    distribution = _distribution(init_std)
    distribution.shift(torch.zeros(4, 3))
    distribution.update(torch.ones(4, 3))
    assert distribution.std.flatten().tolist() == pytest.approx([init_std] * 12, rel=1e-4)
    assert distribution.mean.tolist() == [[1.0] * 3] * 4


def test_each_sample_has_its_own_noise_within_the_range_and_a_slope_at_its_ends():
    distribution = _distribution()
    by = torch.tensor([[-6.0], [-1.0], [1.0], [6.0]], requires_grad=True)
    distribution.shift(by)
    distribution.update(torch.zeros(4, 3))
    spread = distribution.std[:, 0]
    assert spread.tolist() == sorted(spread.tolist()) and LOW < spread.min() and spread.max() < HIGH
    spread.log().sum().backward()
    assert by.grad.min() > 0.0


def _model() -> tuple[AttentiveNoiseMLPModel, TensorDict]:
    torch.manual_seed(1)
    obs = TensorDict({"policy": torch.randn(200, 5)}, batch_size=[200])
    cfg = {"class_name": "alice.models.noise:BoundedGaussianDistribution", **CFG}
    sizes = {"hidden_dims": [16], "activation": "elu", "obs_normalization": True, "noise_dims": [8]}
    return AttentiveNoiseMLPModel(obs, {"actor": ["policy"]}, "actor", 3, distribution_cfg=cfg, **sizes), obs


def test_a_new_model_has_the_same_noise_everywhere_and_learns_where_it_hurts():
    model, obs = _model()
    model(obs, stochastic_output=True)
    assert model.output_std.std(dim=0).max() < 1e-6
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        model(obs, stochastic_output=True)
        is_bad = (obs["policy"][:, :1] > 0).float()
        (model.output_std * is_bad).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    model(obs, stochastic_output=True)
    quiet, loud = (model.output_std[obs["policy"][:, 0] * sign > 1.0].mean() for sign in (1.0, -1.0))
    assert quiet < 0.5 * loud


def test_the_second_network_can_be_left_out_and_learns_nothing_then():
    model, obs = _model()
    torch.nn.init.normal_(model.noise[-1].weight)
    model.is_attentive = False
    model(obs, stochastic_output=True)
    assert model.output_std.std(dim=0).max() < 1e-6
    model.output_std.sum().backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in model.noise.parameters())


def test_the_mean_knows_nothing_of_the_noise():
    model, obs = _model()
    before = model(obs)
    torch.nn.init.normal_(model.noise[-1].bias)
    assert torch.equal(model(obs), before)


def test_a_checkpoint_without_such_a_network_has_the_same_noise_everywhere():
    model, obs = _model()
    plain = {name: value for name, value in model.state_dict().items() if not name.startswith("noise.")}
    other, _ = _model()
    torch.nn.init.normal_(other.noise[-1].weight)
    other.load_state_dict(plain, strict=True)
    other(obs, stochastic_output=True)
    assert other.output_std.std(dim=0).max() < 1e-6
    assert "noise.0.weight" not in plain, "what was given stays as it was"


def test_a_checkpoint_gives_its_noise_back():
    model, obs = _model()
    torch.nn.init.normal_(model.noise[-1].weight)
    other, _ = _model()
    other.load_state_dict(model.state_dict(), strict=True)
    for each in (model, other):
        each(obs, stochastic_output=True)
    assert torch.equal(model.output_std, other.output_std)


def test_a_policy_that_sees_learns_its_noise_without_teaching_its_encoder():
    torch.manual_seed(1)
    obs = TensorDict({"vector": torch.randn(4, 5), "image": torch.zeros(4, 3, 24, 32, dtype=torch.uint8)}, [4])
    layers = {"output_channels": [4, 4], "kernel_size": [3, 3], "stride": [2, 1], "activation": "relu"}
    noise = {"class_name": "alice.models.noise:BoundedGaussianDistribution", **CFG}
    groups = {"actor": ["vector", "image"]}
    model = AttentiveNoiseCNNModel(obs, groups, "actor", 3, hidden_dims=[8], cnn_cfg=layers, distribution_cfg=noise)
    torch.nn.init.normal_(model.noise[-1].weight)
    model(obs, stochastic_output=True)
    model.output_std.sum().backward()
    assert model.noise[-1].weight.grad.abs().max() > 0
    assert all(weight.grad is None or weight.grad.abs().max() == 0 for weight in model.cnns.parameters())
