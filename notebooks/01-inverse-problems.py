# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     cell_metadata_filter: tags,mystnb,slideshow,-all
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
# # 01 Inverse problems
#
# > **A camera blurs a digit. We know the blur exactly, and the noise is too faint to see.
# > Why does undoing the blur destroy the picture?**
#
# **You will be able to**
#
# - write a measurement as $y = Ax + e$, and say what blur, compressed sensing, tomography, masked Fourier and
#   emission tomography do to an image and to noise;
# - test an adjoint, find the norm of an operator, and make an image that the operator cannot see;
# - read from a plot of singular values whether a solution exists, is unique and is stable;
# - predict the error of the pseudo-inverse from the noise level, and repair it by truncation;
# - recognise an inverse crime and measure what it hides.
#
# **Prerequisites:** matrices, eigenvalues, mean and variance; Python with a little PyTorch. Chapter 00 explains the
# explorers and checks.
#
# **Time:** 45 min to read and do the exercises, 1 min to run on two CPU cores.

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
from torch.nn.functional import avg_pool2d, interpolate, pad

from course_utils import data
from course_utils import figures as plots
from course_utils.chapters.inverse_problems import checks
from course_utils.chapters.inverse_problems.denoising import denoising_explorer
from course_utils.chapters.inverse_problems.explorer import (
    data_picture,
    operators,
    truncated_svd_explorer,
    truncation_errors,
)
from course_utils.chapters.inverse_problems.figures import twin_figure
from course_utils.notebooks import FAST
from course_utils.operators import ParallelBeam, add_noise, dot_test, measure, operator_norm, poisson_noise

x = data.load("mnist").test[:100].double()  # (100, 1, 28, 28), grey values in [0, 1]
OPERATORS = operators()  # float64: this chapter looks at very small numbers
generator = torch.Generator().manual_seed(0)

# %% [markdown]
# ## 1 One experiment
#
# Take two digits. Blur them with a $5\times5$ Gaussian, a matrix $A$ that we know. Add noise of standard deviation
# $\sigma = 0.01$: one per cent of the step from black to white. The matrix is square and invertible, so compute
# $A^{-1}y$.
#
# **Predict, then run.** How large will the error of a pixel be: 1 %, 10 %, 100 %?

# %% mystnb={"image": {"alt": "Two digits in rows. Truth; blurred data, clearly readable; the inverse of the blur applied to the data, a black and white checkerboard without a digit."}}
A, sigma = OPERATORS["blur"], 0.01
truth = x[[3, 4]]
y = measure(A, truth, sigma, generator)
U, S, V = A.svd()  # A = U diag(S) V^T on flattened images, explained in section 5
inverse = (y.flatten(1) @ U / S @ V.T).reshape(truth.shape)  # A^{-1} y
plots.image_rows({"data y": y, "inverse of A, on y": inverse}, truth, residuals=False, size=1.6)
plt.show()

# %%
noise, error = (y - A(truth)).pow(2).mean().sqrt(), (inverse - truth).pow(2).mean().sqrt()
print(f"noise in the data:    {noise:.3f}  (root mean square, white = 1)")
print(f"error in the picture: {error:.3f}, which is {error / noise:.0f} times as much")
back = (A(truth).flatten(1) @ U / S @ V.T).reshape(truth.shape)
print(f"the same without noise: error {(back - truth).abs().max():.0e}")
assert error > 100 * noise and (back - truth).abs().max() < 1e-9

# %% [markdown]
# Without noise the inverse is perfect. With noise that you cannot see, the error is larger than white itself.
# The formula is right, the code is right, and the answer is useless. That is an inverse problem.
#
# The rest of this chapter finds out why, for five ways of measuring, and ends with the first repair. The rest of
# the course looks for better repairs.

# %% [markdown]
# ## 2 The forward model
#
# An unknown image $x$ is measured through a **forward operator** $A$; the data carry noise $e$:
#
# $$ y = A x + e, \qquad x \in \mathbb{R}^n,\; y \in \mathbb{R}^m,\; A \text{ linear.} \tag{1} $$
#
# (Paper, eq. (1) with noise; lectures, part I.1.) Here $n = 28 \cdot 28 = 784$. The task is to find $x$ from $y$.
# Five measurements return throughout the course:
#
# | name | datum | in life | data here |
# |---|---|---|---|
# | blur | local weighted mean, $(k * x)_i$ | camera, microscope | $28\times28$ |
# | compressed sensing | random sum over all pixels, $\langle a_i, x\rangle$, $a_i$ Gaussian | single-pixel camera | $150$ |
# | tomography | integral along a line | X-ray CT | $63$ angles $\times\, 41$ bins |
# | masked Fourier | some Fourier coefficients of $x$ | MRI | $280$ complex numbers |
# | emission tomography | *number of photons* from a line | PET | $63$ angles $\times\, 41$ bins |
#
# Every $A$ in the course is divided by its norm, $\|A\| = 1$, so that noise levels can be compared (with care, see
# below). A batch is written as it is computed: `A(x)` for $Ax$, `A.T(y)` for the adjoint $A^*y$ (section 3).
#
# **Predict, then run.** Noise of $\sigma = 0.1$ is added to each kind of data. In which picture will you still
# recognise the digit? The last row shows $A^*y$, the data sent back to where they came from. (Blue: Fourier
# coefficients that are not measured. Emission has counting noise instead.)


