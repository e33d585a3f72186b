# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     cell_metadata_filter: tags,mystnb,slideshow,-all
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
# # 06 The wider family
#
# > **Hard, relaxed and sparse are three answers to one question: how strictly should the image obey the generator? The
# > literature has a dozen more. Some watch over the latent vector, some leave the range by another door. Which of them
# > make a difference, and can we say beforehand which?**
#
# **You will be able to**
#
# - write the latent regularisers and the generator fidelities of the literature as choices in eq. (7), and say from a
#   measured table which of them help, which hurt, and which make no difference (exercise 1);
# - take a step of eq. (8), say why it descends and how long it may be, and what it costs beside a quasi-Newton method
#   (exercise 2);
# - measure the S-REC constant by an adversarial search, and prove how many measurements make it positive (exercises 3
#   and 4);
# - derive what a deviation in a layer of the network costs, and choose its weight from the noise level alone (exercises
#   5 and 6);
# - use one generator for two more operators, and tell what was measured from what was guessed (exercise 7).
#
# **Prerequisites:** hard, relaxed and sparse, and their solvers (chapter 05); the VAE and the critic (chapter 03).
#
# **Time:** 110 min to read and do the exercises, 1 to 2 min to run on two CPU cores.

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
    TV,
    GaussianMatrix,
    Hard,
    Identity,
    Inpainting,
    Magnitude,
    Relaxed,
    add_noise,
    load,
    measure,
    pretrained,
    psnr,
    reconstruct,
)  # fmt: skip
from course_utils.chapters.family import checks, experiments, srec
from course_utils.chapters.family.deviations import layer_jacobian, shuffled
from course_utils.chapters.family.explorer import layer_explorer
from course_utils.chapters.family.figures import variant_table
from course_utils.figures.images import image_rows
from course_utils.figures.labels import TITLES
from course_utils.figures.tables import markdown_table, solver_table
from course_utils.notebooks import FAST
from course_utils.regularisers import Box, GaussianMixture, Intermediate, Sphere
from course_utils.reproduce import GENERATORS, load_result, start_dictionary
from course_utils.results import origin
from course_utils.solvers import objective_of, s_rec
from course_utils.tuning import sweep

stored = load_result("variants")  # section 2; its rows hold the tuned weights
rows = {(row["generator"], row["variant"]): row for row in stored["rows"]}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def paired(a, b):
    """Mean of a - b over images, with its standard error."""
    d = a - b
    return f"{d.mean():+.2f} ± {d.std() / len(d) ** 0.5:.2f} dB"


# %% [markdown]
# ## 1 Two slots, many fillings
#
# Three digits from 150 random projections, by *hard* and *relaxed* as chapter 05 left them. What is still wrong?

# %%
data, G = load("mnist"), pretrained(GENERATORS["vae"], verbose=False)
starts, x = start_dictionary(G, data.train), data.test[100:200]  # chapter 05, section 5
A, sigma = GaussianMatrix(150, 28, seeded(0)), 0.05
y = measure(A, x, sigma, seeded(3))
hard, relaxed = Hard(G, rows["vae", "hard"]["lam"]), Relaxed(G, *(rows["vae", "relaxed"][w] for w in ("lam", "mu")))
before = {name: reconstruct(A, y[:3], R, start=starts).x for name, R in {"hard": hard, "relaxed": relaxed}.items()}

# %% mystnb={"image": {"alt": "Three digits, each with the hard and the relaxed reconstruction and their residuals: a six, of which hard makes nearly a two and relaxed a narrow six; a zero with thin errors along its outline; a five with larger ones."}}
image_rows(before, truth=x[:3])
plt.show()

# %% [markdown]
# Strokes. *Hard* makes nearly a two of the six, and *relaxed* misplaces its loop. In zero and five the errors lie along
# the outlines, and pixels that may deviate one by one change little of that. What else can be chosen?
#
# Everything in this chapter is one sentence of the paper's Sect. 3 with other words in it:
#
# $$R_G(x) = \min_{z}\; F\big(G(z) - x\big) + R_{\mathcal Z}(z) \qquad \text{(paper, eq. (7))}$$
#
# Eq. (7) has two slots. The literature has filled them in many ways (paper, Sect. 3.1.2 and 3.2). In *hard*, the slot
# $R_{\mathcal Z}$ says where in the latent space to look:
#
# | $R_{\mathcal Z}(z)$ | what it expects | how it is solved |
# |:---|:---|:---|
# | $\lVert z\rVert_2^2$ | near the origin | L-BFGS |
# | $\iota_{[-1,1]^d}(z)$ | in a box | projected gradient steps in $z$ |
# | $\iota$ of the sphere of radius $\sqrt d$ | where $\mathcal N(0,I)$ has its mass (Menon et al.) | the same |
# | $-2\log p(z)$, with $p$ fitted to encodings *after* training | where the encodings are | L-BFGS |
# | $\mathrm{TV}(G(z))$ | an image with short edges (Van Veen et al.) | L-BFGS, smoothed |
# | $-D(G(z))$ | an image that the critic takes for real | L-BFGS |
#
# The paper writes the last one as $\log(1-D(G(z)))$, the loss for a discriminator whose $D$ is a probability. A
# Wasserstein critic has no probability, and its generator is trained to minimise $-D(G(z))$ (chapter 03).
#
# The slot $F$ says how to leave the range:
#
# | | problem | |
# |:---|:---|:---|
# | distance by the encoder | $\min_x\ \lVert Ax-y\rVert_2^2+\lambda\lVert x-G(E(x))\rVert_2^2$ | no inner minimum over $z$; an upper bound of *relaxed* with $\mu=0$ |
# | intermediate layer | $\min_{z,v}\ \lVert A\,G_2(G_1(z)+v)-y\rVert_2^2+\lambda(\lVert v\rVert_2^2+\mu\lVert z\rVert_2^2)$, $\;G=G_2\circ G_1$ | *relaxed*, with the deviation inside the network |
# | adapted weights | $\min_{z,w}\ \lVert A\,G_w(z)-y\rVert_2^2+\lambda\lVert z\rVert_2^2$, stopped early | the range itself moves |
#
# The conventions are those of chapter 05: the data term is a sum of squares without $\tfrac12$, every operator has norm
# 1, $\lambda$ multiplies both terms of $R_G$, and PSNR has the data range 1.
#
# ### Exercise 1 (easy): a sphere, or a shell?
#
# The paper prints that a standard normal vector lies near the sphere of "radius $d$". Find the mean and the variance of
# $\|z\|_2^2$ under $\mathcal N(0,I)$ (you need $\mathbb E z_i^4=3$). Which radius must it be? And how thick is the
# shell? Let it hold all $z$ whose *squared* length is within two standard deviations of its mean, and write the nearest
# point of this shell for each row of $z$. (A squared length is never negative.) What has become of the shell for our
# $d=8$? The starter puts every vector on a sphere.


# %%
def to_shell(z):  # (B, d)
    return z / z.norm(dim=1, keepdim=True)  # which sphere is this?


