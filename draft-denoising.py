# %%
# imports of this section, for the head of the notebook
import matplotlib.pyplot as plt
import torch

from course_utils import psnr
from course_utils.chapters.learned import checks_denoising as checks
from course_utils.chapters.learned import deep_equilibrium
from course_utils.chapters.learned.denoiser_explorer import denoiser_explorer
from course_utils.chapters.learned.denoising import DENOISERS
from course_utils.chapters.learned.denoising_figures import denoising_figure, stopping_figure, ways_figure
from course_utils.chapters.learned.denoising_words import (
    best_setting,
    claim_26,
    ends_table,
    growth,
    jacobians,
    shares,
    stopping,
)  # fmt: skip
from course_utils.chapters.learned.rivals import network
from course_utils.chapters.learned.scans import home
from course_utils.denoisers import jacobian_asymmetry
from course_utils.figures.tables import markdown_table
from course_utils.reproduce import load_result
from course_utils.results import origin


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# %% [markdown]
# ## A denoiser in place of a proximal map: plug-and-play, RED, deep equilibrium
#
# Forward-backward splitting for $\|Ax-y\|^2+\lambda R(x)$ takes a gradient step in the data term, then the proximal
# map of $R$. That map answers the question “which image is behind this one, if the difference is white noise?”. A
# network that was trained to remove noise answers the same question, and has seen images. **Plug-and-play** puts it
# in (Venkatakrishnan, Bouman and Wohlberg 2013; lectures, part I.2):
#
# $$x_{k+1}=D_\sigma\big(x_k-2\tau A^*(Ax_k-y)\big).$$
#
# The network never sees the scanner, so one denoiser serves every $A$. What is lost is the function: in general
# nothing is minimised any more. The lectures say what follows from that: *“Not well behaved. Difficult to choose
# parameters, when to stop etc.; difficult to guarantee this terminates.”* Is that so, for every denoiser?
#
# ### What can be proved
#
# A map $T$ is *nonexpansive* if $\|Tx-Tv\|\le\|x-v\|$, and *averaged* if $T=(1-\alpha)I+\alpha N$ with a nonexpansive
# $N$ and $0<\alpha<1$; with $\alpha=\frac12$ it is called firmly nonexpansive. Proximal maps of convex functions are.
#
# > **Theorem** (Krasnoselskii, Mann). If $T$ is averaged and has a fixed point, $x_{k+1}=Tx_k$ converges to a fixed
# > point from every start.
#
# The gradient step $x\mapsto x-2\tau A^*(Ax-y)$ is averaged for $0<\tau<1/\|A\|^2$, and a composition of averaged
# maps is averaged. So plug-and-play converges if $D_\sigma$ is averaged and there is a fixed point. The same is true
# of half-quadratic splitting, where the data term comes by its proximal map, and of ADMM, which is a Douglas-Rachford
# iteration and needs a firmly nonexpansive $D_\sigma$ (Ryu et al. 2019). RED by gradient steps, explained below,
# needs a nonexpansive one only, because then $I-D_\sigma$ is cocoercive and a short step along it is averaged.
# Nonexpansive alone is not enough: where $A$ sees nothing the gradient step changes nothing, and if the denoiser acts
# there as $x\mapsto1-x$, the iteration goes back and forth for ever.
#
# Three denoisers were trained on noisy shapes:
#
# - a *residual* one, $D_\sigma(x)=x-N(x,\sigma)$, with nothing asked of $N$;
# - a *1-Lipschitz* one, $D_\sigma=\frac12(I+Q)$, where every layer of $Q$ is divided by a bound on its norm, so that
#   $Q$ is nonexpansive and $D_\sigma$ firmly nonexpansive: the theorem applies, except that it does not give the
#   fixed point;
# - a *gradient-step* one, $D_\sigma=I-\nabla g$ with a learned potential $g$ (Hurault, Leclaire and Papadakis 2022).
#
# **Predict, then run.** Which of them converges? Which gives the sharpest image? And is the best image the last one?
# In the explorer, find a denoiser and a strength with which waiting makes the image worse.

