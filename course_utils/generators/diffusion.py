"""Denoising diffusion, that is a score-based generative model.  Paper Sect. 2.5."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .._check import check_count, check_entries, check_generator, check_kind, check_seed, check_tensor, default
from ..families import Trainable

__all__ = ["Diffusion"]

FREQUENCIES = 8  # sines and cosines through which the network is told the time


class Diffusion(Trainable):
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
        super().__init__()
        dim = check_count("dim", dim)
        steps = check_count("steps", steps)
        hidden = check_count("hidden", hidden)
        self.latent_dim, self.image_shape, self.steps = dim, (dim,), steps
        self._settings = {"family": "diffusion", "dim": dim, "steps": steps, "hidden": hidden}
        phase = (torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008 * math.pi / 2
        alpha_bar = phase.cos().pow(2) / phase[0].cos().pow(2)
        # Never quite 0: at t = T the score divides by nothing, but the denoised point divides by its root.
        self.register_buffer("alpha_bar", default(alpha_bar.clamp(min=1e-4)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(check_seed("seed", seed))
            self.net = nn.Sequential(
                nn.Linear(dim + 2 * FREQUENCIES, hidden), nn.SiLU(),
                nn.Linear(hidden, hidden), nn.SiLU(),
                nn.Linear(hidden, hidden), nn.SiLU(),
                nn.Linear(hidden, dim),
            )  # fmt: skip

    def _alpha_bar(self, t: Tensor, like: Tensor) -> Tensor:
        """The schedule at the times (B,), as a column (B, 1)."""
        return self.alpha_bar[t].to(like.dtype).unsqueeze(1)

    def _check(self, x: Tensor, t: Tensor) -> None:
        check_tensor("x", x, (None, self.latent_dim), like=self.net[0].weight)
        check_entries("x", x)
        check_kind("t", t, Tensor, "a tensor of int64 times")
        if t.dtype != torch.int64 or t.shape != x.shape[:1]:
            raise ValueError(f"'t' must hold {len(x)} int64 times, got shape {tuple(t.shape)}, dtype {t.dtype}")
        if t.numel() and not 0 <= int(t.min()) <= int(t.max()) <= self.steps:
            raise ValueError(f"'t' must lie in 0 ... {self.steps}, got {int(t.min())} ... {int(t.max())}")

    def predict_noise(self, x: Tensor, t: Tensor) -> Tensor:
        """e_theta(x_t, t), the guessed noise: (B, d), (B,) int64 -> (B, d)."""
        self._check(x, t)
        angle = t.to(x.dtype).unsqueeze(1) / self.steps * math.pi / 2
        angle = angle * 2.0 ** torch.arange(FREQUENCIES, device=x.device, dtype=x.dtype)  # (B, FREQUENCIES)
        return self.net(torch.cat([x, angle.sin(), angle.cos()], dim=1))

    def add_noise(self, x: Tensor, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x_t and the noise e that is in it: (B, d), (B,) -> two (B, d)."""
        self._check(x, t)
        check_generator(generator)
        e = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
        a = self._alpha_bar(t, x)
        return a.sqrt() * x + (1 - a).sqrt() * e, e

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """grad log p_t(x), the direction in which noisy data become more likely; t >= 1: (B, d) -> (B, d)."""
        self._check(x, t)
        if t.numel() and int(t.min()) < 1:
            raise ValueError("'t' must be at least 1: without noise the score is not learned")
        return -self.predict_noise(x, t) / (1 - self._alpha_bar(t, x)).sqrt()

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[x_0 | x_t = x], the best guess of the clean point (Tweedie's formula): (B, d) -> (B, d)."""
        self._check(x, t)
        a = self._alpha_bar(t, x)
        return (x - (1 - a).sqrt() * self.predict_noise(x, t)) / a.sqrt()

    @torch.no_grad()
    def path(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` walks from pure noise to data: (T + 1, n, d), the first entry is the noise, the last the sample."""
        n = check_count("n", n)
        check_generator(generator)
        like = self.net[0].weight

        def draw() -> Tensor:
            e = torch.randn(n, self.latent_dim, generator=generator, device=generator.device, dtype=like.dtype)
            return e.to(like.device)

        x = draw()
        walk = [x]
        for t in range(self.steps, 0, -1):
            now, before = self.alpha_bar[t].to(like.dtype), self.alpha_bar[t - 1].to(like.dtype)
            x0 = self.denoise(x, torch.full((n,), t, device=like.device))
            # q(x_{t-1} | x_t, x_0) is Gaussian; these are its mean and variance.
            step = now / before
            mean = (before.sqrt() * (1 - step) * x0 + step.sqrt() * (1 - before) * x) / (1 - now)
            variance = (1 - before) / (1 - now) * (1 - step)  # 0 at the last step
            x = mean + variance.sqrt() * draw()
            walk.append(x)
        return torch.stack(walk)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` new points: (n, d).  Costs T evaluations of the network, where G(z) costs one."""
        return self.path(n, generator)[-1]

    def losses(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared error of the guessed noise, per coordinate, at random times."""
        t = torch.randint(1, self.steps + 1, (len(x),), generator=generator, device=generator.device)
        noisy, e = self.add_noise(x, t.to(x.device), generator)
        return {"loss": (e - self.predict_noise(noisy, t.to(x.device))).pow(2).mean()}

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return dict(self._settings)