# %%
checks.project_to_shell(to_shell)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Each $z_i^2$ has the mean 1 and the variance $3-1=2$, so $\|z\|_2^2$ has the mean $d$ and the variance $2d$. The
# radius is $\sqrt d$, not $d$. The shell is $d-2\sqrt{2d}\le\|z\|_2^2\le d+2\sqrt{2d}$, and the nearest point of it
# lies on the ray through $z$: multiply $z$ by the root of the bound over $\|z\|_2^2$, if a bound is violated.
#
# For $d=8$ it is $0\le\|z\|_2^2\le16$: a *ball* of radius 4, with no hole in the middle. For $d=512$ it is $512\pm64$,
# and the radius varies by 6 per cent to both sides. So the sphere describes a standard normal vector well in hundreds
# of dimensions, and badly in eight.
# </details>


# %% tags=["solution"]
def to_shell(z):
    d, squared = z.shape[1], z.square().sum(1, keepdim=True)
    width = 2 * (2 * d) ** 0.5
    return z * (squared.clamp(max(d - width, 0.0), d + width) / squared).sqrt()


assert checks.project_to_shell(to_shell)

# %% [markdown]
# ## 2 All of them on one problem
#
# The compressed sensing problem of chapter 05: $m=150$ random projections, $\sigma=0.05$, the same 100 test images, and
# each variant tuned on the same 20 validation images (`python -m course_utils.reproduce variants`).
#
# **Predict first.** Which $R_{\mathcal Z}$ beats $\|z\|_2^2$, and by how many dB? Which hurts? What does an
# intermediate layer gain?

# %% mystnb={"image": {"alt": "Mean PSNR with standard error of each variant in three panels, AE, VAE and GAN. Most variants of the latent regulariser lie on the line of the hard method; the box from -1 to 1 and the sphere lie below it, for the AE far below; the intermediate layers lie several dB above."}}
words = {name: entry["label"] for name, entry in stored["settings"]["variants"].items()}
print("Ours:", origin(stored))
experiments.variants_figure(stored)
plt.show()

# %%
edges = [f"{TITLES[r['generator']]} {words[r['variant']]} ({', '.join(r['at_edge_of_grid'])})" for r in stored["rows"] if r.get("at_edge_of_grid")]  # fmt: skip
print("Tuned weight at the edge of its grid:", ", ".join(edges) or "none")
variant_table(stored["rows"], words)

# %%
scores = {key: torch.tensor(row["psnr"]) for key, row in rows.items()}
gain = {key: float((values - scores[key[0], "hard"]).mean()) for key, values in scores.items()}
smooth = ("free", "gaussian", "mixture", "image-tv", "critic")
for g in GENERATORS:
    soft = max(abs(gain[g, v]) for v in smooth if (g, v) in gain)
    walls = ", ".join(f"{words[v]} {gain[g, v]:+.1f}" for v in ("box1", "box2", "sphere"))
    layers = paired(scores[g, "layer3"], scores[g, "hard"])
    print(f"{TITLES[g]}: smooth R_Z at most {soft:.2f} dB from ‖z‖²; {walls} dB; layer 7 x 7 {layers}.")
inside = float((torch.randn(20_000, 8, generator=seeded(9)).abs() <= 1).all(1).float().mean())
print(f"{100 * inside:.0f} per cent of N(0, I) lie in the box [-1, 1]^8.")
assert gain["vae", "sphere"] < -1 and gain["ae", "sphere"] < -1
assert min(gain[g, "layer3"] for g in GENERATORS) > 1 > max(gain["vae", v] for v in smooth if ("vae", v) in gain)
assert gain["ae", "box1"] < gain["vae", "box1"] < -1

# %% [markdown]
# - **A smooth $R_{\mathcal Z}$ hardly matters here**, not even none at all.
# - **A hard constraint in the wrong place costs AE and VAE several dB.** The box $[-1,1]^8$ holds few of the vectors
#   that the VAE uses, and the AE's encodings lie elsewhere altogether (chapter 05 prints their spread). The sphere
#   costs both more than a dB as well: in eight dimensions the length of $z$ still varies. (It is not the solver's
#   fault: below, the VAE in a box that is too wide to be active loses nothing.)
# - **The way out of the range matters most.** A deviation of pixels (relaxed) gains little. A deviation in a layer of
#   $64\times7\times7$ activations gains several dB. Section 5 asks why.
# - **The GAN comes within about 1 dB of the others** once its activations may deviate. We conjecture that its second
#   half draws as well as theirs, and that what it lacks is activations which its eight latent variables cannot reach.
#
# Live: five of them on a few images.

# %%
layer = Intermediate(G, rows["vae", "layer3"]["lam"], rows["vae", "layer3"]["mu"], layer=3)
prior = GaussianMixture.fit(G.encode(data.train[:2000]), 10, seeded(5))
options = {
    "‖z‖²": hard,
    "box": Hard(G, R_Z=Box()),
    "sphere": Hard(G, R_Z=Sphere()),
    "learned prior": Hard(G, rows["vae", "mixture"]["lam"], prior),
    "layer": layer,
}
some = 3 if FAST else 10
shown = {name: reconstruct(A, y[:some], R, start=starts).x for name, R in options.items()}
for name, variant in {"‖z‖²": "hard", "layer": "layer3"}.items():
    here, there = psnr(shown[name], x[:some]).mean(), scores["vae", variant][:some].mean()
    print(f"{name:5s}: here {here:.2f} dB, stored {there:.2f} dB on the same {some} images")
    assert abs(here - there) < 0.5
n_box = 2 if FAST else some
wide, free = (  # the solver of the box, never at its walls, and that of the unconstrained problem
    psnr(reconstruct(A, y[:n_box], R, start=starts).x, x[:n_box]) for R in (Hard(G, R_Z=Box(20.0)), Hard(G, 0.0))
)
print("Box [-20, 20]^8 minus no R_Z at all:", paired(wide, free))
assert (wide - free).mean().abs() < 0.3

# %% mystnb={"image": {"alt": "Three digits with five reconstructions each: hard with the squared norm, the box, the sphere, a learned prior, and an intermediate layer. The box distorts the digits, a five becomes a three; the intermediate layer is closest to the truth."}}
image_rows({name: images[:3] for name, images in shown.items()}, truth=x[:3], residuals=False)
plt.show()

# %% [markdown]
# ### When does $R_{\mathcal Z}$ matter?
#
# Is the table a verdict on $R_{\mathcal Z}$, or on 150 measurements? **Predict, then run.** The same comparison, with
# $\|z\|_2^2$ and without, from 10, 25 and 150 measurements. The weight is tuned for each $m$ on 20 validation images.

# %%
n_prior = 30 if FAST else 100
gained_by_prior = {}
for m in (10, 150) if FAST else (10, 25, 150):
    B = GaussianMatrix(m, 28, seeded(0))
    y_val = measure(B, data.val[:20], sigma, seeded(1))
    tuned = sweep(B, y_val, data.val[:20], lambda lam: Hard(G, lam), [0.0005, 0.002, 0.008, 0.03], start=starts).best
    y_m = measure(B, x, sigma, seeded(3))[:n_prior]
    db = [psnr(reconstruct(B, y_m, Hard(G, lam), start=starts).x, x[:n_prior]) for lam in (tuned["lam"], 0.0)]
    gained_by_prior[m] = float((db[0] - db[1]).mean())
    print(f"m = {m:3d}: ‖z‖² with λ = {tuned['lam']:g} minus no R_Z: {paired(*db)} (standard error)")
