# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     cell_metadata_filter: tags,mystnb,slideshow,-all
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
# # 11 Bilevel learning
#
# > **A regulariser has parameters, and good ones can be learned from examples. But then every value of what is learned
# > from is itself the solution of an optimisation problem, and is never known exactly. How accurately must a problem be
# > solved to learn its parameters?**
#
# **You will be able to**
#
# - write the choice of a parameter as a problem in two levels, and bound the error of an inexact lower level from what a
#   computer knows (exercise 1);
# - derive the hypergradient by the implicit function theorem, compute it with two solves, bound its error (exercise 2 and
#   the explorer), and say what unrolling learns instead (exercise 3);
# - find the accuracy that the next decision needs, from values alone (exercise 4) and from gradients (exercise 5), and
#   tell where a fixed accuracy wins, loses, or fails without a sign;
# - learn the filters of a regulariser, or which lines of $k$-space to measure, and test them on another person's brain;
# - say what is left of all this when the lower level is not convex, and check it.
#
# **Prerequisites:** total variation, quasi-Newton methods and accelerated gradients (chapter 02); tuning on validation
# images (chapter 05); $k$-space (chapter 08) for section 8.
#
# **Time:** 120 min to read and do the exercises, 1 min to run on two CPU cores.

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

from course_utils import psnr
from course_utils.bilevel import (
    Bilevel,
    HuberSignals,
    Residuals,
    SmoothTV,
    dynamic_dfo,
    hypergradient,
    learn_lbfgsb,
    maid,
    semismooth_newton,
    solve_lower,
    unrolled_gradient,
)
from course_utils.chapters.bilevel import (
    checks,
    dfo,
    experts,
    experts_story,
    first_order,
    first_order_story,
    generalised_story,
    sampling_story,
    stochastic_story,
    story,
    weights_story,
)
from course_utils.chapters.bilevel.explorer import accuracy_explorer
from course_utils.chapters.bilevel.figures import accuracy_path, certificates, denoised_signal, upper_level
from course_utils.chapters.bilevel.problems import BOUNDS, START, XI, boxes, exact_value, parameters
from course_utils.figures.images import image_rows
from course_utils.figures.tables import markdown_table
from course_utils.notebooks import FAST
from course_utils.reproduce import load_result
from course_utils.results import origin

# %% [markdown]
# ## 1 Two levels
#
# A box signal with noise is denoised by a smoothed total variation, with three weights $\alpha$. Beside the truth
# everybody sees which weight is good. How can a computer learn it from such examples, and 216 numbers (section 7) as well
# as one?

# %% mystnb={"image": {"alt": "A box signal with its noisy data and three reconstructions: with a small alpha it follows the noise, with a middle one it is nearly a box, with a large one it is almost flat."}}
truth, y = boxes(4, 64)
small = Bilevel(SmoothTV(y, nu=1e-2, xi=XI), truth)
shown = {a: solve_lower(small.lower, truth.new_tensor([a]), 1e-8, "lbfgs").x for a in (-2.5, -0.6, 0.8)}
denoised_signal(truth[0], y[0], {a: x[0] for a, x in shown.items()})
plt.show()

# %% [markdown]
# In the chapters before, a weight was tried out on a grid. That works for one, barely for two, and not at all for 216.
# The lectures (part II.3) write the same wish as an optimisation problem. Given pairs of a truth $x_i$ and its data
# $y_i$, find
#
# $$\begin{aligned}
# \min_\theta\ f(\theta)&=\sum_i\|\hat x_i(\theta)-x_i\|_2^2&&\text{(upper level)},\\
# \hat x_i(\theta)&=\arg\min_x\ \Phi(x,\theta;y_i)&&\text{(lower level)}.
# \end{aligned}$$
#
# The lectures divide the sum by the number of examples, which changes no minimiser. Our first lower level is that of
# Ehrhardt and Roberts: denoising of box signals, $\sigma=0.1$, by a smoothed total variation,
#
# $$\Phi(x,\theta;y)=\tfrac12\|x-y\|_2^2+\alpha\sum_j\sqrt{(x_{j+1}-x_j)^2+\nu^2}+\tfrac\xi2\|x\|_2^2 .$$
#
# Here the data term has its factor $\tfrac12$, as in their paper. The parameters are logarithms,
# $\theta=(\log_{10}\alpha,\log_{10}\nu,\log_{10}\xi)$, or the first of them alone. The smoothing $\nu>0$ makes $\Phi$
# twice differentiable. Together with the data term, $\xi>0$ makes it strongly convex with the constant $\mu=1+\xi$,
# and its gradient has the Lipschitz constant $L=1+4\alpha/\nu+\xi$. All of this will be needed.
#
# **Predict, then run.** Four signals of 64 points, $\nu=0.01$, one parameter $\alpha$. How does $f$ look over
# $\log_{10}\alpha$? What does it tend to at both ends?

# %% mystnb={"image": {"alt": "The upper-level objective over alpha, both logarithmic: a plateau on the left, one minimum, and a rise to the right. Three diamonds mark the weights of the figure before, the middle one at the minimum."}}
grid = torch.linspace(-3, 1, 11 if FAST else 21, dtype=torch.float64)
values, warm = [], None
for log_alpha in grid:
    value, _, warm = exact_value(small, log_alpha[None], warm, 1e-8)
    values.append(value)
best = grid[values.index(min(values))][None]
upper_level(grid, values, shown)
plt.show()

# %% [markdown]
# With $\alpha\to0$ nothing is smoothed and $f$ is what the noise weighs; with a large $\alpha$ everything is smoothed.
# Between the two there is one valley here. In general $f$ is not convex, although each lower level is: the map
# $\theta\mapsto\hat x(\theta)$ is not linear.
#
# The catch is in the word $\arg\min$. **No computer knows $\hat x(\theta)$**, it has some $\tilde x$ after finitely many
# iterations. The lectures list what people do about it:
#
# | | what is done | here |
# |:---|:---|:---|
# | ignore it | many iterations, and $\tilde x$ is taken for $\hat x$ (Sherry et al.) | sections 3 and 4 |
# | semi-smooth Newton | Newton's method for equations with kinks (Kunisch and Pock) | section 2, for the lower level |
# | unroll | replace $\hat x$ by the result of $N$ iterations (Ochs et al.) | section 3 |
# | acknowledge it | know the error, and ask for no more accuracy than is needed (Ehrhardt and Roberts) | sections 2, 5, 6 |
#
# ## 2 What a computer can know of its error
#
# Strong convexity turns the gradient, which is known, into a bound on the distance, which is not:
#
# $$\mu\,\|x-\hat x\|^2\le\langle\nabla\Phi(x)-\nabla\Phi(\hat x),\,x-\hat x\rangle
# =\langle\nabla\Phi(x),\,x-\hat x\rangle\le\|\nabla\Phi(x)\|\,\|x-\hat x\| .$$
#
# ### Exercise 1 (easy): a certificate
#
# Write the bound on $\|x-\hat x\|$ that follows, for each example of a batch of gradients.


# %%
def bound(gradient, mu):  # (B, N), mu -> (B,)
    return gradient.square().sum(1)  # is this a distance?


# %%
checks.certificate(bound)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Divide the inequality by $\mu\|x-\hat x\|$ (if that is 0, there is nothing to show):
# $\|x-\hat x\|\le\|\nabla\Phi(x)\|/\mu$.
# </details>


# %% tags=["solution"]
def bound(gradient, mu):
    return gradient.norm(dim=1) / mu


assert checks.certificate(bound)

# %% [markdown]
# So a solver can stop when $\|\nabla\Phi\|/\mu\le\varepsilon$ and *promise* the accuracy $\varepsilon$. How sharp is
# that? And how many iterations does it cost? Gradient descent with step $2/(L+\mu)$ multiplies the distance by
# $\frac{L-\mu}{L+\mu}\approx1-\frac{2\mu}L$ at worst. The accelerated method (FISTA for strongly convex functions) has
# $1-\sqrt{\mu/L}$ in the rate of the objective.
#
# **Predict, then run.** Here $L/\mu$ is about 100. Three solvers from $x=0$: the true error and its certificate.

# %% mystnb={"image": {"alt": "True error and certificate against iterations for gradient descent, FISTA and L-BFGS on logarithmic axes. All certificates lie above the errors. Gradient descent falls slowly, FISTA and L-BFGS fall much faster."}}
reference = solve_lower(small.lower, best, 0.0, "fista", max_iter=1500)
counts = [5, 10, 20, 50, 100, 200, 400]
races = {}
for solver in ("gd", "fista", "lbfgs"):
    runs = [solve_lower(small.lower, best, 0.0, solver, max_iter=n) for n in counts]
    errors = torch.stack([(run.x - reference.x).norm(dim=1).mean() for run in runs])
    promised = torch.stack([run.error.mean() for run in runs])
    assert bool((errors <= promised + 1e-9).all())
    races[solver] = (counts, errors, promised)
