"""What every diffusion can do once it can denoise: noise levels, score, and the walk from noise back to data."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from .._check import (
    check_between,
    check_count,
    check_entries,
    check_finite,
    check_generator,
    check_kind,
    check_positive,
    check_tensor,
    default,
)

__all__ = ["ScoreModel", "cosine_schedule"]


def cosine_schedule(steps: int, spread: float = 1.0) -> Tensor:
    r"""The noise levels of a diffusion: how much of the data is left after t = 0, ..., T steps, from 1 to about 0.

    .. math:: \bar\alpha_t = \frac{c_t}{c_t + s^2 (1 - c_t)}, \qquad
              c_t = \frac{\cos^2\varphi_t}{\cos^2\varphi_0}, \qquad
              \varphi_t = \frac{t/T + 0.008}{1.008}\,\frac\pi2,

    because data of standard deviation s have :math:`s^2\bar\alpha_t/(1-\bar\alpha_t)` as their signal-to-noise ratio,
    which then is that of data of unit variance under the usual schedule c.

    Parameters
    ----------
    steps : int
        T.
    spread : float > 0
        s, the standard deviation of the data: 1 for standardised data, about 0.3 for the pixels of images in [0, 1].

    Returns
    -------
    (T + 1,) tensor
        Falling from 1; never quite 0, because the guess of the clean data divides by its root.

    Source
    ------
    Nichol, Dhariwal, ICML 2021; the shift by the signal-to-noise ratio: Hoogeboom, Heek, Salimans, ICML 2023.

    Example
    -------
    >>> cosine_schedule(2).round(decimals=3)
    tensor([1.0000, 0.4940, 0.0000])
    >>> cosine_schedule(2, spread=0.5).round(decimals=3)
    tensor([1.0000, 0.7960, 0.0000])
    """
    steps, spread = check_count("steps", steps), check_positive("spread", spread)
    phase = (torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008 * math.pi / 2
    c = phase.cos().pow(2) / phase[0].cos().pow(2)
    return default((c / (c + spread**2 * (1 - c))).clamp(1e-4, 1.0))


class ScoreModel(nn.Module):
    r"""A prior known by its denoiser, at T noise levels: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e, e ~ N(0, I).

    A subclass implements ``denoise``, E[x_0 | x_t], or ``predict_noise`` and from it ``denoise``.  The score follows by
    Tweedie's formula,

    .. math:: \nabla\log p_t(x) = \frac{\sqrt{\bar\alpha_t}\,E[x_0 | x_t = x] - x}{1-\bar\alpha_t}.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of one image (1, H, W), or of one vector (d,).
    alpha_bar : (T + 1,) tensor
        The schedule, from 1 falling to what is > 0: ``cosine_schedule``.

    Attributes
    ----------
    steps : int
        T.

    Raises
    ------
    TypeError, ValueError
        A schedule that does not begin with 1, rises, or ends with 0.

    Source
    ------
    Ho, Jain, Abbeel, NeurIPS 2020; Efron, J. Amer. Statist. Assoc. 106 (2011), for Tweedie's formula.

    Example
    -------
    Data from N(0, I): the best guess of x_0 is sqrt(abar_t) x_t, and the score is -x at each time.

    >>> class Normal(ScoreModel):
    ...     def denoise(self, x, t):
    ...         return self.level(t, x).sqrt() * x
    >>> model = Normal((2,), cosine_schedule(10))
    >>> model.score(torch.tensor([[1.0, -2.0]]), torch.tensor([4]))
    tensor([[-1.,  2.]])
    """

    def __init__(self, image_shape: tuple[int, ...], alpha_bar: Tensor) -> None:
        super().__init__()
        shape = check_kind("image_shape", image_shape, (tuple, list), "a tuple of integers")
        self.image_shape = tuple(check_count("image_shape", length) for length in shape)
        check_tensor("alpha_bar", alpha_bar, (None,))
        check_finite("alpha_bar", alpha_bar)
        falls = len(alpha_bar) > 1 and alpha_bar[0] == 1 > alpha_bar[1] and bool((alpha_bar.diff() <= 0).all())
        if not falls or not alpha_bar[-1] > 0:
            raise ValueError(
                f"'alpha_bar' must hold T + 1 > 1 numbers that fall from 1 to one > 0, got {len(alpha_bar)}, "
                f"{', '.join(f'{v:.4g}' for v in alpha_bar[:3].tolist())}, ..."
            )
        self.steps = len(alpha_bar) - 1
        # no weight, because stored weights are rounded, and 1 - abar_1 would be 0
        self.register_buffer("alpha_bar", alpha_bar.clone(), persistent=False)

    def level(self, t: Tensor, like: Tensor) -> Tensor:
        """abar at the times (B,), with as many axes as ``like``: (B, 1, ...)."""
        return self.alpha_bar[t].to(like.dtype).reshape(-1, *[1] * len(self.image_shape))

    def check_noisy(self, x: Tensor, t: Tensor) -> None:
        """Raise unless ``x`` are ``(B, *image_shape)`` and ``t`` (B,) times in 0 ... T."""
        check_tensor("x", x, (None, *self.image_shape), like=self.alpha_bar)
        check_entries("x", x)
        check_kind("t", t, Tensor, "a tensor of int64 times")
        if t.dtype != torch.int64 or t.shape != x.shape[:1]:
            raise ValueError(f"'t' must hold {len(x)} int64 times, got shape {tuple(t.shape)}, dtype {t.dtype}")
        if t.numel() and not 0 <= int(t.min()) <= int(t.max()) <= self.steps:
            raise ValueError(f"'t' must lie in 0 ... {self.steps}, got {int(t.min())} ... {int(t.max())}")

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[x_0 | x_t = x], the best guess of the clean image: ``(B, *image_shape)``, (B,) int64 -> the same."""
        raise NotImplementedError

    def predict_noise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[e | x_t = x], the best guess of the noise, t >= 1: ``(B, *image_shape)``, (B,) -> ``(B, *image_shape)``."""
        self.check_noisy(x, t)
        if t.numel() and int(t.min()) < 1:
            raise ValueError("'t' must be at least 1: at 0 there is no noise")
        a = self.level(t, x)
        return (x - a.sqrt() * self.denoise(x, t)) / (1 - a).sqrt()

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """grad log p_t(x), the direction in which noisy images become more likely; t >= 1."""
        self.check_noisy(x, t)
        if t.numel() and int(t.min()) < 1:
            raise ValueError("'t' must be at least 1: without noise the score is not learned")
        return -self.predict_noise(x, t) / (1 - self.level(t, x)).sqrt()

    def add_noise(self, x: Tensor, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x_t and the noise e that is in it: ``(B, *image_shape)``, (B,) -> two ``(B, *image_shape)``."""
        self.check_noisy(x, t)
        check_generator(generator)
        e = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
        a = self.level(t, x)
        return a.sqrt() * x + (1 - a).sqrt() * e, e

    def times(self, steps: int | None = None) -> list[int]:
        """T = t_0 > t_1 > ... > t_K = 0, equally spaced: the times at which a walk of K ``steps`` stops; default: T."""
        steps = self.steps if steps is None else check_count("steps", steps)
        if steps > self.steps:
            raise ValueError(f"'steps' must be at most {self.steps}, the noise levels of the model, got {steps}")
        return torch.linspace(self.steps, 0, steps + 1, dtype=torch.float64).round().long().tolist()

    def back(self, x: Tensor, x0: Tensor, t: int, s: int, noise: Tensor, eta: float = 1.0) -> Tensor:
        """x_s, s < t, from x_t, a guess of x_0 and white noise: the step that ``path`` takes."""
        now, then = self.alpha_bar[t].to(x.dtype), self.alpha_bar[s].to(x.dtype)
        e = (x - now.sqrt() * x0) / (1 - now).sqrt()
        variance = eta**2 * (1 - then) / (1 - now) * (1 - now / then)  # 0 at the last step
        return then.sqrt() * x0 + (1 - then - variance).clamp_min(0).sqrt() * e + variance.sqrt() * noise

    @torch.no_grad()
    def path(self, n: int, generator: torch.Generator, steps: int | None = None, eta: float = 1.0) -> Tensor:
        """``n`` walks from pure noise to data: ``(K + 1, n, *image_shape)``, first the noise, last the sample.

        Parameters
        ----------
        n : int
        generator : torch.Generator
        steps : int, optional
            K, of the T noise levels; default: all.  Each costs one evaluation of the denoiser.
        eta : float in [0, 1]
            1: q(x_s | x_t, x_0) with the guess of x_0, the ancestral sampler of DDPM.  0: no noise is added on the way,
            the deterministic sampler of DDIM.

        Few ancestral steps make samples a little too narrow, also with the exact denoiser, because each step takes the
        guess of x_0 for x_0 itself.

        Source
        ------
        Ho, Jain, Abbeel, NeurIPS 2020 (DDPM); Song, Meng, Ermon, ICLR 2021 (DDIM).
        """
        n, eta = check_count("n", n), check_between("eta", eta, 0, 1, "[]")
        check_generator(generator)
        like, shape = self.alpha_bar, (n, *self.image_shape)

        def draw() -> Tensor:
            return torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)

        x = draw()
        walk = [x]
        for t, s in pairwise(self.times(steps)):
            x0 = self.denoise(x, torch.full((n,), t, device=like.device))
            x = self.back(x, x0, t, s, draw(), eta)
            walk.append(x)
        return torch.stack(walk)

    def sample(self, n: int, generator: torch.Generator, steps: int | None = None, eta: float = 1.0) -> Tensor:
        """``n`` new images, ``(n, *image_shape)``: the ends of ``path``."""
        return self.path(n, generator, steps, eta)[-1]
