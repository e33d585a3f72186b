r"""Choices of R_Z in eq. (7): what is expected of the latent vector z, or of the image G(z) it makes.

Each is called as ``R_Z(z, x)`` with z (B, d) and x = G(z) (B, 1, H, W), and gives (B,) values: the image is handed
over because the data term needs it anyway.  A *constraint* is 0 on a set and infinite outside, and has
``project(z)``, the nearest point of the set; all others are smooth enough for gradients.

>>> z, x = torch.tensor([[0.5, 2.0]]), torch.zeros(1, 1, 4, 4)
>>> SquaredNorm()(z, x), Box()(z, x), Box().project(z)
(tensor([4.2500]), tensor([inf]), tensor([[0.5000, 1.0000]]))
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._check import (
    check_count,
    check_entries,
    check_finite,
    check_generator,
    check_kind,
    check_nonnegative,
    check_positive,
    check_tensor,
)
from ..generators import WGAN
from .differences import gradient

__all__ = ["Box", "CriticLoss", "GaussianMixture", "ImageTV", "LatentRegulariser", "SquaredNorm", "Sphere"]


class LatentRegulariser:
    """R_Z(z, G(z)) >= 0, or infinite (the loss of a critic alone may be negative).

    Attributes
    ----------
    constraint : bool
        0 on a set, infinite outside; has ``project``.
    """

    constraint = False

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        """(B, d), (B, 1, H, W) -> (B,)."""
        raise NotImplementedError

    def project(self, z: Tensor) -> Tensor:
        """The nearest point of the set, for each row: (B, d) -> (B, d)."""
        raise TypeError(f"{type(self).__name__} is no constraint: there is no set to project to")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class SquaredNorm(LatentRegulariser):
    r""":math:`R_{\mathcal Z}(z) = \|z\|_2^2`, minus twice the logarithm of N(0, I) but for a constant.

    Source
    ------
    Bora et al., ICML 2017; paper, Sect. 3.2.
    """

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        check_latent(z)
        return z.pow(2).sum(1)


def check_latent(z: Tensor) -> None:
    """Raise unless ``z`` is a batch of latent vectors."""
    check_tensor("z", z, (None, None))
    check_entries("z", z)


def _outside(distance: Tensor, size: Tensor | float) -> Tensor:
    """0 where the distance to a set is round-off, infinite elsewhere."""
    allowed = 100 * torch.finfo(distance.dtype).eps * size
    return torch.where(distance <= allowed, 0.0, math.inf).to(distance)


class Box(LatentRegulariser):
    r"""Every entry of z lies in [-bound, bound]: :math:`\iota_{[-1,1]^d}(z)` for the default.

    Parameters
    ----------
    bound : float > 0

    Source
    ------
    Paper, Sect. 3.2 (its reference [17]).

    Example
    -------
    >>> Box(2.0).project(torch.tensor([[-3.0, 0.0, 1.0]]))
    tensor([[-2., 0., 1.]])
    """

    constraint = True

    def __init__(self, bound: float = 1.0) -> None:
        bound = check_positive("bound", bound)
        self.bound = float(bound)

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        check_latent(z)
        return _outside((z.abs().amax(1) - self.bound).clamp_min(0), self.bound)

    def project(self, z: Tensor) -> Tensor:
        check_latent(z)
        return z.clamp(-self.bound, self.bound)

    def __repr__(self) -> str:
        return f"Box(bound={self.bound:g})"


class Sphere(LatentRegulariser):
    r"""z lies on the sphere of radius :math:`\sqrt d`, where a standard normal vector of many dimensions is found.

    :math:`E\|z\|_2^2 = d` for z ~ N(0, I), and the standard deviation of :math:`\|z\|_2` is below 1 for every d.
    The paper prints "radius d" and :math:`d\,\mathcal S^{d-1}`; the radius is :math:`\sqrt d`.

    Parameters
    ----------
    radius : float > 0, optional
        Default: the square root of the latent dimension.

    Source
    ------
    Menon et al., PULSE, CVPR 2020; paper, Sect. 3.2 (its reference [47]).

    Example
    -------
    >>> Sphere().project(torch.tensor([[3.0, 0.0, 0.0, 4.0]]))
    tensor([[1.2000, 0.0000, 0.0000, 1.6000]])
    """

    constraint = True

    def __init__(self, radius: float | None = None) -> None:
        if radius is not None:
            radius = check_positive("radius", radius)
        self.radius = radius

    def _radius(self, z: Tensor) -> float:
        return z.shape[1] ** 0.5 if self.radius is None else self.radius

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        check_latent(z)
        radius = self._radius(z)
        return _outside((z.norm(dim=1) - radius).abs(), radius)

    def project(self, z: Tensor) -> Tensor:
        """z scaled to the radius; the origin, from which every point is equally far, goes to the first axis."""
        check_latent(z)
        norm = z.norm(dim=1, keepdim=True)
        pole = torch.zeros_like(z)
        pole[:, 0] = 1.0
        unit = torch.where(norm > 0, z / norm.clamp_min(torch.finfo(z.dtype).tiny), pole)
        return self._radius(z) * unit

    def __repr__(self) -> str:
        return f"Sphere(radius={'sqrt(d)' if self.radius is None else format(self.radius, 'g')})"


class GaussianMixture(LatentRegulariser):
    r"""A prior learned after training: :math:`R_{\mathcal Z}(z) = -2\log\big(p(z)/c\big)`, p a mixture of Gaussians.

    .. math:: p(z) = \sum_k w_k\,\mathcal N(z; m_k, C_k), \qquad c = \sum_k w_k\,\mathcal N(m_k; m_k, C_k) \ge \max p,

    so that R_Z >= 0, and one component N(0, I) gives ||z||^2 exactly.  ``GaussianMixture.fit`` makes it from
    encodings of training images: where the encodings of an AE lie, nobody has said before.

    Parameters
    ----------
    weights : (K,) tensor, > 0, with sum 1
    means : (K, d) tensor
    covariances : (K, d, d) tensor, symmetric and positive definite

    Raises
    ------
    ValueError
        Wrong shapes, weights that do not sum to 1, a covariance that is not positive definite.

    Source
    ------
    Paper, Sect. 3.2 (its references [53, 54]); Bishop, Pattern Recognition and Machine Learning, Sect. 9.2.

    Example
    -------
    >>> R = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])
    >>> R(torch.tensor([[3.0, 4.0]]), None)
    tensor([25.])
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        check_tensor("weights", weights, (None,))
        K = len(weights)
        check_tensor("means", means, (K, None))
        d = means.shape[1]
        check_tensor("covariances", covariances, (K, d, d))
        for name, value in (("weights", weights), ("means", means), ("covariances", covariances)):
            check_finite(name, value)
        if bool((weights <= 0).any()) or abs(float(weights.sum()) - 1) > 1e-4:
            raise ValueError(f"'weights' must be > 0 and sum to 1, got {weights.tolist()}")
        factor, info = torch.linalg.cholesky_ex(covariances.double())
        if bool((info > 0).any()):
            raise ValueError("'covariances' must be positive definite, got one that is not")
        self.weights, self.means, self.covariances = weights.double(), means.double(), covariances.double()
        eye = torch.eye(d, dtype=torch.float64, device=factor.device).expand(K, d, d)
        self._whiten = torch.linalg.solve_triangular(factor, eye, upper=False)  # C^-1 = whiten^T whiten
        log_density = self.weights.log() + self._whiten.diagonal(dim1=1, dim2=2).log().sum(1)
        self._log = log_density - torch.logsumexp(log_density, 0)

    def _log_terms(self, z: Tensor) -> Tensor:
        """log of w_k N(z; m_k, C_k) / c: (B, K)."""
        check_tensor("z", z, (None, self.means.shape[1]))
        check_entries("z", z)
        white = torch.einsum("kij,bkj->bki", self._whiten.to(z), z[:, None] - self.means.to(z))
        return self._log.to(z) - 0.5 * white.pow(2).sum(2)

    def __call__(self, z: Tensor, x: Tensor | None = None) -> Tensor:
        return -2 * torch.logsumexp(self._log_terms(z), 1)

    @classmethod
    def fit(
        cls,
        z: Tensor,
        n_components: int = 1,
        generator: torch.Generator | None = None,
        max_iter: int = 200,
        tol: float = 1e-6,
    ) -> GaussianMixture:
        """Maximum likelihood by expectation maximisation, full covariances.

        Parameters
        ----------
        z : (N, d) tensor
            Encodings of training images, N > d.
        n_components : int
            1: the mean and the covariance of z, without iterations.
        generator : torch.Generator
            Needed for more than one component: draws the first means among z.
        max_iter : int
        tol : float
            Stops when the mean log-likelihood rises by less.

        Raises
        ------
        ValueError, TypeError
            Too few vectors, NaN, no ``generator``.

        Example
        -------
        >>> g = torch.Generator().manual_seed(0)
        >>> z = torch.randn(2000, 2, generator=g) + torch.tensor([3.0, -2.0])
        >>> GaussianMixture.fit(z).means.round(decimals=1)
        tensor([[ 3., -2.]], dtype=torch.float64)
        """
        check_tensor("z", z, (None, None))
        check_finite("z", z)
        n_components = check_count("n_components", n_components)
        max_iter, tol = check_count("max_iter", max_iter), check_nonnegative("tol", tol)
        N, d = z.shape
        if N <= d * n_components:
            raise ValueError(f"'z' must hold more than {d * n_components} vectors of {d} entries, got {N}")
        z = z.detach().double()
        scatter = torch.cov(z.T).reshape(d, d)
        ridge = 1e-6 * scatter.diagonal().mean() * torch.eye(d, dtype=z.dtype, device=z.device)
        weights = z.new_full((n_components,), 1 / n_components)
        if n_components == 1:
            return cls(weights, z.mean(0, keepdim=True), (scatter + ridge)[None])
        check_generator(generator)
        pick = torch.randperm(N, generator=generator, device=generator.device)[:n_components]
        mixture = cls(weights, z[pick.to(z.device)], (scatter + ridge).expand(n_components, d, d))
        before = -math.inf
        for _ in range(max_iter):
            terms = mixture._log_terms(z)
            total = torch.logsumexp(terms, 1)
            share = (terms - total[:, None]).exp()  # (N, K): how far each component explains each vector
            mass = share.sum(0)
            means = (share.T @ z) / mass[:, None]
            centred = z[:, None] - means
            covariances = torch.einsum("nk,nki,nkj->kij", share, centred, centred) / mass[:, None, None] + ridge
            now = float(total.mean()) + float(mixture.log_peak())
            mixture = cls(mass / N, means, covariances)
            if now - before < tol:
                break
            before = now
        return mixture

    def log_peak(self) -> Tensor:
        """log c, the constant by which p is divided: log p(z) = log c - R_Z(z) / 2."""
        d = self.means.shape[1]
        terms = self.weights.log() + self._whiten.diagonal(dim1=1, dim2=2).log().sum(1)
        return torch.logsumexp(terms, 0) - 0.5 * d * math.log(2 * math.pi)

    def __repr__(self) -> str:
        return f"GaussianMixture({len(self.weights)} components, d={self.means.shape[1]})"