mu, L = small.lower.constants(best)
certificates(races)
plt.show()

# %%
sharp = {solver: float(promised[3] / errors[3]) for solver, (_, errors, promised) in races.items()}
words = ", ".join(f"{value:.2g} ({solver})" for solver, value in sharp.items())
print(f"L/μ = {L / mu:.0f}; certificate over true error after {counts[3]} iterations: {words}")
assert sharp["gd"] < 1.1 < sharp["lbfgs"]

# %% [markdown]
# The certificate never lies. For gradient descent and FISTA it is nearly sharp, so that what is left of their error lies
# in the directions of least curvature, about $\mu$, the only ones in which the inequality is an equality. L-BFGS also has
# errors in others, and there the certificate overestimates them. The smaller $\nu$ and the larger $\alpha$, the larger
# $L/\mu$, and the more a promise costs: the search for $\theta$ decides how expensive its own evaluations are.

# %% [markdown]
# ### With second derivatives: a semi-smooth Newton method
#
# The lectures name the semi-smooth Newton method. Does it need fewer steps, and what are its steps? Huber's function is
# the smallest example: $h_\nu(t)=t^2/(2\nu)$ for $|t|\le\nu$ and $|t|-\nu/2$ beyond. With it in place of the square
# root, $\nabla\Phi$ is *piecewise affine*: a difference $t=x_{j+1}-x_j$ is either in the middle piece or outside of it.
# $\nabla\Phi$ has kinks, so there is no Hessian everywhere; but on each piece there is one,
#
# $$H(x)=(1+\xi)I+\frac\alpha\nu\,D^\top\mathrm{diag}\big(|Dx|\le\nu\big)D,$$
#
# and the method solves $H(x)\,p=-\nabla\Phi(x)$ and halves $p$ until $\Phi$ falls enough. Why should that be fast? If $x$
# and $\hat x$ lie in one piece, then $\nabla\Phi(\hat x)=\nabla\Phi(x)+H(x)(\hat x-x)=0$ exactly, so that the whole step
# $p$ ends **at** the minimiser. What takes time is to find the piece.
#
# **Predict, then run.** One of the four signals, with the best $\alpha$ of above and $\nu=0.01$, from $x=y$. What do the
# last two rows look like?

# %%
pieces = HuberSignals(y, nu=1e-2, xi=XI)
newton = semismooth_newton(pieces, best, 1e-20)
rival = solve_lower(pieces, best, 1e-20, "lbfgs")
taken = int(newton.steps[0])
shown_steps = sorted({0, 1, *range(4, taken - 2, 3), taken - 2, taken - 1, taken})
lines = [
    [
        str(k), f"{newton.slopes[k, 0]:.1e}", f"{newton.lengths[k - 1, 0]:.3g}" if k else "",
        str(int(newton.moved[k - 1, 0])) if k else "",
    ]
    for k in shown_steps
]  # fmt: skip
together = (newton.x - rival.x).norm(dim=1)
print(f"Newton: {newton.steps.tolist()} steps for the four signals; L-BFGS: {rival.iterations.tolist()} gradients.")
print(
    f"Distance of the two answers: at most {together.max():.0e}; both certificates together: {(newton.accuracy.sqrt() + rival.error).min():.0e}."
)
assert newton.reached.all() and (together <= newton.accuracy.sqrt() + rival.error).all()
assert newton.moved[taken - 1, 0] == 0 and newton.lengths[taken - 1, 0] == 1
markdown_table(["step", "‖∇Φ‖", "share of p that was taken", "differences that changed their piece"], lines)

# %% [markdown]
# In most of the steps $\|\nabla\Phi\|$ falls slowly, because differences still change their pieces and $p$ is cut short.
# The last step is a whole one, no difference changes its piece, and $\|\nabla\Phi\|$ falls to round-off at once: the
# convergence is superlinear in the strongest sense, it ends. The number of steps is small, but each solves a linear
# system, which is tridiagonal for signals and only sparse for images. Kunisch and Pock use the method for the bilevel
# problem too, which is not run here. The matrix $H$ is the $A$ of the next section, where there are no kinks at $\hat x$.

# %% [markdown]
# ## 3 The hypergradient
#
# To learn many parameters one needs $\nabla f(\theta)$, called the hypergradient. Write $U(x)=\|x-x^*\|_2^2$ for one
# example with the truth $x^*$. The minimiser satisfies $\partial_x\Phi(\hat x(\theta),\theta)=0$ for every $\theta$.
# If $\Phi$ is twice continuously differentiable and $A=\partial_x^2\Phi(\hat x,\theta)$ is invertible, which strong
# convexity ensures, the implicit function theorem says that $\hat x(\theta)$ is differentiable. Then the chain rule
# gives, with $B=\partial_\theta\partial_x\Phi(\hat x,\theta)$,
#
# $$A\,\hat x'(\theta)+B=0,\qquad
# \nabla f(\theta)=\hat x'(\theta)^\top\,\nabla U(\hat x)=-B^\top A^{-1}\nabla U(\hat x).$$
#
# The Jacobian $\hat x'$, a matrix of pixels by parameters, is never formed. Because $A$ is symmetric it is enough to
#
# 1. solve the lower level for $\hat x$, up to $\varepsilon$;
# 2. solve **one** linear system $Aq=\nabla U(\hat x)$ with conjugate gradients, up to a residual $\delta$;
# 3. multiply: $\nabla f=-B^\top q$.
#
# Products with $A$ and $B^\top$ come from automatic differentiation of $\partial_x\Phi$. The price of a gradient by
# *all* parameters is one more linear system, whether there are 2 parameters or 2000.
#
# **Predict, then run.** Two parameters, $\alpha$ and $\nu$. The formula against central differences of $f$ with two
# step lengths: how many digits agree? And against the derivative of $N$ unrolled iterations?

# %%
two = parameters(2, 4, 64)
at = truth.new_tensor([-0.5, -1.5])
exact = hypergradient(two, at, 1e-24, 1e-12, "lbfgs", max_iter=20_000)


def difference_quotient(h):
    found = []
    for k in range(2):
        step = torch.eye(2, dtype=at.dtype)[k] * h
        above, below = (exact_value(two, at + s, exact.solution.x, 1e-24)[0] for s in (step, -step))
        found.append((above - below) / (2 * h))
    return torch.tensor(found)


size = exact.gradient.norm()
lines = [["implicit function theorem", "reference", f"{exact.gradient[0]:.6f}", f"{exact.gradient[1]:.6f}"]]
rival = {f"central differences, h = {h:g}": difference_quotient(h) for h in (1e-2, 1e-4)}
rival |= {f"unrolled, {n} steps of gradient descent": unrolled_gradient(two, at, n)[1] for n in (10, 100, 1000)}
apart = {name: float((g - exact.gradient).norm() / size) for name, g in rival.items()}
lines += [[name, f"{apart[name]:.1e}", f"{g[0]:.6f}", f"{g[1]:.6f}"] for name, g in rival.items()]
assert apart["central differences, h = 0.0001"] < 1e-6 and apart["unrolled, 1000 steps of gradient descent"] < 1e-3
markdown_table(["hypergradient by", "relative distance", "by log α", "by log ν"], lines)

# %% [markdown]
# The finer difference quotient agrees to more than six digits, the coarser one has its error of order $h^2$. The
# unrolled derivative tends to the same limit when the iteration has converged. Before that it is another number, and it
# needs the memory of all $N$ steps.
#
# ### Exercise 2 (core): all three steps by hand
#
# Take a lower level that can be solved exactly, $\Phi=\tfrac12\|x-y\|_2^2+\tfrac12\,10^{\theta}\|Dx\|_2^2$, and
# the upper level $\|\hat x-x^*\|_2^2$. What are $A$ and $B$? Write $f'(\theta)$. The starter has found
# $\hat x$.


# %%
def derivative(y, truth, D, theta):  # (N,), (N,), (M, N), number -> number
    A = torch.eye(len(y), dtype=y.dtype) + 10**theta * D.T @ D
    x = torch.linalg.solve(A, y)
    return ((x - truth) ** 2).sum()  # the value of the upper level; its derivative is asked for


# %%
checks.hypergradient(derivative)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# $\partial_x\Phi=x-y+10^\theta D^\top Dx$, so $A=I+10^\theta D^\top D$ and, because $\frac{d}{d\theta}10^\theta=\ln(10)
# \,10^\theta$, $B=\ln(10)\,10^\theta D^\top D\hat x$. With $Aq=2(\hat x-x^*)$ the derivative is $-B^\top q$.
# </details>


# %% tags=["solution"]
def derivative(y, truth, D, theta):
    DD = 10**theta * D.T @ D
    A = torch.eye(len(y), dtype=y.dtype) + DD
    x = torch.linalg.solve(A, y)
    q = torch.linalg.solve(A, 2 * (x - truth))
    return -torch.log(torch.tensor(10.0, dtype=y.dtype)) * (DD @ x) @ q