# %% tags=["explorer"] mystnb={"image": {"alt": "A circle and a rectangle, what plug-and-play with the residual denoiser makes of their scan after twenty iterations, and its error; below, the length of the steps and the PSNR against the iteration for five strengths."}}
denoiser = denoiser_explorer()
denoiser.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls: denoiser, its strength, and the iteration."}}
denoiser

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# With the residual denoiser and a small strength the PSNR rises, has a maximum early, and falls. With the 1-Lipschitz
# one the steps become shorter every time. With the gradient-step denoiser and $\sigma=0.2$ the
# steps do not become shorter.
# </details>
#
# ### Exercise P1 (easy): one step
#
# Write one step of plug-and-play for $\|Ax-y\|^2$, which has no factor ½.


# %%
def step(x, y, A, D, tau):
    return D(x)  # the data should have a say


# %%
checks.pnp_step(step)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# What is the gradient of $\|Ax-y\|^2$ at $x$? The denoiser comes last.
# </details>


# %% tags=["solution"]
def step(x, y, A, D, tau):
    return D(x - 2 * tau * A.T @ (A @ x - y))


assert checks.pnp_step(step)

# %% [markdown]
# ### Does it converge?
#
# The record has three denoisers, three strengths and four schemes with three weights each, on two test images,
# followed for 200 iterations whatever happens. RED is explained below. A run has *settled* if its last step is below
# $10^{-4}$ of the length of what is iterated.

# %% mystnb={"image": {"alt": "Twelve small tables, a row of them for each denoiser and a column for each scheme. Those of the 1-Lipschitz denoiser are all of the colour for settled; the residual one has some that are still falling; the gradient-step one has a column in ADMM that was given up."}}
denoisers = load_result("denoising")
denoising_figure(denoisers)
plt.show()

# %%
assert shares(denoisers, denoiser="1-Lipschitz")["settles"] == 1 and growth(denoisers, denoiser="1-Lipschitz") < 1
assert growth(denoisers, denoiser="residual") > 1 and shares(denoisers, denoiser="residual")["leaves"] == 0
assert shares(denoisers, denoiser="gradient-step", scheme="ADMM")["leaves"] > 0.2
print(origin(denoisers))
markdown_table(*ends_table(denoisers))

# %% [markdown]
# The 1-Lipschitz denoiser settles in every run, and no step is longer than the one before it. The second fact is the
# theorem's: if $T$ is nonexpansive, then $\|x_{k+1}-x_k\|=\|Tx_k-Tx_{k-1}\|\le\|x_k-x_{k-1}\|$. This is the control
# for what follows: scheme and data are the same, only the denoiser differs.
#
# The residual denoiser has steps that grow on the way, so no such guarantee holds. It has not run away in any of the
# runs, but in a third of them 200 iterations were not enough to tell. Whether they would settle in the end, we do not
# know. The gradient-step denoiser leaves altogether in ADMM with the longest step.
#
# ### What does the guarantee cost?

# %%
problem = home(20, 2)
noisy = problem.x + 0.1 * torch.randn(problem.x.shape, generator=seeded(0))
rows, best = [], {}
for name, rival in DENOISERS.items():
    found, alone = best_setting(denoisers, name), float(psnr(network(rival)(noisy, 0.1), problem.x).mean())
    setting = f"{found['scheme']}, σ = {found['sigma']:g}, weight {found['weight']:g}"
    settled = best_setting(denoisers, name, settled=True)["psnr"]
    rows.append([name, f"{alone:.1f}", f"{found['psnr']:.1f}", setting, f"{settled:.1f}"])
    best[name] = found["psnr"], alone
assert best["1-Lipschitz"] == tuple(min(values) for values in zip(*best.values(), strict=True))
markdown_table(
    ["denoiser", "denoising, σ = 0.1 (dB)", "best last image (dB)", "with", "best of settings that settled"], rows
)

# %% [markdown]
# The denoiser with the guarantee has the lowest PSNR of the three, as a reconstruction and as a denoiser. It may not
# stretch the difference between any two images. The other two do: the norms of their Jacobians exceed 1 (the last
# table of this section). That this is what edges need is plausible, and we have not tested it. These are two images
# and a coarse grid; the table of all families has fifty images and tuned weights.
#
# ### When to stop?
#
# The lectures' rule is: stop when $\mathcal E(x_k)=\|Ax_k-y\|^2<\delta$. With $\delta=m\sigma_{\text{noise}}^2$, the
# misfit that one expects of the true image, it is the discrepancy principle. Does it fire? And is the image at which
# it fires a good one?