# %% mystnb={"image": {"alt": "Three rows, five columns. Rows: clean data, noisy data, back-projection. The blurred digit stays readable; 150 random sums look like noise; the sinogram is a broad band with bright edges; the Fourier data are ten columns of a blue picture, bright near the centre; the photon counts are a grainy sinogram. In the last row the digit is a smear under blur and tomography, has ripples around it under the Fourier mask, and cannot be seen in the compressed sensing column."}}
names = ["blur", "compressed sensing", "tomography", "masked Fourier"]
figure, axes = plots.subplots(
    3, 5, size=(8.4, 5.4), alt="Clean data, noisy data and back-projection for five operators."
)
for column, name in enumerate([*names, "emission"]):
    A = OPERATORS["tomography" if name == "emission" else name]
    clean = A(x[3:4])
    y = poisson_noise(clean, 30.0, generator) if name == "emission" else add_noise(clean, 0.1, generator)
    picture = data_picture(A, clean)
    limits = float(picture.nanquantile(0.0)), float(picture.nanquantile(0.98))  # the brightest 2 % are clipped
    plots.show_image(axes[0, column], picture, name, limits, aspect="auto")
    plots.show_image(axes[1, column], data_picture(A, y), "", limits, aspect="auto")
    plots.show_image(axes[2, column], A.T(y)[0], "", None)
for row, label in enumerate(["clean data $Ax$", "noisy data $y$", "$A^*y$"]):
    axes[row, 0].set_ylabel(label)
plt.show()

# %% [markdown]
# Three lessons. Data need not look like an image at all. The adjoint is not the inverse: it gives a smear. And the
# noise changes its face on the way back: white noise in a sinogram becomes a smooth haze in $A^*y$.
#
# ### How loud is the noise?
#
# The **signal-to-noise ratio** compares the two parts of $y$:
#
# $$ \mathrm{SNR} = 10 \log_{10} \frac{\|Ax\|_2^2}{\mathbb{E}\|e\|_2^2} = 10\log_{10}\frac{\|Ax\|_2^2}{m\sigma^2} \quad\text{in dB.} $$
#
# **Predict, then run.** All five have norm 1 and $\sigma = 0.1$. Is the SNR the same?

# %%
print(f"{'operator':24s}{'data m':>8s}{'m / n':>8s}{'SNR in dB at sigma = 0.1':>28s}")
snr = {}
for name, A in OPERATORS.items():
    signal = A(x).flatten(1).pow(2).sum(1)
    snr[name] = float((10 * torch.log10(signal / (A.m * 0.1**2))).mean())
    print(f"{name:24s}{A.m:8d}{A.m / A.n:8.2f}{snr[name]:28.1f}")
assert snr["tomography"] < snr["blur"] and OPERATORS["masked Fourier"].shape_out == (2, 280)

# %% [markdown]
# No. The norm of the tomograph is the gain of its favourite, a very smooth image; a digit gets less, spread over
# more data. So a noise level without its SNR says little. But an SNR says little too: blur has a good one, and
# section 1 ended badly.
# What matters is *where* the noise goes.
#
# ### Counting noise
#
# A PET scanner counts photons. With $c$ counts per unit of intensity, $y_i = \mathrm{Poisson}(c\,(Ax)_i)/c$
# (lectures, part I.1), so $\mathbb{E}\,y_i = (Ax)_i$ and
#
# $$ \operatorname{var} y_i = (Ax)_i / c. $$
#
# **Predict, then run.** We choose $c$ so that the *average* variance equals that of Gaussian noise with
# $\sigma = 0.05$. Where is counting noise worse: in the dark or in the bright parts of the sinogram?

# %% mystnb={"image": {"alt": "Measured variance of each datum against its mean. The Gaussian points lie on a horizontal line; the counting points lie on a straight line through zero."}}
clean, sigma = OPERATORS["tomography"](x[3:4]), 0.05
counts = float(clean.mean()) / sigma**2
repeats = 200 if FAST else 1000
many = clean.expand(repeats, -1, -1)
gauss, poisson = add_noise(many, sigma, generator).var(0), poisson_noise(many, counts, generator).var(0)
figure, ax = plots.subplots(size=(5.2, 3.0), alt="Variance against mean: flat for Gaussian, rising for counting noise.")
ax.plot(clean.flatten(), gauss.flatten(), "x", ms=3, alpha=0.5, color=plots.COLOURS["blue"], label="Gaussian")
ax.plot(clean.flatten(), poisson.flatten(), ".", ms=3, alpha=0.5, color=plots.COLOURS["vermilion"], label="counting")
top = float(clean.max())
ax.plot([0, top], [0, top / counts], "-", color=plots.COLOURS["black"], lw=1, label="mean / c")
ax.set(xlabel="mean of the datum", ylabel=f"variance over {repeats} draws")
ax.legend()
plt.show()

