"""An actor whose exploration noise depends on what it sees."""

from __future__ import annotations

import torch
from rsl_rl.models import MLPModel
from rsl_rl.modules import MLP
from rsl_rl.modules.distribution import GaussianDistribution
from torch.distributions import Normal

from alice.models.keypoints import KeypointCNNModel


class BoundedGaussianDistribution(GaussianDistribution):
    """Gaussian whose standard deviation is shifted from sample to sample, and stays within its range.

    RSL-RL's own clamps: a deviation that has reached a bound learns nothing any more. This one bends.
    """

    def shift(self, by: torch.Tensor) -> None:
        """Choose the standard deviations of the next :meth:`update`.

        Args:
            by: How far each is from the learned mean deviation, as a logit of its place between the bounds' logarithms,
                (B, A); 0 leaves it there.
        """
        low, high = self.log_std_range
        place = ((self.log_std_param - low) / (high - low)).clamp(1e-3, 1.0 - 1e-3)
        self._std = torch.exp(low + (high - low) * torch.sigmoid(torch.logit(place) + by))

    def update(self, mlp_output: torch.Tensor) -> None:
        """Take over the means, (B, A), beside the deviations of the last :meth:`shift`."""
        self._distribution = Normal(mlp_output, self._std)


class _AttentiveNoise:
    """What both models below add to RSL-RL's; comes before the model in their bases.

    A noise that is the same everywhere cannot be both: an arm that is to come to rest stays slower than 0.3 rad/s in a
    whole row of control steps only if its noise is about 0.05, and with so little nothing is ever found.

    The second network begins at "everywhere alike". Its weights may be missing in a checkpoint, which then has the same
    noise everywhere. What it learns does not reach an encoder in front of both.

    Args:
        noise_dims: Sizes of its hidden layers.
        others: As RSL-RL's; ``distribution_cfg`` names :class:`BoundedGaussianDistribution`.
    """

    def __init__(self, *others, noise_dims: tuple[int, ...] | list[int] = (64,), **named):
        super().__init__(*others, **named)
        self.is_attentive = True
        """Whether the second network counts; if not, the noise is the same everywhere."""
        self.noise = MLP(self._get_latent_dim(), self.distribution.output_dim, noise_dims, "elu")
        torch.nn.init.zeros_(self.noise[-1].weight)
        torch.nn.init.zeros_(self.noise[-1].bias)
        self.register_load_state_dict_pre_hook(_same_noise_everywhere)

    def forward(self, obs, masks=None, hidden_state=None, stochastic_output: bool = False) -> torch.Tensor:
        """Return actions, (B, A): a sample, or the mean."""
        latent = self.get_latent(obs, masks, hidden_state)
        mean = self.mlp(latent)
        if not stochastic_output:
            return mean
        by = self.noise(latent.detach())
        self.distribution.shift(by if self.is_attentive else torch.zeros_like(by))
        self.distribution.update(mean)
        return self.distribution.sample()


class AttentiveNoiseMLPModel(_AttentiveNoise, MLPModel):
    """RSL-RL's MLP with a second, small network that says how much noise to explore with, and where."""


class AttentiveNoiseCNNModel(_AttentiveNoise, KeypointCNNModel):
    """The same for a policy that sees."""


def _same_noise_everywhere(model: _AttentiveNoise, state_dict, prefix: str, *_) -> None:
    """Put a network that shifts nothing in the place of one that a checkpoint does not have."""
    own = {f"{prefix}noise.{name}": value for name, value in model.noise.state_dict().items()}
    if not own.keys() & state_dict.keys():
        last = f"{prefix}noise.{len(model.noise) - 1}."
        state_dict.update(own | {name: torch.zeros_like(own[name]) for name in own if name.startswith(last)})