assert gained_by_prior[10] > 0.2 > abs(gained_by_prior[150])

# %% [markdown]
# With 150 measurements the data determine the eight latent variables, and the prior adds next to nothing. With 10 it
# adds something. So the conclusion is not that $R_{\mathcal Z}$ does not matter, but that it matters when data are few.
#
# ## 3 Eq. (8): projected gradient descent
#
# *Hard* asks for the best image in the range. Eq. (8) of the paper (Shah and Hegde) walks in the image space and
# returns to the range after each step:
#
# $$w_{t+1} = x_t-\eta A^*(Ax_t-y),\qquad z_{t+1}=\arg\min_z\|w_{t+1}-G(z)\|_2,\qquad x_{t+1}=G(z_{t+1}).$$
#
# Is that another problem than eq. (3)? As it stands, without any $\lambda\|z\|_2^2$, it is eq. (3) with $\lambda=0$.
# Complete the square:
#
# $$\|Ax-y\|_2^2 \;\le\; \tfrac1\eta\big\|x-\big(x_t-\eta A^*(Ax_t-y)\big)\big\|_2^2 + \text{const}\qquad\text{if } \eta\|A\|^2\le1,$$
#
# with equality at $x=x_t$. So each step minimises, over the range, something that lies above the data term and touches
# it, and therefore the data term cannot rise. For that the inner problem need not be solved: it is enough that the new
# $z$ makes the right-hand side smaller than the old one does, which every descent that starts at the old $z$ ensures,
# as the library's does. A search that starts elsewhere may end in a worse valley, and then the data term may rise. The
# same argument carries a $\lambda>0$: add $\lambda\|z\|_2^2$ to both sides, and the inner problem becomes
# $\min_z\|w_{t+1}-G(z)\|_2^2+\eta\lambda\|z\|_2^2$. With this term the library's eq. (8) solves eq. (3) for every
# $\lambda$; that is the version which runs below.
#
# ### Exercise 2 (core): how long may a step be? A proof on paper
#
# The argument needs the inequality at *one* image only, at $x_{t+1}$, and there $\eta\|A\|^2\le1$ asks for more than is
# needed. Somebody hands you $x_t$ and $x_{t+1}$. Prove: for which $\eta$ is the right-hand side at $x=x_{t+1}$ not
# below the left-hand side, with the constant that makes both equal at $x_t$? Write the largest such $\eta$ for each
# pair of a batch. The starter is the bound that is safe for every pair.


# %%
def longest(A, x, x_new):  # images (B, 1, H, W) -> (B,)
    return torch.full((len(x),), 1 / A.norm**2, dtype=x.dtype)


# %%
checks.longest_step(longest)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Write $h=x_{t+1}-x_t$ and $g=A^*(Ax_t-y)$. The left-hand side is, exactly, $\|Ax_t-y\|_2^2+2\langle
# g,h\rangle+\|Ah\|_2^2$. The square on the right is $\frac1\eta\|h+\eta g\|_2^2=\frac1\eta\|h\|_2^2+2\langle
# g,h\rangle+\eta\|g\|_2^2$, and the constant that makes both sides equal at $h=0$ is $\|Ax_t-y\|_2^2-\eta\|g\|_2^2$.
# The linear terms agree, and what is left is $\|Ah\|_2^2\le\frac1\eta\|h\|_2^2$, that is,
#
# $$\eta\le\frac{\|h\|_2^2}{\|Ah\|_2^2} .$$
#
# The data $y$ and the gradient do not enter. The bound is never below $1/\|A\|^2$, and it is the larger, the less $A$
# sees of the difference of the two images. A solver can test it after each step, as Algorithm 1 tests its line 4.
# </details>


# %% tags=["solution"]
def longest(A, x, x_new):
    h = x_new - x
    return h.flatten(1).square().sum(1) / A(h).flatten(1).square().sum(1)


assert checks.longest_step(longest)

# %% [markdown]
# So $\eta=1/\|A\|^2=1$ is safe, and between images of the range, where $\|A(x_1-x_2)\|$ may be much smaller than
# $\|x_1-x_2\|$, more is allowed. How much smaller? That is the subject of the next section, at whose end eq. (8) runs
# against L-BFGS.
#
# ## 4 Can $A$ tell two images apart?
#
# Nothing can be recovered if two different images of the range have the same data. The **set-restricted eigenvalue
# condition** (S-REC) asks that
#
# $$\|A(x_1-x_2)\|_2\;\ge\;\gamma\,\|x_1-x_2\|_2-\delta\qquad\text{for all } x_1,x_2\text{ in the range of } G$$
#
# (Bora et al., Definition 1; paper, Sect. 3.1.1). For all images of 784 pixels $\gamma=0$ as soon as $m<784$ and
# $\delta=0$, because something always lies in the null space. The range is small, so there $\gamma$ may be positive.
#
# ### Exercise 3 (core): two images with the same data
#
# Eight measurements, eight latent variables. Find $z_1$ and $z_2$ whose images differ, $\|G(z_1)-G(z_2)\|_2\ge2$, and
# have the same data to within 2 per cent of what a random direction would show. Stay near the prior: $\|z\|_2\le6$.

# %%
eight = GaussianMatrix(8, 28, seeded(0))
pair = torch.randn(2, 8, generator=seeded(1))  # two random digits; make A(G(z1) - G(z2)) small

# %%
checks.same_data(pair, eight, G)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# Minimise $\|A(G(z_1)-G(z_2))\|_2^2/\|G(z_1)-G(z_2)\|_2^2$ over both latent vectors, with `torch.optim.Adam` for
# example. Why is the denominator needed?
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Without the denominator the descent would make the two images equal, which is not what was asked. With it, only the
# direction of the difference counts. Two hundred steps of Adam bring the ratio to almost nothing.
# </details>

# %% tags=["solution"]
pair = torch.randn(2, 8, generator=seeded(1)).requires_grad_()
adam = torch.optim.Adam([pair], lr=0.05)
for _ in range(200):
    difference = G(pair[:1]) - G(pair[1:])
    ratio = eight(difference).square().sum() / difference.square().sum()
    adam.zero_grad()
    ratio.backward()
    adam.step()
assert checks.same_data(pair, eight, G)

# %% [markdown]
# ### The constant, measured
#
# `s_rec` does the same for many pairs, with $\delta=0$: it draws random pairs of images and then descends from the
# worst of them. What it reports is an upper bound of $\gamma$, because a still worse pair may exist. Ratios are divided
# by $\|A\|_F/\sqrt n$, so that 1 means: as well as a random direction.
#
# **Predict, then run.** The latent dimension is 8. How many measurements make $\gamma$ positive? Are 8 enough?
#
# - [ ] Fewer than 8 are enough.
# - [ ] 8 are enough.
# - [ ] 8 are too few.