# %%
bright, dark = clean[0] > 0.5 * clean.max(), clean[0] < 0.1 * clean.max()
ratio = float(poisson[bright].mean() / gauss[bright].mean())
print(f"c = {counts:.0f} counts per unit; average variance: counting {poisson.mean():.5f}, Gaussian {gauss.mean():.5f}")
print(f"bright rays: counting noise has {ratio:.1f} times the Gaussian variance")
print(f"dark rays:   {float(poisson[dark].mean() / gauss[dark].mean()):.2f} times")
assert abs(poisson.mean() / gauss.mean() - 1) < 0.05 and ratio > 2

# %% [markdown]
# The same average, a different law: counting noise is absolutely worst where much arrives, and relatively worst where
# little arrives. Least squares treats all data alike and is the wrong misfit for counts. The misfit follows from the
# noise: Gaussian noise gives $\|Ax-y\|_2^2$, counting noise gives the Kullback-Leibler divergence (paper, eq. (2):
# the choice of $L_y$). The course uses Gaussian noise from here on, as the paper does.

# %% [markdown]
# ## 3 The adjoint, and how to trust it
#
# The **adjoint** $A^*$ is defined by
#
# $$ \langle Ax, y\rangle = \langle x, A^* y\rangle \quad\text{for all } x, y. \tag{2} $$
#
# As a matrix it is the transpose. Every method of the course needs it, since the gradient of the misfit is
# $\nabla_x \|Ax-y\|_2^2 = 2A^*(Ax-y)$. A wrong adjoint does not crash: it converges, to something else.
#
# Equation (2) is a test. Draw $x$ and $y$ at random, compare both sides. This is the **dot test** (Claerbout). In
# float64 the relative difference is about $10^{-16}$ if the adjoint is exact. Anything near $1$ is a bug.

# %%
for name, A in OPERATORS.items():
    error = dot_test(A)
    print(f"{name:24s} dot test {error:.0e}   norm {operator_norm(A, n_iter=300):.4f}")
    assert error < 1e-12

# %% [markdown]
# ### Exercise 1 (easy): the adjoint of a motion blur
#
# A camera moves to the right while its shutter is open. Half of the light of a pixel stays, 30 % falls one pixel
# further right, 20 % two pixels further right. Light that leaves the image is lost.
#
# Write the adjoint. The starter applies the blur once more, a popular guess.
#
# *Hint:* `pad(x, (k, -k))` moves an image $k$ pixels to the right: it adds $k$ columns of zeros on the left and cuts
# $k$ columns on the right.

# %%
WEIGHTS = (0.5, 0.3, 0.2)


def motion_blur(x):
    return sum(w * pad(x, (k, -k)) for k, w in enumerate(WEIGHTS))


def motion_adjoint(y):
    return motion_blur(y)  # your turn


# %%
checks.adjoint(motion_blur, motion_adjoint)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Pixel $j$ sends its light to $j$, $j+1$, $j+2$. The adjoint collects from there: move to the *left*. A convolution
# has the mirrored kernel as its adjoint; only symmetric kernels are their own. The next cell runs it.
# </details>


# %% tags=["solution"]
def motion_adjoint(y):
    return sum(w * pad(y, (-k, k)) for k, w in enumerate(WEIGHTS))


assert checks.adjoint(motion_blur, motion_adjoint)

# %% [markdown]
# ## 4 The norm, by pushing one image through again and again
#
# The **norm** of $A$ is its largest gain, $\|A\| = \max_{x\neq0}\|Ax\|/\|x\|$. It sets the step size of every
# gradient method (chapter 02), and our operators are divided by it. No matrix is needed: $A^*A$ is symmetric with
# largest eigenvalue $\|A\|^2$, so repeat
#
# $$ x \leftarrow A^*A x, \qquad x \leftarrow x / \|x\|, $$
#
# and $\|Ax\|$ rises to $\|A\|$. This is the **power iteration**.
#
# ### Exercise 2 (core): the norm by power iteration
#
# Complete the function. The check tries operators with norms 40 and 0.7. The starter draws one random $x$ and
# measures its gain: a lower bound, and a poor one.


# %%
def my_norm(A, n_iter=200):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, *A.shape_in, generator=g, dtype=torch.float64)
    x = x / x.norm()
    for _ in range(n_iter):
        pass  # your turn
    return float(A(x).norm())


# %%
checks.norm(my_norm)


# %% tags=["solution"]
def my_norm(A, n_iter=200):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, *A.shape_in, generator=g, dtype=torch.float64)
    for _ in range(n_iter):
        x = A.T(A(x))
        x = x / x.norm()  # without this the numbers overflow, or vanish
    return float(A(x).norm())


assert checks.norm(my_norm)

# %% [markdown]
# The error falls by $(s_2/s_1)^2$ in each step, $s_1 > s_2$ being the two largest gains. If they are close it is
# slow, and what you have is always too small: divide by it and the norm comes out slightly above 1.

# %% [markdown]
# ## 5 The singular value decomposition
#
# Every matrix is a rotation, a stretching of the axes, and another rotation:
#
# $$ A = \sum_{k=1}^{r} s_k\, u_k v_k^T, \qquad s_1 \ge s_2 \ge \dots \ge s_r > 0, \tag{3} $$
#
# with orthonormal images $v_k$ and orthonormal data $u_k$. Read it as a table of what happens: **the pattern $v_k$ in
# the image arrives as the pattern $u_k$ in the data, $s_k$ times as strong.** The number $r$ of patterns that arrive
# at all is the rank.
#
# **Predict, then run.** Which curve falls fastest? Which one stops early?