# %% mystnb={"image": {"alt": "A panel for each denoiser and a row for each scheme. Dots show how much PSNR the last image and the image at which the rule fires lose against the best one on the way; the rule fires in about half to four fifths of the runs and often loses one or two decibels."}}
stopping_figure(denoisers)
plt.show()

# %%
rows = []
for name in DENOISERS:
    for scheme in ("forward-backward", "ADMM"):
        cost = stopping(denoisers, denoiser=name, scheme=scheme)
        rows.append([name, scheme, f"{100 * cost['fires']:.0f} %", f"{cost['rule']:.1f}", f"{cost['last there']:.1f}"])
for name in DENOISERS:
    early = stopping(denoisers, denoiser=name, scheme="forward-backward")
    assert early["rule"] > 1 > early["last there"] and early["fires"] < 0.9
saved = stopping(denoisers, denoiser="residual", scheme="ADMM")
assert saved["rule"] < 0.5 * saved["last there"]
markdown_table(
    ["denoiser", "scheme", "the rule fires", "loss of its image (dB)", "loss of the last image, same runs (dB)"], rows
)

# %% [markdown]
# The rule does not fire in every run, not even in the runs that converge: the limit of an iteration with a strong
# denoiser may fit the data less well than $\delta$ asks. So convergence of $x_k$ and an end by the rule are two
# different promises, and the theorem makes the first one only. Where the rule fires, its value depends on the scheme.
# In forward-backward splitting it fires too early: the last image is better. In ADMM with the residual denoiser the
# image becomes worse after its best iteration, and the rule saves more than half of the loss.

# %% mystnb={"image": {"alt": "Forward-backward splitting, a column for each denoiser. Above, lengths of the steps: straight and falling for the 1-Lipschitz denoiser, with bumps for the others. Below, PSNR along the way: some curves rise and fall."}}
ways_figure(denoisers)
plt.show()

# %%
claim = claim_26(denoisers)
assert claim["verdict"] == "agrees in part"
markdown_table(
    ["claim 26", "ours", "control", "verdict"],
    [[claim["published"], claim["ours"], claim["control"], claim["verdict"]]],
)

# %% [markdown]
# ### RED: a formula and its gradient
#
# Regularisation by denoising states a function (Romano, Elad and Milanfar 2017; lectures, part I.2),
#
# $$R(x)=\tfrac12\,x^\top\big(x-D(x)\big),$$
#
# and uses $x-D(x)$ as its gradient. But the product rule gives $\nabla R(x)=x-\frac12\big(D(x)+J(x)^\top x\big)$ with
# the Jacobian $J$ of $D$. The two agree if $J(x)^\top x=D(x)$, which follows from two properties: $J$ is symmetric,
# and $D$ is homogeneous, so that $J(x)\,x=D(x)$ (Reehorst and Schniter 2019). A network has no reason to have either.
#
# **Predict, then run.** For which of the three denoisers is $J$ symmetric? For which is RED's formula right?

# %%
sigma, x = 0.1, noisy[:1]
rows, apart = [], {}
for name, rival in DENOISERS.items():
    D = network(rival)
    v = x.clone().requires_grad_()
    residual = (v - D(v, sigma)).detach()
    (formula,) = torch.autograd.grad(0.5 * (v * (v - D(v, sigma))).sum(), v)
    asymmetry = float(jacobian_asymmetry(lambda u, D=D: D(u, sigma), x, seeded(1), draws=8))
    apart[name] = asymmetry, float((formula - residual).norm() / residual.norm())
    potential = "none known"
    if name == "gradient-step":
        (slope,) = torch.autograd.grad(D.potential(v, sigma).sum(), v)
        apart["potential"] = float((slope - residual).norm() / residual.norm())
        potential = f"{apart['potential']:.1e}"
    rows.append([name, f"{asymmetry:.2g}", f"{apart[name][1]:.2f}", potential])