assert checks.hypergradient(derivative)

# %% [markdown]
# ### How wrong is an inexact hypergradient?
#
# We have $\tilde x$ with $\|\tilde x-\hat x\|\le\varepsilon$, and a $q$ whose residual at $\tilde x$ is at most
# $\delta$. Hats denote $A$ and $B$ at $\hat x$, and $\hat q$ the solution of $\hat A\hat q=2(\hat x-x^*)$. Then
#
# $$\hat A\,(q-\hat q)=(\hat A-A)\,q+\big(Aq-2(\tilde x-x^*)\big)+2(\tilde x-\hat x),$$
#
# and since no eigenvalue of $\hat A$ is below $\mu$,
#
# $$\|B^\top q-\hat B^\top\hat q\|\ \le\ \|(B-\hat B)^\top q\|+\|\hat B\|\;
# \frac{\|(A-\hat A)q\|+\delta+2\varepsilon}{\mu}.$$
#
# The changes of $A$ and $B$ within the distance $\varepsilon$ are bounded by Lipschitz constants of the derivatives of
# $\sqrt{t^2+\nu^2}$, so everything on the right is computable. `hypergradient` returns it as `bound`.
#
# ### Explorer: accuracy against cost
#
# The two accuracies $\varepsilon$ and $\delta$, and the weight $\alpha$, on the problem of two parameters. Middle: the
# error of the hypergradient, its bound, and the length of the exact one. Right: what both levels cost.
#
# 1. $\delta=10^{-3}$: from which $\varepsilon$ on is further work on the lower level wasted? Which control helps then?
# 2. Compare the true error with the length of the gradient at $\varepsilon=0.1$, in the middle panel and by eye on the
#    left. What would a method that trusts this gradient do?
# 3. Move $\alpha$ from 0.01 to 10. What happens to the cost, and how far is the bound above the error? Which of the two
#    would worry you more?

# %% tags=["explorer"] mystnb={"image": {"alt": "A box signal with its exact and inexact denoising; the error of the hypergradient, which falls with epsilon until it is stopped by delta, below its bound; and the iterations of the lower level and of the linear system."}}
accuracy = accuracy_explorer()
accuracy.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same three panels with controls: epsilon, delta and alpha."}}
accuracy

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. From about $\varepsilon=10^{-4}$ on the curve is flat: the linear system is the weaker part, and only a smaller
#    $\delta$ helps. So the two accuracies have to go together.
# 2. The error is about as long as the gradient itself, although the signal on the left looks nearly right. Such a
#    gradient may point uphill.
# 3. The cost rises with $\sqrt{L/\mu}$. The bound is many powers of ten above the error when $\varepsilon$ is large,
#    because it must allow for the worst place within $\varepsilon$, where the curvature of $\sqrt{t^2+\nu^2}$ is
#    largest. A loose bound costs work; an error larger than the gradient costs the result.
# </details>
#
# ### Unrolling learns something else
#
# If $\hat x$ is replaced by the result of $N$ iterations, the derivative can be exact: it is that of another problem.
# "Not bilevel any more", say the lectures.
#
# **Predict, then run.** For some $N$ we look for the $\alpha$ with the least loss *after $N$ steps* of gradient descent
# from 0 (on the grid of section 1), and then solve the lower level with it to the end. What is it like for small $N$?
#
# - [ ] Larger than the bilevel one, because few steps have smoothed little.
# - [ ] The same, because the examples and $\Phi$ are the same.
# - [ ] Smaller than the bilevel one.

# %%
lines, learned_after = [], {}
for n in (10, 30, 100, 300):
    unrolled = [unrolled_gradient(small, a[None], n)[0] for a in grid]
    k = unrolled.index(min(unrolled))
    learned_after[n] = values[k]
    lines.append([str(n), f"10^{float(grid[k]):.1f}", f"{unrolled[k]:.2f}", f"{values[k]:.2f}"])
lines.append(["bilevel", f"10^{float(best):.1f}", "", f"{min(values):.2f}"])
assert learned_after[10] > 2 * min(values) and learned_after[300] < 1.2 * min(values)
markdown_table(["steps N", "α of least loss after N steps", "that loss", "loss when solved to the end"], lines)

# %% [markdown]
# With few steps from 0 the best choice is hardly any regulariser at all, because it lets the steps be long: the step
# $2/(L+\mu)$ depends on $\alpha$, and a larger $\alpha$ would leave $\tilde x$ near 0. With the same examples the
# parameter has another task: it makes up for an unfinished iteration. That is no mistake if the same
# $N$ steps are used afterwards, with the same start; as parameters of a *variational problem* these are wrong.
#
# ### Exercise 3 (stretch): the weight that two steps learn
#
# One pixel: $\Phi=\tfrac12(x-y)^2+\tfrac a2x^2$, and the truth is always $c\,y$. The bilevel problem gives
# $a=1/c-1$, since $\hat x=y/(1+a)$. Now take two gradient steps of the fixed length $\tau$ from $x=0$ instead. Which
# $a$ makes their result $c\,y$? (And what can *one* step learn?)


# %%
def weight(c, tau):
    return 1 / c - 1  # the bilevel weight


# %%
checks.unrolled_weight(weight)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The first step gives $x_1=\tau y$, whatever $a$ is: one step from 0 learns nothing. The second gives
# $x_2=x_1-\tau\big((1+a)x_1-y\big)=\tau y\,\big(2-\tau(1+a)\big)$. It is $cy$ for $a=(2-c/\tau)/\tau-1$. For
# $c=0.8$ and $\tau=0.5$ that is $a=-0.2$, a negative weight, where the bilevel one is $0.25$.
# </details>


# %% tags=["solution"]
def weight(c, tau):
    return (2 - c / tau) / tau - 1


assert checks.unrolled_weight(weight)

# %% [markdown]
# ## 4 L-BFGS-B, and what it does not know
#
# The lectures' algorithm puts the three steps of the hypergradient into L-BFGS-B, which also keeps bounds on $\theta$.
# It has a line search, which believes every number that it is given.
#
# **Predict, then run.** The problem of section 1, one parameter, with three pairs of accuracies (of $\|x-\hat x\|^2$ and
# of the linear system). With the middle pair, how does the value that the search sees at its end compare with the least
# value of the tight one?
#
# - [ ] It is above, because $\tilde x$ is no minimiser.
# - [ ] It is the same, in the digits that are printed.
# - [ ] It is below.

# %%
start, lines, ends, seen = truth.new_tensor([0.0]), [], {}, None
for tol, cg_tol in ((1e-12, 1e-8), (1e-2, 1e-1), (1.0, 1.0)):
    learned = learn_lbfgsb(small, start, [-4.0], [1.0], tol, cg_tol)
    ends[tol] = exact_value(small, learned.theta, tol=1e-12)[0]
    seen = learned.value if tol == 1e-2 else seen
    lines.append(
        [
            f"{tol:g} and {cg_tol:g}", f"{learned.lower_iterations:,}", f"{learned.cg_iterations:,}",
            f"{float(learned.theta):.3f}", f"{learned.value:.4f}", f"{ends[tol]:.4f}",
        ]
    )  # fmt: skip
assert ends[1e-12] <= min(ends.values()) + 1e-6 and ends[1.0] > ends[1e-2] > 1.02 * ends[1e-12] and seen < ends[1e-12]
markdown_table(["accuracies", "lower level", "products with A", "log α", "f as it saw it", "f exactly"], lines)