# %% mystnb={"image": {"alt": "Singular values against their index, logarithmic. Blur falls steadily by more than three orders of magnitude. Tomography with 63 angles falls gently and drops at the end. With 20 angles it breaks off before the end. Compressed sensing stays above 0.4 and stops at 150. Masked Fourier is flat with a step and stops."}}
figure, ax = plots.subplots(size=(6.2, 3.4), alt="Singular values of the five operators.")
for name, A in OPERATORS.items():
    S = A.svd().S
    S = S[S > 1e-10]
    ax.semilogy(range(1, len(S) + 1), S, label=f"{name}: rank {len(S)}")
ax.set(xlabel="index k", ylabel="singular value $s_k$", xlim=(0, 790))
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# **Predict, then run.** Which patterns arrive strongly, and which arrive weakly? Think of the checkerboard of
# section 1.

# %% mystnb={"image": {"alt": "Right singular images. Blur: the first is one smooth bump, later ones are finer waves, the last is a checkerboard. Tomography: one broad bump first, waves next, a small star of fine grains in the centre last. Compressed sensing: all look like noise."}}
rows, columns = ["blur", "tomography", "compressed sensing"], [0, 1, 9, 99, -1]
figure, axes = plots.subplots(3, 5, size=(7.4, 5.6), alt="Singular images v_k, from the strongest to the weakest.")
for i, name in enumerate(rows):
    U, S, V = OPERATORS[name].svd()
    for j, k in enumerate(columns):
        v = V[:, k] * V[:, k].sum().sign()  # the sign of a singular vector is free: let its sum be positive
        plots.show_image(axes[i, j], v.reshape(28, 28), f"k = {range(1, len(S) + 1)[k]}\ns = {S[k]:.2g}", None)
    axes[i, 0].set_ylabel(name)
plt.show()
assert 1_500 < 1 / OPERATORS["blur"].svd().S[-1] < 2_000

# %% [markdown]
# Blur and tomography transmit the coarse and damp the fine: the last pattern of the blur is the checkerboard, and it
# arrives nearly two thousand times weaker than the first. To undo that, the inverse multiplies it by as much,
# together with the noise in it. That is where the picture of section 1 went. Compressed sensing has no favourite
# patterns: what it transmits it transmits well, and it says nothing at all about the rest.

# %% [markdown]
# ## 6 Hadamard's three questions
#
# (Lectures, part I.1.) Hadamard (1902) called a problem **well-posed** if for all data a solution (1) exists, (2)
# is unique and (3) depends continuously on the data. In finite dimensions, (3) always holds in the letter and fails
# in spirit: the factor $1/s_r$ is finite, and enormous. The singular values answer all three.
#
# | question | fails when | how it looks |
# |---|---|---|
# | existence | $r < m$: the data are more than images can explain | noise sticks out of the range of $A$ |
# | uniqueness | $r < n$: some images are invisible | $A(x + g) = Ax$ for a ghost $g$ |
# | stability | $s_r \ll s_1$ | noise is multiplied by up to $1/s_r$ |
#
# **Predict, then run.** For which operators does the first fail? The second? The third?

# %%
print(f"{'operator':24s}{'noise that no image explains':>30s}{'invisible directions':>22s}{'1 / s_r':>10s}")
invisible = {}
for name, A in OPERATORS.items():
    U, S, V = A.svd()
    rank = int((S > 1e-10).sum())
    e = torch.randn(100, A.m, generator=generator, dtype=torch.float64)
    outside = (e - e @ U[:, :rank] @ U[:, :rank].T).pow(2).sum() / e.pow(2).sum()
    invisible[name] = A.n - rank
    print(f"{name:24s}{100 * outside:28.0f} %{A.n - rank:22d}{1 / S[rank - 1]:10.1f}")
    assert abs(outside - (A.m - rank) / A.m) < 0.02  # white noise spreads evenly over all directions

# %% [markdown]
# Each operator fails in its own way, and none passes all three. Least squares answers the first question: ask for the
# $x$ that fits best. The **pseudo-inverse** answers the second as well: of all best fits, take the smallest,
#
# $$ A^\dagger y = \sum_{k=1}^{r} \frac{u_k^T y}{s_k}\, v_k. \tag{4} $$
#
# Nothing yet answers the third.
#
# ### What is invisible?
#
# Split a digit into what compressed sensing sees of it, $A^\dagger A x = \sum_k (v_k^Tx)\,v_k$, and the rest.

# %% mystnb={"image": {"alt": "A digit, the part of it that 150 random sums determine, which looks like noise with a faint digit, and the invisible part, which looks like the digit."}}
A = OPERATORS["compressed sensing"]
V = A.svd().V
seen = (x.flatten(1) @ V @ V.T).reshape(x.shape)
figure, axes = plots.subplots(1, 3, size=(6.6, 2.4), alt="A digit, its visible and its invisible part.")
for ax, image, title in zip(axes, [x, seen, x - seen], ["digit x", "visible part", "invisible part"], strict=True):
    plots.show_image(ax, image[3], title, (-0.4, 1.0))
