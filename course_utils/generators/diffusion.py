"""Denoising diffusion, that is a score-based generative model.  Paper Sect. 2.5."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .._check import check_count, check_seed
from ..families import Trainable
from .score import ScoreModel, cosine_schedule

__all__ = ["Diffusion"]

FREQUENCIES = 8  # sines and cosines through which the network is told the time


class Diffusion(ScoreModel, Trainable):
    r"""A network that guesses the noise in noisy data, and the sampler that walks from noise back to data.

    Data x_0 are mixed with noise e ~ N(0, I) in T steps,

    .. math:: x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1-\bar\alpha_t}\, e, \qquad t = 0, \dots, T,

    with a fixed schedule that falls from 1 to about 0.  The network e_theta(x_t, t) minimises
    E ||e - e_theta(x_t, t)||^2, and knows the score by it: grad log p_t(x) = -e_theta(x, t) / sqrt(1 - alphabar_t).

    Parameters
    ----------
    dim : int
        Dimension d of the data, which should have about unit variance.
    steps : int
        T, the number of noise levels.
    hidden : int
        Width of the three hidden layers.
    seed : int
        Of the initial weights; the global seed is left alone.

    Attributes
    ----------
    alpha_bar : (T + 1,) tensor
        The schedule; ``alpha_bar[0]`` is 1.

    Source
    ------
    Paper Sect. 2.5; Ho, Jain, Abbeel, NeurIPS 2020; the schedule of Nichol, Dhariwal, ICML 2021.

    Example
    -------
    >>> model = Diffusion(2, steps=10)
    >>> model.sample(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 2])
    """

    def __init__(self, dim: int, steps: int = 100, hidden: int = 128, seed: int = 0) -> None:
        dim = check_count("dim", dim)
        steps = check_count("steps", steps)
        hidden = check_count("hidden", hidden)
        super().__init__((dim,), cosine_schedule(steps))
        self.latent_dim = dim
        self._settings = {"family": "diffusion", "dim": dim, "steps": steps, "hidden": hidden}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(check_seed("seed", seed))
            self.net = nn.Sequential(
                nn.Linear(dim + 2 * FREQUENCIES, hidden), nn.SiLU(),
                nn.Linear(hidden, hidden), nn.SiLU(),
                nn.Linear(hidden, hidden), nn.SiLU(),
                nn.Linear(hidden, dim),
            )  # fmt: skip

    def predict_noise(self, x: Tensor, t: Tensor) -> Tensor:
        """e_theta(x_t, t), the guessed noise: (B, d), (B,) int64 -> (B, d)."""
        self.check_noisy(x, t)
        angle = t.to(x.dtype).unsqueeze(1) / self.steps * math.pi / 2
        angle = angle * 2.0 ** torch.arange(FREQUENCIES, device=x.device, dtype=x.dtype)  # (B, FREQUENCIES)
        return self.net(torch.cat([x, angle.sin(), angle.cos()], dim=1))

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[x_0 | x_t = x], the best guess of the clean point (Tweedie's formula): (B, d) -> (B, d)."""
        self.check_noisy(x, t)
        a = self.level(t, x)
        return (x - (1 - a).sqrt() * self.predict_noise(x, t)) / a.sqrt()

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared error of the guessed noise, per coordinate, at random times."""
        t = torch.randint(1, self.steps + 1, (len(x),), generator=generator, device=generator.device)
        noisy, e = self.add_noise(x, t.to(x.device), generator)
        return {"loss": (e - self.predict_noise(noisy, t.to(x.device))).pow(2).mean()}

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return dict(self._settings)