# %% [markdown]
# With tight accuracies it is hard to beat where gradients can be had: few evaluations, and the right answer. With loose
# ones it is many times cheaper and ends elsewhere, with the roughest at a bound. The middle run is the treacherous one:
# it sees a value *below* the least that exists, because an inexact $\tilde x$ may happen to lie nearer to the truth than
# $\hat x$ does. ($\hat x$ minimises $\Phi$, and not the distance to the truth.) Nothing that L-BFGS-B prints tells the
# cases apart; the certificates could, if they are looked at.
#
# The cost is counted in gradients of the lower level and products with $A$, summed over the examples: this is what grows
# with the size of the images, and it does not depend on the machine.
#
# ## 5 Values alone: dynamic accuracy
#
# Can one learn without a gradient, and without guessing an accuracy? The key idea of Ehrhardt and Roberts needs one
# line. If $|f-f_\varepsilon|\le\varepsilon$ at $\theta$ and $|f-f_{\varepsilon_+}|\le\varepsilon_+$ at $\theta_+$, then
#
# $$f_{\varepsilon_+}(\theta_+)<f_{\varepsilon}(\theta)-\varepsilon-\varepsilon_+\quad\Rightarrow\quad
# f(\theta_+)<f(\theta).$$
#
# *As low an accuracy as possible, as high as necessary.* Their algorithm (lectures, Algorithm 1) is a trust-region
# method for least squares without derivatives:
#
# 1. Every residual $r_i(\theta)=\|\hat x_i(\theta)-x_i\|$ is modelled by an affine function through $P+1$ points, so
#    that $m(s)=\|r+Js\|^2$ models $f=\sum_ir_i^2$ near the best point.
# 2. A step $s$ minimises $m$ in a box of radius $\Delta$ around the best point.
# 3. $f$ at both points is made so accurate that neither can be wrong by more than a small share of what the model
#    promises, $m(0)-m(s)$. A solver of the lower level that has stopped early goes on from where it was.
# 4. The step is taken if enough of the promise is kept. Otherwise $\Delta$ shrinks or the points are moved and refined.
#
# Errors allowed in the model's points go down with $\Delta^2$. So accuracy rises where the steps are short, at the end.
#
# Does that converge, although no value of $f$ is ever known exactly? **Theorem** (Ehrhardt and Roberts; lectures): if $f$
# is sufficiently smooth and bounded below, then $\lim_{k\to\infty}\|\nabla f(\theta_k)\|=0$, with the gradient of the
# exact $f$. It does not say how many iterations that takes, nor which stationary point is found. The proof is for their
# algorithm; ours has a box in place of their ball, so that here it is an expectation, and what is shown below are runs.
#
# **Predict, then run.** One parameter, the four signals of section 1. In which evaluations is the accuracy high?

# %% mystnb={"image": {"alt": "Left, objective values with error bars at each of the evaluations; the error bars shrink as the values approach the minimum, and the exact values lie within them. Right, the bound on the error falls by powers of ten over the evaluations."}}
searched = dynamic_dfo(Residuals(small), start, [-7.0], [7.0], max_evals=14 if FAST else 20)
thetas = {tuple(entry["theta"]) for entry in searched.history}
exactly = {theta: exact_value(small, truth.new_tensor(theta), tol=1e-12)[0] for theta in thetas}
accuracy_path(searched.history, exactly)
plt.show()

# %%
first, last = searched.history[0]["error"], searched.history[-1]["error"]
print(f"The error of f that was allowed: {first:.1e} in the first evaluation, {last:.1e} in the last.")
print(f"f at the end: {exactly[tuple(searched.theta.tolist())]:.4f}; L-BFGS-B: {ends[1e-12]:.4f}")
for entry in searched.history:
    assert abs(entry["value"] - exactly[tuple(entry["theta"])]) <= entry["error"] + 1e-5
assert first > 10 * last and exactly[tuple(searched.theta.tolist())] < 1.05 * ends[1e-12]

# %% [markdown]
# Several points are evaluated twice or more: first roughly, then again when a decision needs it. All exact values lie
# within the error bars.
#
# ### Exercise 4 (core): the accuracy that a decision needs
#
# Suppose that each of $n$ residuals $r_i\ge0$ may be wrong by $\delta$. By how much can $f=\sum_ir_i^2$ be wrong at
# most? Find the largest $\delta$ for which this is at most $t$. (The starter forgets something.)


# %%
def largest(r, t):  # (n,), number -> number
    return t / (2 * r.sum())


# %%
checks.accuracy(largest)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# $(r_i+\delta)^2-r_i^2=2r_i\delta+\delta^2$ is the worst case, and larger than $r_i^2-(r_i-\delta)^2$. The sum over $i$
# is $n\delta^2+2\delta S$ with $S=\sum_ir_i$. Set it equal to $t$ and take the positive root:
# $\delta=\big(\sqrt{S^2+nt}-S\big)/n$.
# </details>


# %% tags=["solution"]
def largest(r, t):
    S, n = r.sum(), len(r)
    return ((S**2 + n * t) ** 0.5 - S) / n


assert checks.accuracy(largest)

# %% [markdown]
# ### Against a fixed number of iterations
#
# Now the problems of the paper: 256 points, $\nu=\xi=10^{-3}$ and $\alpha$ to be learned from 10 signals; or all three
# parameters from 20 signals, with the penalty $10^{-6}(L/\mu)^2$, which keeps the lower level from becoming
# arbitrarily hard. The rival is the same search with a fixed number of iterations in each evaluation, whose results it
# takes for exact. The points that each run accepted were evaluated afterwards with an accuracy that none of the runs
# had, and only these values are shown (`python -m course_utils.reproduce bilevel-dfo`).
#
# **Predict, then run.** By which factor is the dynamic one faster than 2000 iterations of FISTA, to come within 5 per
# cent of the best? And with one parameter, what do 200 iterations do?
#
# - [ ] They end at the best $\alpha$ as well, and are the cheapest.
# - [ ] They end at another $\alpha$, and their last value is visibly wrong.
# - [ ] They end at another $\alpha$, and nothing that they print shows it.

# %% mystnb={"image": {"alt": "Four panels of exact objective against lower-level iterations, one and three parameters, FISTA and gradient descent. With FISTA the dynamic run comes down first among those that stay down. With one parameter the rough runs touch the best value early and rise again, far above it."}}
stored = load_result("bilevel-dfo")
print("Ours:", origin(stored))
dfo.dfo_figure(stored)
plt.show()

# %%
markdown_table(["run", "to 5 / 1 % of the best", "published", "ends at f", "as it saw it"], story.cost_rows(stored))

# %%
faster = {p: story.ratio(stored, p, "fista", 2_000) for p in (1, 3)}
to_one = {p: story.ratio(stored, p, "fista", 2_000, 0.01) for p in (1, 3)}
fixed_wins = {share: 1 / story.ratio(stored, 1, "gd", 10_000, share) for share in (0.05, 0.01)}
rough = story.pick(stored, p=1, solver="fista", iterations=200, alpha=0.0)[0]
rough_end = story.end_value(rough) / story.best_value(stored, 1)
three = story.pick(stored, p=3, solver="fista", iterations=200, alpha=0.0)[0]
three_end = story.end_value(three) / story.best_value(stored, 3)
print(
    f"FISTA, 2000 iterations against dynamic, 1 parameter: {faster[1]:.1f} times the cost to 5 per cent, {to_one[1]:.1f} to 1."
)
print(
    f"FISTA, 2000 iterations against dynamic, 3 parameters: {faster[3]:.0f} times the cost to 5 per cent, {to_one[3]:.0f} to 1."
)
print(
    f"Gradient descent, 1 parameter: 10000 iterations win, by a factor of {fixed_wins[0.05]:.1f} and {fixed_wins[0.01]:.1f}."
)
print(
    f"200 iterations of FISTA end at {rough_end:.2f} times the best f (1 parameter), {three_end:.3f} times (3 parameters)."
)
stiff = {p: story.condition(story.pick(stored, p=p, solver="fista", iterations=0, alpha=0.0)[0]) for p in (1, 3)}
print(f"L/μ where the dynamic runs end: {stiff[1]:.0f} (1 parameter), {stiff[3]:.0f} (3 parameters).")
assert stiff[1] > 3 * stiff[3]
assert faster[3] > 10 and to_one[3] > 10 > faster[1] > 2 and min(fixed_wins.values()) > 1
assert rough_end > 1.5 and abs(rough["seen"] / story.end_value(rough) - 1) < 0.01 and three["converged"]

# %% [markdown]
# - **The lectures' "10x speedup" is there, against a fixed accuracy that is too high.** With three parameters 2000
#   iterations of FISTA cost more than ten times as much, to 5 and to 1 per cent; with one parameter two to three times.
# - **A well guessed number of iterations is nearly as good, or better.** With gradient descent and one parameter, 10000
#   iterations win; so they do in the published results, by more. That the dynamic
#   method pays for promises which the decisions would not always have needed is our conjecture.
# - **A number that is too small fails without a sign.** With one parameter, 200 iterations of FISTA and 1000 of gradient
#   descent touch the neighbourhood of the best point after a few evaluations and then *leave* it, because for them
#   another point is better: 200 steps with a smaller $\alpha$ get further. It is the unrolled problem of section 3 that
#   they solve. With three parameters the search ends where the lower level is easier ($L/\mu$ is printed above), and the
#   same 200 iterations end only a few per cent too high. They report convergence. Nothing in their output says which case
#   it is.
# - **What a run saw is almost the exact value** where it ended, in every row. So the last number that is printed is no
#   test of the accuracy either: the lower level is solved well there, and was not solved well where it mattered.
#
# ### Robust to the start?
#
# **Predict, then run.** One parameter with FISTA, from $\alpha=0.01$, 1 and 100.

# %% mystnb={"image": {"alt": "Three panels, starts at alpha 0.01, 1 and 100: exact objective against lower-level iterations. The runs with dynamic accuracy and with 2000 iterations come down from all three starts to nearly the same value; those with 200 iterations end above it."}}
dfo.starts_figure(stored)
plt.show()