plt.show()

# %%
share = float(((x - seen).flatten(1).pow(2).sum(1) / x.flatten(1).pow(2).sum(1)).mean())
print(f"invisible: {100 * share:.0f} % of the energy of a digit; its data are {A(x - seen).abs().max():.0e}")
assert share > 0.7 and A(x - seen).abs().max() < 1e-12

# %% [markdown]
# Four fifths of the digit must come from somewhere else than the data. Where from is *the* question of this course.
#
# ### Exercise 3 (stretch): two digits, the same data
#
# Let $x$ be the 0 and $x'$ the 4 below. Among all images with **exactly the data of the 0**, make the one that is
# closest to the 4. Use $A$ = compressed sensing, and `V` from its decomposition (a $784\times150$ matrix with
# orthonormal columns). The starter hands in the 4.

# %%
A, zero, four = OPERATORS["compressed sensing"], x[3:4], x[4:5]
V = A.svd().V
impostor = four  # your turn

# %%
checks.twin(A, zero, four, impostor)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# Every image with the data of $x$ is $x + g$ with $Ag = 0$. The orthogonal projection onto the invisible images is
# $I - VV^T$. Note that $I - A^*A$ is not a projection unless all singular values are 0 or 1.
# </details>

# %% tags=["solution"]
difference = (four - zero).flatten(1)
impostor = zero + (difference - difference @ V @ V.T).reshape(zero.shape)
assert checks.twin(A, zero, four, impostor)

# %% [markdown]
# This is what can be reached; the picture is computed in the course's own module, so it is here whether or not your
# line is right.

# %% mystnb={"image": {"alt": "The digit 0, the digit 4, and the impostor: a slightly noisy 4 whose data equal those of the 0."}}
twin_figure(A, zero, four, ("the 0", "the 4"))
plt.show()

# %% [markdown]
# The data cannot tell the last picture from the first. A method that shows you one of them has *chosen*. Keep this
# picture in mind whenever a reconstruction looks convincing.

# %% [markdown]
# ## 7 The pseudo-inverse meets noise
#
# Put $y = Ax + e$ into (4). With white noise of standard deviation $\sigma$,
#
# $$ \mathbb{E}\,\|A^\dagger y - x\|_2^2 \;=\; \underbrace{\|x - A^\dagger A x\|_2^2}_{\text{invisible part}} \;+\; \sigma^2 \sum_{k=1}^{r} \frac{1}{s_k^2}. \tag{5} $$
#
# The first term does not depend on the noise, the second grows with its square. (Derivation: the coefficients
# $u_k^Te$ are independent with variance $\sigma^2$.)
#
# **Predict, then run.** On double-logarithmic axes, what are the slopes at the left and at the right? Which
# operator wins at $\sigma = 10^{-4}$, which at $0.1$?

# %% mystnb={"image": {"alt": "Root mean square error per pixel against noise level, double logarithmic, measured points on predicted curves. Blur rises with slope one throughout and passes 1 at a noise of about 0.004. Tomography rises with slope one but lies lower. Compressed sensing is flat near 0.28 and rises only at large noise."}}
sigmas = torch.logspace(-4, -0.5, 8)
figure, ax = plots.subplots(size=(6.0, 3.6), alt="Error of the pseudo-inverse against the noise level.")
for name, colour in zip(names[:3], ["blue", "vermilion", "green"], strict=True):
    A = OPERATORS[name]
    S = A.svd().S
    measured = [truncation_errors(A, x, measure(A, x, float(s), generator))[:, -1].mean() for s in sigmas]
    hidden = truncation_errors(A, x, A(x))[:, -1].mean()  # no noise: what remains is the invisible part
    predicted = hidden + sigmas.double() ** 2 * S.pow(-2).sum()
    ax.loglog(sigmas, (torch.stack(measured) / A.n).sqrt(), "o", color=plots.COLOURS[colour], label=name)
    ax.loglog(sigmas, (predicted / A.n).sqrt(), "-", lw=1, color=plots.COLOURS[colour])
    assert torch.allclose(torch.stack(measured), predicted, rtol=0.1)
ax.set(xlabel="noise level sigma (data units)", ylabel="error per pixel (RMS, white = 1)")
ax.axhline(float(x.pow(2).mean().sqrt()), color="0.4", lw=1, ls=":")  # the error of an all black image
ax.legend(title="points: measured, lines: eq. (5)")
plt.show()

# %%
black = float(x.pow(2).mean().sqrt())
for name in ("blur", "tomography"):  # both see everything: the error is sigma * sqrt(sum of 1 / s_k^2)
    gain = float(OPERATORS[name].svd().S.pow(-2).sum().sqrt()) / 28
    print(f"{name}: noise is amplified {gain:.0f} times; worse than black from sigma = {black / gain:.4f} on")
assert gain < 15 and OPERATORS["blur"].svd().S.pow(-2).sum().sqrt() / 28 > 250

# %% [markdown]
# Measurement and formula agree within 10 % (the cell asserts it). Dotted: the error of an all black picture. With
# the inverse of the blur, one per mille of noise is enough to do worse than that. Compressed sensing never explodes
# and never gets good. Tomography with many angles lies between: its data are redundant, and redundancy averages
# noise.

