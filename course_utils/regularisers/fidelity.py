r"""Data terms: how far A x is from the data y, as an argument of ``reconstruct`` and of ``R.problem``.

Each is called like the formula, ``F(p, y)`` with p = A x, and gives (B,) values.

>>> p, y = torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 1.0]])
>>> SquaredError()(p, y), KullbackLeibler()(p, y).round(decimals=4)
(tensor([1.]), tensor([0.3069]))
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import check_entries, check_nonnegative_entries, check_tensor, check_weights

__all__ = ["Fidelity", "KullbackLeibler", "SquaredError"]


def check_pair(p: Tensor, y: Tensor) -> None:
    """Raise unless ``p`` and ``y`` are data of one shape: others would be broadcast in silence."""
    check_tensor("p", p)
    check_tensor("y", y, tuple(p.shape), like=p)
    if p.ndim < 2:
        raise ValueError(f"'p' must be a batch, with two axes or more, got shape {tuple(p.shape)}")
    check_entries("p", p)
    check_entries("y", y)


class Fidelity:
    """A data term.

    Attributes
    ----------
    squared : bool
        Whether it is the squared norm, on which many algorithms rely.
    """

    squared = False

    def __call__(self, p: Tensor, y: Tensor) -> Tensor:
        """(B, ...) predicted and measured data -> (B,)."""
        raise NotImplementedError

    def magnitude(self, y: Tensor) -> Tensor:
        """The size of what is subtracted in a value, for its round-off: (B, ...) -> (B,)."""
        raise NotImplementedError

    def dual_step(self, dual: Tensor, p: Tensor, y: Tensor, sigma: Tensor) -> Tensor:
        """prox of sigma times the convex conjugate of F(., y), at dual + sigma p; ``sigma`` multiplies ``p``."""
        raise NotImplementedError

    def check(self, y: Tensor) -> None:
        """Raise unless ``y`` can be data of this kind."""

    def check_model(self, A, y: Tensor) -> None:
        """Raise unless some image makes F(A x, y) finite."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class SquaredError(Fidelity):
    r""":math:`F(p, y) = \|p - y\|_2^2`, a sum without the factor 1/2: white Gaussian noise.

    Source
    ------
    Paper, eq. (2).
    """

    squared = True

    def __call__(self, p: Tensor, y: Tensor) -> Tensor:
        check_pair(p, y)
        return (p - y).flatten(1).pow(2).sum(1)

    def magnitude(self, y: Tensor) -> Tensor:
        return y.flatten(1).pow(2).sum(1)

    def dual_step(self, dual: Tensor, p: Tensor, y: Tensor, sigma: Tensor) -> Tensor:
        return (dual + sigma * (p - y)) / (1 + sigma / 2)


class KullbackLeibler(Fidelity):
    r""":math:`F(p, y) = \sum_i q_i - y_i + y_i\log(y_i/q_i)` with :math:`q = p + b`: counts, Poisson noise.

    Minus the logarithm of the Poisson likelihood of y with mean q, up to a constant that makes the least value 0.  It
    is infinite where some q_i < 0, or q_i = 0 < y_i.  Data in other units than counts need their factor in front.

    Parameters
    ----------
    background : float or tensor that broadcasts against one measurement, >= 0
        b, expected counts that do not come from the object.

    Raises
    ------
    ValueError
        A negative background; negative data when it is used.

    Source
    ------
    Lectures, part I.1 (variational methods for other noise); Bertero, Boccacci, Desidera, Vicidomini, Inverse Problems
    25 (2009).

    Example
    -------
    >>> F, y = KullbackLeibler(background=1.0), torch.tensor([[3.0, 0.0]])
    >>> F(torch.tensor([[2.0, 0.0]]), y), F(torch.tensor([[-1.0, 0.0]]), y)
    (tensor([1.]), tensor([inf]))
    """

    def __init__(self, background: float | Tensor = 0.0) -> None:
        self.background = check_weights("background", background)

    def __call__(self, p: Tensor, y: Tensor) -> Tensor:
        check_pair(p, y)
        q = p + self.background
        impossible = (q < 0) | ((q == 0) & (y > 0))
        logarithm = torch.where(q > 0, q, 1.0).log()  # of 1 where it does not count: no NaN in a gradient
        terms = q - y + torch.xlogy(y, y) - y * logarithm
        return torch.where(impossible, torch.inf, terms).flatten(1).sum(1)

    def magnitude(self, y: Tensor) -> Tensor:
        return y.flatten(1).sum(1)

    def dual_step(self, dual: Tensor, p: Tensor, y: Tensor, sigma: Tensor) -> Tensor:
        v = dual + sigma * (p + self.background)
        return 0.5 * (v + 1 - ((v - 1).pow(2) + 4 * sigma * y).sqrt())

    def check(self, y: Tensor) -> None:
        check_nonnegative_entries("y", y)

    def check_model(self, A, y: Tensor) -> None:
        """Raise if there are counts where A predicts none, whatever the image, and there is no background."""
        with torch.no_grad():
            seen = A(torch.ones(1, *A.shape_in, dtype=y.dtype, device=y.device)) + self.background
        impossible = (seen == 0) & (y > 0)
        if bool(impossible.any()):
            raise ValueError(
                f"'y' has counts in {int(impossible.any(0).sum())} places where A predicts none for any image: "
                "give KullbackLeibler a 'background', or leave them out"
            )

    def __repr__(self) -> str:
        return f"KullbackLeibler(background={self.background})"