# %%
costs = {}
for alpha in (-2.0, 0.0, 2.0):
    for n in (0, 2_000, 200):
        row = story.pick(stored, p=1, solver="fista", iterations=n, alpha=alpha)[0]
        costs[alpha, n] = story.cost_to(row, story.best_value(stored, 1), 0.05)
        end = story.end_value(row)
        words = "dynamic" if n == 0 else f"{n} iterations"
        print(f"from α = {10**alpha:g}, {words}: to 5 per cent {costs[alpha, n] or 'never'}, ends at f = {end:.3f}")
        assert (end > 2) == (n == 200)
assert costs[-2.0, 0] < costs[-2.0, 2_000] and costs[2.0, 0] > costs[2.0, 2_000]
further = story.pick(stored, p=3, solver="fista", alpha=2.0)
assert [story.end_value(r) > 1.1 * story.best_value(stored, 3) for r in further] == [True, False]
print("3 parameters from α = 100, f at the end:", ", ".join(f"{story.end_value(r):.3f} ({r['iterations'] or 'dynamic'})" for r in further))  # fmt: skip

# %% [markdown]
# With one parameter the lectures' picture is confirmed: dynamic accuracy and *many* fixed iterations come down from every
# start, few iterations do not. They do move, in contrast to the published runs, some of which never leave $\alpha=100$;
# but they end at the same wrong place, whatever the start, because it is the minimiser of their own problem.
#
# With three parameters it is not. From $\alpha=100$ the dynamic run has used its 100 evaluations before it arrives, and
# 200 iterations, which are accurate enough there, find the best point of all our runs. (2000 iterations were not tried
# from there.) One run each is an example and no statistic.
#
# Robust is not the same as fast. From $\alpha=100$ the dynamic run costs *more* than 2000 iterations do: $L/\mu$ is
# about $4\alpha/\nu$, so that a certificate costs thousands of iterations there, while a value that is wrong by far
# would do to see that $f$ is hundreds of times too large.
#
# ## 6 Inexact gradients: MAID
#
# The "next step" of the lectures joins both ideas: hypergradients, as in section 3, and no more accuracy than needed, as
# in section 5. MAID (Salehi, Mukherjee, Roberts and Ehrhardt) takes a hypergradient $z$ with an error bound $b$, and
#
# 1. makes it more accurate until $b<\|z\|$, so that $-z$ is sure to point downhill (exercise 5);
# 2. takes a step $\theta_+=\theta-\tau z$ only if the **upper** end of what $f(\theta_+)$ can be lies below the **lower**
#    end of what $f(\theta)$ can be, less $10^{-4}\,\tau\|z\|^2$;
# 3. tries shorter steps if not, then higher accuracy; after a success it lowers the accuracy and lengthens the step.
#
# HOAG (Pedregosa) has a schedule instead, for example $\varepsilon_k=0.1\,k^{-2}$, and never takes a step back.
#
# ### Exercise 5 (core): how steep is it at least? A proof on paper
#
# Known are $\|z\|$ and a bound $b$ on $\|z-\nabla f(\theta)\|$. Prove that $-z$ is a direction of descent if $b<\|z\|$,
# and that the condition cannot be weakened. How steep is $f$ at $\theta$ in the direction of the unit vector
# $-z/\|z\|$, in the worst case? Write this slope (the directional derivative, negative where $f$ falls).


# %%
def slope(size, bound):  # ||z||, b -> number
    return -size


# %%
checks.descent(slope)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Write $\nabla f=z+e$ with $\|e\|\le b$. The slope is $\langle\nabla f,-z/\|z\|\rangle=-\|z\|-\langle
# e,z\rangle/\|z\|\le-\|z\|+b$, by Cauchy and Schwarz. It is negative if $b<\|z\|$. For $e=-b\,z/\|z\|$ there is
# equality, so nothing better can be said. And for $b=\|z\|$ this $e$ gives $\nabla f=0$; for a larger $b$ it gives a
# gradient that points along $-z$, and $f$ rises in the direction $-z$. So with $b\ge\|z\|$ no descent is certain.
# </details>


# %% tags=["solution"]
def slope(size, bound):
    return bound - size


assert checks.descent(slope)

# %% [markdown]
# **Predict, then run.** MAID on two parameters and four signals, from the accuracies $\varepsilon=\delta=0.1$. The
# *exact* objective is computed at each accepted step. Does it ever rise? How accurate is the method at the end?

# %%
followed = maid(two, truth.new_tensor(START[2]), *BOUNDS[2], max_steps=40, gtol=1e-2)
lines, certain = [], []
for entry in followed.path():
    value = exact_value(two, truth.new_tensor(entry["theta"]), tol=1e-16)[0]
    certain.append(value)
    assert entry["low"] <= value * (1 + 1e-9) and value <= entry["high"] * (1 + 1e-9)
    theta = ", ".join(f"{t:.2f}" for t in entry["theta"])
    lines.append([theta, f"{value:.4f}", f"{entry['high'] - entry['low']:.1e}", f"{entry['eps']:.1e}", f"{entry['lower']:,}"])  # fmt: skip
assert followed.converged and all(b < a for a, b in zip(certain, certain[1:], strict=False))
markdown_table(["log α, log ν", "f exactly", "f known to", "ε", "lower-level iterations so far"], lines)

# %% [markdown]
# The exact objective falls in every step, which is what the intervals guarantee, and which was checked here because the
# truth is computable for so small a problem. The accuracy is spent at the end.
#
# ### Is it cheaper?
#
# Two parameters, 10 signals of 256 points; costs are iterations of *both* levels (`python -m course_utils.reproduce
# bilevel-first-order`). **Predict, then run.** Which method comes within one per cent of the best first?
#
# - [ ] MAID, because it pays for no more accuracy than a decision needs.
# - [ ] L-BFGS-B with tight accuracies, because it needs the fewest steps.
# - [ ] L-BFGS-B or HOAG with rough accuracies.

# %% mystnb={"image": {"alt": "Three panels of the excess of the exact objective over the best, against iterations of both levels. The rough runs of L-BFGS-B and HOAG need the fewest; the two curves of MAID lie close together and end as low as the fine run of L-BFGS-B. A grey band marks what the exact values cannot tell apart."}}
first_record = load_result("bilevel-first-order")
print("Ours:", origin(first_record))
first_order.first_order_figure(first_record)
plt.show()

# %%
least, by_run = first_order_story.best(first_record), {row["run"]: row for row in first_record["rows"]}
maid_cost, rough_cost, hoag_cost = (
    first_order_story.reach(by_run[name], least, 0.01) for name in ("maid 1", "lbfgsb rough", "hoag quadratic")
)
print(f"The exact values are certain to {100 * first_order_story.uncertain(first_record):.3f} per cent near the best.")
for name, row in by_run.items():
    assert not name.startswith("maid") or (row["converged"] and first_order_story.rises(row) == 0)
markdown_table(
    ["run", "iterations to 1 %", "in all", "ends above the best by", "accepted steps up", "says it converged"],
    first_order_story.first_order_rows(first_record),
)

# %% [markdown]
# (The exact values are certain to the share that is printed; the grey band in the figure is below it.)
#
# - **MAID keeps its word**: no accepted step raised the exact objective, it knows when it is done, and it hardly matters
#   with which accuracy it begins.
# - **The word has a price.** MAID costs about as much as L-BFGS-B with accuracies that are tight beyond need, and four
#   times as much as L-BFGS-B with rough ones, whose end the table shows: a decision needs little accuracy, but a
#   *proof* of descent needs a bound below the gradient, and such bounds lie far above the error (explorer). The schedules
#   of HOAG cost about as much as the rough run, or twice as much; one step of each raised the objective, and their bounds
#   do not confirm that they are done.
# - **Rough and right here was rough and wrong in section 4.** There $\|x-\hat x\|$ and the residual of the linear system
#   were allowed to be ten times as large, on a smaller problem. The lectures call inexact first-order methods the next
#   step, and what they add on this problem is not speed but certainty.

# %% [markdown]
# ### A few examples at a time
#
# MAID looks at all examples in each step. With many examples a step can also go along the hypergradient of a few, drawn
# at random. This is the inexact stochastic gradient descent (ISGD) of Salehi, Mukherjee, Roberts and Ehrhardt, who prove
# that it converges under assumptions on the errors of the hypergradients; in a second paper they let steps and accuracies
# decay. `isgd` has such schedules (ours); it never knows $f$, so that it has no line search and promises nothing of a
# single step.
#
# The field of experts of the next section, 48 windows, and one budget of iterations of both levels for all: 6 windows a
# step, 48 windows a step with the same schedules, and L-BFGS-B (`python -m course_utils.reproduce bilevel-stochastic`).
# **Predict, then run.** Which is lowest when the budget is spent?