# %% [markdown]
# ## 8 Truncation, the first repair
#
# Look at (4) term by term. Coefficient $k$ of the data is $u_k^T y = s_k (v_k^T x) + u_k^T e$: signal that shrinks
# with $s_k$, plus noise that does not. Dividing by $s_k$ helps as long as the signal is above the noise. So keep
# only the first $K$ terms, the **truncated SVD**:
#
# $$ x_K = \sum_{k=1}^{K} \frac{u_k^T y}{s_k} v_k, \qquad \mathbb{E}\|x_K - x\|_2^2 = \sum_{k>K} (v_k^Tx)^2 + \|x - A^\dagger A x\|_2^2 + \sigma^2 \sum_{k\le K} \frac1{s_k^2}. \tag{6} $$
#
# What is thrown away (bias) falls with $K$, noise (variance) rises. The plot of $|u_k^Ty|$ and $s_k$ against $k$ is
# called the **Picard plot** (Hansen 2010): the place where the coefficients stop falling and level off at $\sigma$
# is where the data end and the noise begins.
#
# **Predict, then run.** Ten times less noise: how many more terms can be kept, and how many dB does that bring?

# %% mystnb={"image": {"alt": "PSNR against the number of singular values kept for blur, for four noise levels. Each curve rises, has a flat top and falls; with less noise the top is higher and further right."}}
A, n_kept = OPERATORS["blur"], torch.arange(1, 785)
clean = (A(x).flatten(1) @ A.svd().U).abs()
lines, table = {}, []
for sigma in (0.1, 0.03, 0.01, 0.003):
    errors = truncation_errors(A, x, measure(A, x, sigma, generator))
    lines[f"sigma = {sigma}"] = quality = (10 * torch.log10(A.n / errors)).mean(0)
    above = float((clean > sigma).sum(1).double().mean())
    table.append((sigma, above, int(quality.argmax()) + 1, float(quality.max()), float(quality[-1])))
ax = plots.curves(
    n_kept, lines, "singular values kept", "PSNR (dB), mean of 100 digits", alt="PSNR against truncation."
)
ax.set_ylim(-25, 35)
plt.show()

# %%
print("sigma   coefficients above the noise   best K   PSNR at best K   PSNR with all 784")
for sigma, above, best, top, everything in table:
    print(f"{sigma:5.3f}{above:31.0f}{best:9d}{top:14.1f} dB{everything:17.1f} dB")
assert all(later[2] > earlier[2] and later[3] > earlier[3] for earlier, later in zip(table, table[1:], strict=False))
assert all(abs(best - above) < 0.35 * best for _, above, best, _, _ in table)
assert all(4.5 < table[k + 2][3] - table[k][3] < 6.5 and 150 < table[k + 2][2] - table[k][2] < 250 for k in (0, 1))

# %% [markdown]
# Read the first two columns together: the best $K$ is close to the number of coefficients that stand above the noise.
# Ten times less noise buys some two hundred terms and 5 to 6 dB. A well-posed problem would gain 20: ill-posed
# problems reward better hardware slowly. The best $K$ here was picked by looking at the truth (an *oracle*).
# Chapter 02 shows how to choose without it.
#
# ### Explorer: noise and truncation
#
# The figure starts where section 1 ended: blur, $\sigma = 0.01$, everything kept. Move the controls.
#
# 1. Lower *kept* until the digit returns. Where in the Picard plot is that?
# 2. Set *noise sigma* to 0.1. What do you have to give up?
# 3. Change to *compressed sensing*. Why does truncation not help there?
# 4. Compare *tomography* with 63 and with 20 angles at the same noise.

# %% tags=["explorer"] mystnb={"image": {"alt": "Truth, blurred data, a reconstruction that is a checkerboard at minus 9 dB, and its residual. Below, the Picard plot with noisy coefficients levelling off at the noise level, and PSNR against the number of singular values kept, best near 284 of 784."}}
explorer = truncated_svd_explorer()
explorer.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls: operator, noise sigma, and number of singular values kept."}}
explorer

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. Where the dots of the noisy data stop falling and level off at $\sigma$; on the right, near the star.
# 2. Fine detail. At $\sigma = 0.1$ only the coarse patterns are above the noise, and the best picture is a smear.
# 3. All singular values of compressed sensing lie within a factor of three: there is nothing to cut. The error is
#    in the null space, and no number of kept terms brings it back.
# 4. With 20 angles the curve of singular values has a cliff; truncation has to stop before it.
# </details>

# %% [markdown]
# ### Explorer: a preference instead of a cut
#
# Truncation knows $A$ and nothing of images. The other repair states a preference $R$ and asks for a compromise,
# $\min_x\|x-y\|_2^2+\lambda R(x)$; here without any blur, so that only the noise is left. *Tikhonov* prefers small
# values, $R(x)=\|x\|_2^2$. *Total variation* prefers few and small jumps, $R(x)=\sum_i\|(\nabla x)_i\|_2$.
#
# 1. *Tikhonov*, the signal: raise $\lambda$. Does the noise go before the signal does?
# 2. *TV*, the signal: find the $\lambda$ that is best. Which part of the signal comes out best, which worst?
# 3. Raise *noise sigma*. Which way does the best $\lambda$ move?
# 4. The same on the digit: is TV's preference right for a pen stroke?

