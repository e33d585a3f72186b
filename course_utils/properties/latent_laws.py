"""A3: where should z be drawn?  The prior, and three laws fitted to the latent vectors of training images."""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_generator, check_tensor
from .._inference import with_autograd
from ..generators import VAE, Generator
from ..generators.flow import Flow
from .adapt import as_generator
from .coverage import range_errors

__all__ = ["LAWS", "latent_draws", "latents_of"]

LAWS = ("prior", "gaussian", "aggregated", "flow")
#: Of the flow: layers, width, batch, first step size.
LAYERS, HIDDEN, BATCH, RATE = 8, 48, 256, 2e-3


@torch.no_grad()
def latents_of(G: Generator, x: Tensor, generator: torch.Generator) -> Tensor:
    r"""One latent vector of each image: (N, 1, H, W) -> (N, d).

    Of a VAE a draw from :math:`q(z\,|\,x)`, so that over all images they follow its aggregated posterior.  Of another
    encoder E(x).  Without an encoder the best z that was found.

    Source
    ------
    The aggregated posterior: Makhzani et al., arXiv 1511.05644.

    Example
    -------
    >>> from course_utils import load, pretrained
    >>> latents_of(pretrained("vae-mnist-8", verbose=False), load("mnist").train[:4], torch.Generator()).shape
    torch.Size([4, 8])
    """
    G = as_generator(G)
    check_tensor("x", x, (None, *G.image_shape), like=next(G.parameters()))
    check_finite("x", x)
    check_generator(generator)
    if isinstance(G, VAE):
        mean, log_std = (torch.cat(part) for part in zip(*map(G.posterior, x.split(512)), strict=True))
        e = torch.randn(mean.shape, generator=generator, device=generator.device, dtype=mean.dtype)
        return mean + log_std.exp() * e.to(mean.device)
    if G.has_encoder:
        return torch.cat([G.encode(part) for part in x.split(512)])
    return range_errors(G, x, generator).z


@with_autograd
def latent_draws(z: Tensor, n: int, generator: torch.Generator, steps: int = 2_000) -> dict[str, Tensor]:
    """``n`` draws from each of four laws of latent vectors.

    Parameters
    ----------
    z : (N, d) tensor, d >= 2
        Latent vectors of training images, from ``latents_of``.
    n : int
    generator : torch.Generator
    steps : int
        For which the flow is trained.

    Returns
    -------
    dict of law -> (n, d) tensor
        "prior": N(0, I).  "gaussian": the Gaussian with the mean and covariance of ``z``.  "aggregated": rows of ``z``
        itself, chosen at random.  "flow": a normalising flow fitted to ``z`` by maximum likelihood, a learned prior.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    The last is the second stage of Dai and Wipf, ICLR 2019, with a flow in place of a second VAE.

    Example
    -------
    >>> g = torch.Generator().manual_seed(0)
    >>> z = 3 + 0.1 * torch.randn(200, 2, generator=g)
    >>> draws = latent_draws(z, 500, g, steps=20)
    >>> list(draws), [round(float(v.mean())) for v in draws.values()]
    (['prior', 'gaussian', 'aggregated', 'flow'], [0, 3, 3, 3])
    """
    check_tensor("z", z, (None, None))
    check_finite("z", z)
    n, steps = check_count("n", n), check_count("steps", steps)
    check_generator(generator)
    N, d = z.shape
    if d < 2 or N <= d:
        raise ValueError(f"'z' must hold more vectors than coordinates, and two coordinates, got shape {(N, d)}")

    def normal() -> Tensor:
        return torch.randn(n, d, generator=generator, device=generator.device, dtype=z.dtype).to(z.device)

    mean, root = z.mean(0), torch.linalg.cholesky(torch.cov(z.T))
    rows = torch.randint(N, (n,), generator=generator, device=generator.device).to(z.device)
    # the flow starts from the Gaussian, and has only to learn what that misses
    flow = _fitted(torch.linalg.solve_triangular(root, (z - mean).T, upper=False).T, steps, generator)
    return {
        "prior": normal(),
        "gaussian": mean + normal() @ root.T,
        "aggregated": z[rows],
        "flow": mean + flow(normal()) @ root.T,
    }


def _fitted(z: Tensor, steps: int, generator: torch.Generator) -> Flow:
    """A flow whose draws look like the rows of ``z``, by maximum likelihood."""
    flow = Flow(z.shape[1], LAYERS, HIDDEN).to(z)
    optimiser = torch.optim.Adam(flow.parameters(), lr=RATE)
    with torch.enable_grad():
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
            rows = torch.randint(len(z), (min(BATCH, len(z)),), generator=generator, device=generator.device)
            optimiser.zero_grad()
            flow.loss(z[rows.to(z.device)]).backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), 10.0)
            optimiser.step()
    return flow.freeze()
