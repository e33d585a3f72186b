"""Priors whose denoiser is known: mixtures of Gaussians, as a diffusion and as a flow, with their exact posteriors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._check import check_finite, check_kind, check_positive, check_tensor
from ..generators.score import ScoreModel
from ..generators.velocity import VelocityModel
from ..operators import LinearOperator
from ..regularisers import GaussianMixture

__all__ = ["MixtureScore", "MixtureVelocity", "mixture_moments", "mixture_posterior"]


class _ConditionalMean(nn.Module):
    r"""E[x | a x + s e] for x from a mixture and e ~ N(0, I), by the eigenvectors of the covariances.

    For one Gaussian it is :math:`m + a C (a^2 C + s^2 I)^{-1}(\cdot - a m)`; of several, the mean of these, each
    weighted by how probable it is that x came from it.
    """

    def __init__(self, mixture: GaussianMixture) -> None:
        super().__init__()
        values, vectors = torch.linalg.eigh(mixture.covariances)
        for name, value in (
            ("log_weights", mixture.weights.log()), ("means", mixture.means),
            ("values", values.clamp_min(0)), ("vectors", vectors),
        ):  # fmt: skip
            self.register_buffer(name, value)

    def forward(self, x: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """(B, d), (B, 1), (B, 1) -> (B, d)."""
        a, s = a[:, None], s[:, None]  # (B, 1, 1)
        part = torch.einsum("kij,bki->bkj", self.vectors, x[:, None] - a * self.means)  # (B, K, d)
        variance = a**2 * self.values + s**2
        # at a = 1, s = 0 there is no noise: what has no variance does not deviate either
        safe = variance.clamp_min(torch.finfo(x.dtype).tiny)
        log = self.log_weights - 0.5 * (part**2 / safe + safe.log()).sum(2)  # (B, K)
        found = self.means + torch.einsum("kij,bkj->bki", self.vectors, a * self.values / safe * part)
        return (log.softmax(1)[:, :, None] * found).sum(1)


def _fits(mixture: GaussianMixture, shape: tuple[int, ...]) -> None:
    if mixture.means[0].numel() != torch.Size(shape).numel():
        raise ValueError(f"'image_shape' must have {mixture.means[0].numel()} pixels, as the mixture, got {shape}")


class MixtureScore(ScoreModel):
    """The diffusion of a mixture of Gaussians, in closed form: the denoiser that a network would learn, without error.

    It and its buffers are float64; ``.float()`` changes that.

    Parameters
    ----------
    mixture : GaussianMixture
        The law of the flattened images.
    image_shape : tuple of int
        (1, H, W), or (d,).
    alpha_bar : (T + 1,) tensor
        ``cosine_schedule``.

    Source
    ------
    Bishop, Pattern Recognition and Machine Learning (2006), Sect. 2.3.3, for one Gaussian.

    Example
    -------
    >>> from course_utils.generators import cosine_schedule
    >>> one = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])
    >>> model = MixtureScore(one, (2,), cosine_schedule(10))
    >>> model.score(torch.tensor([[1.0, -2.0]]).double(), torch.tensor([4])).round(decimals=6)
    tensor([[-1.,  2.]], dtype=torch.float64)
    """

    def __init__(self, mixture: GaussianMixture, image_shape: tuple[int, ...], alpha_bar: Tensor) -> None:
        check_kind("mixture", mixture, GaussianMixture)
        check_tensor("alpha_bar", alpha_bar)
        super().__init__(image_shape, alpha_bar.double())
        _fits(mixture, self.image_shape)
        self.mean = _ConditionalMean(mixture)

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        self.check_noisy(x, t)
        a = self.alpha_bar[t][:, None]
        return self.mean(x.flatten(1), a.sqrt(), (1 - a).sqrt()).reshape(x.shape)


class MixtureVelocity(VelocityModel):
    """The flow from noise to a mixture of Gaussians, in closed form.

    It and its buffers are float64; ``.float()`` changes that.

    Parameters
    ----------
    mixture : GaussianMixture
        The law of the flattened images.
    image_shape : tuple of int
        (1, H, W), or (d,).
    steps : int
        Of the ODE, unless others are asked for.

    Source
    ------
    Lipman et al., ICLR 2023, for the flow; its velocity is the conditional mean of ``MixtureScore`` in other units.

    Example
    -------
    >>> one = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])
    >>> MixtureVelocity(one, (2,)).denoise(torch.ones(1, 2).double(), torch.tensor([0.5]).double())
    tensor([[1., 1.]], dtype=torch.float64)
    """

    def __init__(self, mixture: GaussianMixture, image_shape: tuple[int, ...], steps: int = 50) -> None:
        check_kind("mixture", mixture, GaussianMixture)
        super().__init__(image_shape, steps)
        _fits(mixture, self.image_shape)
        self.mean = _ConditionalMean(mixture)
        self.double()

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        self.check_flowing(x, t)
        return self.mean(x.flatten(1), t[:, None], 1 - t[:, None]).reshape(x.shape)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """(E[x_1 | x_t = x] - x) / (1 - t), for t < 1."""
        found = self.denoise(x, t)
        if not bool((t < 1).all()):
            raise ValueError("'t' must be less than 1: there the velocity is 0 / 0")
        return (found - x) / (1 - t).reshape(-1, *[1] * len(self.image_shape))


def mixture_posterior(mixture: GaussianMixture, A: LinearOperator, y: Tensor, sigma: float) -> GaussianMixture:
    r"""The law of an image from a mixture of Gaussians, given data y = A x + e, e ~ N(0, sigma^2 I): a mixture too.

    Each component is conditioned on y as if it were the only one,

    .. math:: m_k + K_k (y - A m_k),\qquad (I - K_k A) C_k,\qquad K_k = C_k A^*(A C_k A^* + \sigma^2 I)^{-1},

    and its weight is multiplied by the density of y, N(y; A m_k, A C_k A* + sigma^2 I).

    Parameters
    ----------
    mixture : GaussianMixture
        The law of the flattened images.
    A : LinearOperator
        Small enough for its matrix.
    y : (1, *A.shape_out) tensor
        The data of one problem.
    sigma : float > 0

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Bishop, Pattern Recognition and Machine Learning (2006), Sect. 2.3.3, for one Gaussian.

    Example
    -------
    One pixel, two values are possible, and the datum lies between them but nearer to 1:

    >>> from course_utils.operators import Identity
    >>> prior = GaussianMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [1.0]]), torch.full((2, 1, 1), 0.01))
    >>> posterior = mixture_posterior(prior, Identity(1), torch.full((1, 1, 1, 1), 0.6), sigma=0.3)
    >>> posterior.weights.round(decimals=3), posterior.means.flatten().round(decimals=3)
    (tensor([0.2690, 0.7310], dtype=torch.float64), tensor([0.0600, 0.9600], dtype=torch.float64))
    """
    check_kind("mixture", mixture, GaussianMixture)
    check_kind("A", A, LinearOperator)
    check_tensor("y", y, (1, *A.shape_out), like=A.like)
    check_finite("y", y)
    sigma = check_positive("sigma", sigma)
    M, m, C = A.double_matrix(), mixture.means, mixture.covariances
    if M.shape[1] != m.shape[1]:
        raise ValueError(f"'A' must take images of {m.shape[1]} pixels, as the mixture, it takes {M.shape[1]}")
    eye = torch.eye(len(M), dtype=M.dtype, device=M.device)
    lower = torch.linalg.cholesky(M @ C @ M.T + sigma**2 * eye)  # of the covariance of y, (K, m, m)
    white = torch.linalg.solve_triangular(lower, M @ C, upper=False)  # (K, m, n)
    residual = torch.linalg.solve_triangular(lower, (y.flatten() - m @ M.T)[:, :, None].to(M), upper=False)  # (K, m, 1)
    means = m + (white.mT @ residual)[:, :, 0]
    covariances = C - white.mT @ white
    log = mixture.weights.log() - 0.5 * residual.pow(2).sum((1, 2)) - lower.diagonal(dim1=1, dim2=2).log().sum(1)
    # a component that the data exclude keeps a weight, because those of a mixture are > 0
    weights = log.softmax(0).clamp_min(torch.finfo(log.dtype).tiny)
    return GaussianMixture(weights / weights.sum(), means, (covariances + covariances.mT) / 2)


def mixture_moments(mixture: GaussianMixture) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of a mixture of Gaussians: within its components and between them.

    Source
    ------
    Bishop, Pattern Recognition and Machine Learning (2006), Exercise 9.12.

    Example
    -------
    >>> two = GaussianMixture(torch.tensor([0.5, 0.5]), torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1, 1))
    >>> mixture_moments(two)
    (tensor([0.], dtype=torch.float64), tensor([[2.]], dtype=torch.float64))
    """
    check_kind("mixture", mixture, GaussianMixture)
    w, m = mixture.weights[:, None], mixture.means
    mean = (w * m).sum(0)
    away = m - mean
    return mean, (w[:, :, None] * mixture.covariances).sum(0) + (w * away).T @ away