# %% tags=["explorer"] mystnb={"image": {"alt": "A noisy signal with steps, a ramp and a bump, its reconstruction by total variation, and the PSNR of Tikhonov and of total variation against lambda, with a peak for total variation."}}
denoising = denoising_explorer()
denoising.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls: signal or digit, Tikhonov or total variation, lambda, and noise sigma."}}
denoising

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. No. $x=y/(1+\lambda)$: signal and noise shrink by the same factor.
# 2. The steps: flat pieces with a jump are what TV likes best. Ramp and bump turn into stairs.
# 3. Up: the noisier the data, the more the preference should count.
# 4. Half right. It empties the black ground, which is most of the picture, and pays at the stroke, which loses
#    contrast: blue in the residual. A preference that knew digits would not have to pay. Enter the generators.
# </details>

# %% [markdown]
# ## 9 The inverse crime
#
# All data so far were made with the matrix that we then inverted. Nature does not do that: a tomograph measures a
# continuous body, and we reconstruct it on pixels. Using one discretisation for both is called an **inverse crime**
# (Kaipio and Somersalo 2007). It hides the error of the model.
#
# Here is an honest simulation: take each digit on a grid four times finer ($112\times112$, smooth interpolation),
# compute its line integrals there, and reconstruct on the coarse grid. The truth to compare with is the fine image
# averaged over each coarse pixel. The criminal simulation applies the coarse matrix to that truth. Same rays, same
# noise, same method: truncated SVD with the best $K$.
#
# **Predict, then run.** At which noise level does the crime change the result?

# %%
some = x[: 10 if FAST else 50]
fine = interpolate(some, scale_factor=4, mode="bicubic").clamp(0, 1)  # (50, 1, 112, 112)
coarse = avg_pool2d(fine, 4)  # (50, 1, 28, 28), the truth on our grid
A_coarse = OPERATORS["tomography, 20 angles"]
A_fine = ParallelBeam(112, n_angles=20, n_detectors=41).double()
crime = A_coarse(coarse)
# fine pixels have side 1/4, so lengths in them count four times too much; then our scale, not the fine one
honest = A_fine(fine) / A_fine.scale / 4 * A_coarse.scale
model_error = float((crime - honest).pow(2).mean().sqrt())
print(f"the two data sets differ by {model_error:.4f} (RMS): the error of the discrete model")