# %%
how = {"pairs": 200 if FAST else 500, "descend": 4 if FAST else 12}
found = {m: s_rec(GaussianMatrix(m, 28, seeded(0)), G, seeded(11), **how) for m in (8, 150)}
for m, result in found.items():
    print(
        f"m = {m:3d}: least ratio of {how['pairs']} random pairs {float(result.ratios.min()):.2f}, "
        f"after descent {result.gamma:.2g}"
    )
assert found[8].gamma < 0.05 < 0.4 < found[150].gamma

# %% mystnb={"image": {"alt": "Least ratio of distances against m for AE, VAE and GAN, for random pairs, and after descent on the pairs. After descent it is zero up to about m = 16, twice the latent dimension, then rises towards one; random pairs look much better."}}
stored_srec = load_result("srec")
print("Ours:", origin(stored_srec))
srec.srec_figure(stored_srec)
plt.show()

# %%
by_m = {row["m"]: row["gamma"] for row in stored_srec["rows"] if row["generator"] == "vae"}
last_zero = max(m for m, value in by_m.items() if value < 0.01)
first_positive = min(m for m in by_m if m > last_zero)
print("γ of the VAE:", ", ".join(f"{value:.2f} (m = {m})" for m, value in by_m.items()))
assert last_zero == 16 and first_positive == 20 and by_m[150] > 0.5

# %% [markdown]
# Eight data are not enough for eight unknowns, although random pairs look well separated: descent finds two images with
# the same data. Count: a pair has $2d=16$ parameters, and the data of a pair agree if $m$ equations hold. So one may
# expect pairs with equal data as long as $m$ is below about $2d$, and the figure agrees. At $m=150$ the worst pair that
# was found is still seen at more than half the size of a random direction. Random pairs overestimate $\gamma$ at every
# $m$, because the bad pairs are rare; a bound on $\gamma$ needs a search for them, or a proof.
#
# ### Exercise 4 (stretch): how many measurements are enough? A proof on paper
#
# Our $G$ is made of linear maps and leaky ReLUs. So it is *piecewise affine*: the latent space is a union of finitely
# many polyhedra $P_i$, and $G(z)=M_i\,z+b_i$ on $P_i$. Let $A$ have independent Gaussian entries. Prove that from some
# $m=M(d)$ on, with probability 1 the S-REC holds with some $\gamma>0$ and $\delta=0$. How large is your $M(d)$? Write
# it as a function; the check tries it out on random pieces.


# %%
def enough(d):
    return d  # as many equations as unknowns: not enough, as the figure shows


# %%
checks.enough_measurements(enough)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# Fix two pieces. In which linear space, and of which dimension at most, do all differences $G(z_1)-G(z_2)$ with
# $z_1\in P_i$, $z_2\in P_j$ lie? What does a Gaussian matrix do on a fixed linear space?
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# For $z_1\in P_i$ and $z_2\in P_j$,
# $$G(z_1)-G(z_2) = M_i\,z_1-M_j\,z_2+(b_i-b_j)\in V_{ij}=\operatorname{span}\{\text{columns of }M_i,\ \text{columns of }M_j,\ b_i-b_j\},$$
# a linear space of dimension $k\le2d+1$. Let the columns of $B$ be an orthonormal basis of it. The $m\times k$ matrix
# $AB$ has independent Gaussian entries, because the Gaussian distribution is invariant under rotations. If $m\ge k$,
# the determinant of its first $k$ rows is a polynomial in the entries that is not zero everywhere, so it is nonzero
# with probability 1. Then $\|Av\|_2\ge s_{ij}\|v\|_2$ on $V_{ij}$, with $s_{ij}>0$ the least singular value of $AB$.
#
# There are finitely many pairs $(i,j)$. So with probability 1 all $s_{ij}$ are positive, and so is
# $\gamma=\min_{ij}s_{ij}$. Hence $M(d)=2d+1$.
#
# The proof does not say how small $\gamma$ is: the number of pieces is enormous, and their minimum may be tiny. That
# is why it was measured, too. Bora et al. count the pieces of a ReLU network. With more measurements, a multiple of
# $d$ times the number of layers times $\log n$, they get any $\gamma<1$ with high probability, in the unit of the
# figure. (Scaling $A$ to norm 1 changes $\gamma$ by a factor and nothing else. For a smooth range the same count is
# the easy part of Whitney's embedding theorem.)
# </details>


# %% tags=["solution"]
def enough(d):
    return 2 * d + 1


assert checks.enough_measurements(enough)

# %% [markdown]
# ### Eq. (8) with longer steps
#
# How long a step may be is decided by an *upper* bound of $\|A(x_1-x_2)\|_2/\|x_1-x_2\|_2$; the S-REC is a lower one
# and says nothing about it. For all images the bound is $\|A\|$. On differences of images of the range the ratio is
# typically much smaller, about $\|A\|_F/\sqrt n$: in this unit the ratios of random pairs above are near 1. No theorem
# gives us a bound for the range, but it is worth a try to make $\eta$ several times longer than $1/\|A\|^2=1$, because
# the solver refuses a step that does not descend.
#
# **Predict, then run.** L-BFGS on eq. (3), eq. (8) with $\eta=1$ and with $\eta=n/\|A\|_F^2$, all from one start. Do
# they find the same image? At what cost?

# %%
few = 2 if FAST else 6
safe, longer = 1.0, found[150].scale ** -2
same_start = starts.best(objective_of(A, y[:few], hard))[:, 0]
race = {"hard: L-BFGS": reconstruct(A, y[:few], hard, start=same_start)}
for eta in (safe, longer):
    race[f"hard: eq. (8), η = {eta:.1f}"] = reconstruct(A, y[:few], hard, solver="projected", eta=eta, start=same_start)
solver_table(race, x[:few])

# %%
work = {name: float((r.values + r.gradients).float().mean()) for name, r in race.items()}
first, *projected = race
apart = max(float((race[name].objective / race[first].objective - 1).abs().median()) for name in projected)
print(
    f"Same objective to {100 * apart:.1f} per cent (median); evaluations of G:",
    ", ".join(f"{w:.0f}" for w in work.values()),
)
assert apart < 0.05 and work[projected[0]] > work[projected[1]] > work[first]

# %% [markdown]
# Eq. (8) reaches the same objective at many times the cost, because each step solves a problem as large as the whole.
# It should pay where the projection is cheap, for example by an encoder, or where $A$ is costly and $G$ is not; here
# neither is the case.
#
# ## 5 The way out of the range
#
# Why does a deviation among the activations gain so much more than one among the pixels? More freedom is not the whole
# answer, since *relaxed* has 784 free numbers and gains about a tenth as much. Look at small deviations. With $J$ the
# Jacobian of $G_2$ at $G_1(z)$,
#
# $$G_2(G_1(z)+v)\approx G(z)+Jv ,$$
#
# and the freedom is in $v$. So to first order, what the method asks for a wish $r=x-G(z)$ is the least value of
# $\|Jv-r\|_2^2+\lambda\|v\|_2^2$ (take $A=I$, to see the regulariser alone). For *relaxed* $J=I$, and the cost is
# $\frac{\lambda}{1+\lambda}\|r\|_2^2$ for every $r$: a stroke costs as much as noise of the same norm.
#
# ### Exercise 5 (core): what a deviation costs
#
# Find the least value of $\|Jv-r\|_2^2+\lambda\|v\|_2^2$ over $v$ as a formula in $r$ without $v$, by the reasoning
# with which chapter 05 (section 6) eliminated $x$, and write it as a function. `J` has shape $(n,q)$ with $q>n$.


