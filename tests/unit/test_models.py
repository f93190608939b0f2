"""Encoders: what they make of pictures, and that a frozen one is never random."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
from tensordict import TensorDict  # noqa: E402

from alice.cli.usage import UsageError  # noqa: E402
from alice.models import resnet  # noqa: E402
from alice.models.keypoints import KeypointCNNModel, KeypointEncoder  # noqa: E402

LAYERS = {"output_channels": [8, 8], "kernel_size": [5, 3], "stride": [2, 2], "padding": "zeros", "activation": "elu"}


def _encoder() -> KeypointEncoder:
    torch.manual_seed(0)
    return KeypointEncoder((48, 64), 6, **LAYERS)


def _spot(row: int, column: int) -> torch.Tensor:
    """Return a black picture with a white spot, (1, 6, 48, 64) uint8."""
    image = torch.zeros(1, 6, 48, 64, dtype=torch.uint8)
    image[..., row - 3 : row + 3, column - 3 : column + 3] = 255
    return image


def test_three_numbers_for_each_feature():
    found = _encoder()(_spot(20, 20).expand(5, -1, -1, -1))
    assert found.shape == (5, 24) == (5, _encoder().output_dim)
    points = found[:, :16]
    assert points.abs().max() <= 1.0


def test_points_go_where_the_spot_goes():
    encoder = _encoder()
    encoder.log_sharpness.data.fill_(6.0)
    places = {name: encoder(_spot(*at))[0, :16].view(8, 2) for name, at in {
        # whole cells of the stride of 4, so that features move as they are
        "middle": (24, 32), "right": (24, 44), "lower": (36, 32)
    }.items()}  # fmt: skip
    # A feature that answers to the spot follows it; one that answers to black moves away or stays.
    right, down = (places["right"] - places["middle"])[:, 0], (places["lower"] - places["middle"])[:, 1]
    follows = right > 0.2
    assert follows.any()
    assert (down[follows] > 0.2).all()
    # The one that follows best goes as far as the spot did, within a cell of the 12x16 features.
    best = (right - 12 / 32).abs().argmin()
    assert abs(right[best] - 12 / 32) < 2 / 16 and abs(down[best] - 12 / 24) < 2 / 12


def test_integers_and_floats_give_the_same():
    encoder, image = _encoder(), torch.randint(0, 256, (3, 6, 48, 64), dtype=torch.uint8)
    torch.testing.assert_close(encoder(image), encoder(image.float()))


def test_pictures_look_the_same_in_any_light():
    torch.manual_seed(0)
    encoder = KeypointEncoder((48, 64), 6, **LAYERS)
    image = torch.randint(20, 100, (2, 6, 48, 64)).float()
    tinted = image * torch.tensor([2.0, 1.5, 1.0] * 2).view(1, 6, 1, 1) + 10.0
    torch.testing.assert_close(encoder(image), encoder(tinted), rtol=0, atol=0.02)
    by_light = (encoder(image) - encoder(tinted)).abs().max()
    by_content = (encoder(image) - encoder(image.flip(-1))).abs().max()
    assert by_light < 0.1 * by_content
    assert torch.isfinite(encoder(torch.zeros(1, 6, 48, 64))).all(), "a black picture has no deviation"


def test_convolutions_in_16_bits_give_nearly_the_same_points():
    encoder, image = _encoder(), torch.randint(0, 256, (3, 6, 48, 64), dtype=torch.uint8)
    exact = encoder(image)
    encoder.bfloat16 = True
    rounded = encoder(image)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.02 * exact.abs().max()
    rounded.sum().backward()
    assert {value.grad.dtype for value in encoder.parameters()} == {torch.float32}
    assert torch.equal(encoder.eval()(image), exact), "what is played or exported is not rounded"


def test_the_actor_sees_pictures_and_vectors_and_learns_from_both():
    obs = TensorDict({"vector": torch.randn(4, 5), "image": torch.randint(0, 256, (4, 6, 48, 64)).byte()}, [4])
    actor = KeypointCNNModel(obs, {"actor": ["vector", "image"]}, "actor", 6, cnn_cfg=dict(LAYERS), hidden_dims=[16])
    actions = actor(obs)
    assert actions.shape == (4, 6)
    actions.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in actor.parameters())
    other = obs.clone()
    other["image"] = 255 - obs["image"]
    assert not torch.allclose(actor(other), actions)


##
# ResNet-18
##


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a file with weights of a ResNet-18 that nobody trained."""
    from torchvision.models import resnet18

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pt"
    torch.save(resnet18(weights=None).state_dict(), path)
    return path


def test_512_features_and_frames_are_averaged(weights):
    encoder = resnet.FrozenResNet18(weights)
    frames = torch.randint(0, 256, (2, 12, 224, 224), dtype=torch.uint8)
    found = encoder(frames)
    assert found.shape == (2, resnet.FEATURES) == (2, 512)
    each = torch.stack([encoder(frames[:, 3 * k : 3 * k + 3]) for k in range(4)])
    torch.testing.assert_close(found, each.mean(dim=0), rtol=1e-4, atol=1e-5)


def test_it_is_frozen_and_stays_so(weights):
    encoder = resnet.FrozenResNet18(weights)
    image = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    before = encoder(image)
    torch.nn.Sequential(encoder).train()
    torch.testing.assert_close(encoder(image), before, rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_other_weights_give_other_features(weights, tmp_path):
    from torchvision.models import resnet18

    torch.manual_seed(2)
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "other.pt")
    image = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    first, second = (resnet.FrozenResNet18(file)(image) for file in (weights, tmp_path / "other.pt"))
    assert not torch.allclose(first, second)


def test_weights_that_cannot_be_had_are_an_error(tmp_path, monkeypatch):
    from torchvision.models import ResNet18_Weights

    def unreachable(self, *args, **kwargs):
        raise OSError("<urlopen error [Errno -3] Temporary failure in name resolution>")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", unreachable)
    with pytest.raises(UsageError, match=r"cannot be fetched .*name resolution.*--encoder_weights FILE"):
        resnet.FrozenResNet18(None)
    with pytest.raises(UsageError, match="does not exist"):
        resnet.FrozenResNet18(tmp_path / "missing.pt")
    text = tmp_path / "text.pt"
    text.write_text("no weights")
    with pytest.raises(UsageError, match="damaged"):
        resnet.FrozenResNet18(text)
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "wrong.pt")
    with pytest.raises(UsageError, match="no state_dict of torchvision's resnet18"):
        resnet.FrozenResNet18(tmp_path / "wrong.pt")