# %% mystnb={"image": {"alt": "Best PSNR of truncated SVD against noise level, for criminal and honest data. At large noise they agree; as the noise goes to zero the criminal curve keeps rising while the honest one levels off."}}
levels = torch.logspace(-4, -1, 10)
best = {"crime": [], "honest": []}
for sigma in levels:
    noise = sigma * torch.randn(crime.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for name, clean in (("crime", crime), ("honest", honest)):
        errors = truncation_errors(A_coarse, coarse, clean + noise)
        best[name].append(float((10 * torch.log10(A_coarse.n / errors)).mean(0).max()))
ax = plots.curves(levels, best, "noise level sigma (data units)", "best PSNR (dB)", "semilogx", alt="Crime, honest.")
ax.axvline(model_error, color="0.5", lw=1, ls=":")
plt.show()

# %%
for k in (0, 6, 9):
    gap = best["crime"][k] - best["honest"][k]
    values = f"crime {best['crime'][k]:.1f} dB, honest {best['honest'][k]:.1f} dB"
    print(f"sigma = {levels[k]:.4f}: {values}, gap {gap:.1f} dB")
everything = [truncation_errors(A_coarse, coarse, clean)[:, -1] for clean in (crime, honest)]
psnr_all = [float((10 * torch.log10(A_coarse.n / e)).mean()) for e in everything]
print(f"no noise, nothing truncated: crime {psnr_all[0]:.1f} dB, honest {psnr_all[1]:.1f} dB")
gaps = [c - h for c, h in zip(best["crime"], best["honest"], strict=True)]
assert gaps[0] > 3 and gaps[-1] < 0.5 and psnr_all[0] - psnr_all[1] > 30

# %% [markdown]
# The dotted line is the size of the model error. To the right of it noise covers the crime, and the shortcut is
# harmless. To the left the crime promises quality that no instrument will deliver, and without noise it turns a
# worthless method into an excellent one. **Rule:** know your model error, and do not believe results with less noise.
#
# Blur and compressed sensing of a digital image (chapters 00, 02, 05) start from pixels, so there is no finer truth
# to betray. Tomography (chapter 07) has $\sigma = 0.1$, where the last line of the first table shows no gap.

# %% [markdown]
# ## Paper and ours
#
# The paper (Duff, Campbell, Ehrhardt 2023, Sect. 6) says of its three test problems that deconvolution and fully
# sampled tomography have gradually decaying singular values, and that compressed sensing has a large kernel. Sect.
# 5 gives the operators and noise: $5\times5$ Gaussian blur with $\sigma = 0.1$, $m = 150$ random measurements with
# $\sigma = 0.05$, and parallel-beam tomography of Shapes images with $\sigma = 0.1$. Its text lists no singular
# values. The geometry in the authors' code is 125 angles by 81 bins for $56\times56$ pixels. We can look:

# %%
settings = [(name, OPERATORS[name].svd().S, 784) for name in ("blur", "compressed sensing", "tomography")]
if not FAST:  # the authors' geometry itself: 10,125 data for 3,136 pixels
    M = ParallelBeam(56, n_angles=125, n_detectors=81).matrix().double()
    settings.append(("tomography 56 x 56", torch.linalg.eigvalsh(M.T @ M).flip(0).clamp_min(0).sqrt(), 3136))
    del M
print(f"{'ours':30s}{'kernel':>8s}{'share of s_k above s_1 / 10':>30s}{'s_1 / s_r':>12s}")
for name, S, n in settings:
    share, rank = float((S > 0.1 * S[0]).sum()) / n, int((S > 1e-6).sum())
    print(f"{name:30s}{n - rank:8d}{100 * share:28.0f} %{float(S[0] / S[rank - 1]):12.0f}")
    assert (share > 0.5) == ("tomography" in name)
assert settings[1][1].min() > 0.3 and 784 - len(settings[1][1]) == 634

# %% [markdown]
# Both statements hold, and the numbers sharpen them. Blur decays smoothly over three orders of magnitude. Fully
# sampled tomography is much better conditioned: more than half of its singular values lie within a factor of ten.
# Compressed sensing loses 634 of 784 directions and treats the other 150 nearly alike. So the paper's problems are
# hard for two opposite reasons, instability and non-uniqueness, and a regulariser has to cure both.
#
# *Settings that differ.* The authors divide by an operator norm estimated by ODL, which weighs data by cell areas;
# ours is the plain spectral norm. So their $\sigma$ in tomography has another unit, and we do not compare SNRs. Their
# random matrix is drawn anew for each model, without a fixed seed; ours has seed 0. Our line integrals use exact
# lengths of the ray in each pixel; theirs come from another projector.

# %% [markdown]
# ## Quiz
#
# **1.** A colleague inverts a blur without adding noise, in float32, and gets garbage. Why?
#
# <details><summary>Answer</summary>
#
# Rounding is noise. Float32 carries a relative error of about $10^{-7}$; a longer or wider blur easily has $1/s_r >
# 10^7$. Ill-posedness does not need a noisy instrument.
# </details>
#
# **2.** You measure everything twice, with independent noise. What happens to the singular values, and to the two
# terms of equation (5)?
#
# <details><summary>Answer</summary>
#
# Stacking $A$ on itself (without rescaling) multiplies every $s_k$ by $\sqrt2$ and leaves the $v_k$ alone. The
# noise term halves: that is averaging. The first term does not move: measuring the same thing again shows nothing
# that was invisible before. For that you need *other* measurements.
# </details>
#
# **3.** Can a reconstruction fit the data exactly, look perfect, and be wrong?
#
# <details><summary>Answer</summary>
#
# Yes: the impostor below exercise 3 fits the data of a 0 exactly and shows a 4. Data fit says nothing about the null
# space.
# </details>

# %% [markdown]
# ## Take-aways
#
# - $y = Ax + e$. An inverse problem is ill-posed when a solution may not exist, not be unique, or not be stable.
#   Singular values tell which.
# - Dividing by a small $s_k$ multiplies noise. The error of the pseudo-inverse is the invisible part plus
#   $\sigma^2\sum s_k^{-2}$.
# - Truncation trades bias against noise. It stabilises; it adds nothing about the null space.
# - Test every adjoint with random vectors. Make test data on another grid if the noise is small.
# - What the data do not say has to come from prior knowledge. The next chapter writes it by hand; chapter 03 learns
#   it.
#
# ## Where it fails
#
# - The SVD needs the matrix: $784\times784$ takes a second, a $512\times512$ CT slice needs hundreds of gigabytes.
#   Large problems use $A$ and $A^*$ only.
# - Truncated SVD knows nothing about images: its patterns come from $A$ alone. It rings at edges and cannot fill
#   the null space.
# - The analysis is linear and the noise white. Phase retrieval is not linear; counts are not white.
# - It takes $A$ for granted. A wrong blur kernel is an error that no amount of data averages away.
# - PSNR counts pixels. It does not know which pixel matters to a doctor.
#
# ## References
#
# - Duff, Campbell, Ehrhardt: *Regularising inverse problems with generative machine learning models*, J. Math.
#   Imaging Vis. (2023), "the paper", Sect. 1, 5, 6. `duff2023regularising`
# - Ehrhardt: *Solving inverse problems with deep learning*, lectures (2024), part I.1. `ehrhardt2024lectures`
# - Hadamard: *Sur les problèmes aux dérivées partielles et leur signification physique*, Princeton University
#   Bulletin 13 (1902). `hadamard1902problemes`
# - Hansen: *Discrete inverse problems: insight and algorithms*, SIAM (2010). Picard plot, truncated SVD.
#   `hansen2010discrete`
# - Kaipio, Somersalo: *Statistical inverse problems: discretization, model reduction and inverse crimes*, J. Comput.
#   Appl. Math. 198 (2007). `kaipio2007statistical`
# - Claerbout: *Earth soundings analysis: processing versus inversion*, Blackwell (1992). The dot test.
#   `claerbout1992earth`