assert apart["gradient-step"][0] < 1e-4 < 0.05 * apart["residual"][0] and apart["potential"] < 1e-4
assert min(apart[name][1] for name in DENOISERS) > 0.02
markdown_table(["denoiser", "‖J − Jᵀ‖ / ‖J‖", "‖∇R − (x − D)‖ / ‖x − D‖", "‖∇g − (x − D)‖ / ‖x − D‖"], rows)

# %% [markdown]
# RED's formula is wrong for all three. A symmetric Jacobian is not enough for it, because the gradient-step denoiser
# is not homogeneous. But symmetry is enough for *some* function: on the whole space a vector field is a gradient
# exactly if its Jacobian is symmetric (exercise P2 has the linear case). The gradient-step denoiser knows that
# function, its potential $g$, so that with it RED is gradient descent on $\|Ax-y\|^2+\lambda g(x)$.
#
# Is that the cure? A function is minimised, but descent needs a step below $2/L$, with $L$ the Lipschitz constant of
# the gradient, and the proofs for plug-and-play with such a denoiser ask that $\nabla g=I-D$ has a Lipschitz constant
# below 1. The record measured norms of Jacobians at $A^*y$ and on the way:

# %%
markdown_table(*jacobians(denoisers))

# %% [markdown]
# A measured norm is a lower bound on a Lipschitz constant, so it can refute a hypothesis and never prove it. For the
# gradient-step denoiser the norm of $I-J$ exceeds 1: the hypothesis of those proofs fails here, and they promise
# nothing for these weights. That this is why ADMM with long steps leaves is our conjecture; we have not trained a
# gradient-step denoiser with the bound to compare. The bound on the 1-Lipschitz one holds by construction.
#
# ### Exercise P2 (core): the gradient of RED's formula
#
# Let the denoiser be a matrix, $D(x)=Wx$, not a symmetric one. What is the gradient of $\frac12x^\top(x-Wx)$?


# %%
def gradient(x, W):
    return x - W @ x  # what RED uses


# %%
checks.red_gradient(gradient)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# $x$ stands in the formula twice. Write $x^\top Wx=\sum_{ij}W_{ij}x_ix_j$ and differentiate by $x_k$.
# </details>


# %% tags=["solution"]
def gradient(x, W):
    return x - (W + W.T) @ x / 2


assert checks.red_gradient(gradient)

# %% [markdown]
# ### Exercise P3 (core): why averaged? A proof on paper
#
# Let $T=(1-\alpha)I+\alpha N$ with a nonexpansive $N$ and $0<\alpha<1$ on $\mathbb R^n$, and let $x^*$ be a fixed
# point. Show that $x_{k+1}=Tx_k$ converges. Where does the proof fail for $\alpha=1$?
#
# <details><summary><b>Hint</b></summary>
#
# For all $a,b$: $\|(1-\alpha)a+\alpha b\|^2=(1-\alpha)\|a\|^2+\alpha\|b\|^2-\alpha(1-\alpha)\|a-b\|^2$. Take
# $a=x_k-x^*$ and $b=Nx_k-x^*$.
# </details>
#
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# $x^*$ is a fixed point of $N$ too, so $\|Nx_k-x^*\|\le\|x_k-x^*\|$, and the identity of the hint gives
#
# $$\|x_{k+1}-x^*\|^2\le\|x_k-x^*\|^2-\alpha(1-\alpha)\|x_k-Nx_k\|^2.$$
#
# Summed over $k$: $\alpha(1-\alpha)\sum_k\|x_k-Nx_k\|^2\le\|x_0-x^*\|^2$, so $x_k-Nx_k\to0$. The $x_k$ are bounded,
# because their distance from $x^*$ does not grow; so a subsequence converges to some $\bar x$, and $N\bar x=\bar x$
# because $N$ is continuous. Now take $\bar x$ in place of $x^*$: the distance of $x_k$ from $\bar x$ does not grow,
# and a subsequence of it tends to 0. So all of it does. For $\alpha=1$ the factor $\alpha(1-\alpha)$ is 0 and nothing
# forces $x_k-Nx_k$ to become small: $N=-I$ has the fixed point 0, and $x_k=(-1)^kx_0$.
# </details>
#
# ### Deep equilibrium: learn through the fixed point
#
# If the iteration is to end in its fixed point anyway, one may train for that: a **deep equilibrium** network answers
# $\Phi(y)=x$ with $x=f_\theta(x;y)$, and $f_\theta$ is learned so that this $x$ is near the truth (Gilton, Ongie and
# Willett 2021; lectures, part I.2). Nothing forces our $f_\theta$ to be a contraction, so we measure whether it is
# one. The plain iteration shrinks its steps as fast as the *spectral radius* of $\partial f/\partial x$ says; the
# *norm* says whether every step brings every neighbour nearer.
#
# **Predict, then run.** The network was trained to a tolerance of $10^{-3}$. How many plain iterations does
# one more decimal place cost?

