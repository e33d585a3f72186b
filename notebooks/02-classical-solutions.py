# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     cell_metadata_filter: tags,mystnb,slideshow,-all
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
# # 02 Classical solutions
#
# > **Chapter 01 ended with an image without most of its noise and without most of its edges. What can we know of an
# > image before we have seen one, and what does each piece of knowledge cost?**
#
# **You will be able to**
#
# - say of a formula, a penalty, an iteration and a prior what each believes about images, and derive a method from a
#   model of the data (exercise 3);
# - minimise a data term plus a penalty by proximal gradient steps or by a primal-dual method, and choose between them
#   (exercise 1);
# - explain semi-convergence, and stop an iteration by the discrepancy principle (exercise 2);
# - choose $\lambda$ by five rules, say what each has to know, and prove why a search for it may be halved (exercises 4
#   and 5);
# - read a reconstruction as the most probable image, and tell it from the mean of all that are probable (exercise 6).
#
# **Prerequisites:** forward operators, adjoints, norms, singular values, the noise of counts (chapter 01).
#
# **Time:** 135 min to read and do the exercises, in two sittings (sections 1 to 5, 6 to 11), and 1 to 2 min to run on
# two CPU cores.

# %% tags=["setup"]
# On Colab this cell fetches the course and leaves torch and numpy as they are. Elsewhere it only checks.
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from subprocess import run

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; must be said before torch comes
if "google.colab" in sys.modules:
    repository, course = "https://github.com/generative-regularisation/course", Path("/content/course")
    if not course.is_dir():
        run(["git", "clone", "-q", "--depth=1", repository, course], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    run([*pip, "-e", course, "pot", "pywavelets", "safetensors"], check=True)
    sys.path.insert(0, str(course))
elif find_spec("course_utils") is None:
    raise ModuleNotFoundError("course_utils is missing: `pip install -e .` in the folder of the course")

# %%
import matplotlib.pyplot as plt
import torch

from course_utils import (
    H1,
    TGV,
    TV,
    GaussianBlur,
    Identity,
    KullbackLeibler,
    Tikhonov,
    Wavelets,
    load,
    load_tilt_series,
    measure,
    psnr,
    reconstruct,
)
from course_utils.bayes import coverage, credible_interval, gaussian_posterior
from course_utils.chapters.classical import checks
from course_utils.chapters.classical.explorer import weights_explorer
from course_utils.chapters.classical.figures import (
    algorithm_table,
    examples_figure,
    families_table,
    penalty_table,
    posterior_figure,
    profiles,
    rates_figure,
    rules_figure,
    shaded_phantom,
    simple_images,
)
from course_utils.chapters.classical.iterations import iterations_explorer
from course_utils.chapters.classical.posterior import tv_posterior
from course_utils.choosing import degrees_of_freedom, gcv, l_curve, morozov, oracle, solution_path, squared_noise, sure
from course_utils.figures import curves, image_rows, image_strips, markdown_table, show_image, subplots
from course_utils.figures.methods import methods_figure, methods_table
from course_utils.filters import convergence_rate, landweber_filter, tikhonov_filter, truncated_filter
from course_utils.metrics import contrast_recovery
from course_utils.notebooks import FAST
from course_utils.operators import ParallelBeam
from course_utils.reconstructors import CGLS, MLEM, FilteredBackProjection, Landweber, LinearisedBregman
from course_utils.reproduce import load_result
from course_utils.reproduce.problems import shared_problem
from course_utils.results import origin


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# %% [markdown]
# ## 1 One scan, four answers
#
# A scanner takes 30 views of a grey circle and a grey rectangle. The noise has the standard deviation $\sigma=0.1$,
# which is loud.

# %% mystnb={"image": {"alt": "Left: a grey circle and a grey rectangle on black. Right: its scan, 30 rows of 81 noisy numbers, in which two bright bands that wander from row to row can just be seen."}}
problem = shared_problem("tomography", n_val=2, n_test=8)
A, sigma, x, y = problem.A, 0.1, problem.x, problem.y
figure, (left, right) = subplots(1, 2, size=(6.6, 2.5), alt="A circle and a rectangle, and their noisy scan.")
show_image(left, x[0], "truth")
show_image(right, y[0], "data $y$, one row a view", None, aspect="auto")
plt.show()

# %% [markdown]
# Four people reconstruct from such data.
#
# - The first applies a **formula** that inverts the scan.
# - The second applies the same formula and smooths.
# - The third starts from a black image and takes four steps that make the misfit $\|Ax-y\|_2^2$ smaller. Then she
#   stops, although more steps would make it smaller still. That is an **iterative method**.
# - The fourth looks for the image that makes the misfit *and* the total length of all edges small. That is a
#   **variational method**.
#
# **Predict, then run.** Order the four by the quality of their images. Nobody uses more data than the others: what do
# the later ones know that the first does not?

# %% mystnb={"image": {"alt": "Two images of a circle and a rectangle, and four reconstructions of each. The exact formula gives strong noise, through which the objects are hardly seen; the smoothed one shows blurred objects with streaks; four steps show blurred, grainy objects; TV shows flat grey objects on black."}}
answers = {
    "formula": reconstruct(A, y, FilteredBackProjection("ramp")).x,
    "formula, smoothed": reconstruct(A, y, FilteredBackProjection("hann", cutoff=0.28)).x,
    "four steps": reconstruct(A, y, Landweber(4)).x,
    "total variation": reconstruct(A, y, TV(0.06)).x,
}
image_rows({name: image[:2] for name, image in answers.items()}, x[:2], residuals=False, size=1.6)
plt.show()

# %%
quality = {name: float(psnr(image, x).mean()) for name, image in answers.items()}
misfit = {name: float((A(image) - y).pow(2).sum((1, 2)).mean()) for name, image in answers.items()}
rows = [[name, f"{quality[name]:.1f}", f"{misfit[name] / (A.m * sigma**2):.2f}"] for name in answers]
assert quality["formula"] < quality["four steps"] < quality["formula, smoothed"] < quality["total variation"]
markdown_table(["answer", "PSNR (dB), mean of 8", "misfit / expected noise"], rows)

# %% [markdown]
# The exact formula is the worst by more than 10 dB. The images do not get better because the data are fitted better:
# the expected misfit of the *truth* is $m\sigma^2$, the energy of the noise, and an answer with a smaller misfit has
# explained a part of the noise. They get better with what is known beforehand: high frequencies hold more noise than
# image (smoothing), the parts of an image that the data show well come first (four steps), images have few edges
# (total variation). How strongly each of these counts is a choice, too: cutoff, number of steps and weight were tuned
# on other images of the same kind.
#
# The lectures (part I.1) sort the methods of the time before learning into these families, and add a fourth, Bayesian
# one. This chapter goes through the four, measures all of them on five problems, and ends with a table to which every
# later chapter adds its own rows.

# %% [markdown]
# ## 2 Formulas
#
# **Where they come from.** For some operators $A$ an inverse can be written down. In tomography it is **filtered
# back-projection**, FBP: filter each view with a ramp, $|f|$ in frequency, then smear the views back over the image
# (chapter 07 derives it). In MRI the data are Fourier coefficients, so one puts zeros where none were measured and
# transforms back: the **zero-filled** image. With several coils one takes the root of the sum of the squares of their
# images (chapter 08).
#
# **What they believe.** The ramp alone believes the data. A window in front of it says from which frequency on there
# is more noise than image. *Ram-Lak* is the ramp without a window; *Shepp-Logan* and *Hann* fall off, Hann most; a
# `cutoff` below 1 ends the window earlier.
#
# **Predict, then run.** Without noise and with 125 views the ramp should win. Which filter will win with 15 views and
# no noise: does a lack of views call for a window, as noise does?
#
# - [ ] Ram-Lak
# - [ ] Shepp-Logan
# - [ ] Hann
# - [ ] Hann, 0.35

# %%
truths = load("shapes").test[:8]
filters = {
    "Ram-Lak": ("ramp", 1.0),
    "Shepp-Logan": ("shepp-logan", 1.0),
    "Hann": ("hann", 1.0),
    "Hann, 0.35": ("hann", 0.35),
}
best_filter, lines = {}, []
for noise in (0.0, 0.02, 0.1):
    for views in (125, 15):
        scan = ParallelBeam.full(56, n_angles=views)
        data = measure(scan, truths, noise, seeded(0))
        found = {
            name: float(psnr(FilteredBackProjection(*f)(data, scan), truths).mean()) for name, f in filters.items()
        }
        best_filter[noise, views] = max(found, key=found.get)
        lines.append([f"{noise:g}", views, *(f"{value:.1f}" for value in found.values())])
many, few = (ParallelBeam.full(56, n_angles=views) for views in (125, 15))
data = measure(many, truths, 0.1 * many.scale / few.scale, seeded(0))  # as loud as with 15 views in each ray
found = [float(psnr(FilteredBackProjection(*f)(data, many), truths).mean()) for f in filters.values()]
lines.append([f"{0.1 * many.scale / few.scale:.3f}", 125, *(f"{value:.1f}" for value in found)])
assert best_filter[0.0, 125] == "Ram-Lak" and best_filter[0.1, 125] == best_filter[0.1, 15] == "Hann, 0.35"
markdown_table(["noise σ", "views", *(f"{name} (dB)" for name in filters)], lines)

# %% [markdown]
# With all views and no noise the ramp alone wins, as it should. With 15 views it loses to Hann by 2 dB although there
# is no noise, because too few views alias (`natterer2001mathematics`, Ch. III): what the gaps between them leave are
# streaks, and a window damps the high frequencies in these. With the noise of section 1 the ramp falls below 7 dB, and
# a window that cuts at 0.35 is better by 16 dB. That the number of views hardly matters there is a matter of units:
# every $A$ of the course is divided by its norm, so that with 125 views each datum is smaller, under the same
# $\sigma$. The last row has the noise of 15 views in each *ray* of 125: now more views are worth 8 to 9 dB to the ramp
# and to Hann.
#
# **What they cost.** Almost nothing: about a millisecond an image here. **What they cannot do**, in the words of the
# lectures: the formula belongs to one operator and needs data that nearly determine the image, and it has no place for
# further knowledge, not even that grey values are not negative.

# %% [markdown]
# ## 3 Penalties
#
# A variational method writes knowledge down as a function $R$ that is small for plausible images, and lets it compete
# with the data (paper, eq. (2); lectures, part I.1, option 2):
#
# $$x_\lambda\in\arg\min_x\ \|Ax-y\|_2^2+\lambda R(x).\tag{1}$$
#
# | penalty | $R(x)$ | believes that |
# |---|---|---|
# | Tikhonov | $\Vert x\Vert_2^2$ | grey values are small |
# | H1 | $\Vert\nabla x\Vert_2^2$ | neighbours differ little |
# | wavelets | $\Vert Wx\Vert_1$ without the averages | few coefficients of a wavelet transform $W$ suffice |
# | TV | $\sum_i\lvert(\nabla x)_i\rvert$ | images are flat, with few and short edges |
# | TV, anisotropic | $\sum_i\lvert(\partial_1x)_i\rvert+\lvert(\partial_2x)_i\rvert$ | the same, and edges are upright or level |
# | TGV | $\min_w\sum_i\lvert(\nabla x-w)_i\rvert+\beta\lvert(Ew)_i\rvert$ | images are sloped planes, with few edges and kinks |
#
# $\nabla$ is the forward difference and $E$ the symmetrised derivative. Each of them can be combined with bounds on
# the grey values, such as $x\ge0$: outside the bounds $R$ is infinite.
#
# **Predict, then run.** A step and a ramp both climb from 0 to 1. Which of the two is cheaper for H1, TV and TGV? And
# which penalty notices that a step is slanted?
#
# - [ ] The ramp is cheaper for all three.
# - [ ] The ramp is cheaper for H1 and TGV, not for TV.
# - [ ] The ramp is cheaper for TGV alone.
# - [ ] All three charge them alike.

# %%
penalties = {
    "Tikhonov": Tikhonov(1.0),
    "H1": H1(1.0),
    "wavelets (Haar)": Wavelets(1.0, "haar"),
    "wavelets (db4)": Wavelets(1.0, "db4"),
    "TV": TV(1.0),
    "TV, anisotropic": TV(1.0, isotropic=False),
    "TGV": TGV(1.0),
}
shown = simple_images()
assert float(TGV(1.0)(shown["ramp"])) < 0.01 and abs(float(TV(1.0)(shown["ramp"]) / TV(1.0)(shown["step"])) - 1) < 1e-3
penalty_table(penalties, shown)

# %% [markdown]
# H1 charges a ramp 3 per cent of what it charges a step, because squares punish one large difference more than many
# small ones: H1 smears edges. TV charges both the same, because it adds up the climb, however it is spread: an edge is
# allowed, and a ramp gains nothing by staying smooth. TGV charges nothing for the ramp, because $w$ takes over its
# slope, and the full price for the step. For the roof it pays for the kink alone.
#
# The slanted step is longer than the upright one by $\sqrt2$, which TV and TGV charge except at the two pixels of the
# border, where one of the two differences leaves the image: $(30\sqrt2+2)/32=1.39$. The anisotropic TV measures it
# along the axes and charges almost 2. Haar wavelets are made of upright and level squares: they charge 6 times as
# much.
#
# **Predict, then run.** A plate with a linear shade lies on a background with another linear shade, under noise of
# $\sigma=0.1$. Each penalty gets the $\lambda$ that is best for its own image (the *oracle*). Where will TV make
# steps, and what will each wavelet leave behind?

# %% mystnb={"image": {"alt": "A shaded plate on a shaded background, noisy data, and five denoised images with residuals. H1 blurs the edges of the plate, TV makes faint steps in the background, TGV shows even shades and edges that are sharp except the lowest, Haar wavelets show vertical bands, db4 wavelets show ringing at the edges."}}
plate, same = shaded_phantom(), Identity(64)
noisy = measure(same, plate, 0.1, seeded(0))
grids = {name: torch.logspace(-2, 0, 9).tolist() for name in penalties}
grids["H1"] = torch.logspace(-1, 1.5, 9).tolist()
makers = {
    "H1": H1,
    "TV": TV,
    "TGV": TGV,
    "wavelets (Haar)": lambda lam: Wavelets(lam, "haar"),
    "wavelets (db4)": Wavelets,
}
denoised = {
    name: oracle(solution_path(same, noisy, make, grids[name]), plate).result.x for name, make in makers.items()
}
image_rows({"data": noisy, **denoised}, plate, size=1.5)
plt.show()

# %% mystnb={"image": {"alt": "The middle row of pixels of each image over the truth. H1 rounds the jump, TV is a staircase on the slopes, TGV follows the slopes and smooths the low jump away, Haar makes wide stairs, db4 wiggles."}}
profiles({"truth": plate, **denoised}, row=28, alt="A row of pixels: TV has stairs on the slopes, TGV follows them.")
plt.show()

# %%
stairs = {name: float((image.diff(dim=3).abs() < 1e-3).float().mean()) for name, image in denoised.items()}
shades = {name: float(psnr(image, plate)) for name, image in denoised.items()}
assert shades["TGV"] > shades["TV"] + 2 and stairs["TV"] > 0.3 > 0.05 > stairs["TGV"]
even = float((plate.diff(dim=3).abs() < 1e-3).float().mean())
rows = [[name, f"{shades[name]:.1f}", f"{100 * stairs[name]:.0f}"] for name in denoised] + [
    ["truth", "", f"{100 * even:.0f}"]
]
markdown_table(["penalty", "PSNR (dB)", "neighbours of equal grey value (%)"], rows)

# %% [markdown]
# TV has turned the slopes into stairs: 40 per cent of all neighbours have the same grey value, and in the truth almost
# none. TGV (with $\beta=2$) follows the slopes and is better by 2.8 dB. It is not exact at edges: it rounds the left
# one and, like TV, smooths the low jump at pixel 35 away. The Haar wavelet makes stairs, too, at places that have
# nothing to do with the image, because its squares lie on a fixed grid. The longer db4 has no stairs and rings at the
# edges; its periodic extension treats the left and the right border as neighbours, which shows at both. H1 keeps a
# part of the noise and rounds the edges at the same time.
#
# So a penalty is a claim about images, and it shows in the answer: TV's stairs are not noise and not an error of the
# solver. They are what it believes.

# %% [markdown]
# ## 4 Algorithms
#
# Problem (1) is only a definition. For Tikhonov and H1 it is a linear system. The others have kinks, and the tool for
# a kink is the **proximal operator** (Moreau),
#
# $$\operatorname{prox}_{\tau R}(u)=\arg\min_vR(v)+\frac{\|v-u\|_2^2}{2\tau}.\tag{2}$$
#
# It is problem (1) with $A=I$ and $\lambda=2\tau$: *denoising*. For $R=\|\cdot\|_1$ each pixel is a problem of its
# own. Where $v>0$ the derivative is $1+(v-u)/\tau$, which vanishes at $v=u-\tau$ and is positive on all of $v>0$ if
# $u\le\tau$. With the mirror image for $v<0$, what comes out is **soft thresholding**:
# $\operatorname{sign}(u)\max(|u|-\tau,0)$. For an orthogonal $W$, $\|Wx\|_1$ has $W^*$ of the threshold of $Wu$. For
# TV there is no formula.

# %% [markdown]
# ### Exercise 1 (easy): a sparse image without negative entries
#
# Grey values are not negative, so let us forbid it: $R(v)=\|v\|_1$ if $v\ge0$ in every pixel, and $R(v)=\infty$
# otherwise. Find
#
# $$\operatorname{prox}_{\tau R}(u)=\arg\min_{v\ge0}\ \|v\|_1+\frac{\|v-u\|_2^2}{2\tau} .$$
#
# The starter is soft thresholding, the prox of $\|\cdot\|_1$ without the constraint. What changes for $u>\tau$, for
# $0\le u\le\tau$, and for $u<0$?


# %%
def prox_nonnegative(u, tau):
    return u.sign() * (u.abs() - tau).clamp_min(0)  # your turn


# %%
checks.threshold(prox_nonnegative)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The problem falls apart into one for each pixel. Where $v\ge0$ is allowed, $|v|=v$, so the 1-norm is *linear* there
# and its kink plays no part: $v+(v-u)^2/(2\tau)$ is a parabola with its vertex at $v=u-\tau$. A parabola on $v\ge0$
# has its minimum at the vertex if that is allowed, and at 0 otherwise. So the prox is $\max(u-\tau,0)$. Negative
# entries of $u$ become 0 whatever their size, and not only those above $-\tau$.
#
# Soft thresholding followed by the projection onto $v\ge0$ gives the same. This is not a matter of course: the prox of
# a sum of two functions is in general not one prox after the other. It is true here because each pixel has its own
# problem, and because a convex function of one variable has its minimum over $v\ge0$ at the point of that set nearest
# to its unconstrained minimum.
# </details>


# %% tags=["solution"]
def prox_nonnegative(u, tau):
    return (u - tau).clamp_min(0)


assert checks.threshold(prox_nonnegative)

# %% [markdown]
# **Forward-backward splitting** alternates "fit the data" and "denoise" (lectures, part I.1):
#
# $$x\leftarrow\operatorname{prox}_{\tau\lambda R}\big(x-2\tau A^*(Ax-y)\big),\qquad\tau=\frac1{2\|A\|^2}.\tag{3}$$
#
# *Why this step.* $f(x)=\|Ax-y\|_2^2$ is a quadratic, so $f(v)=f(x)+\langle\nabla f(x),v-x\rangle+\|A(v-x)\|_2^2$
# exactly, and $\|A(v-x)\|_2^2\le\|A\|^2\|v-x\|_2^2=\|v-x\|_2^2/(2\tau)$. So the right-hand side of
#
# $$f(v)+\lambda R(v)\le f(x)+\langle\nabla f(x),v-x\rangle+\frac{\|v-x\|_2^2}{2\tau}+\lambda R(v)$$
#
# touches the objective at $v=x$ and is nowhere below it; (3) is its minimiser. The objective cannot rise. After $k$
# steps it is within $\|x_0-x^*\|^2/(2\tau k)$ of the least value if $R$ is convex. **FISTA** takes the step from a
# point further along the last move and has the bound $2\|x_0-x^*\|^2/(\tau(k+1)^2)$ (Beck, Teboulle). That is proved
# without the restarts, where the momentum points uphill, which we add (O'Donoghue, Candès).
#
# **PDHG** (Chambolle, Pock) writes $R(x)=\Phi(Kx)$ with a simple $\Phi$ as $\max_q\langle Kx,q\rangle-\Phi^*(q)$ and
# walks in $x$ and $q$ at a time. It needs the prox of $\Phi$ only, which is simple for every penalty of the table, and
# no prox of $R$. **ADMM** splits $Kx=v$ off and solves a linear system in each step.
#
# **Predict, then run.** The same two problems by all four: wavelets, whose prox is a formula, and TV, whose prox is
# itself a problem that must be solved in every step of (3). Who wins where? All run until their own rule says
# *converged*; $F^*$ is from a long run of PDHG.

# %%
blur_problem = shared_problem("deblurring", n_val=2, n_test=4)
B, digits, blurred = blur_problem.A, blur_problem.x, blur_problem.y
R = Wavelets(0.08, "haar")
least = reconstruct(B, blurred, R, solver="pdhg", tol=1e-9, max_iter=20_000).objective
runs = {name: reconstruct(B, blurred, R, solver=name) for name in ("forward-backward", "fista", "pdhg", "admm")}
assert (
    all(bool(r.converged.all()) for r in runs.values())
    and 4 * runs["fista"].iterations.sum() < runs["forward-backward"].iterations.sum()
)
algorithm_table(runs, least)

# %%
R = TV(0.04)
least = reconstruct(B, blurred, R, solver="pdhg", tol=1e-9, max_iter=20_000).objective
one = blurred[:1]  # FISTA solves a denoising problem in every step: one image will do
runs = {name: reconstruct(B, one if name == "fista" else blurred, R, solver=name) for name in ("fista", "pdhg", "admm")}
few = algorithm_table({"fista": runs.pop("fista")}, least[:1])
assert bool(runs["pdhg"].converged.all()) and bool(runs["admm"].converged.all())
few

# %%
algorithm_table(runs, least)

# %% [markdown]
# For wavelets FISTA needs an eighth of the iterations of plain forward-backward splitting, and it is the fastest of
# the four. All agree on the least value to $10^{-4}$ or better; a negative number says that a run ended below the long
# one. For TV each step of FISTA hides an inner iteration, and one image takes seconds, while PDHG takes some tens of
# milliseconds, as for the wavelets: it never needs the prox of $R$. So the choice depends on one question: *is there a
# formula for the prox?*
#
# The stopping rules differ, and they show: FISTA's bound on the change of $x$ stops it nearer to the minimum than the
# rule of PDHG and ADMM asks for. A comparison of times at different accuracies says little, so the table gives both.

# %% [markdown]
# ### Move the weight yourself
#
# A slice of a brain, blurred, with noise of $\sigma=0.05$. Below it the two curves that the rest of the chapter is
# about: the misfit in units of the expected noise, with the level 1 of the discrepancy principle, and the PSNR.
#
# 1. *Tikhonov*, smallest $\lambda$ to largest. When does the residual stop looking like noise, and what appears in it?
# 2. For each method: is the best $\lambda$ (star) left or right of Morozov's (diamond)?
# 3. *TV* and *TGV* at their best weight: find the flat pieces in the white matter. Is the gain of TGV as large as on
#    the plate of section 3?

# %% tags=["explorer"] mystnb={"image": {"alt": "A slice of a brain, its blurred noisy data, the reconstruction by TV and its residual, which looks like noise. Below, misfit over its expectation and PSNR against lambda, with the chosen weight, Morozov's, and the best, which is smaller."}}
explorer = weights_explorer()
explorer.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls for the method and the weight."}}
explorer

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. Too small a weight leaves noise (below 12 dB at $\lambda=0.003$). Too large a weight leaves the edges of the skull
#    in the residual: what the method cannot explain.
# 2. For TV, TGV and H1 the best $\lambda$ is 2 to 3 times smaller than Morozov's, whose residual is as large as the
#    *whole* noise. A good reconstruction fits a part of the noise: at the star, TV's squared residual is 0.84 of its
#    expectation. For Tikhonov, which is poor at any weight, both coincide.
# 3. TGV 23.6 dB, TV 23.5: next to nothing on this problem. Section 10 has another problem on a brain, where TGV with
#    $x\ge0$ gains 0.8 dB. So the gain depends on the data and on the bound as well as on the image.
# </details>

# %% [markdown]
# ## 5 Iterations that stop in time
#
# An **iterative method** has no penalty. It runs towards a solution of $Ax=y$, which is bad, and stops before it gets
# there (lectures, part I.1, option 3). **Landweber**'s iteration is gradient descent on the misfit from $x_0=0$,
#
# $$x_{k+1}=x_k+\tau A^*(y-Ax_k),\qquad0<\tau<\frac2{\|A\|^2}.\tag{4}$$
#
# *What $k$ steps do.* With the singular values $s_i$ and vectors $u_i,v_i$ of $A$, $Av_i=s_iu_i$, (4) reads
# $\langle x_{k+1},v_i\rangle=(1-\tau s_i^2)\langle x_k,v_i\rangle+\tau s_i\langle y,u_i\rangle$, so
#
# $$\langle x_k,v_i\rangle=\big(1-(1-\tau s_i^2)^k\big)\frac{\langle y,u_i\rangle}{s_i}.\tag{5}$$
#
# For $k\,\tau s_i^2\gg1$ the bracket is 1, as for the pseudo-inverse. For $k\,\tau s_i^2\ll1$ it is about $k\,\tau
# s_i^2$: nothing has arrived yet. Large singular values come first and small ones, which amplify noise, come last. So
# the error falls, and then it rises again: **semi-convergence**. The number $k$ plays the part of $1/\lambda$.
#
# *When to stop.* The truth itself has the misfit $\|e\|_2^2\approx m\sigma^2$. The **discrepancy principle** (Morozov)
# stops at the first $k$ with $\|Ax_k-y\|_2^2\le m\sigma^2$: to fit the data better means to fit noise.
#
# **Conjugate gradients** for $A^*Ax=A^*y$ (CGLS) find, after $k$ products with $A$ and $A^*$, the smallest misfit that
# $k$ such products can reach. **Nesterov**'s variant of (4) adds momentum. The **linearised Bregman** iteration is (4)
# for a dual variable $v$, with $x=\operatorname{prox}_{\lambda R}(v)$: it begins with an image of least $R$ and lets
# details in by size.
#
# **Predict, then run.** The scan of section 1. Which method needs the fewest steps to its best image? Will its best be
# better than that of the others?

# %% mystnb={"image": {"alt": "Mean PSNR against the number of iterations on a logarithmic axis for four methods. All rise and then fall: CGLS is best after two steps, Nesterov's variant after four, Landweber after five to six; linearised Bregman is best later and higher. Crosses show where the discrepancy principle stops."}}
methods = {
    "Landweber": Landweber(100),
    "Nesterov": Landweber(100, accelerated=True),
    "CGLS": CGLS(100),
    "Bregman, Haar": LinearisedBregman(Wavelets(0.35, "haar"), 100),
}
paths, stops = {}, {}
for name, method in methods.items():
    steps = [
        (float(psnr(xk, x).mean()), float(r.mean()))
        for (xk, r), _ in zip(method.iterates(y, A), range(60), strict=False)
    ]
    paths[name], misfits = zip(*steps, strict=True)
    stops[name] = next((k for k, r in enumerate(misfits) if r <= squared_noise(A.m, sigma).mean), None)
shown = {name: path[1:] for name, path in paths.items()}
ax = curves(range(1, 60), shown, "iterations k", "PSNR (dB), mean of 8", "semilogx", alt="PSNR rises and falls again.")
for name, k in stops.items():
    if k:
        ax.plot(k, paths[name][k], "kx", ms=9)
plt.show()

# %%
best = {name: max(range(60), key=lambda k, path=path: path[k]) for name, path in paths.items()}
rows = [
    [name, best[name], f"{paths[name][best[name]]:.2f}", stops[name], f"{paths[name][stops[name]]:.2f}"]
    for name in methods
]
assert best["CGLS"] < best["Nesterov"] <= best["Landweber"] < best["Bregman, Haar"]
markdown_table(["method", "best k", "PSNR (dB)", "discrepancy stops at k", "PSNR (dB)"], rows)

# %% [markdown]
# All of them semi-converge. Landweber, Nesterov's variant and CGLS have nearly the same best (19.9, 19.9 and 19.4 dB),
# and then lose it at different speeds. The half decibel that CGLS lacks may be due to its long steps; that is a
# conjecture. The Bregman iteration is 1.8 dB better. It is not faster, but it believes something about images.
#
# The discrepancy principle, applied here to the mean misfit of the eight images, stops at the best $k$ or one step
# before it. It stops too early as a rule, because the residual at the best $k$ is smaller than the noise; the next
# explorer has examples. (Proofs of convergence put a factor above 1 before $m\sigma^2$, which stops earlier still.)

# %% [markdown]
# ### Exercise 2 (core): Landweber that stops by itself
#
# Write `landweber(A, y, sigma)`. It starts at $x_0=0$, takes steps of the length $1/\|A\|^2$, and stops by the
# discrepancy principle, with the expected value of $\|e\|_2^2$ as the level: at the *first* $k$ with
# $\|Ax_k-y\|_2^2\le m\sigma^2$. It returns $x_k$ and $k$.
#
# The data `y` have the shape $(1,m)$. `A.m` is the number of data, `A.n` the number of pixels, `A.shape_in` the shape
# of an image, and `A.norm` the norm, which is not 1 for every operator that the check tries. The starter takes steps
# of length 1, fifty of them for all data.


# %%
def landweber(A, y, sigma):
    x = torch.zeros(1, *A.shape_in, dtype=y.dtype)
    for _ in range(50):  # your turn
        x = x + A.T(y - A(x))
    return x, 50


# %%
checks.stopping(landweber)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Test, then step. The test comes first in every round because $x_0=0$ is an iterate as well, and it is the right
# answer when the data are nothing but noise. The residual that is tested belongs to the image that is returned,
# because the step comes after the test.
#
# Along the singular vector with the singular value $s$, the error is multiplied by $1-\tau s^2$ in each step. This
# factor is below 1 in absolute value for all $s\le\|A\|$ only if $\tau<2/\|A\|^2$. With $\tau=1$ and $\|A\|=3$ it is
# $-8$ for the largest singular value, so that this part of the error grows eightfold in each step.
# </details>


# %% tags=["solution"]
def landweber(A, y, sigma):
    x, k = torch.zeros(1, *A.shape_in, dtype=y.dtype), 0
    residual = y - A(x)
    while float((residual**2).sum()) > A.m * sigma**2:
        x, k = x + A.T(residual) / A.norm**2, k + 1
        residual = y - A(x)
    return x, k


assert checks.stopping(landweber)

# %% [markdown]
# ### Move the number of iterations yourself
#
# The same scan of another image, with a bright spot. *MLEM* belongs to section 7: its data are counts with the same
# signal-to-noise ratio.
#
# 1. Drag $k$ to the right with *Landweber*, then with *CGLS*. Which punishes a late stop more?
# 2. Divide the noise by ten. By how much does the best $k$ of Landweber grow? And that of CGLS?
# 3. Why is MLEM's black background black even at $k=300$?

# %% tags=["explorer"] mystnb={"image": {"alt": "A rectangle and a disc with a bright spot, an iterate of Landweber's method and its error; relative error against the number of iterations for four methods, each falling and rising again, with marks at the best iterate and where the discrepancy principle stops."}}
explorer = iterations_explorer()
explorer.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls for the method, the number of iterations and the noise."}}
explorer

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. CGLS by far. At $\sigma=0.032$ and $k=300$ the relative error is 0.7 for Landweber, 3 for Nesterov's variant and 9
#    for CGLS: the faster a method, the more it matters to stop in time.
# 2. From $\sigma=0.032$ to $0.0032$ the best $k$ of Landweber grows from 14 to 118, about like $1/\sigma$, that of
#    CGLS from 3 to 10. The best error does not fall as fast: ten times less noise halves it.
# 3. Its step multiplies, so that pixels stay positive, and a ray with few counts scales all its pixels down. How much
#    non-negativity is worth shows in section 10 on the emission data, with the same counts for all: $x\ge0$ takes
#    Landweber from 26.0 to 27.9 dB, and MLEM has 28.1. Here MLEM's error is not quite comparable with the others,
#    because counts have less noise where the image is dark.
# </details>

# %% [markdown]
# ## 6 Ill-posedness as a rate
#
# Tikhonov, truncated SVD, Landweber and CG do the same thing in different ways: they multiply $\langle
# y,u_i\rangle/s_i$ by a **filter** $\varphi(s_i)$, which is near 1 for large singular values and near 0 for small
# ones. For Tikhonov, the condition for a minimum $(A^*A+\lambda)x=A^*y$ gives $\varphi(s)=s^2/(s^2+\lambda)$;
# Landweber's is in (5); the truncated SVD has a step. For these three, with $\tau\le1/\|A\|^2$, it lies in $[0,1]$.
# That of CG depends on the data, because its steps do, and may exceed 1.

# %% mystnb={"image": {"alt": "Filters against the singular value on a logarithmic axis. Truncated SVD is a step; Tikhonov and Landweber are smooth steps, Landweber's steeper."}}
S = torch.logspace(-2.5, 0, 200)
filters = {
    "Tikhonov, λ = 0.01": tikhonov_filter(S, 0.01),
    "truncated SVD at 0.1": truncated_filter(S, 0.1),
    "Landweber, k = 100": landweber_filter(S, steps=100, step=1.0),
}
curves(S, filters, "singular value s", "filter φ(s)", "semilogx", alt="Three filters rise from 0 to 1 near s = 0.1.")
plt.show()

# %% [markdown]
# How fast does a reconstruction tend to the truth $x^\dagger$ when the noise tends to 0? For a single ill-posed $A$
# and *all* truths there is no rate at all: some truth is always slower. A **source condition** $x^\dagger=(A^*A)^\nu
# w=\sum_is_i^{2\nu}\langle w,v_i\rangle v_i$ with $\|w\|\le1$ says that the truth is smooth in the sense of $A$: it
# has little where $A$ sees little. Then the best possible is
#
# $$\|x-x^\dagger\|\le C\,\delta^{\frac{2\nu}{2\nu+1}},\qquad\delta=\|e\|,\tag{6}$$
#
# and Tikhonov, truncated SVD and Landweber reach it with $\lambda$, the squared truncation level or $1/(\tau k)$ of
# the size $\delta^{2/(2\nu+1)}$ (Engl, Hanke, Neubauer). Tikhonov does so for $\nu\le1$ only, because
# $1-\varphi(s)=\lambda/(s^2+\lambda)\ge\lambda/(\|A\|^2+\lambda)$: its bias is never of smaller order than $\lambda$,
# however smooth the truth. It **saturates** at $\delta^{2/3}$.
#
# **Predict, then run.** For each $\delta$ below we take the *worst* truth with $\nu=2$ and the worst noise. Which
# slope will Tikhonov show, and which Landweber?

# %% mystnb={"image": {"alt": "Worst error against noise level, log-log. Tikhonov with smoothness one half falls with slope one half; with smoothness two its slope is two thirds; truncated SVD and Landweber with smoothness two fall with slope 0.8."}}
wide, deltas = GaussianBlur(28, width=9, std=1.5), torch.logspace(-1, -4, 7).tolist()
rates = {
    "Tikhonov, ν = 1/2": convergence_rate(wide, "tikhonov", 0.5, deltas),
    "Tikhonov, ν = 2": convergence_rate(wide, "tikhonov", 2.0, deltas),
    "truncated SVD, ν = 2": convergence_rate(wide, "truncated", 2.0, deltas),
    "Landweber, ν = 2": convergence_rate(wide, "landweber", 2.0, deltas),
}
assert all(abs(rate.slope - rate.theorem) < 0.03 for rate in rates.values())
rates_figure(rates, alt="Four straight lines: measured errors beside the slopes that are proved.")
plt.show()

# %% [markdown]
# Tikhonov shows $2/3$ although the truth is smoother than that, truncated SVD and Landweber show $4/5$. All four
# slopes are the theorem's to within 0.03. This is a statement about $\delta\to0$ and about the worst case. At the
# noise of a real scan the constant counts more, and none of the three knows anything about *images*: for a blur
# $(A^*A)^\nu w$ is smooth, and an edge is not. (In tomography an edge still allows a small $\nu$, below $1/2$.)

# %% [markdown]
# ## 7 Counts
#
# In emission tomography the data are numbers of photons. Bin $i$ has the mean $(Ax+b)_i$, where $b$ are counts that do
# not come from the object, and $y_i$ is Poisson distributed. Minus the logarithm of its probability is, up to a
# constant, $\sum_i(Ax+b)_i-y_i\log(Ax+b)_i$. Shifted so that its least value is 0, that is the **Kullback-Leibler
# divergence**, the data term for counts (chapter 01; lectures, part I.1):
#
# $$F(Ax,y)=\sum_i(Ax+b)_i-y_i+y_i\log\frac{y_i}{(Ax+b)_i}.$$
#
# **Expectation maximisation** (MLEM; Shepp, Vardi) minimises it. For $b=0$ and an operator whose columns have the sum
# 1, $A^*1=1$, its step is
#
# $$x\leftarrow x\cdot A^*\frac y{Ax}.\tag{7}$$
#
# The gradient of $F$ is then $1-A^*\frac y{Ax}$, so (7) is the gradient step $x-x\cdot\nabla F(x)$, whose length is
# $x$ itself in each pixel: what is positive stays positive, and nobody has to choose a step. No step lowers the
# likelihood, and the iterates semi-converge like those of section 5.

# %% [markdown]
# ### Exercise 3 (core): counts with a background, and pixels that are not seen alike
#
# The step $x\leftarrow x\cdot A^*\frac{y}{Ax}$ was derived for $A^*1=1$ and without a background. A scanner has
# neither: a pixel in the middle is met by more lines than one at the rim, so that $A^*1$ is an image, the
# *sensitivity*; and some counts do not come from the object at all, so that $y$ is Poisson with mean $Ax+b$.
#
# Derive the step for this case and write it. Begin with the derivative of
#
# $$\sum_i\big((Ax+b)_i-y_i\log(Ax+b)_i\big) ,$$
#
# and ask which factor is 1 in every pixel with $x>0$ when the derivative vanishes. For $b=0$ and $A^*1=1$ your step
# must be the one above, which is the starter. All of `x`, `y` and `b` are positive, and `b` is shaped like `y`.


# %%
def emission_step(x, A, y, b):
    return x * A.T(y / A(x))  # your turn


# %%
checks.emission(emission_step)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The derivative is $A^*1-A^*\frac{y}{Ax+b}$. In a pixel with $x>0$ it vanishes exactly if the quotient
# $\frac{1}{A^*1}A^*\frac{y}{Ax+b}$ is 1, so multiply by this quotient:
#
# $$x\leftarrow\frac{x}{A^*1}\,A^*\frac{y}{Ax+b} .$$
#
# Written as $x-\frac{x}{A^*1}\big(A^*1-A^*\frac{y}{Ax+b}\big)$, it is a gradient step whose length differs from pixel
# to pixel; it is so short that $x$ cannot become negative.
#
# The background is added to the model and not subtracted from the data, because $y-b$ has no Poisson distribution and
# may be negative. The sensitivity divides the image, because it is a sum over the data for each pixel. Both show in
# the counts, because with $b=0$
#
# $$\sum_i(Ax_{\text{new}})_i=\langle A^*1,x_{\text{new}}\rangle=\langle x,A^*\tfrac{y}{Ax}\rangle
# =\langle Ax,\tfrac{y}{Ax}\rangle=\sum_iy_i$$
#
# whatever $x$ was: one step suffices for the model to predict as many counts as there are.
# </details>


# %% tags=["solution"]
def emission_step(x, A, y, b):
    return x / A.T(torch.ones_like(y)) * A.T(y / (A(x) + b))


assert checks.emission(emission_step)

# %% [markdown]
# The table below has two more columns than PSNR. SSIM compares means, variances and correlations of small windows, and is
# 1 for equal images. *Contrast* is the part of the hot spot's contrast that is left. OSEM is MLEM with a part of the
# data in each step.
#
# **Predict, then run.** A circle with a small hot spot, 20 counts a ray on average and 4 from the background. Four
# methods; the last two differ in the data term, and each has the weight that is best for its PSNR. Does the right one
# pay, and where: in PSNR or in the contrast of the spot?

# %% mystnb={"image": {"alt": "Two images of a circle with a bright spot and a rectangle, reconstructed by smoothed filtered back-projection with streaks, by MLEM with speckle, by TV with the squared error and by TV with the Kullback-Leibler data term, both flat and clean."}}
pet = shared_problem("pet", n_val=2, n_test=4 if FAST else 12)
A_pet, counts, hot = pet.A, pet.y, pet.x
positive = (0.0, float("inf"))
emission = {
    "FBP": reconstruct(A_pet, counts - pet.background, FilteredBackProjection("hann")),
    "MLEM": reconstruct(A_pet, counts, MLEM(16, background=pet.background)),
    "TV, squared error": reconstruct(A_pet, counts - pet.background, TV(724.0, bounds=positive)),
    "TV, counts": reconstruct(A_pet, counts, TV(5.66, bounds=positive), fidelity=KullbackLeibler(pet.background)),
}
image_rows({name: r.x[:2] for name, r in emission.items()}, hot[:2], size=1.7)
plt.show()

# %%
record = load_result("methods")
methods_table(record, "pet", ["fbp", "mlem", "osem", "landweber+", "tikhonov+", "h1+", "tv+squared", "tv+", "tgv+"])

# %% [markdown]
# **Predict, then run.** The weight of TV was tuned for the PSNR of the whole image. Which $\lambda$ would the spot
# have?

# %%
inside, around = pet.lesions, pet.around()
lines, kept, whole = [], [], []
for lam in (0.71, 1.41, 5.66, 11.3) if FAST else (0.35, 0.71, 1.41, 5.66, 11.3):
    image = reconstruct(A_pet, counts, TV(lam, bounds=positive), fidelity=KullbackLeibler(pet.background)).x
    kept.append(float(contrast_recovery(image, hot, inside, around).mean()))
    whole.append(float(psnr(image, hot).mean()))
    lines.append([f"TV, λ = {lam:g}", f"{whole[-1]:.1f}", f"{kept[-1]:.2f}"])
mlem = (
    float(contrast_recovery(emission["MLEM"].x, hot, inside, around).mean()),
    float(psnr(emission["MLEM"].x, hot).mean()),
)
lines.append(["MLEM", f"{mlem[1]:.1f}", f"{mlem[0]:.2f}"])
assert kept[-3] > mlem[0] and whole[-3] > mlem[1]
assert kept[0] > kept[-2] + 0.1 and max(whole) == whole[-2]
markdown_table(["method", "PSNR (dB)", "contrast of the spot that is left"], lines)

# %% [markdown]
# TV with the squared error gives every ray the same trust; a ray with few counts is more exact in absolute terms, and
# the Kullback-Leibler term knows that. It gains about 1 dB in PSNR. In the *contrast* of the spot it loses: 0.77
# against 0.82, at the weights that are best for PSNR. MLEM, which is 5 dB worse, keeps 0.87. That is a matter of the
# weight and not of TV: with a quarter of it, TV keeps more of the contrast than MLEM at a better PSNR. A small bright
# disc has a long edge for its area, so TV gains most by flattening it, and the weight that is best for the whole image
# is not the one for the spot. PSNR and contrast are different questions, and a doctor asks the second.

# %% [markdown]
# ## 8 Choosing the weight
#
# The hardest part, say the lectures. Five rules, of which all but one work without the truth:
#
# | rule | takes the $\lambda$ for which | has to know |
# |---|---|---|
# | Morozov | $\Vert Ax_\lambda-y\Vert_2^2=m\sigma^2$ | $\sigma$ |
# | L-curve | $\big(\log\Vert Ax_\lambda-y\Vert_2^2,\ \log R(x_\lambda)\big)$ bends most | nothing |
# | GCV | left-out data are predicted best, approximately: least $\Vert Ax_\lambda-y\Vert_2^2/(1-d_\lambda/m)^2$ | that the noise is white |
# | SURE | the estimated risk is least: $\Vert Ax_\lambda-y\Vert_2^2-m\sigma^2+2\sigma^2d_\lambda$ | $\sigma$ |
# | oracle | the image is best | the truth |
#
# $d_\lambda=\operatorname{div}_y(Ax_\lambda)$ counts the **degrees of freedom** that the reconstruction uses: how far
# it follows a change of the data. It is measured with one random change of the data. `solution_path` reconstructs
# every image with every $\lambda$ as one batch, and all rules read that.
#
# **Predict, then run.** $\|e\|_2^2$ has the mean $m\sigma^2$ and the standard deviation $\sqrt{2m}\,\sigma^2$: for
# $m=784$ it is known to 5 per cent. Morozov asks for a *residual* as large as the noise. Will its weight be larger or
# smaller than that of SURE, which asks for a good *prediction*?
#
# - [ ] larger
# - [ ] smaller
# - [ ] about equal

# %% mystnb={"image": {"alt": "PSNR against lambda for Tikhonov and for TV with a marker for each rule. Both curves have a broad top; L-curve, GCV and SURE choose smaller weights than the best for Tikhonov, Morozov's is close to it; for TV, GCV and SURE choose smaller weights, Morozov and the L-curve larger ones. One image is shown."}}
images = 4 if FAST else 12
blur_problem = shared_problem("deblurring", n_val=2, n_test=images)
choices = {}
for name, make in {"Tikhonov": Tikhonov, "TV": TV}.items():
    path = solution_path(blur_problem.A, blur_problem.y, make, torch.logspace(-3, 1, 17).tolist())
    freedom = degrees_of_freedom(path, seeded(0))
    rules = [
        morozov(path, 0.1),
        l_curve(path),
        gcv(path, freedom),
        sure(path, 0.1, freedom),
        oracle(path, blur_problem.x),
    ]
    assert not any(int(rule.at_edge.sum()) for rule in rules) and int(rules[0].solved.sum()) == images
    choices[name] = rules
rules_figure(choices, blur_problem.x, image=0, alt="PSNR against lambda and the choice of each rule.")
plt.show()

# %%
lines, prediction, lost = [], {}, {}
for name, rules in choices.items():
    for rule in rules:
        loss = psnr(rules[-1].result.x, blur_problem.x) - psnr(rule.result.x, blur_problem.x)
        prediction[name, rule.rule] = float(blur_problem.A(rule.result.x - blur_problem.x).pow(2).sum((1, 2, 3)).mean())
        lost[name, rule.rule] = float(loss.mean())
        cells = [
            f"{rule.row()['lam']:.3f}",
            f"{loss.mean():.2f}",
            f"{loss.max():.2f}",
            f"{prediction[name, rule.rule]:.2f}",
        ]
        lines.append([name, rule.rule, *cells, rule.reconstructions])
head = [
    "penalty",
    "rule",
    "λ, geometric mean",
    "dB lost to the oracle",
    "worst image",
    "prediction error",
    "reconstructions",
]
assert prediction["Tikhonov", "SURE"] < prediction["Tikhonov", "oracle"]
names = [rule.rule for rule in rules[:-1]]
worst = {name: max(names, key=lambda rule, name=name: lost[name, rule]) for name in choices}
assert FAST or worst == {"Tikhonov": "L-curve", "TV": "Morozov"}, "with few images the order may change"
print("; ".join(f"{name}: {rule} loses most, {lost[name, rule]:.1f} dB" for name, rule in worst.items()) + ".")
markdown_table(head, lines)

# %% [markdown]
# (The figure shows the first image, the table the mean of all.) The rules differ by factors of up to four in
# $\lambda$, and Morozov's weight is larger than SURE's for both penalties. The reason is in SURE's formula: a
# reconstruction whose prediction has the risk $r$ has the mean residual $m\sigma^2+r-2\sigma^2d_\lambda$, which is
# less than $m\sigma^2$ where $r<2\sigma^2d_\lambda$. A good prediction fits a part of the noise, and Morozov does not
# allow that.
#
# For Tikhonov, GCV and SURE agree with each other and choose a weight that is too *small*. They are right about what
# they promise: their prediction error $\|A(x_\lambda-x^\dagger)\|_2^2$ is less than that of the oracle. What $A$ hardly
# sees costs them nothing, though it costs the image. Morozov happens to lie near the best. For TV it is the other way
# round: Morozov, the rule that knows $\sigma$, loses most, and GCV and SURE lose least. The L-curve, which loses most
# for Tikhonov, knows no $\sigma$; but neither does GCV, which loses hardly more than SURE. So no rule wins everywhere;
# each answers a question of its own. The course tunes on validation images, which is yet another rule: it needs images
# that resemble the ones to come.

# %% [markdown]
# ### Exercise 4 (core): Morozov's weight in fifteen calls
#
# For a real scan, one evaluation of $\lambda\mapsto\|Ax_\lambda-y\|_2^2$ is one reconstruction and may take minutes.
# So count them. Write `find_weight(residual, level)`, which returns a $\lambda$ with `residual(lam)` within 1 per cent
# of `level`, in at most **15 calls** of `residual`. You may rely on two things: the residual rises with $\lambda$
# (exercise 5 says why), and the solution lies between $10^{-6}$ and $10^{3}$.
#
# The starter halves an interval of $\lambda$. It finds what it looks for if that is large, and it takes too many
# calls.


# %%
def find_weight(residual, level):
    low, high = 1e-6, 1e3
    while high - low > 1e-3:  # your turn
        lam = (low + high) / 2
        low, high = (lam, high) if residual(lam) < level else (low, lam)
    return (low + high) / 2


# %%
checks.weight(find_weight)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# How many calls does the starter spend before it has tried a single weight below 1? Six of the nine decades lie there.
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The weight is known up to nine decades, so halve the number of decades: bisect in $\log\lambda$, that is, take the
# geometric mean of the ends. After 13 calls the ends differ by $9/2^{13}$ decades, a factor of 1.0025. That is enough
# because for a convex $R$ the residual rises at most like $\lambda^2$, so by at most 2 per cent when $\lambda$ rises
# by 1 per cent. (For Tikhonov one sees it at once: each of its terms is $\big(\frac{\lambda}{s^2+\lambda}\big)^2c$. In
# general the proof of exercise 5, applied to the dual problem, shows it.)
#
# A secant in $\log\lambda$ and $\log\|Ax_\lambda-y\|^2$ needs fewer calls, because this curve is nearly straight over
# decades. It must be kept in a bracket, because the curve is flat at both ends and a secant of a flat piece leads far
# away. `course_utils.choosing.morozov` does this, for a batch of problems at once.
# </details>


# %% tags=["solution"]
def find_weight(residual, level):
    low, high = 1e-6, 1e3
    for _ in range(13):
        lam = (low * high) ** 0.5
        low, high = (lam, high) if residual(lam) < level else (low, lam)
    return (low * high) ** 0.5


assert checks.weight(find_weight)

# %% [markdown]
# ### Exercise 5 (core): why a bracket works, a proof on paper
#
# Let $R$ be *any* penalty, convex or not, $0<\lambda_1<\lambda_2$, and let $x_i$ minimise
# $\|Ax-y\|_2^2+\lambda_iR(x)$, with a finite value. Prove
#
# $$\|Ax_1-y\|_2^2\le\|Ax_2-y\|_2^2\qquad\text{and}\qquad R(x_1)\ge R(x_2) .$$
#
# So a residual above the level means that $\lambda$ is too large, and a bracket of Morozov's weight may be halved.
# Then ask your proof: what is left of it if a solver stops early, within $\varepsilon$ of the least value? And what if
# it returns a local minimiser?
#
# Your proof can also be used as a test of a solver. Somebody hands you a table with one row for each weight: `lam`,
# the misfit `D` $=\|Ax-y\|_2^2$ and the penalty `R` $=R(x)$ of the image that was found. Write `refuted(lam, D, R)`,
# which marks the rows whose image is certainly *no* minimiser for its weight, as the other rows prove. The rows may
# come in any order. The starter sorts them by weight, and marks those in which $D$ falls.


# %%
def refuted(lam, D, R):
    order = lam.argsort()
    falls = torch.zeros(len(lam), dtype=torch.bool)
    falls[order[1:]] = D[order].diff() < 0  # your turn
    return falls


# %%
checks.monotone(refuted)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# You know two inequalities: $x_1$ is at least as good as $x_2$ for the weight $\lambda_1$, and $x_2$ at least as good
# as $x_1$ for $\lambda_2$. Add them.
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Write $D_i=\|Ax_i-y\|_2^2$ and $R_i=R(x_i)$, four finite numbers. That $x_1$ and $x_2$ are minimisers says
#
# $$D_1+\lambda_1R_1\le D_2+\lambda_1R_2\quad\text{(i)},\qquad D_2+\lambda_2R_2\le D_1+\lambda_2R_1\quad\text{(ii)}.$$
#
# In the sum of both $D_1+D_2$ cancels, and $(\lambda_2-\lambda_1)(R_2-R_1)\le0$ remains, so $R_2\le R_1$. Then (i)
# gives $D_1-D_2\le\lambda_1(R_2-R_1)\le0$.
#
# Neither convexity nor uniqueness was used, nor what $A$ and the data term are. Nothing is said of continuity: if $R$
# is not convex, the residual may *jump* past the level. The bracket then closes in on the jump, and no weight has the
# residual that one looks for.
#
# **A solver that stops early.** If the values are within $\varepsilon_1$ and $\varepsilon_2$ of the least ones, the
# right-hand sides of (i) and (ii) grow by them, and what remains is
#
# $$R_2\le R_1+\frac{\varepsilon_1+\varepsilon_2}{\lambda_2-\lambda_1},\qquad
# D_1\le D_2+\varepsilon_1+\lambda_1\frac{\varepsilon_1+\varepsilon_2}{\lambda_2-\lambda_1} .$$
#
# The nearer the two weights, the less it says. So the last steps of a search need the most exact solutions, and a
# bracket that is narrower than the error of the solver means nothing.
#
# **Local minimisers.** Inequality (i) compares $x_1$ with $x_2$, which may lie far away. A local minimiser promises
# nothing about images far away, so both (i) and (ii) may fail, and with them the order. That is why a search for the
# weight of a generative regulariser takes several starts for each weight, or starts where the last one ended.
#
# **The table.** Row $k$ is refuted if some row $j$ breaks the inequality of row $k$,
# $D_k+\lambda_kR_k\le D_j+\lambda_kR_j$: both images are compared at the weight of row $k$. If $D$ or $R$ is in the
# wrong order, at least one of the two rows is refuted, but the order does not say which. And a table whose $D$ and $R$
# are in order may still hold an image that another one beats. A row that is not marked is not proved to be a minimiser
# either, because a better image may be missing from the table.
# </details>


# %% tags=["solution"]
def refuted(lam, D, R):
    values = D + lam[:, None] * R  # row k: the objective of weight k at every image
    return values.amin(1) < values.diagonal()


assert checks.monotone(refuted)

# %% [markdown]
# ## 9 The Bayesian view
#
# Read the two terms as logarithms. With white Gaussian noise and a prior density proportional to
# $e^{-\lambda R(x)/(2\sigma^2)}$, Bayes' rule gives the **posterior**
#
# $$-\log p(x\mid y)=\frac{\|Ax-y\|_2^2+\lambda R(x)}{2\sigma^2}+\text{const}.\tag{8}$$
#
# So $x_\lambda$ of (1) has the highest posterior *density*; one calls it the most probable image, the **MAP**
# estimate, although every single image has the probability 0. But the posterior says more: how sure each pixel is, and
# what *all* probable images have in common, its mean.
#
# For Tikhonov the posterior is Gaussian, with mean $x_\lambda$ and covariance $\sigma^2(A^*A+\lambda)^{-1}$, all of it
# known. The prior is $x\sim\mathcal N(0,\tau^2)$ in each pixel, with $\lambda=\sigma^2/\tau^2$.
#
# **Predict, then run.** We build for each pixel the interval that holds 90 per cent of the posterior. How many pixels
# of an image that was *drawn from the prior* will lie in theirs? And how many pixels of a digit?

# %%
digit = load("mnist").test[3:4]
tau = float(digit.pow(2).mean().sqrt())
drawn = tau * torch.randn(20, 1, 28, 28, generator=seeded(5))
held = {}
twenty = load("mnist").test[:20]
shuffled = twenty.flatten(1)[:, torch.randperm(784, generator=seeded(7))].reshape(twenty.shape)
for name, truth in {"drawn from the prior": drawn, "digits": twenty, "digits, shuffled": shuffled}.items():
    data = measure(B, truth, 0.1, seeded(6))
    posterior = gaussian_posterior(B, data, lam=0.1**2 / tau**2, sigma=0.1)
    held[name] = float(coverage(*posterior.interval(0.9), truth).mean())
    print(f"{name:22s} {100 * held[name]:.1f} % of the pixels lie in their interval of 90 %")
assert abs(held["drawn from the prior"] - 0.9) < 0.01 and held["digits"] > 0.99 > 0.96 > held["digits, shuffled"]

# %% [markdown]
# If the prior is true, the intervals hold what they promise. For digits they hold everything, because the prior
# expects as much in the fine details, which the blur has removed, as in the coarse ones, and a digit has little there.
# The control: with the pixels of the digits shuffled, which are just as black and have fine details everywhere, the
# intervals hold 94 per cent. The posterior is exact, the prior is not, and nothing in the calculation notices. An
# error bar is as good as the prior.
#
# For TV nothing is known in closed form, but samples can be drawn. **MALA** proposes a step up the gradient of $\log
# p$ plus a random step, and accepts it with the probability that keeps the posterior exactly. It needs a gradient, so
# TV's kink is rounded off below differences of 0.01 (`HuberTV`). Draws that follow each other resemble each other: the
# **effective sample size** says how many independent ones they are worth, and **R-hat** compares the chains with each
# other; it is near 1 when they agree. Ours all start near the MAP image, which is harmless here only because this
# posterior has a single maximum.
#
# **Predict, then run.** The MAP image of TV is flat between its edges. Is the *mean* of all probable images flat, too?
# And which of the two has the better PSNR?
#
# - [ ] The mean is flat, and better than MAP.
# - [ ] The mean is flat, and worse than MAP.
# - [ ] The mean is not flat, and better than MAP.
# - [ ] The mean is not flat, and worse than MAP.

# %%
data, random = measure(B, digit, 0.1, seeded(0)), seeded(1)
steps = 300 if FAST else 3000
map_image, chains = tv_posterior(B, data, 0.04, 0.1, steps, random)
smoother, calmer = tv_posterior(B, data, 0.08, 0.1, steps // 2, random)  # twice the weight
rows = [
    [
        lam,
        f"{c.acceptance.mean():.2f}",
        f"{c.ess.min():.0f}",
        f"{c.ess.median():.0f}",
        f"{c.rhat.max():.2f}",
        len(c.samples) * 16,
    ]
    for lam, c in ((0.04, chains), (0.08, calmer))
]
head = ["λ", "accepted", "effective sample size: worst pixel", "median pixel", "R-hat: worst pixel", "draws"]
markdown_table(head, rows)

# %% mystnb={"image": {"alt": "A digit, its MAP image by TV with flat strokes on flat black, the posterior mean, softer and with a cloudy background, one draw, which is grainy everywhere, and the standard deviation of each pixel, largest along the edges of the strokes."}}
mean, draw = chains.mean[None], chains.samples[-1, :1]
panels = {"MAP": map_image, "mean": mean, "one draw": draw}
posterior_figure(panels, chains.sd[None], digit, alt="MAP, mean and one draw of the posterior of TV, and its spread.")
plt.show()

# %%
low, high = credible_interval(chains.samples.flatten(0, 1), 0.9)
inside = float(coverage(low[None], high[None], digit))
flat = {name: float((image.diff(dim=3).abs() < 0.01).float().mean()) for name, image in panels.items()}
print("neighbours that differ by less than 0.01: " + ", ".join(f"{name} {100 * v:.0f} %" for name, v in flat.items()))
print(f"intervals of 90 % hold {100 * inside:.0f} % of the pixels of the digit")
for lam, top, found in ((0.04, map_image, chains), (0.08, smoother, calmer)):
    print(f"λ = {lam}: MAP {float(psnr(top, digit)):.1f} dB, mean {float(psnr(found.mean[None], digit)):.1f} dB")
assert FAST or (float(chains.ess.min()) > 100 and float(chains.rhat.max()) < 1.15)
assert flat["MAP"] > 0.4 > 0.15 > flat["mean"] and (
    FAST or float(psnr(map_image, digit)) > float(psnr(mean, digit)) + 1
)

# %% [markdown]
# The MAP image is flat in most places. The mean is flat almost nowhere, and so is every draw: an image with exact
# zeros in its gradient is the *most probable* one, but the set of all such images has the probability zero (exercise 6
# proves it for one pixel). And the mean, which has the least expected squared error *if the prior is true*, has the
# worse PSNR at this $\lambda$, which suits the MAP image. At twice the weight the mean gains 1 dB and stays behind the
# best MAP image. So for this digit the density $e^{-\lambda\mathrm{TV}/(2\sigma^2)}$ is a poor prior at either weight,
# because its draws are grainy where the digit is not. Its MAP estimate works all the same. Variational methods with TV
# are better justified by what their minimisers look like than by that density.
#
# The intervals hold more than promised. In the full run the draws for the smaller weight are worth more than a hundred
# independent ones in every pixel, so that the mean is known to a tenth of the standard deviation, and R-hat is at most
# 1.1: enough for these pictures, and above the usual demand of 1.01. With the small run of `COURSE_FAST=1` the chains
# have not agreed yet.

# %% [markdown]
# ### Exercise 6 (stretch): is the posterior sparse?
#
# One number $x$ with the prior proportional to $e^{-\lambda|x|/(2\sigma^2)}$, one datum $y=x+e$ with
# $e\sim\mathcal N(0,\sigma^2)$. The most probable $x$ minimises $(x-y)^2+\lambda|x|$. It is soft thresholding with the
# threshold $\lambda/2$, and so it is exactly 0 for all $|y|\le\lambda/2$.
#
# Write the *mean* of the posterior, `posterior_mean(y, lam, sigma)`, for a tensor `y` of separate data, to four
# digits. An integral on a grid will do, and so will a formula with the normal distribution function
# (`torch.special.ndtr`, `log_ndtr`). The check tries small and large $\sigma$. Then prove: for which $y$ is the mean
# exactly 0?


# %%
def posterior_mean(y, lam, sigma):
    return y.sign() * (y.abs() - lam / 2).clamp_min(0)  # the most probable x: not what we want


# %%
checks.mean_and_map(posterior_mean)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# On a grid: a sum of $x$ times weights that add up to 1. `torch.softmax` of the exponents gives such weights and does
# not overflow. For a formula: complete the square for $x>0$ and for $x<0$. Each half is a Gaussian that is cut off at
# 0.
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Write $a=\lambda/2$. For $x>0$ the exponent is $-\frac{(x-(y-a))^2}{2\sigma^2}-\frac{ay}{\sigma^2}$ up to a constant,
# for $x<0$ it is $-\frac{(x-(y+a))^2}{2\sigma^2}+\frac{ay}{\sigma^2}$ up to the same constant. With the normal
# distribution function $\Phi$ the two halves have the masses
#
# $$w_+=e^{-ay/\sigma^2}\,\Phi\big(\tfrac{y-a}{\sigma}\big),\qquad
# w_-=e^{ay/\sigma^2}\,\Phi\big(-\tfrac{y+a}{\sigma}\big).$$
#
# In the first moments the cuts at 0 leave $\pm\frac{\sigma}{\sqrt{2\pi}}e^{-(y^2+a^2)/(2\sigma^2)}$, which cancel
# because the density is continuous at 0. So the mean is
#
# $$\frac{w_+(y-a)+w_-(y+a)}{w_++w_-}=y-a\tanh\tfrac12\log\tfrac{w_+}{w_-} ,$$
#
# and the second form does not overflow.
#
# It is 0 for $y=0$ alone. By symmetry it is 0 there. And it increases strictly, because differentiating
# $\int x\,p\,dx\big/\!\int p\,dx$ with $p=e^{-((x-y)^2+\lambda|x|)/(2\sigma^2)}$ under the integral gives the variance
# of the posterior divided by $\sigma^2$, which is positive. This argument does not look at the prior: for *any* prior,
# different data have different means, so no prior that leaves some doubt makes a mean that is 0 on an interval.
#
# So the zeros of soft thresholding, the flat pieces of TV and the few wavelets of an $\ell^1$ reconstruction are
# properties of the most probable image. A draw from the posterior has none of them, because the posterior has a
# density, which gives the set of sparse images the probability 0. In general the mean of the draws has none of them
# either.
# </details>


# %% tags=["solution"]
def posterior_mean(y, lam, sigma):
    a, log_cdf = lam / 2, torch.special.log_ndtr
    log_ratio = log_cdf((y - a) / sigma) - log_cdf(-(y + a) / sigma) - 2 * a * y / sigma**2
    return y - a * (log_ratio / 2).tanh()


assert checks.mean_and_map(posterior_mean)

# %% [markdown]
# ## 10 The table of the course
#
# Every method of this chapter on five problems, each tuned in the same way: a search over its weights, by factors of
# 4, 2 and $\sqrt2$, for the highest mean PSNR on *validation* images; numbers from *test* images. An iterative method
# has its number of iterations tuned. Later chapters add their rows to the same record; the page *All methods* of the
# book sorts and filters it.

# %%
origin(record)

# %%
CLASSICAL = ["fbp", "zero-filled", "tikhonov", "tikhonov+", "h1+", "wavelets-db4+", "tv", "tv+", "tgv+"]
CLASSICAL += ["landweber", "landweber+", "cgls", "bregman"]
methods_table(record, "tomography", CLASSICAL)

# %%
methods_table(record, "ct", CLASSICAL)

# %%
methods_table(record, "mri", CLASSICAL)

# %%
methods_table(record, "deblurring", CLASSICAL)

# %% [markdown]
# **Shapes against the chest.** On Shapes, which are what TV believes, TV is 2.8 dB ahead of the best method of the
# other families. On the chest it is 2.0 dB ahead of FBP with a tuned window, which takes a small part of the time. On
# the brain TV with $x\ge0$ is not even the best penalty. The slices of a head resemble each other, so compare slice by
# slice:

# %%
brain = {r["method"]: torch.tensor(r["psnr"]) for r in record["rows"] if r["problem"] == "mri"}
for other in ("h1+", "landweber+", "tgv+"):
    d = brain[other] - brain["tv+"]
    print(
        f"{other:11s} minus tv+: {d.mean():+.2f} ± {d.std():.2f} dB, better on {int((d > 0).sum())} of {len(d)} slices"
    )
assert (brain["tgv+"] > brain["tv+"]).all() and (brain["h1+"] - brain["tv+"]).mean() > 0.3

# %% [markdown]
# H1, which only smooths, is ahead of TV on every slice of this head, and TGV is ahead of both. Landweber with $x\ge0$
# is level with TV. That is one head; another may differ.
#
# **Knowledge without a weight.** What does $x\ge0$ add, which needs no training and no weight?

# %%
by_name = {(r["problem"], r["method"]): torch.tensor(r["psnr"]).mean() for r in record["rows"]}
PROBLEMS = {"tomography": "Shapes", "ct": "chest", "mri": "brain", "deblurring": "digits"}
lines = [
    [label, *(f"{by_name[problem, method + '+'] - by_name[problem, method]:+.1f}" for problem in PROBLEMS)]
    for method, label in {"tikhonov": "Tikhonov", "landweber": "Landweber", "h1": "H1", "tv": "TV"}.items()
]
beta = {name: f"{by_name[problem, 'tgv+'] - by_name[problem, 'tv+']:+.2f}" for problem, name in PROBLEMS.items()}
print("TGV minus TV, both with x ≥ 0 (dB):", ", ".join(f"{name} {gain}" for name, gain in beta.items()))
assert by_name["mri", "tikhonov+"] - by_name["mri", "tikhonov"] > 3 > 0.5 > by_name["ct", "tv+"] - by_name["ct", "tv"]
markdown_table(["x ≥ 0 adds (dB)", *PROBLEMS.values()], lines)

# %% [markdown]
# It adds nearly 4 dB on the brain, 2 dB on the digits, and least to TV. We conjecture that it depends on how large the
# ripples are that a method draws into the black; how much of the image is black does not decide it. The bound makes an
# iteration of a formula, so it costs time.
#
# **Two weights.** TGV's search for $\beta$ ends at its limit on Shapes, where TGV is close to TV. A second weight costs
# twice the search and gains next to nothing except on the brain (the line above the table).

# %% [markdown]
# **Look at them.** Numbers say little about what went wrong. The first test image of each problem, by the methods
# whose pictures are stored; of the brain only the middle is shown.

# %% mystnb={"image": {"alt": "A row for each problem: truth, a formula, an iteration, TV, TGV, and a method with a generator. TV and TGV look alike on the shapes and on the chest, which they turn into flat patches; on the brain TV is patchy and TGV smoother. The generator draws a clean circle and rectangle, a faint circle into the chest, and no hot spot into the emission image."}}
examples_figure(record)
plt.show()

# %% [markdown]
# **Data of which nobody knows the truth.** The last comparison is on a real scan: two layers of a needle, from an
# electron microscope that can tilt it by $\pm76$ degrees only. Half of the tilts are used, the others are held out and
# *predicted*.
#
# **Predict, then run.** A wedge of directions is missing. What will FBP put there, and what will $x\ge0$ and short
# edges do?

# %% mystnb={"image": {"alt": "Two layers of a needle, nearly round. FBP shows the needle with bright streaks above and below it, where tilts are missing; TV and TGV show it on clean black."}}
series = load_tilt_series()
layers = 20 * series.sinograms[[2, 5]] / series.sinograms.max()  # grey values of about 1
tilts, n_bins = series.angles.tolist(), layers.shape[2]
seen, held = (ParallelBeam(56, angles=part, n_detectors=n_bins) for part in (tilts[::2], tilts[1::2]))
scan, unseen = layers[:, ::2] * seen.scale, layers[:, 1::2] * held.scale
needle = {
    "FBP": reconstruct(seen, scan, FilteredBackProjection("hann")),
    "TV, x ≥ 0": reconstruct(seen, scan, TV(4e-4, bounds=positive)),
    "TGV, x ≥ 0": reconstruct(seen, scan, TGV(4e-4, bounds=positive)),
}
image_strips({name: r.x for name, r in needle.items()}, size=1.6)
needle |= {"TV": reconstruct(seen, scan, TV(4e-4)), "Landweber, 100 steps": reconstruct(seen, scan, Landweber(100))}
plt.show()

# %%
missed = {
    name: float(((held(r.x) - unseen).flatten(1).norm(dim=1) / unseen.flatten(1).norm(dim=1)).mean())
    for name, r in needle.items()
}
assert all(bool(r.converged.all()) for r in needle.values()) and missed["TV, x ≥ 0"] < 0.05 < 0.1 < missed["FBP"]
markdown_table(
    ["method", "error of the held-out tilts (%)"], [[name, f"{100 * value:.1f}"] for name, value in missed.items()]
)

# %% [markdown]
# FBP takes the missing tilts for zeros and puts streaks there. TV and TGV predict the held-out tilts to 3 per cent.
# The fit of all data at once does this, and neither $x\ge0$ nor short edges, because TV without the bound and a
# hundred plain steps of Landweber do it as well. And the held-out tilts lie *between* those that are used: how good an
# image is in the missing wedge, they do not say.
#
# ### All methods, those of later chapters among them

# %% mystnb={"image": {"alt": "PSNR with standard deviation of every method on five problems, ordered by mean. On Shapes three methods with a generator are several dB ahead of TGV and TV. On the digits TGV and TV with non-negativity and relaxed are level. On the chest TGV and TV lead, and the hard generator of Shapes is last; in emission tomography TV and TGV lead. On the brain the learned covariance and the variational network lead, then TGV and H1 with non-negativity."}}
methods_figure(record)
plt.show()

# %% [markdown]
# What do the methods with a generator gain over TV with $x\ge0$?

# %%
with_generator = {
    r["method"]: r["label"] for r in record["rows"] if r["method"].split("-")[0] in ("vae", "shapes", "brain")
}
with_generator |= {"learned-covariance": "learned covariance", "variational-network": "variational network"}
lines = [
    [label, *(f"{by_name[p, m] - by_name[p, 'tv+']:+.1f}" if (p, m) in by_name else "" for p in (*PROBLEMS, "pet"))]
    for m, label in with_generator.items()
]
spot = {r["method"]: torch.tensor(r["contrast"]).mean() for r in record["rows"] if r["problem"] == "pet"}
print(
    f"Contrast of the hot spot that is left: TV {spot['tv+']:.2f}, VAE of Shapes, hard {spot['shapes-vae-hard']:.2f}."
)
assert by_name["tomography", "shapes-vae-hard"] > by_name["tomography", "tv+"] > by_name["ct", "shapes-vae-hard"] + 5
assert spot["shapes-vae-hard"] < 0.3 < spot["tv+"]
markdown_table(["PSNR minus that of TV, x ≥ 0 (dB)", *PROBLEMS.values(), "emission"], lines)

# %% [markdown]
# On Shapes a generator of Shapes is far ahead. On the digits one of digits is level with TV at best (relaxed), and as a
# hard constraint it is a dB behind. On the chest and on emission data a generator of Shapes is out of place. As a hard
# constraint it is far behind on the chest, and in the emission images it removes nearly all of the hot spot, while the
# picture looks clean. With a sparse-TV deviation it comes near to TV on the chest, and draws a faint circle into it. On
# the brain a learned covariance and a variational network lead, and a plain VAE of brains does not. The chapters that
# teach these methods say more.
#
# ### The families, as the lectures compare them
#
# The lectures end with a table. Analytical methods: very fast, good theory, tailored to one setting, too simple.
# Variational ones: rich theory, good applicability, modelling that is simple, slow. Iterative ones: good
# applicability, simple modelling, medium speed, some theory. Here are the columns that can be measured: what the
# *best* method of each family loses to the best of the three, and what the methods cost.

# %%
families_table(record)

# %% [markdown]
# The words stand, with two amendments. Formulas with a tuned window are better than their name: on both CT problems
# they are ahead of Landweber and CGLS and level with the Bregman iteration. And *slow* means tens of milliseconds of
# one core in the median, for $56^2$ pixels. If the time grows like the number of pixels, a thousand slices of $512^2$
# take about half an hour with the median method and some hours with TGV.

# %% [markdown]
# ## 11 Paper and ours
#
# | claimed | by | ours |
# |---|---|---|
# | formulas are very fast and need good data | lectures, part I.1 | about a millisecond; behind the best by 2 to 6 dB, but ahead of Landweber and CGLS on CT |
# | iterative methods are slower than formulas and typically faster than variational ones | lectures, part I.1 | yes: some products with $A$ and $A^*$ against hundreds |
# | variational methods are slow, ongoing research | lectures, part I.1 | tens of milliseconds of one core in the median, up to a second for TGV |
# | TV and TGV work great on geometric phantoms, and leave room for improvement on real data | lectures, part I.1 | yes: 2.8 dB ahead of the other families on Shapes, 2.0 dB on a chest, and behind H1 on a brain, for TV |
# | the regularisation parameter is hard to choose | lectures, part I.1 | rules without the truth lost between 0.1 and 1.9 dB on average in section 8 |
# | TV is the strong hand-made rival of generative methods | paper, Sect. 5 | among the classical methods TV or TGV with $x\ge0$ is the best on every problem |
#
# The lectures give these as experience, without numbers. Ours are for small images and moderate tuning: one weight or
# two, by PSNR.
#
# ## Quiz
#
# **1.** You double the number of views, with the same noise in each datum. What happens to Morozov's $\lambda$ for
# Tikhonov?
#
# - [ ] It falls to a half.
# - [ ] It doubles.
# - [ ] It depends on how $A$ is scaled.
#
# <details><summary>Answer</summary>
#
# **It depends on how $A$ is scaled.** Let the new views repeat the old ones with fresh noise. Their average has noise
# of the variance $\sigma^2/2$, so $\lambda/\|A\|^2$ falls, because less noise has to be suppressed. $\lambda$ itself
# need not fall, because $\|A\|^2$ has doubled. If $A$ is divided by its norm, as in this course, and each datum keeps
# the same $\sigma$, the signal in each datum shrinks by $\sqrt2$. That cancels the averaging, and Morozov's $\lambda$
# stays as it was.
# </details>
#
# **2.** Landweber without noise converges to the pseudo-inverse. Is it then true that with little noise one should
# iterate for a long time?
#
# - [ ] Yes, the longer the better.
# - [ ] For longer, but not without end.
# - [ ] No, the number of steps does not depend on the noise.
#
# <details><summary>Answer</summary>
#
# **For longer, but not without end.** The best $k$ grows as the noise falls (explorer 2). But for any fixed noise
# $k\to\infty$ gives the pseudo-inverse of the noisy data, whose error is as large as in chapter 01. "Little" is
# measured against $1/s_i$, not against 1.
# </details>
#
# **3.** A colleague samples a TV posterior, averages, and gets an image without flat pieces. He suspects a bug. Do
# you?
#
# - [ ] Yes, because TV makes images flat.
# - [ ] Yes, because the chains have not converged.
# - [ ] No.
#
# <details><summary>Answer</summary>
#
# **No.** Flat pieces belong to the most probable image. No draw has any, because they have the probability zero, and
# the mean has none either. Ask instead for the effective sample size, R-hat, and whether chains from different starts
# agree.
# </details>
#
# ## Take-aways
#
# - A method is a belief about images plus a way to act on it. TV's stairs and H1's blur are the belief, not the
#   solver.
# - If the prox has a formula, use FISTA. If only that of $\Phi$ in $R=\Phi\circ K$ has one, use a primal-dual method.
# - Iterations regularise by stopping. The faster the method, the more it matters when.
# - Every rule for $\lambda$ answers a question of its own: fit of the data, prediction of data, quality of the image.
# - MAP is one image of the posterior, and not a typical one. An error bar is as good as the prior.
# - $x\ge0$ needs no training and no weight, and is worth up to several dB.
#
# ## Where it fails
#
# - None of these methods knows what a typical image looks like. Two images with the same gradient lengths are the same
#   to TV, a digit or not. The next chapter learns what images look like from examples.
# - All weights here were tuned for PSNR on images like the test images. With other images or another question, such as
#   the contrast of a spot, other weights are right.
# - Rules that need $\sigma$ need the right $\sigma$, and a right $A$. Errors of the model are not white noise.
# - The rates of section 6 are for $\delta\to0$ and smooth truths. They do not rank methods at a given noise.
# - Sampling took thousands of steps of 16 chains for one image of $28\times28$ pixels and a posterior with one
#   maximum. It does not scale by itself.
#
# ## References
#
# - Duff, Campbell, Ehrhardt: *Regularising inverse problems with generative machine learning models*, J. Math. Imaging
#   Vis. (2023), "the paper", Sect. 1, 5, App. A. `duff2023regularising`
# - Ehrhardt: *Solving inverse problems with deep learning*, lectures (2024), part I.1. `ehrhardt2024lectures`
# - Rudin, Osher, Fatemi: *Nonlinear total variation based noise removal algorithms*, Physica D 60 (1992).
#   `rudin1992nonlinear`
# - Bredies, Kunisch, Pock: *Total generalized variation*, SIAM J. Imaging Sci. 3 (2010). `bredies2010total`
# - Daubechies, Defrise, De Mol: *An iterative thresholding algorithm for linear inverse problems with a sparsity
#   constraint*, Commun. Pure Appl. Math. 57 (2004). `daubechies2004iterative`
# - Beck, Teboulle: *A fast iterative shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging
#   Sci. 2 (2009). `beck2009fast`
# - O'Donoghue, Candès: *Adaptive restart for accelerated gradient schemes*, Found. Comput. Math. 15 (2015).
#   `odonoghue2015adaptive`
# - Chambolle, Pock: *A first-order primal-dual algorithm for convex problems with applications to imaging*, J. Math.
#   Imaging Vis. 40 (2011). `chambolle2011first`
# - Engl, Hanke, Neubauer: *Regularization of inverse problems*, Kluwer (1996). `engl1996regularization`
# - Hansen: *Discrete inverse problems: insight and algorithms*, SIAM (2010). `hansen2010discrete`
# - Natterer: *The mathematics of computerized tomography*, SIAM (2001). `natterer2001mathematics`
# - Yin, Osher, Goldfarb, Darbon: *Bregman iterative algorithms for l1-minimization with applications to compressed
#   sensing*, SIAM J. Imaging Sci. 1 (2008). `yin2008bregman`
# - Shepp, Vardi: *Maximum likelihood reconstruction for emission tomography*, IEEE Trans. Med. Imaging 1 (1982).
#   `shepp1982maximum`
# - Morozov: *Methods for solving incorrectly posed problems*, Springer (1984). `morozov1984methods`
# - Golub, Heath, Wahba: *Generalized cross-validation as a method for choosing a good ridge parameter*, Technometrics
#   21 (1979). `golub1979generalized`
# - Stein: *Estimation of the mean of a multivariate normal distribution*, Ann. Statist. 9 (1981).
#   `stein1981estimation`
# - Kaipio, Somersalo: *Statistical and computational inverse problems*, Springer (2005). `kaipio2005statistical`
# - Roberts, Tweedie: *Exponential convergence of Langevin distributions and their discrete approximations*, Bernoulli
#   2 (1996). `roberts1996exponential`
