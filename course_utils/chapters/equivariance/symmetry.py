"""What turns do: to answers for turned data, to interpolated images, to discretised functionals and their prox."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from scipy import ndimage
from torch import Tensor

from ...equivariance import Group, SymmetricTV, act_on_data, disc, equivariance_error, invariance_error, rotate
from ...metrics import psnr
from ...operators import Identity, Inpainting, LinearOperator
from ...regularisers import TGV, TV, Regulariser, Wavelets
from ...solvers import reconstruct

__all__ = [
    "ELEMENTS", "FUNCTIONALS", "MASKS", "averaged", "bar_and_disc", "changes", "corner_grey", "denoised",
    "enough_invariance", "functionals", "images_move", "inpainted", "moves_data", "refined", "repeated", "scene",
    "square", "turned_back",
]  # fmt: skip

D4 = Group("D4")
#: What is asked of a network: name -> element of D4.  The last one exchanges rows and columns.
ELEMENTS = {"quarter turn": 1, "half turn": 2, "three quarters": 3, "transposed": 5}
#: Name -> the regulariser with a weight.
FUNCTIONALS: dict[str, Callable[[float], Regulariser]] = {
    "TV, forward differences": TV,
    "TV, mean over four corners": SymmetricTV,
    "anisotropic TV": lambda lam: TV(lam, isotropic=False),
    "TGV": TGV,
    "Haar wavelets": lambda lam: Wavelets(lam, "haar", levels=3),
    "db4 wavelets": lambda lam: Wavelets(lam, "db4", levels=3),
}


# ------------------------------------------------------------------------------------- reconstructions


def images_move(v: Tensor, g: int) -> Tensor:
    """The action of D4 on images."""
    return D4.act(v, g)


def moves_data(A: LinearOperator) -> Callable[[Tensor, int], Tensor]:
    """The action of D4 on the data of A."""
    return lambda y, g: act_on_data(A, y, "D4", g)


def turned_back(network: Callable, v: Tensor, act: Callable, g: int) -> Tensor:
    """What the network makes of the moved v, moved back: ``network(v)`` if it is equivariant."""
    return D4.act(network(act(v, g)), D4.inverse(g))


def averaged(network: Callable, act: Callable, elements: Sequence[int] = range(4)) -> Callable[[Tensor], Tensor]:
    """The mean of ``turned_back`` over a subgroup of D4, the quarter turns by default: an equivariant map."""
    return lambda v: torch.stack([turned_back(network, v, act, g) for g in elements]).mean(0)


def changes(network: Callable, v: Tensor, act: Callable, truth: Tensor) -> dict[str, dict[str, Tensor]]:
    """For each of ``ELEMENTS``: by how many dB the answer changes, and the equivariance error; (B,) each."""
    upright, found = network(v), {}
    for name, g in ELEMENTS.items():
        back = turned_back(network, v, act, g)
        apart = (back - upright).flatten(1).norm(dim=1) / upright.flatten(1).norm(dim=1)
        found[name] = {"change": psnr(back, truth) - psnr(upright, truth), "error": apart}
    return found


def corner_grey(truth: Tensor, answer: Tensor) -> Tensor:
    """Mean grey value of the answer at the four corner pixels of the rectangle, 0.5 in the truth: (B,).

    Parameters
    ----------
    truth : (B, 1, N, N) tensor
        Upright Shapes: the rectangle is the object whose bounding box it fills.
    answer : (B, 1, N, N) tensor
    """
    found = []
    for x, v in zip(truth[:, 0].numpy() > 0, answer[:, 0], strict=True):
        boxes = ndimage.find_objects(ndimage.label(x)[0])
        rows, columns = next(box for box in boxes if x[box].all())
        low, high = [rows.start, columns.start], [rows.stop - 1, columns.stop - 1]
        found.append(torch.stack([v[r, c] for r in (low[0], high[0]) for c in (low[1], high[1])]).mean())
    return torch.stack(found)


# ------------------------------------------------------------------------------------------ inpainting


def bar_and_disc(size: int = 56) -> Tensor:
    """An upright bar 8 pixels wide and a disc, grey on black: (1, 1, size, size)."""
    x = torch.zeros(1, 1, size, size, dtype=torch.float64)
    x[..., 8:48, 10:18] = 0.5
    row = torch.arange(size, dtype=torch.float64)
    x[..., (row[:, None] - 28.5) ** 2 + (row - 38) ** 2 <= 10.3**2] = 0.5
    return x


def _band(size: int = 56) -> Tensor:
    mask = torch.ones(size, size, dtype=torch.bool)
    mask[22:34] = False
    return mask


#: Masks of 56 x 56 pixels, True where a pixel is seen: rows 22 to 33 are hidden; these rows and these columns.
MASKS = {"band": _band(), "cross": _band() & _band().T}


def inpainted(mask: Tensor, x: Tensor, R: Regulariser, g: int) -> tuple[Tensor, Tensor]:
    """Mask and reconstruct x, and g x; the second answer is moved back: two tensors like x (1, 1, N, N).

    Raises
    ------
    RuntimeError
        The solver has not converged.
    """
    A = Inpainting(mask).to(x.dtype)
    both = _solved(A, torch.cat([A(x), A(D4.act(x, g))]), R, tol=1e-4)
    return both[:1], D4.act(both[1:], D4.inverse(g))


def _solved(A: LinearOperator, y: Tensor, R: Regulariser, tol: float = 1e-5) -> Tensor:
    result = reconstruct(A, y, R, solver="pdhg", max_iter=10_000, tol=tol)
    if not result.converged.all():
        raise RuntimeError(f"{R!r} has not converged in {result.iterations.tolist()} iterations")
    return result.x


# ------------------------------------------------------------------------------ turns by any angle


def repeated(x: Tensor, angle: float, times: int, mode: str) -> list[Tensor]:
    """x turned once, twice, ..., each from the last by interpolation."""
    found = []
    for _ in range(times):
        x = rotate(x, angle, mode)
        found.append(x)
    return found


def _plane(size: int, angle: float) -> tuple[Tensor, Tensor]:
    """Where a function turned by ``angle`` looks at the centres of pixels, in units of the side of the image."""
    place = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) / size
    x, y, c, s = place[None], -place[:, None], math.cos(angle), math.sin(angle)
    return c * x + s * y, -s * x + c * y


def _box(x: Tensor, y: Tensor, half: tuple[float, float], edge: float) -> Tensor:
    return torch.sigmoid((half[0] - x.abs()) / edge) * torch.sigmoid((half[1] - y.abs()) / edge)


def scene(size: int, angle: float = 0.0, edge: float = 0.03) -> Tensor:
    """A box and a disc with soft edges, turned exactly, because they are a formula: (1, 1, size, size)."""
    x, y = _plane(size, angle)
    ring = torch.sigmoid((0.13 - ((x - 0.13) ** 2 + (y + 0.12) ** 2).sqrt()) / edge)
    return (_box(x + 0.12, y - 0.15, (0.14, 0.1), edge) + ring)[None, None]


def square(size: int, angle: float = 0.0, samples: int = 8) -> Tensor:
    """A square with sharp edges, turned exactly; grey values are means over a pixel: (1, 1, size, size)."""
    x, y = _plane(size * samples, angle)
    inside = ((x.abs() <= 0.22) & (y.abs() <= 0.22)).double()
    return inside.reshape(size, samples, size, samples).mean((1, 3))[None, None]


# ---------------------------------------------------------------------------------------- functionals


def denoised(make: Callable[[float], Regulariser], x: Tensor, tau: float) -> Tensor:
    r"""prox of tau R, :math:`\arg\min_v R(v)+\|v-x\|^2/(2\tau)`, where R is ``make(1)``."""
    R = make(2 * tau)
    return R.prox(x, tau) if isinstance(R, Wavelets) else _solved(Identity(x.shape[-1]).to(x.dtype), x, R)


def functionals(x: Tensor, tau: float, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """How far each functional is from invariant, and its prox from equivariant: quarter turn and transposition."""
    found = {}
    for name in names:
        make, found[name] = FUNCTIONALS[name], {}
        for element in ("quarter turn", "transposed"):
            act = _by(ELEMENTS[element])
            found[name][element] = float(invariance_error(_value(make(1.0)), x, act).mean())
            prox = equivariance_error(lambda v, make=make: denoised(make, v, tau), x, act)
            found[name][f"prox, {element}"] = float(prox.mean())
    return found


def enough_invariance(make: Callable[[float], Regulariser], x: Tensor, tau: float, g: int) -> tuple[Tensor, Tensor]:
    r"""Both sides of :math:`\|p-q\|^2\le\tau\,(R(p)-R(gp)+R(gq)-R(q))`: (B,) each.

    q is prox of tau R at x, and p that at g x, moved back; R is convex, and g keeps norms.
    """
    q, p = denoised(make, x, tau), D4.act(denoised(make, D4.act(x, g), tau), D4.inverse(g))
    R = make(1.0)
    return (p - q).flatten(1).square().sum(1), tau * (R(p) - R(D4.act(p, g)) + R(D4.act(q, g)) - R(q))


def _value(R: Regulariser) -> Callable[[Tensor], Tensor]:
    """R itself, that of TGV as roughly as a table needs: it is the minimum of another problem."""
    return (lambda v: R(v, tol=1e-4)) if isinstance(R, TGV) else R


def _by(g: int) -> Callable[[Tensor], Tensor]:
    return lambda v: D4.act(v, g)


def refined(
    sizes: Sequence[int], makes: Mapping[str, Callable], angle: float, tau: float = 0.02
) -> dict[str, list[float]]:
    """Equivariance error of the prox of each functional on ever finer grids, and what interpolation alone costs.

    The turned ``scene`` is a formula; only the answer is turned by interpolation.  ``tau`` is in units of the side of
    the image: on a grid of n x n pixels the sum of differences has the weight tau n.

    Returns
    -------
    dict of name -> errors
        "interpolation" is the error of turning the scene itself.
    """
    found: dict[str, list[float]] = {name: [] for name in (*makes, "interpolation")}
    for size in sizes:
        upright, turned, within = scene(size), scene(size, angle), disc(size, 1)
        pairs = {name: denoised(make, torch.cat([upright, turned]), tau * size) for name, make in makes.items()}
        pairs["interpolation"] = torch.cat([upright, turned])
        for name, pair in pairs.items():
            apart = (pair[1:] - rotate(pair[:1], angle)) * within
            found[name].append(float(apart.norm() / (pair[:1] * within).norm()))
    return found