# %% mystnb={"image": {"alt": "Relative residual of the fixed-point equation on a logarithmic scale against the iteration. The plain iteration becomes a line whose slope is the spectral radius; the accelerated one falls faster."}}
N = network("equilibrium")
found = deep_equilibrium.contraction_of(N, problem.y[:1], problem.A, seeded(2), n_iter=60)
deep_equilibrium.iterations_figure(found)
plt.show()

# %%
radius, norm, ratio = (float(value) for value in (found.radius, found.norm, found.ratio))
print(
    f"Last step over the one before: {ratio:.3f}. Spectral radius at the fixed point: {radius:.3f}, norm: {norm:.3f}."
)
print(f"A decimal place costs {-1 / torch.log10(torch.tensor(radius)):.0f} plain iterations.")
assert radius < 1 and norm < 1 and abs(ratio - radius) < 0.03

# %% [markdown]
# At this fixed point the map contracts, slowly: the norm is below 1, so every step brings every near neighbour
# nearer, and the radius predicts the rate. That is a fact about one scan and not a guarantee: another $y$ has another
# fixed point, and far from home the network may have none.
#
# How is it trained? To go back through all iterations would need the memory of all of them. The *implicit function
# theorem* does without: from $x=f(x,y)$ follows $\mathrm dx=J\,\mathrm dx+K\,\mathrm dy$ with $J=\partial f/\partial
# x$, $K=\partial f/\partial y$, so a loss with the gradient $g$ at $x$ has the gradient $K^\top(I-J^\top)^{-1}g$ by
# $y$, if $I-J$ is invertible, which a spectral radius below 1 ensures. Both ways must give the same:

# %%
exact = deep_equilibrium.tightened(N)  # in float64, so that round-off plays no part
y, truth = problem.y[:1].double(), problem.x[:1].double()
implicit, unrolled = deep_equilibrium.gradients(exact, y, exact.trained_with, truth, (200, 1))
difference, short = (float((v - implicit).norm() / implicit.norm()) for v in unrolled)
print(f"Implicit against 200 unrolled iterations: relative difference {difference:.1e}; against one: {short:.2f}.")
assert difference < 1e-4 < short

# %% [markdown]
# ### Exercise P4 (stretch): the gradient at a fixed point
#
# Given $J=\partial f/\partial x$ and $K=\partial f/\partial y$ at the fixed point and the gradient $g$ of a loss by
# $x$: what is its gradient by $y$?


# %%
def fixed_point_gradient(J, K, g):
    return K.T @ g  # back through a single step


# %%
checks.fixed_point_gradient(fixed_point_gradient)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# Let $w=(I-J^\top)^{-1}g$; it is itself a fixed point, of $w\mapsto g+J^\top w$.
# </details>


# %% tags=["solution"]
def fixed_point_gradient(J, K, g):
    eye = torch.eye(len(J), dtype=J.dtype)
    return K.T @ torch.linalg.solve(eye - J.T, g)


assert checks.fixed_point_gradient(fixed_point_gradient)

# %% [markdown]
# **Take away.** A denoiser in place of a proximal map needs no training for the scanner. Whether the iteration
# converges is a property of the denoiser: averaged, and there is a theorem; free, and there is an observation. The
# guarantee has a price in quality, the stopping rule is a promise of its own, and $x-D(x)$ is a gradient only if the
# Jacobian is symmetric.