# %% mystnb={"image": {"alt": "Two panels against the iterations of both levels: the objective of all training windows and the mean PSNR of test windows, for gradient descent with 6 windows a step, with 48 windows a step, and for L-BFGS-B. The best run with 6 windows is lowest and has the highest PSNR at the end; L-BFGS-B comes down late; with 48 windows the largest first step sends the objective up."}}
few_record = load_result("bilevel-stochastic")
print("Ours:", origin(few_record))
stochastic_story.stochastic_figure(few_record)
plt.show()

# %%
markdown_table(
    ["windows a step", "first step", "steps", "objective at the end", "test PSNR (dB)"],
    stochastic_story.stochastic_rows(few_record),
)

# %% [markdown]
# At equal cost the few windows are lowest, although no step of theirs sees the objective. Gradient descent with all
# windows has the time for a quarter of the steps at most, and the largest step, with which the few windows come down,
# throws it off. L-BFGS-B has used most of the budget before its line search has found the scale of the steps; at the end
# it falls fastest, and what it does with a larger budget is not shown. Each method has its best of three first steps
# (L-BFGS-B finds its own), there is one draw of windows and noise, and all runs were ended by the budget: an example, no
# ranking.

# %% [markdown]
# ## 7 Learning a regulariser: the field of experts
#
# With gradients the number of parameters no longer matters much. The field of experts (Roth and Black; as a bilevel
# problem Chen, Ranftl and Pock) replaces the differences of TV by $K$ filters $c_k$, which are learned, each with a
# weight $w_k$ and a smoothing $\nu_k$:
#
# $$\Phi(x,\theta;y)=\tfrac12\|x-y\|_2^2+\sum_{k=1}^Kw_k\sum_j\sqrt{(c_k*x)_j^2+\nu_k^2}+\tfrac\xi2\|x\|_2^2 .$$
#
# Eight filters of $5\times5$ pixels are $8\cdot(2+25)=216$ numbers. Because the weights are powers of ten, they are
# positive and the lower level is convex whatever is learned. We train on windows of brain slices with $\sigma=0.1$ and
# test on windows of another person's brain. TV learns $\alpha$ and $\nu$ from the same windows in the same way. The
# experts begin near TV: two of the filters are differences of neighbours, the others light waves. Each seed
# draws other training windows and other noise (`python -m course_utils.reproduce bilevel-experts`).
#
# **Predict, then run.** What do 216 parameters gain over two, in dB, on a brain that was not seen? What will the filters
# look like?

# %% mystnb={"image": {"alt": "Left, mean PSNR on training and test windows of learned TV and of the field of experts for three seeds; the experts are higher on both, by more on the training windows. Right, the falling objective of three trainings against lower-level iterations."}}
expert_record = load_result("bilevel-experts")
print("Ours:", origin(expert_record))
experts.experts_figure(expert_record)
plt.show()

# %%
gained = experts_story.gains(expert_record)
for row in expert_record["rows"]:
    test, train = (sum(row[name]) / len(row[name]) for name in ("psnr", "psnr_train"))
    print(
        f"{row['method']:3s}, seed {row['seed']}: {train:.2f} dB in training, {test:.2f} dB on test windows; {row['message']}"
    )
print("Field of experts minus TV on the test windows, dB:", ", ".join(f"{gain:+.2f}" for gain in gained))
assert min(gained) > 0.1 and max(gained) - min(gained) < min(gained)

# %% mystnb={"image": {"alt": "The eight learned filters of seed 0. The two heaviest are differences of two neighbours, one downwards and one across; the six others are waves and saddles with small weights."}}
experts_story.filters_figure(expert_record)
plt.show()

# %% [markdown]
# The experts gain a few tenths of a dB on another person's brain, and about twice as much on the windows that they were
# trained on: 216 numbers fit 24 windows better than they fit the next brain. Two of the filters are still differences
# of neighbours, and they carry most of the weight; the search began with them. The others ended as light waves and
# saddles. The trainings were ended by their budget of 80 evaluations and not by convergence, so that these gains are
# what 80 evaluations bring, and no statement on the best field of experts. The gain is a mean: in the second of the three
# windows below, which is nearly flat, TV is the better one.
#
# Live: both on three test windows, with the stored parameters.

# %% mystnb={"image": {"alt": "Three windows of brain slices with noise, denoised by learned TV and by the field of experts. The experts are better on the first and the third window, which are full of edges; TV is better on the second, which is nearly flat."}}
x_test, y_test = (part[:3] for part in experts.crops("test", experts.N_TEST, experts.TEST_SEED))
learned_rows = {row["method"]: row for row in expert_record["rows"] if row["seed"] == 0}
pictures = {"data": y_test.float()}
for method, label in (("tv", "TV, learned"), ("foe", "field of experts")):
    theta = y_test.new_tensor(learned_rows[method]["theta"])
    pictures[label] = experts.denoise(method, theta, y_test).float()
    here, there = psnr(pictures[label], x_test.float()).mean(), sum(learned_rows[method]["psnr"][:3]) / 3
    print(f"{label}: here {here:.2f} dB, stored {there:.2f} dB on the same three windows")
    assert abs(here - there) < 0.05
image_rows(pictures, truth=x_test.float())
plt.show()

# %% [markdown]
# ### A fair rival: TGV
#
# Is that gain due to learning, or is TV a weak rival? Total generalised variation (chapter 02) prices second derivatives
# where these are cheaper, and has two weights. They are learned from the same windows, by values alone (section 5), in
# at most 20 evaluations; TV had up to 80. TV *without* smoothing, tuned in the same way, is the control
# (`python -m course_utils.reproduce bilevel-tgv`). **Predict, then run.** Where does TGV stand on the test windows?
#
# - [ ] Level with TV, because it has two weights as well.
# - [ ] Between TV and the experts, because 216 numbers say more than two.
# - [ ] Above the experts.

# %%
tgv_record = load_result("bilevel-tgv")
print("Ours:", origin(tgv_record))
by_method = {
    "TV, smoothed": (experts_story.test_psnr(expert_record, "tv"), 2),
    "TV without smoothing": (generalised_story.generalised_psnr(tgv_record, "tv"), 1),
    "TGV": (generalised_story.generalised_psnr(tgv_record, "tgv"), 2),
    "field of experts": (experts_story.test_psnr(expert_record, "foe"), len(expert_record["rows"][1]["theta"])),
}
ahead = [a - b for a, b in zip(by_method["TGV"][0], by_method["field of experts"][0], strict=True)]
assert all(row["solved"] for row in tgv_record["rows"]) and min(ahead) > 0.05
in_training = {
    name: ", ".join(f"{v:.2f}" for v in values)
    for name, values in {
        "TGV": generalised_story.generalised_psnr(tgv_record, "tgv", "psnr_train"),
        "field of experts": [
            sum(r["psnr_train"]) / len(r["psnr_train"]) for r in experts_story.rows_of(expert_record, "foe")
        ],
    }.items()
}
print("On the training windows, dB:", "; ".join(f"{name} {values}" for name, values in in_training.items()))
print("TGV minus field of experts on the test windows, dB:", ", ".join(f"{gap:+.2f}" for gap in ahead))
markdown_table(
    ["learned from the same windows", "parameters", "test PSNR of the three seeds (dB)"],
    [[name, str(n), ", ".join(f"{v:.2f}" for v in values)] for name, (values, n) in by_method.items()],
)

# %% [markdown]
# **TGV is better than the field of experts on the test windows**, for each seed, with two parameters in place of 216 and
# fewer evaluations. On the training windows they are about equal: what the other numbers say more of these, they lose on
# the way to the next brain. TV without smoothing is as good as smoothed TV, which excludes the smoothing as the reason.
# So the gain over TV above is no merit of learned filters as such, nor of many numbers: a better model with two learned
# weights gains more. Two reservations: the experts were ended by their budget, and 24 small windows are few for 216
# numbers. That TGV gains because grey values inside of a tissue change slowly, which is affine at this size, is our
# conjecture.

# %% [markdown]
# ## 8 Learning what to measure
#
# Parameters need not sit in the regulariser. In MRI (chapter 08) each line of $k$-space costs time; which lines are
# worth it? Sherry et al. learn the sampling pattern as a bilevel problem, and so did the paper of this chapter in one
# dimension. Ours is small: slices of $64\times64$ pixels, and a weight $0\le c_k\le1$ for each pair of horizontal lines
# $\pm k$, which carry the same numbers because our images are real:
#
# $$\Phi(x,c;y)=\tfrac12\sum_kc_{|k|}\|(Fx)_k-y_k\|^2+\alpha\sum_j\sqrt{|(\nabla x)_j|^2+\nu^2}+\tfrac\xi2\|x\|^2 .$$
#
# $\xi>0$ alone keeps this strongly convex when lines are left out: $\mu=\xi+\min_kc_k$. So certificate and hypergradient
# hold as before. To the upper level we add the price $\beta\sum_kc_k(2-c_k)$ of all lines. It is concave, so that two
# half weights are dearer than one whole weight. The 33 weights are learned with L-BFGS-B from four slices, with
# $\alpha=0.03$; for a much smaller $\alpha$ a small weight is nearly as good as a large one, because $\alpha$ over $c_k$
# is what smooths a line away. A pattern then **measures** the lines with $c_k\ge0.05$, with weight 1, and gets the
# $\alpha$ that is best on the training slices. Its rivals have as many lines and get their own best $\alpha$: the lowest
# frequencies, and twelve random patterns of three densities (`python -m course_utils.reproduce bilevel-sampling`).
#
# **Predict, then run.** Which lines are learned? Do they beat the low frequencies on the slices of another head?

