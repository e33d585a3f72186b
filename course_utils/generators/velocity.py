"""What every flow can do once it has a velocity: its denoiser, and the way from noise to data along an ODE."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from .._check import check_choice, check_count, check_entries, check_generator, check_kind, check_tensor

__all__ = ["VelocityModel"]


class VelocityModel(nn.Module):
    r"""A prior known by the velocity that carries noise, at t = 0, to data, at t = 1.

    On the straight line x_t = (1 - t) e + t x_1 from e ~ N(0, I) to an image the velocity is x_1 - e, and
    :math:`v(x, t) = E[x_1 - e \,|\, x_t = x]` is that of the flow dx/dt = v(x, t), which has the law of x_t at each t.
    It denoises, because (1 - t) v = E[x_1 | x_t] - x_t:

    .. math:: D_t(x) = x + (1 - t)\, v(x, t) = E[x_1 \,|\, x_t = x].

    Parameters
    ----------
    image_shape : tuple of int
        Shape of one image (1, H, W), or of one vector (d,).
    steps : int
        Of the ODE, unless others are asked for.

    Source
    ------
    Lipman et al., ICLR 2023; Liu, Gong, Liu, ICLR 2023; the denoiser: Martin et al., ICLR 2025.

    Example
    -------
    Data that are all 0 are reached along straight lines, in one step:

    >>> class Zero(VelocityModel):
    ...     def velocity(self, x, t):
    ...         return -x / (1 - t)[:, None]
    >>> model = Zero((2,))
    >>> model.sample(1, torch.Generator().manual_seed(0), steps=1)
    tensor([[0., 0.]])
    """

    def __init__(self, image_shape: tuple[int, ...], steps: int = 50) -> None:
        super().__init__()
        shape = check_kind("image_shape", image_shape, (tuple, list), "a tuple of integers")
        self.image_shape = tuple(check_count("image_shape", length) for length in shape)
        self.steps = check_count("steps", steps)
        self.register_buffer("one", torch.ones(()), persistent=False)

    @property
    def like(self) -> Tensor:
        """A tensor of the model, which tells its dtype and device."""
        return next(chain(self.parameters(), self.buffers()))

    def check_flowing(self, x: Tensor, t: Tensor) -> None:
        """Raise unless ``x`` are ``(B, *image_shape)`` and ``t`` (B,) times in [0, 1]."""
        check_tensor("x", x, (None, *self.image_shape), like=self.like)
        check_entries("x", x)
        check_tensor("t", t, (len(x),), like=x)
        if not bool(((t >= 0) & (t <= 1)).all()):
            raise ValueError(f"'t' must lie in [0, 1], got {t.min().item():g} ... {t.max().item():g}")

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t): ``(B, *image_shape)``, (B,) in [0, 1] -> ``(B, *image_shape)``."""
        raise NotImplementedError

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """D_t(x) = x + (1 - t) v(x, t), the best guess of x_1: ``(B, *image_shape)``, (B,) -> ``(B, *image_shape)``."""
        self.check_flowing(x, t)
        return x + (1 - t).reshape(-1, *[1] * len(self.image_shape)) * self.velocity(x, t)

    @torch.no_grad()
    def path(self, n: int, generator: torch.Generator, steps: int | None = None, method: str = "heun") -> Tensor:
        """``n`` ways from noise to data: ``(K + 1, n, *image_shape)``, first the noise, last the sample.

        Parameters
        ----------
        n : int
        generator : torch.Generator
        steps : int, optional
            K, equal ones; default: ``self.steps``.
        method : "euler" or "heun"
            Heun's method evaluates v twice a step and is of second order; its last step is Euler's, because a velocity
            made from a denoiser divides by 0 at t = 1.
        """
        n, steps = check_count("n", n), self.steps if steps is None else check_count("steps", steps)
        check_choice("method", method, ("euler", "heun"))
        check_generator(generator)
        like, shape = self.like, (n, *self.image_shape)
        x = torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)
        walk, h = [x], 1 / steps
        for k in range(steps):
            now, then = (torch.full((n,), j / steps, dtype=like.dtype, device=like.device) for j in (k, k + 1))
            v = self.velocity(x, now)
            if method == "heun" and k + 1 < steps:
                v = (v + self.velocity(x + h * v, then)) / 2
            x = x + h * v
            walk.append(x)
        return torch.stack(walk)

    def sample(self, n: int, generator: torch.Generator, steps: int | None = None, method: str = "heun") -> Tensor:
        """``n`` new images, ``(n, *image_shape)``: the ends of ``path``."""
        return self.path(n, generator, steps, method)[-1]