# %%
def cost(J, r, lam):
    return lam / (1 + lam) * (r @ r)  # the cost in relaxed, where J is the identity


# %%
checks.deviation_cost(cost)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The gradient $2J^\top(Jv-r)+2\lambda v$ vanishes for $v=J^\top K^{-1}r$ with $K=JJ^\top+\lambda I$, since $(J^\top
# J+\lambda I)J^\top=J^\top K$. Then $Jv-r=-\lambda K^{-1}r$, and the two terms add up to $r^\top
# K^{-1}(\lambda^2I+\lambda JJ^\top)K^{-1}r=\lambda\,r^\top K^{-1}r=r^\top\big(I+\tfrac1\lambda JJ^\top\big)^{-1}r$. So
# a deviation in a layer is, to first order, *relaxed* in another norm, which is cheap in the directions in which the
# second half of the network moves easily.
# </details>


# %% tags=["solution"]
def cost(J, r, lam):
    K = torch.eye(len(r), dtype=J.dtype) + J @ J.T / lam
    return r @ torch.linalg.solve(K, r)


assert checks.deviation_cost(cost)

# %% [markdown]
# ### A control: which deviations are cheap?
#
# If the second half of the network turns activations into strokes, then what a digit lacks should be cheap and noise
# should be expensive. And that should be gone when the weights of $G_2$ are shuffled within each of its layers, which
# leaves their sizes and the architecture as they are and removes what was learned.
#
# For some test digits we take the best image in the range, $G(z)$, and its deviation $r=x-G(z)$. The table has the cost
# as a share of $\|r\|_2^2$, for the deviation itself; for its mirror image, which is as smooth and lies in the wrong
# place; for the deviation of another digit; and for white noise, all of the same norm.
#
# Compare within a row only: the level depends on $\lambda$, which each method would have tuned for itself.
#
# **Predict, then run.** Order the four for the trained network. What do you expect of the shuffled one?


# %%
def share(R, z, r):
    """The cost of exercise 5 for several r (N, n), in units of ||r||^2."""
    J = layer_jacobian(R, z)
    K = torch.eye(len(J)) + J @ J.T / R.lam
    return (r.T * torch.linalg.solve(K, r.T)).sum(0) / (r**2).sum(1)


n_digits = 2 if FAST else 5
fitted = reconstruct(Identity(28), x[: n_digits + 1], Hard(G, 1e-3), start=starts)
lacks = (x[: n_digits + 1] - fitted.x).flatten(1)
noise = torch.randn(lacks.shape, generator=seeded(12))
kinds = ("its own deviation", "mirrored", "that of another digit", "white noise")
shares = {}
for name, network in {"trained": G, "weights shuffled": shuffled(G, 3, seeded(7))}.items():
    R = Intermediate(network, layer.lam, layer.mu, layer=3)
    for b in range(n_digits):
        mirror = lacks[b].reshape(28, 28).flip(-1).flatten()
        wishes = torch.stack([lacks[b], mirror, lacks[b + 1], noise[b]])
        shares.setdefault(name, []).append(share(R, fitted.z[b : b + 1], wishes))
shares = {name: torch.stack(values) for name, values in shares.items()}  # (digits, kinds)
lines = [[name, *(f"{v:.2f}" for v in values.mean(0))] for name, values in shares.items()]
lines.append(["pixels (relaxed)", *[f"{layer.lam / (1 + layer.lam):.2f}"] * 4])
dearer = {name: float((values[:, 3] / values[:, 0]).mean()) for name, values in shares.items()}
print("White noise costs", ", ".join(f"{ratio:.1f} times ({name})" for name, ratio in dearer.items()), "as much.")
assert dearer["trained"] > 2 > dearer["weights shuffled"] > 1
assert bool((shares["trained"].mean(0).diff()[[0, 2]] > 0).all())
markdown_table(["second half of the network", *kinds], lines)

# %% [markdown]
# For the trained network a digit's own deviation costs less than half as much as noise of the same norm (the factor is
# printed). Deviations in a wrong place, or of another digit, lie between the two: part of the effect is smoothness in
# general, part is the digit at hand. The shuffled network hardly distinguishes any of them, and *relaxed* not at all.
# So to first order the explanation holds: what is learned in $G_2$ decides which deviations are cheap. (How many dB
# that is worth is not answered by a Jacobian.)
#
# ### Explorer: the way out of the range
#
# Choose the layer behind which the image may deviate, from the first one, close to $z$, to the pixels, where the method
# is *relaxed*. ($\mu=0.1$ throughout; layer 2 is an activation function and a change of shape away from layer 1.)
#
# 1. Layer 3: move $\lambda$ from left to right. What happens to $x-G(z)$? Where is the PSNR best, and where is the
#    needle then?
# 2. Small $\lambda$: compare what is added in layers 3, 5 and 7, and in the pixels. From which layer on does it look
#    like noise?
# 3. $\lambda=10$: why do all layers give nearly the same image, and a grey one?

# %% tags=["explorer"] mystnb={"image": {"alt": "A digit three, its data, the reconstruction with a deviation in the layer of 64 by 7 by 7 activations, the residual, and the added part, which follows the strokes; below, the PSNR, and a gauge on which the residual norm lies at the norm of the noise."}}
way_out = layer_explorer()
way_out.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls: layer, lambda and digit."}}
way_out

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. With a small $\lambda$ much is added and the noise is fitted too, although what is added still looks like strokes;
#    with a large one hardly anything is added. The PSNR is best where the residual is near $\sigma\sqrt m$.
# 2. In layers 1 and 3 what is added follows the strokes; in layer 7 and in the pixels it is spread over the whole image
#    like noise, and the residual is almost zero: so many free numbers close to the pixels can fit any 150 data.
# 3. The weight of $\|z\|_2^2$ is $\lambda\mu$, here 1. It pulls $z$ towards 0, and with $v$ or $u$ too expensive to
#    use, all of them are *hard* with that weight.
# </details>

# %% [markdown]
# ### With few data
#
# An intermediate layer has 3136 free activations. With 150 measurements they help. With 25? **Predict, then run.** The
# weight that was tuned for 150, and a weight tuned for 25 on validation images, against *hard*.
#
# - [ ] They help as much as with 150.
# - [ ] They help as much, but only with the weight tuned for 25.
# - [ ] They help much less, with either weight.

# %%
n_few = 8 if FAST else 40
scarce = GaussianMatrix(25, 28, seeded(0))
y_scarce = measure(scarce, x, sigma, seeded(3))
y_val = measure(scarce, data.val[:20], sigma, seeded(1))


def in_layer(lam):
    return Intermediate(G, lam, layer.mu, layer=3)


grid = [0.03, 0.1] if FAST else [0.03, 0.1, 0.4]
n_tune = 5 if FAST else 10
tuned = sweep(scarce, y_val[:n_tune], data.val[:n_tune], in_layer, grid, start=starts).best["lam"]
db_hard = psnr(reconstruct(scarce, y_scarce[:n_few], hard, start=starts).x, x[:n_few])
for label, R in {"λ of 150 measurements": layer, f"λ = {tuned:g}, tuned for 25": in_layer(tuned)}.items():
    db = psnr(reconstruct(scarce, y_scarce[:n_few], R, start=starts).x, x[:n_few])
    print(f"m = 25, layer minus hard, {label}: {paired(db, db_hard)}")
print(f"m = 150, layer minus hard: {paired(scores['vae', 'layer3'], scores['vae', 'hard'])}")
gained_few = float((db - db_hard).mean())
assert gained_few < 0.6 * gain["vae", "layer3"]

# %% [markdown]
# With 25 measurements most of the gain is gone, with either weight. That is what one expects where 3136 activations
# face 25 numbers: very many deviations fit the data, and only their cost decides among them.
#
# ### Exercise 6 (core): the weight without the truth
#
# Tuning on validation images needs truths. The noise level alone suffices for the discrepancy principle (chapter 02):
# find the $\lambda$ with which the deviation in layer 3 leaves, on these few problems with 25 measurements, a mean
# residual of $\sigma\sqrt m$, to within 5 per cent. (*Hard* cannot do that, chapter 05. Why can the layer?)

# %%
y_search = y_scarce[:4]
lam_scarce = layer.lam  # the weight for 150 measurements; search instead

# %%
checks.layer_weight(lam_scarce, scarce, y_search, sigma, G, starts, layer.mu, 3)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The residual grows with $\lambda$, so bisection on a logarithmic scale works, as in chapter 05. It comes down to the
# noise because 3136 activations can fit 25 numbers; the eight of *hard* cannot fit 150.
# </details>

# %% tags=["solution"]
low, high = 0.02, 1.0
while high / low > 1.15:
    middle = (low * high) ** 0.5
    residual = scarce(reconstruct(scarce, y_search, in_layer(middle), start=starts).x) - y_search
    too_small = residual.norm(dim=1).mean() < sigma * scarce.m**0.5
    low, high = (middle, high) if too_small else (low, middle)
lam_scarce = (low * high) ** 0.5
assert checks.layer_weight(lam_scarce, scarce, y_search, sigma, G, starts, layer.mu, 3)

# %% [markdown]
# ### A third way: let the weights follow
#
# Narnhofer et al. first find the best $z$ and then let $z$ *and the weights of $G$* follow the data for a few steps
# (paper, Sect. 3.1.2, its references [50, 51]). There is no second weight: the number of steps is the regularisation.
# Here with Adam and steps of size $10^{-4}$, on validation images with 150 measurements.

# %%
n_val = 4 if FAST else 10
y_val = measure(A, data.val[:20], sigma, seeded(1))[:n_val]
lines = []
for steps in (0, 5, 20, 80):
    adapted = reconstruct(A, y_val, hard, solver="adapted", max_iter=steps, lr=1e-4, start=starts)
    db = psnr(adapted.x, data.val[:n_val]).mean()
    lines.append([str(steps), f"{db:.1f}", f"{(A(adapted.x) - y_val).norm(dim=1).mean():.2f}"])
reference = psnr(reconstruct(A, y_val, layer, start=starts).x, data.val[:n_val]).mean()
print(f"Layer 3 on the same {n_val} images: {reference:.1f} dB. σ√m = {sigma * A.m**0.5:.2f}.")
assert float(lines[1][1]) > float(lines[0][1]) + 0.3 and float(lines[3][2]) < sigma * A.m**0.5
markdown_table(["steps with changing weights", "PSNR (dB)", "mean residual"], lines)

# %% [markdown]
# A few steps gain; with many the network fits the noise, as the residual shows. The number of steps was not tuned
# further, so the table compares no methods.
#
# ## 6 Inpainting
#
# The generator is trained once and serves every $A$. That is its advantage over networks trained for one operator.
#
# A square of $12\times12$ pixels in the middle is missing: $Ax$ is the list of the other pixels, $A^*$ writes them back
# and leaves 0 in the hole. The weight of TV is tuned for this problem on validation images; the generative methods keep
# those of section 2, which were not.
#
# **Predict, then run.** What does TV put into the hole? What does hard? What does a deviation in a layer do there?

# %% mystnb={"image": {"alt": "Four digits with a missing square in the middle, and what TV, hard, relaxed and the intermediate layer put there. TV fills it with patches of even grey, most of them dark; the generator completes the strokes, plausibly and not always rightly."}}
seen = torch.ones(28, 28, dtype=torch.bool)
seen[8:20, 8:20] = False
holes = Inpainting(seen)
x_holes = x[: 20 if FAST else 100]
y_holes = measure(holes, x_holes, sigma, seeded(7))
lam_tv = sweep(holes, measure(holes, data.val[:8], sigma, seeded(8)), data.val[:8], TV, [0.005, 0.02, 0.05, 0.1]).best
filled = {
    "TV": reconstruct(holes, y_holes, TV(lam_tv["lam"])),
    "hard": reconstruct(holes, y_holes, hard, start=starts),
    "relaxed": reconstruct(holes, y_holes, relaxed, start=starts),
    "layer": reconstruct(holes, y_holes, layer, start=starts),
}
pictures = {"data": holes.T(y_holes)[:4]} | {name: result.x[:4] for name, result in filled.items()}
image_rows(pictures, truth=x_holes[:4], residuals=False)
plt.show()

# %%
in_hole = {k: (r.x - x_holes)[..., ~seen].pow(2).mean((1, 2)).sqrt() for k, r in filled.items()}
dark, root = x_holes[..., ~seen].pow(2).mean((1, 2)).sqrt(), len(x_holes) ** 0.5
for name, errors in in_hole.items():
    print(f"Root mean square error in the hole, {name:7s}: {errors.mean():.3f} ± {errors.std() / root:.3f}")
print(f"A black hole would have {dark.mean():.3f}. Weight of TV: {lam_tv['lam']:g}.")
for name in ("relaxed", "layer"):
    d = in_hole[name] - in_hole["hard"]
    print(f"{name} minus hard, in pairs: {d.mean():+.3f} ± {d.std() / root:.3f}, "
          f"{100 * d.mean() / in_hole['hard'].mean():+.0f} per cent")  # fmt: skip
assert in_hole["hard"].mean() < 0.9 * in_hole["TV"].mean() and in_hole["TV"].mean() > 0.7 * dark.mean()

# %% [markdown]
# TV prefers short edges and knows nothing of digits: it fills the hole with patches of even grey, most of them dark.
# The generator completes the strokes. Inside the hole nothing is measured, so what stands there is a guess by $G$,
# however sharp it looks.
#
# ### Exercise 7 (easy): relaxed on a mask
#
# $A$ keeps the pixels that are `seen`. Write the image $x$ of *relaxed* for a given $g=G(z)$: what stands on the seen
# pixels, and what in the hole? `y` is given as an image with zeros in the hole.


# %%
def masked(seen, y, g, lam):
    return (y + lam * g) / (1 + lam)  # right for A = I, where every pixel is seen


# %%
checks.masked_image(masked)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The objective is a sum over pixels. On a seen pixel it is $(x-y)^2+\lambda(x-g)^2$, whose minimum is the weighted
# mean. In the hole only $\lambda(x-g)^2$ is left, and $x=g$. So in the hole *relaxed* cannot deviate at all, and
# neither can *sparse*: there $u=0$ is the cheapest choice.
# </details>


# %% tags=["solution"]
def masked(seen, y, g, lam):
    return torch.where(seen, (y + lam * g) / (1 + lam), g)


assert checks.masked_image(masked)

# %%
inside = {name: (filled[name].x - G(filled[name].z)).detach()[..., ~seen].abs().max() for name in ("relaxed", "layer")}
print("Largest deviation from G(z) in the hole:", ", ".join(f"{name} {value:.2g}" for name, value in inside.items()))
assert inside["relaxed"] < 1e-4 < inside["layer"]

# %% [markdown]
# Pixels deviate one by one, so *relaxed* leaves $G(z)$ as it is where nothing was seen. An activation reaches several
# pixels, so the layer's deviation continues into the hole: what the seen pixels ask for is drawn on. Does that help in
# the hole? The last line of the numbers above says so: the gain is several times its standard error. But it is a small
# part of the error that is left, while in section 2 the same deviation gains several dB, which is a third of the error.
#
# ## 7 Phase retrieval
#
# Some detectors measure intensities: the sign (in optics the phase) is lost, $y=|Ax|$, entry by entry. This $A$ is not
# linear, so three things change.
#
# - There is no adjoint. The gradient is $2A^*\big(\operatorname{sign}(Ax)\,(|Ax|-y)\big)$; autograd finds it.
# - **Sign ambiguity:** $x$ and $-x$ have the same data. Without a generator nothing prefers one of them.
# - Not even the data term is convex in $x$: between $x$ and $-x$ there is a ridge. So *relaxed* cannot eliminate $x$
#   any more. *Hard* is solved as before (Hand, Leong and Voroninski).
#
# **Predict, then run.** $-G(z)$ is not in the range. Does that remove the ambiguity? What does a random start cost now,
# and what does it cost when the signs are known?

# %%
n_app = 6 if FAST else 20
x_app = x[:n_app]
magnitudes = Magnitude(A)
y_abs = add_noise(magnitudes(x_app), sigma, seeded(3))
assert torch.equal(magnitudes(x_app), magnitudes(-x_app))
phase = {
    "with signs": reconstruct(A, y[:n_app], hard, start=starts, n_starts=2),
    "without signs": reconstruct(magnitudes, y_abs, hard, start=starts, n_starts=2),
    "with signs,\nrandom start": reconstruct(A, y[:n_app], hard, start="random", generator=seeded(1)),
    "without signs,\nrandom start": reconstruct(magnitudes, y_abs, hard, start="random", generator=seeded(1)),
}
db = {name: psnr(result.x, x_app) for name, result in phase.items()}
for name, values in db.items():
    print(f"{' '.join(name.split()):27s}: {values.mean():.1f} dB")
known, lost, known_random, lost_random = db.values()
print("Without signs minus with signs, from the dictionary:", paired(lost, known))
print("A random start costs", paired(known, known_random), "with signs,", paired(lost, lost_random), "without.")
assert lost.mean() > known.mean() - 1.5 and lost_random.mean() < lost.mean() - 1

# %% mystnb={"image": {"alt": "Three digits reconstructed from 150 numbers with signs and without, from the dictionary and from a random start. From the dictionary the two nearly agree; from a random start wrong digits appear, more of them without signs."}}
image_rows({name: result.x[:3] for name, result in phase.items()}, truth=x_app[:3], residuals=False)
plt.show()

# %% [markdown]
# From the dictionary the loss of 150 signs costs so little that these few images cannot tell it from nothing: a bright
# digit on black is in the range, its negative is not. A random start costs more without signs than with them. That
# could be the ridges between $x$ and $-x$; we have compared starts and counted no valleys, so it is a conjecture.
#
# For real signals without any prior, at least $2n-1$ magnitudes are needed to determine every $x$ up to its sign
# (Balan, Casazza and Edidin 2006). For 784 pixels that is 1567. Here 150 serve, because the unknowns are eight.
#
# ## Where it fails
#
# A generator knows only what it was shown. Mirror the test digits, left to right (chapter 05 does the same to the three
# basic methods). **Predict:** which loses more, *hard* or the intermediate layer? And does TV notice?
#
# - [ ] *Hard* loses more.
# - [ ] The intermediate layer loses more.
# - [ ] Both lose alike.

# %%
n_mirror = 4 if FAST else 20
x_mirrored = x[:n_mirror].flip(-1)
y_mirrored = measure(A, x_mirrored, sigma, seeded(3))
tv = next(row for row in load_result("fig9")["rows"] if row["method"] == "tv")  # its weight, tuned for this problem
methods = {"TV": TV(tv["lam"]), "VAE hard": hard, "VAE relaxed": relaxed, "VAE layer": layer}
mirrored, loss = {}, {}
for name, R in methods.items():
    before = psnr(reconstruct(A, y[:n_mirror], R, start=starts).x, x[:n_mirror])
    mirrored[name] = reconstruct(A, y_mirrored, R, start=starts).x
    after = psnr(mirrored[name], x_mirrored)
    loss[name] = float((before - after).mean())
    print(f"{name:11s}: {before.mean():.1f} dB on digits, {after.mean():.1f} dB on mirrored digits")
assert min(loss["VAE hard"], loss["VAE relaxed"]) > 1 > abs(loss["TV"]) and loss["VAE layer"] < loss["VAE hard"]

# %% mystnb={"image": {"alt": "Three mirrored digits with TV, VAE hard, VAE relaxed and intermediate-layer reconstructions. Hard and relaxed draw strokes of other digits; TV shows the mirrored digit, blotchy; the intermediate layer shows the second and the third clearly and breaks the first."}}
image_rows({name: images[:3] for name, images in mirrored.items()}, truth=x_mirrored[:3], residuals=False)
plt.show()

# %% [markdown]
# - **A mirrored digit** costs TV next to nothing: mirroring hardly changes TV (chapter 05), so only $A$ and the noise
#   meet another image. It costs *hard* and *relaxed* several dB. A deviation in a layer loses more than TV does and
#   much less than these, and is still the best of the four, by several dB. The price is the opposite danger: with few
#   data, or with a small $\lambda$, it fits the noise (section 5).
# - **A constraint on $z$ in the wrong place** costs more than any smooth term can gain; look at the encodings before
#   you draw a box around them.
# - **In a hole** everything is a guess by $G$; relaxed and sparse do not even deviate there.
# - **S-REC** is about images in the range. For the truth, which is not quite in it, $\gamma$ says how errors are
#   amplified, not how far the truth is.
# - **Local minima** are as in chapter 05, and without signs worse.
#
# ## Paper and ours

# %%
ratio_8 = rows["vae", "eq8"]["evaluations"] / rows["vae", "hard"]["evaluations"]
claims = {
    "Sect. 3.1.1: projected gradient descent, eq. (8), is another way to solve eq. (3)": f"VAE: "
    f"{paired(scores['vae', 'eq8'], scores['vae', 'hard'])} against L-BFGS, at {ratio_8:.0f} times the evaluations of G",
    "Sect. 3.1.1: Shah and Hegde introduce the S-REC; Gaussian A satisfy it with high probability": "the definition "
    f"stands in Bora et al. (2017). Measured: γ = {by_m[150]:.2f} at m = 150, and 0 up to m = {last_zero}",
    "Sect. 3.1.2: the range can be extended through intermediate layers (no number)": "layer 7 x 7 minus hard: "
    + "; ".join(f"{TITLES[g]} {paired(scores[g, 'layer3'], scores[g, 'hard'])}" for g in GENERATORS),
    "Sect. 3.1.2: ‖x - G(E(x))‖² approximates the distance to the range (no number)": "against relaxed: "
    + "; ".join(f"{TITLES[g]} {paired(scores[g, 'encoder'], scores[g, 'relaxed'])}" for g in ("ae", "vae")),
    "Sect. 3.2: standard normal vectors lie near the sphere of radius d": "radius √d. The sphere against ‖z‖²: VAE "
    + paired(scores["vae", "sphere"], scores["vae", "hard"]),
    "Sect. 3.2: the prior may be a bad model of the encodings after training (no number)": "a fitted mixture against "
    "‖z‖²: " + "; ".join(f"{TITLES[g]} {paired(scores[g, 'mixture'], scores[g, 'hard'])}" for g in GENERATORS),
}  # fmt: skip
markdown_table(["paper", "ours (compressed sensing, m = 150, mean ± standard error)"], list(claims.items()))

# %% [markdown]
# The paper reviews these methods in Sect. 3 and runs none of them: its experiments are hard, relaxed and sparse. So all
# numbers here are ours, on digits, with eight latent variables and one noise level. Two things to keep in mind:
#
# - The variants were published for large GANs with hundreds of latent variables. There the sphere is a better model
#   (section 1), and $R_{\mathcal Z}$ may matter more, because the data may not determine all of $z$. We have not tried.
# - The paper says that an untrained network with sufficiently small $\eta$ makes eq. (8) converge to a solution. Ours
#   is trained, and what we showed is weaker: the objective falls.
#
# ## Quiz
#
# **1.** A colleague drops $\lambda\|z\|_2^2$ from *hard* and finds the same PSNR. "So priors on $z$ are useless." What
# do you answer?
#
# - [ ] It depends on the data.
# - [ ] That is so, because $G$ and $A$ determine $z$.
# - [ ] The weight was too small.
#
# <details><summary><b>Answer</b></summary>
#
# **It depends on the data.** With 150 measurements of eight unknowns the data term alone determines $z$, and the
# smooth priors of section 2 are not noticed. With 10 measurements $\|z\|_2^2$ gains (section 2). (The weights were
# tuned, so they were not too small.) So a prior has to be tested with few data.
# </details>
#
# **2.** For $m=12$ you draw 2000 random pairs of digits from the VAE, and no ratio is below 0.3. Is the S-REC satisfied
# with $\gamma=0.3$?
#
# - [ ] Yes.
# - [ ] Yes, with a probability near 1.
# - [ ] No.
#
# <details><summary><b>Answer</b></summary>
#
# **No.** The condition is about all pairs, and the bad ones are too rare to be drawn: descent finds pairs with a ratio
# below 0.001 for every $m$ that was tried up to 16. A sample gives an upper bound of $\gamma$, never a lower one.
# </details>
#
# **3.** An intermediate layer has four times as many free numbers as there are pixels. Why does it not simply fit the
# noise, as least squares would?
#
# - [ ] Because the solver stops before it could.
# - [ ] Because it pays for them.
# - [ ] Because the later layers cannot draw noise.
#
# <details><summary><b>Answer</b></summary>
#
# **Because it pays for them.** To first order a deviation $r$ costs $r^\top(I+JJ^\top/\lambda)^{-1}r$, and the trained
# network makes strokes cheap and noise expensive. With a small $\lambda$, or with 25 measurements, it does fit the
# noise.
# </details>
#
# ## Take-aways
#
# - How the range is extended matters more than which $R_{\mathcal Z}$ is taken. A smooth $R_{\mathcal Z}$ matters when
#   data are few; a hard constraint in the wrong place can cost several dB.
# - A deviation in a layer is, to first order, relaxed in a norm that the network has learned.
# - Eq. (8) solves the hard problem. Its steps may be as long as the range allows, and still cost more than L-BFGS.
# - For a piecewise affine $G$ and Gaussian $A$, $2d+1$ measurements make $\gamma$ positive; how positive is measured,
#   by looking for bad pairs.
# - One generator serves every operator. Where nothing is measured it guesses.
#
# ## References
#
# - Duff, Campbell, Ehrhardt: *Regularising inverse problems with generative machine learning models*, J. Math. Imaging
#   Vis. (2023), "the paper". `duff2023regularising`
# - Bora, Jalal, Price, Dimakis: *Compressed sensing using generative models*, ICML (2017). `bora2017compressed`
# - Shah, Hegde: *Solving linear inverse problems using GAN priors*, ICASSP (2018), for eq. (8). `shah2018solving`
# - Daras, Dean, Jalal, Dimakis: *Intermediate layer optimization for inverse problems using deep generative models*,
#   ICML (2021). `daras2021intermediate`
# - Gunn, Cocola, Hand: *Regularized training of intermediate layers for generative models for inverse problems* (2022).
#   `gunn2022regularized`
# - Menon, Damian, Hu, Ravi, Rudin: *PULSE*, CVPR (2020), for the sphere. `menon2020pulse`
# - Van Veen, Jalal, Soltanolkotabi, Price, Vishwanath, Dimakis: *Compressed sensing with deep image prior and learned
#   regularization* (2018), for TV of the image. `veen2018compressed`
# - Narnhofer, Hammernik, Knoll, Pock: *Inverse GANs for accelerated MRI reconstruction*, SPIE (2019), for the adapted
#   weights. `narnhofer2019inverse`
# - Hand, Leong, Voroninski: *Phase retrieval under a generative prior*, NeurIPS (2018). `hand2018phase`
# - Balan, Casazza, Edidin: *On signal reconstruction without phase*, Appl. Comput. Harmon. Anal. 20 (2006).
#   `balan2006signal`
# - Whitney: *Differentiable manifolds*, Ann. of Math. 37 (1936). `whitney1936differentiable`