# %% mystnb={"image": {"alt": "Left and middle, the learned weights of pairs of lines over the frequency for two prices: large at low frequencies, zero at high ones, with few exceptions. Right, mean PSNR on test slices of the learned pattern, the low frequencies and random patterns with as many lines, for each price and seed."}}
lines_record = load_result("bilevel-sampling")
print("Ours:", origin(lines_record))
sampling_story.sampling_figure(lines_record)
plt.show()

# %%
for row in lines_record["rows"]:
    gap = sum(sampling_story.learned_minus(row, "low frequencies")) / len(row["patterns"]["learned"]["psnr"])
    assert abs(gap) < 0.1 and max(row["patterns"]["learned"]["pairs"]) <= 17
markdown_table(
    [
        "price β",
        "seed",
        "lines of 64",
        "learned (dB)",
        "low (dB)",
        "random, best in training (dB)",
        "learned − low",
        "learned − random",
    ],
    sampling_story.sampling_rows(lines_record),
)

# %% [markdown]
# The search begins with equal weights for all lines and finds the **low frequencies** by itself; no line beyond $|k|=17$
# is kept. In three of the four runs the measured lines are exactly the lowest ones, in the fourth one pair lies further
# out. That one is better on the training slices and not on the other head, where the difference is below the spread of
# the slices. Most random patterns are far worse (grey dots); the one of twelve that is best in training is as good in
# three runs, and slightly better in the run with the fewest lines. So on these slices learning saves the choice of a
# density, and it beats no good choice. Three limits: all searches were ended by their budget of evaluations; the patterns
# were judged with another $\alpha$ than the weights were learned with, and their best $\alpha$ is the smallest that was
# tried; and slices of $64\times64$ pixels with little noise are no scanner.
#
# ## 9 A lower level that is not convex: $\lambda$ and $\mu$ of a generator
#
# In chapter 05 the weights $\lambda$ and $\mu$ of the relaxed and the sparse regulariser came from a grid. Can they be
# learned as above? (Here $\mu$ is the weight of $\|z\|_2^2$ again, and no constant of convexity.) The lower level
# contains $G(z)$ and is not convex, so that no strong convexity, no certificate and no single $\hat x(\theta)$ are left.
# Two things still can be done.
#
# - **Values.** The search of section 5 needs $\|\hat x_i-x_i\|$ and nothing else. We take what the solver of chapter 05
#   returns from its shared starts for exact; no error bound stands behind it.
# - **Gradients at a nondegenerate minimum.** The implicit function theorem does not ask for convexity. It asks that
#   $\Phi$ be twice continuously differentiable near $\hat z$, that $\nabla_z\Phi(\hat z,\theta)=0$, and that
#   $A=\partial_z^2\Phi(\hat z,\theta)$ be invertible. If $A$ is positive definite, there is one branch of minima through
#   $\hat z$, and the formula of section 3 is the derivative *along this branch*. It knows nothing of other minima.
#
# For relaxed, $x$ can be eliminated (chapter 05), and $z$ has eight entries, so that $A$ can be formed and its
# eigenvalues looked at.
#
# **Predict, then run.** Do the hypotheses hold for our VAE of digits, whose activations are leaky ReLUs?

# %%
weights_record = load_result("bilevel-weights")
print("Ours:", origin(weights_record))
branch = weights_story.found(weights_record, "relaxed", "gradient")
kinks = branch["slopes_with_kinks"]
print(
    f"Newton's method on the {len(kinks)} training digits, with the kinks: ‖∇Φ‖ stays between {min(kinks):.2g} and {max(kinks):.2g}."
)
print(
    f"The same without kinks: ‖∇Φ‖ ≤ {max(branch['slopes']):.0e}, least eigenvalue of A between {min(branch['curvatures']):.2g} and {max(branch['curvatures']):.2g};"
)
print(f"implicit gradient against difference quotients: relative distance at most {max(branch['quotient_apart']):.0e}.")
assert min(kinks) > 1e-3 and max(branch["slopes"]) < 1e-8 and min(branch["curvatures"]) > 0.05
assert sum(branch["unreached"]) == 0 and max(branch["quotient_apart"]) < 1e-4

# %% [markdown]
# They do **not** hold as the network stands. Newton's method finds no point with $\nabla\Phi=0$. That the kinks are the
# reason is shown by a control: the same weights, with $st+(1-s)\log(1+e^{bt})/b$, $b=20$, in place of the leaky ReLUs,
# which has no kink. There the minima are found to round-off, every Hessian is positive definite, and the implicit
# gradient agrees with difference quotients along the branch. (Whether the minima of the original lie on kinks, or
# Newton's steps jump from piece to piece, we have not told apart.) So gradients are used with the smooth network alone;
# the weights that they find are then judged with the original one.
#
# The blur of chapter 05, $\sigma=0.1$, eight training digits, $f$ as in section 1; the grid has 15 pairs, and the
# searches have about as many evaluations (`python -m course_utils.reproduce bilevel-weights`). **Predict, then run.**
# What does learning gain over the grid on test digits?

# %% mystnb={"image": {"alt": "Left and middle, the plane of lambda and mu for relaxed and for sparse with the points of the grid and the ways of the searches, which end near the best points of the grid or between them. Right, PSNR on test digits minus that of the best of the grid, one dot for each digit, with the means."}}
weights_story.weights_figure(weights_record)
plt.show()

# %%
worst = min(weights_story.minus_grid(weights_record, "sparse", "values"))
late = [f for _, log_mu, f in branch["path"] if log_mu < -1.4]
print(f"Sparse: the largest loss of one test digit against the grid is {-worst:.1f} dB.")
print(
    f"Relaxed, gradients: f falls by {100 * (1 - min(late) / max(late[-10:])):.1f} per cent in the last ten evaluations."
)
markdown_table(
    ["method", "by", "evaluations", "λ", "μ", "f, training", "test PSNR (dB)", "minus the grid, digit by digit"],
    weights_story.weights_rows(weights_record),
)

# %% [markdown]
# - **For relaxed all ways end at nearly the same $\lambda$**, and on the test digits all differences to the grid are
#   smaller than their spread over the digits. For sparse the search lowers $f$ in training, and nothing of it is left on
#   the test digits; eight training digits are few. So for two weights a grid is a good method, and 15 pairs were enough:
#   learning saves the choice of the grid, and not evaluations.
# - **$\mu$ hardly matters where it is small.** On the way of the gradients it falls by nearly two powers of ten while $f$
#   falls by less than one per cent. The best pair of the relaxed grid lies at its lower end, where $f$ is as flat.
# - The $f$ of the gradients is that of the smooth network, so that it must not be compared with the two others; the test
#   digits are reconstructed with the original one in all rows.
# - **For sparse only values were used**: $\|u\|_1$ has kinks of its own, at which many entries of $u$ sit. One test digit
#   loses several dB from the one pair of weights to the other. We take it for a jump to another minimum (a conjecture,
#   since it was not followed up); no derivative along a branch can see such a jump.

# %% [markdown]
# ## Where it fails
#
# - **The certificate needs strong convexity, and a good constant.** For denoising $\mu\ge1$. For an operator $A$ with a
#   null space, nothing better than $\mu=\xi$ is known in general, and the bound on the error grows by $1/\xi$. For a
#   regulariser that is not convex, such as the networks of earlier chapters, there is no certificate at all.
# - **Bounds are pessimistic**, and who acts on bounds pays for it (section 6).
# - **Bilevel problems are not convex.** All methods here find a stationary point at best. One valley in one dimension
#   (section 1) is no promise for 216.
# - **Without smoothing there is no implicit function theorem.** With $\nu\to0$ the minimiser is still unique, but its
#   derivative jumps where a difference becomes zero; and $L=1+4\alpha/\nu+\xi$ goes to infinity.
# - **What is learned is learned for one noise level and one kind of image.**
#
# **Predict, then run.** The $\alpha$ that was learned at $\sigma=0.1$ in section 1, on new signals with other noise. By
# how many per cent is $f$ above what can be had there?