class ImageTV(LatentRegulariser):
    r"""Total variation of G(z): :math:`R_{\mathcal Z}(z)=\sum_i\sqrt{|\nabla G(z)|_i^2+\varepsilon^2}-\varepsilon`.

    Smoothed, so that there is a gradient where the image is flat.

    Parameters
    ----------
    epsilon : float > 0
        Slopes below it, in grey values a pixel, count by their square.

    Source
    ------
    Van Veen et al. 2018, the paper's reference [55]; paper, Sect. 3.2.

    Example
    -------
    >>> x = torch.zeros(1, 1, 8, 8)
    >>> x[..., :3, :] = 1
    >>> ImageTV(1e-6)(None, x).round(decimals=3)
    tensor([8.])
    """

    def __init__(self, epsilon: float = 0.01) -> None:
        epsilon = check_positive("epsilon", epsilon)
        self.epsilon = float(epsilon)

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        return ((gradient(x).pow(2).sum(1) + self.epsilon**2).sqrt() - self.epsilon).flatten(1).sum(1)

    def __repr__(self) -> str:
        return f"ImageTV(epsilon={self.epsilon:g})"


class CriticLoss(LatentRegulariser):
    r"""The loss of a GAN's generator: :math:`R_{\mathcal Z}(z) = -D(G(z))` for the critic D of a Wasserstein GAN.

    The paper's :math:`\log(1-D(G(z)))` is the loss for a discriminator, whose D is a probability.  A critic's D is
    any number, fixed up to a constant, and large for real images; the generator is trained to minimise -D(G(z)).

    Parameters
    ----------
    critic : WGAN
        Whose critic judges; usually the generator itself.

    Source
    ------
    Paper, Sect. 3.2 (its references [56, 57]) and eq. (5).
    """

    def __init__(self, critic: WGAN) -> None:
        self.critic = check_kind("critic", critic, WGAN, "a WGAN, which has a critic")

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        return -self.critic.critic(x)