# %%
lines, lost = [], {}
for sigma in (0.05, 0.1, 0.2):
    x_new, y_new = boxes(4, 64, seed=5, sigma=sigma)
    fresh = Bilevel(SmoothTV(y_new, nu=1e-2, xi=XI), x_new)
    own = learn_lbfgsb(fresh, start, [-4.0], [1.0], 1e-10, 1e-6)
    taken = exact_value(fresh, best, tol=1e-10)[0]
    lost[sigma] = taken / own.value - 1
    lines.append([f"{sigma:g}", f"{10 ** float(own.theta):.3f}", f"{own.value:.3f}", f"{taken:.3f}", f"{100 * lost[sigma]:.0f} %"])  # fmt: skip
assert lost[0.1] < min(lost[0.05], lost[0.2])
markdown_table(["σ of the new signals", "α learned there", "f", "f with the α of section 1", "loss"], lines)

# %% [markdown]
# On new signals with the noise of the training the learned weight loses little, and more at other noise levels. It is
# a parameter of a distribution of images *and* noise.
#
# ## Lectures, paper and ours

# %%
far = {n: story.end_value(story.pick(stored, p=1, solver="fista", iterations=n, alpha=2.0)[0]) for n in (0, 200, 2_000)}
claims = {
    "Lectures: dynamic accuracy is faster, 10x speedup": f"against 2000 iterations of FISTA, cost to 5 per cent of the "
    f"best: {faster[3]:.0f} times with 3 parameters, {faster[1]:.1f} times with 1",
    "Paper, its raw results: 48 and 2.5 times against 2000 iterations": f"{faster[3]:.0f} and {faster[1]:.1f} times, "
    "with our signals and our implementation",
    "Paper, its raw results: with gradient descent and 1 parameter a fixed number is faster": f"so here, "
    f"{fixed_wins[0.05]:.1f} times to 5 per cent, {fixed_wins[0.01]:.1f} times to 1",
    "Lectures: fixed is not robust to the number of iterations": f"1 parameter: 200 iterations end at "
    f"{rough_end:.2f} times the best f, 2000 at the best",
    "Lectures: dynamic, and fixed with many iterations, are robust to the start": f"from α = 100, f at the end: dynamic "
    f"{far[0]:.2f}, 2000 iterations {far[2_000]:.2f}, 200 iterations {far[200]:.2f}, the best {story.best_value(stored, 1):.2f}. 3 parameters: dynamic "
    f"{story.end_value(further[0]):.2f} after its budget, 200 iterations {story.end_value(further[1]):.2f}",
    "Lectures: the next step are inexact first-order methods": f"MAID: no accepted step raises the exact f; "
    f"{maid_cost:,} iterations to 1 per cent, rough L-BFGS-B {rough_cost:,}",
}  # fmt: skip
markdown_table(["lectures or paper", "ours"], list(claims.items()))

# %% [markdown]
# What the lectures claim of dynamic accuracy is seen here, with two reservations. Its robustness to the start has an
# exception with three parameters. And the factor is a property of the rival: it is large against a number of iterations
# that is much too large, about 1 against one that was guessed well, and it can be below 1. How one would guess well
# nobody says, and the rough runs show what happens otherwise.
#
# - **Signals and noise** are drawn anew from the published description, so that objectives cannot be compared, and
#   costs only in their order of magnitude.
# - **The search** is our own implementation of the paper's Algorithm 1, with a box as trust region. The paper modifies
#   DFO-LS.
# - **The cost** is the number of gradients of the lower level of all examples together. The paper's logs count the same.
# - **Not repeated**: its denoising of photographs and the race of dynamic against fixed accuracy on MRI sampling
#   patterns, where the published logs have the largest factors (section 8 learns patterns with gradients); nor MAID on
#   photographs with 48 filters.
#
# ## Quiz
#
# **1.** A colleague doubles the number of lower-level iterations and finds the same learned parameter. Is the lower level
# accurate enough?
#
# - [ ] Yes.
# - [ ] It is a good sign and no proof.
# - [ ] No, because the number of iterations proves nothing about the parameter.
#
# <details><summary><b>Answer</b></summary>
#
# **It is a good sign and no proof.** Rerunning with twice as many is a control that can be done, and with 200 and 2000
# iterations it would have shown the failure of section 5. The printed value of $f$ alone would not have shown it. A
# certificate answers the question in one run.
# </details>
#
# **2.** $\varepsilon=10^{-8}$ and the hypergradient is still wrong by $10^{-2}$. What is the likely reason?
#
# - [ ] The lower level is not solved well enough.
# - [ ] The objective is not smooth enough.
# - [ ] The linear system.
#
# <details><summary><b>Answer</b></summary>
#
# **The linear system.** Its residual $\delta$ enters the bound beside $2\varepsilon$, so that the larger of the two
# decides. Both accuracies must go down together.
# </details>
#
# **3.** After unrolling $N=10$ steps you learn an excellent denoiser. May you now use its $\alpha$ with a better solver?
#
# - [ ] No.
# - [ ] Yes, because a better solver comes nearer to the minimum.
# - [ ] Yes, if the step size is tuned again.
#
# <details><summary><b>Answer</b></summary>
#
# **No.** The parameter is the best one for these 10 steps from this start; solved to the end, the same variational
# problem is another method, and in section 3 a much worse one. Keep the 10 steps, or learn again.
# </details>
#
# ## Take-aways
#
# - Parameters are learned through a problem that is never solved exactly. Strong convexity says how inexactly:
#   $\|x-\hat x\|\le\|\nabla\Phi\|/\mu$.
# - A hypergradient costs one more linear system, whatever the number of parameters. Its error comes from both levels and
#   has a computable bound.
# - Unrolling gives the exact derivative of another problem.
# - Dynamic accuracy is much cheaper than a fixed accuracy that is too high, about as cheap as one that was guessed well,
#   and does not fail in silence like one that is too low.
# - What the theory guarantees (a descent in each step) costs more than what usually works.
# - Learned parameters need fair rivals: two weights of TGV beat 216 numbers of a field of experts here, and learned
#   lines of $k$-space do not beat the lowest ones.
# - Without convexity the implicit gradient is that of one branch of minima, and only if its hypotheses hold. They can be
#   measured; for a network with kinks they fail.
#
# ## References
#
# - Ehrhardt, Roberts: *Inexact derivative-free optimization for bilevel learning*, J. Math. Imaging Vis. 63 (2021), "the
#   paper" of this chapter. `ehrhardt2021inexact`
# - Ehrhardt, Roberts: *Analyzing inexact hypergradients for bilevel learning*, IMA J. Appl. Math. 89 (2024).
#   `ehrhardt2024analyzing`
# - Salehi, Mukherjee, Roberts, Ehrhardt: *An adaptively inexact first-order method for bilevel optimization with
#   application to hyperparameter learning* (2023): MAID. `salehi2023adaptively`
# - Salehi, Mukherjee, Roberts, Ehrhardt: *Bilevel learning with inexact stochastic gradients* (2024): ISGD.
#   `salehi2024stochastic`
# - Salehi, Mukherjee, Roberts, Ehrhardt: *Bilevel learning via inexact stochastic gradient descent* (2025).
#   `salehi2025stochastic`
# - Qi, Sun: *A nonsmooth version of Newton's method*, Math. Program. 58 (1993). `qi1993nonsmooth`
# - Pedregosa: *Hyperparameter optimization with approximate gradient*, ICML (2016): HOAG. `pedregosa2016hyperparameter`
# - Kunisch, Pock: *A bilevel optimization approach for parameter learning in variational models*, SIAM J. Imaging Sci. 6
#   (2013). `kunisch2013bilevel`
# - De los Reyes, Schönlieb: *Image denoising: learning the noise model via nonsmooth PDE-constrained optimization*,
#   Inverse Probl. Imaging 7 (2013). `delosreyes2013image`
# - Ochs, Ranftl, Brox, Pock: *Bilevel optimization with nonsmooth lower level problems*, SSVM (2015).
#   `ochs2015bilevel`
# - Sherry, Benning, De los Reyes, Graves, Maierhofer, Williams, Schönlieb, Ehrhardt: *Learning the sampling pattern for
#   MRI*, IEEE Trans. Med. Imaging 39 (2020). `sherry2020learning`
# - Roth, Black: *Fields of experts*, Int. J. Comput. Vis. 82 (2009). `roth2009fields`
# - Chen, Ranftl, Pock: *Insights into analysis operator learning: from patch-based sparse models to higher order MRFs*,
#   IEEE Trans. Image Process. 23 (2014). `chen2014insights`
# - Bredies, Kunisch, Pock: *Total generalized variation*, SIAM J. Imaging Sci. 3 (2010). `bredies2010total`
# - Byrd, Lu, Nocedal, Zhu: *A limited memory algorithm for bound constrained optimization*, SIAM J. Sci. Comput. 16
#   (1995): L-BFGS-B. `byrd1995limited`
