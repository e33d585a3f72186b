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
# - test an adjoint, and say what score a right one and a wrong one get (exercise 1);
# - find the norm of an operator by power iteration, and say how fast that converges (exercise 2);
# - make an image that has the data of another one, and so show what data cannot decide (exercise 3);
# - read from singular values whether a solution exists, is unique and is stable, and up to which noise level the
#   pseudo-inverse is of any use (exercise 4);
# - derive which singular components to keep, and the best weight of each (exercise 5).
#
# On the way you meet the five measurements of the course, counting noise, and the inverse crime (quiz 4).
#
# **Prerequisites:** matrices, eigenvalues, mean and variance; Python with a little PyTorch. Chapter 00 explains the
# explorers and checks.
#
# **Time:** 90 min to read and do the exercises, 1 min to run on two CPU cores.

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
from course_utils.chapters.inverse_problems.wiener import wiener_filter
from course_utils.figures.tables import markdown_table
from course_utils.filters import tikhonov_filter
from course_utils.notebooks import FAST
from course_utils.operators import ParallelBeam, add_noise, dot_test, measure, operator_norm, poisson_noise

x = data.load("mnist").test[:100].double()  # (100, 1, 28, 28), grey values in [0, 1]
OPERATORS = operators()  # float64: this chapter looks at very small numbers
generator = torch.Generator().manual_seed(0)

# %% [markdown]
# ## 1 One experiment
#
# Take two digits. Blur them with a $5\times5$ Gaussian, a matrix $A$ that we know. Add noise of standard deviation
# $\sigma = 0.01$: one per cent of the step from black to white.

# %% mystnb={"image": {"alt": "Two digits and their data, side by side: the data are blurred but clearly readable, and no noise is to be seen."}}
A, sigma = OPERATORS["blur"], 0.01
truth = x[[3, 4]]
y = measure(A, truth, sigma, generator)
plots.image_strips({"truth": truth, "data y": y}, size=1.3)
plt.show()

# %% [markdown]
# Can you see the noise? The matrix is square and invertible, so compute $A^{-1}y$.
#
# **Predict, then run.** How large will the error of a pixel be (root mean square, in per cent of the step from black
# to white)?
#
# - [ ] about 1 %
# - [ ] about 10 %
# - [ ] about 100 %
# - [ ] about 300 %

# %% mystnb={"image": {"alt": "Two digits in rows. Truth; blurred data, clearly readable; the inverse of the blur applied to the data, a black and white checkerboard without a digit."}}
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
# Without noise the inverse is perfect. With noise that you cannot see, the error is about three times the step from
# black to white. The formula is right and the program is right, and yet the answer is useless, because inverting $A$
# has amplified the noise three hundred times. (The error would be 1 % if the inverse kept lengths, as turning an image
# by 90 degrees does, and about 10 % for one of the tomographs below, see section 7. Nothing holds it at 100 %, because
# the inverse does not know that grey values end at black and white.) Problems in which that happens are called ill-posed.
#
# The rest of this chapter explains where the amplification comes from, for five ways of measuring, and ends with a
# first repair. The rest of the course looks for better ones.

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
# Only the blurred digit can be recognised in its data; the other data do not look like an image at all. The last row
# shows two more things. The adjoint is not the inverse: it turns a sinogram into a smear, and random sums into an image
# that looks random. (It comes close for the masked Fourier transform, whose singular values lie within a factor of 1.5,
# see section 6.) And the noise looks different after it was sent back: white noise in a sinogram becomes a smooth haze in $A^*y$, because every pixel of $A^*y$ adds up the noise
# of all rays that cross it, and neighbouring pixels share most of these rays.
#
# ### How loud is the noise?
#
# The **signal-to-noise ratio** compares the two parts of $y$:
#
# $$ \mathrm{SNR} = 10 \log_{10} \frac{\|Ax\|_2^2}{\mathbb{E}\|e\|_2^2} = 10\log_{10}\frac{\|Ax\|_2^2}{m\sigma^2} \quad\text{in dB.} $$
#
# **Predict, then run.** All five have norm 1 and $\sigma = 0.1$. Which of these has the lowest SNR?
#
# - [ ] None of them, because the norms are equal.
# - [ ] compressed sensing, which has the fewest data
# - [ ] tomography with 63 angles, which has the most data

# %%
print(f"{'operator':24s}{'data m':>8s}{'m / n':>8s}{'SNR in dB at sigma = 0.1':>28s}")
snr = {}
for name, A in OPERATORS.items():
    signal = A(x).flatten(1).pow(2).sum(1)
    snr[name] = float((10 * torch.log10(signal / (A.m * 0.1**2))).mean())
    print(f"{name:24s}{A.m:8d}{A.m / A.n:8.2f}{snr[name]:28.1f}")
assert snr["tomography"] < snr["blur"] and OPERATORS["masked Fourier"].shape_out == (2, 280)

# %% [markdown]
# Tomography with 63 angles. Equal norms do not make equal SNRs, because the norm is the gain for the image that an
# operator amplifies most, for the tomograph a very smooth one. A digit is amplified less, and what arrives is spread over
# more data. Few data are no drawback here, because there is little noise in them, too: $m\sigma^2$. So a noise level
# without its SNR says little. An SNR alone says little
# too: in section 1 the noise was ten times smaller than here, so the SNR of the blur was 20 dB better than in this table,
# and the inverse still failed. What matters is into which patterns of the image the noise is carried.
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
# Both noises have the same average variance, but the variance of counting noise follows the signal: it is largest in
# absolute terms where many photons arrive, in relative terms where few do. Least squares trusts all data alike, so it is
# the wrong misfit for counts. The right misfit is minus the logarithm of the probability of the noise: Gaussian noise gives $\|Ax-y\|_2^2$, counting noise gives the Kullback-Leibler divergence (paper, eq. (2):
# the choice of $L_y$). The course uses Gaussian noise from here on, as the paper does.

# %% [markdown]
# ## 3 The adjoint, and how to trust it
#
# The **adjoint** $A^*$ is defined by
#
# $$ \langle Ax, y\rangle = \langle x, A^* y\rangle \quad\text{for all } x, y. \tag{2} $$
#
# As a matrix it is the transpose. Every method of the course needs it, because the gradient of the misfit is
# $\nabla_x \|Ax-y\|_2^2 = 2A^*(Ax-y)$. A wrong adjoint raises no error: an iteration that uses it may still converge, but
# to another image.
#
# Equation (2) is a test. Draw $x$ and $y$ at random and compare both sides, relative to $\|Ax\|\,\|y\|$. This is the
# **dot test** (Claerbout).
#
# **Predict, then run.** We spoil the adjoint of the tomograph in five ways. The worst of them returns nothing but zeros.
# Which score will it get?
#
# - [ ] about 1
# - [ ] between 0.1 and 1
# - [ ] below 0.1


# %%
def score(A, adjoint, dtype=torch.float64):
    """The dot test on 500 random pairs: median and largest score."""
    g = torch.Generator().manual_seed(0)
    u = torch.randn(500, *A.shape_in, generator=g, dtype=torch.float64).to(dtype)
    v = torch.randn(500, *A.shape_out, generator=g, dtype=torch.float64).to(dtype)
    Au = A(u)
    off = (Au * v).flatten(1).sum(1) - (u * adjoint(v)).flatten(1).sum(1)
    scores = off.abs() / (Au.flatten(1).norm(dim=1) * v.flatten(1).norm(dim=1))
    return float(scores.median()), float(scores.max())


A, single = OPERATORS["tomography"], ParallelBeam(28, n_angles=63, n_detectors=41)
seven_missing = torch.arange(63).ne(7).double()[:, None]  # the eighth view is forgotten
adjoints = {
    "right": A.T,
    "1 % too small": lambda v: 0.99 * A.T(v),
    "one view of 63 forgotten": lambda v: A.T(v * seven_missing),
    "detector mirrored": lambda v: A.T(v.flip(-1)),
    "detector off by one bin": lambda v: A.T(v.roll(1, -1)),
    "all zeros": lambda v: 0 * A.T(v),
}
scores = {name: score(A, adjoint) for name, adjoint in adjoints.items()}
scores["right, in single precision"] = score(single, single.T, torch.float32)
rows = [[name, f"{median:.0e}", f"{largest:.0e}"] for name, (median, largest) in scores.items()]
worst_right = max(scores["right"][1] / 1e-15, scores["right, in single precision"][1] / 1e-6)
assert worst_right < 1 and all(1e-5 < median < 0.1 for name, (median, _) in scores.items() if "right" not in name)
markdown_table(["adjoint of the tomograph", "median score", "largest of 500"], rows)

# %% [markdown]
# A wrong adjoint is far from the score 1, even if it returns nothing but zeros. (With zeros the score would be 1 if $y$
# were a multiple of $Ax$, but $y$ was drawn without a look at $Ax$.) The reason: if $A^*$ is replaced by
# $B$, the score is $|\langle x,(A^*-B)y\rangle|$ over $\|Ax\|\,\|y\|$, and two independent random vectors of length $m$ are
# nearly orthogonal: their inner product is only about $1/\sqrt m$ of the product of their lengths. Here
# $1/\sqrt{2583}=0.02$, and a small fault scores that much less again, in proportion to $\|A^*-B\|$.
#
# A right adjoint scores what round-off leaves: at most about the relative precision of the numbers, $2\cdot10^{-16}$ in
# float64 and $10^{-7}$ in float32, and usually less, for the same reason. So compare the score with round-off, not with
# 1: **a score far above round-off is a fault, however small it looks.** We demand less than $10^{-10}$ in float64.

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
# Write the adjoint. The starter applies the blur once more, which is a common guess.
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
# and $\|Ax\|$ rises to $\|A\|$, unless the start has no part in the strongest direction, which a random start avoids.
# This is the **power iteration**.
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
# ### How fast?
#
# Let $s_1>s_2>\dots$ be the different gains of $A$ on the eigenvectors of $A^*A$ (the next section calls them singular
# values), and split the start into these eigenvectors. Each step multiplies the part that belongs to $s_k$ by $s_k^2$. So
# after $j$ steps the parts have the sizes $c_k s_k^{2j}$, and relative to the first one the *direction* $x$ is wrong by
# about $(s_2/s_1)^{2j}$. The *value* is better than that:
#
# $$ \|Ax\|^2=\frac{\sum_k s_k^2\,c_k^2s_k^{4j}}{\sum_k c_k^2s_k^{4j}}
#    \approx s_1^2\Bigl(1-\frac{c_2^2}{c_1^2}\Bigl(1-\frac{s_2^2}{s_1^2}\Bigr)\Bigl(\frac{s_2}{s_1}\Bigr)^{4j}\Bigr), $$
#
# because the parts enter squared. **The error of the norm falls by the factor $(s_2/s_1)^4$ in each step**, that is for
# one application of $A$ and one of $A^*$.
#
# **Predict, then run.** The blur has $s_2/s_1=0.984$. How many steps does one more correct digit take?

# %%
rates, steps = {}, (5, 10, 20, 40, 80, 160, 320)
for name, few in (("blur", steps), ("compressed sensing", steps), ("tomography", steps[:2])):  # then round-off
    S = OPERATORS[name].svd().S
    errors = torch.stack([1 - operator_norm(OPERATORS[name], n_iter=j) / S[0] for j in few])
    ratio = S[S < (1 - 1e-9) * S[0]][0] / S[0]
    rates[name] = float((errors[-1] / errors[-2]) ** (1 / (few[-1] - few[-2]))), float(ratio**4)
    print(f"{name:20s}" + " ".join(f"{j}: {error:.0e}" for j, error in zip(few, errors, strict=True)))
    print(f"{'':20s}measured factor a step {rates[name][0]:.4f}, (s_2/s_1)^4 = {rates[name][1]:.4f}")
    assert abs(rates[name][0] - rates[name][1]) < 2e-3 and (errors > 0).all()

# %% [markdown]
# The measured factors agree with $(s_2/s_1)^4$. At first the error falls faster or slower than that, because other parts
# are still there. One more digit of the norm of the blur takes $1/\log_{10}(1/0.938)=36$ steps, for tomography about
# one. If $s_1$ and $s_2$ are close, the iteration is slow. And what it returns is always a little too small, so an
# operator that was divided by it has a norm slightly above 1.

# %% [markdown]
# ## 5 The singular value decomposition
#
# Every matrix is a rotation, a stretching of the axes, and another rotation (reflections count as rotations here):
#
# $$ A = \sum_{k=1}^{r} s_k\, u_k v_k^T, \qquad s_1 \ge s_2 \ge \dots \ge s_r > 0, \tag{3} $$
#
# with orthonormal images $v_k$ and orthonormal data $u_k$. Read it as a table of what happens: **the pattern $v_k$ in
# the image arrives as the pattern $u_k$ in the data, $s_k$ times as strong.** The number $r$ of patterns that arrive
# at all is the rank.
#
# **Predict, then run.** Which curve falls fastest? Which ones stop early?

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
# After a first steep drop of both tomographs it is the blur that falls fastest, until tomography with 20 angles breaks
# off and ends lowest of all. Compressed sensing and the masked Fourier transform stop early: what they do not measure
# does not arrive at all.
#
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
# arrives nearly two thousand times weaker than the first. To undo that, the inverse multiplies it by nearly two
# thousand, together with the noise in it. The checkerboard of section 1 is this noise. Compressed sensing prefers no kind
# of pattern: the 150 that it transmits all arrive with $s_k>0.3$, and the data say nothing at all about the others.

# %% [markdown]
# ## 6 Hadamard's three questions
#
# (Lectures, part I.1.) Hadamard (1902) called a problem **well-posed** if for all data a solution (1) exists, (2)
# is unique and (3) depends continuously on the data. In finite dimensions (3) always holds, because the factor $1/s_r$ is
# finite. But if it is a thousand, continuity is of no use. So we read (3) as: is the noise multiplied by a moderate
# factor? The singular values answer all three questions.
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
# No operator passes all three. The blur fails the third question only, compressed sensing the second only. Tomography
# with 63 angles fails the first, because it has more data than pixels, and to some degree the third; with 20 angles it
# fails all three. Masked Fourier fails the first and the second: the image is real, so its coefficients at opposite
# frequencies are conjugates, and some are measured twice. Least squares answers the first question: ask for the
# $x$ that fits best. The **pseudo-inverse** answers the second as well: of all best fits, take the smallest,
#
# $$ A^\dagger y = \sum_{k=1}^{r} \frac{u_k^T y}{s_k}\, v_k. \tag{4} $$
#
# The third question is still open.
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
# Four fifths of the digit's energy must come from somewhere else than the data. This course is about where it can come
# from.
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
# The data cannot tell the last picture from the first. So a method that shows you one of them has chosen it for another
# reason than the data. Keep this picture in mind whenever a reconstruction looks convincing.

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
# **Predict, then run.** On double-logarithmic axes, what are the slopes at the left and at the right? And which
# operator has the smallest error at $\sigma = 0.1$?
#
# - [ ] blur
# - [ ] compressed sensing
# - [ ] tomography

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
# Measurement and formula agree within 10 % (the cell asserts it). Where the second term of (5) is the larger one, the
# slope is 1: the error is proportional to $\sigma$. That holds everywhere for blur and tomography, which see everything.
# The slope is 0 where the invisible part is the larger one, as in compressed sensing, whose curve only begins to rise at
# the right. So tomography is best at $\sigma=10^{-4}$. At $0.1$ compressed sensing is, although it misses four fifths of
# the digit's energy, because it hardly amplifies the noise; but it is hardly better than a black picture.
#
# The dotted line is the error of an all black picture. With the inverse of the blur, one per mille of noise is enough to
# do worse than that. Tomography with 63 angles bears more than twenty times as much, because its singular values fall much
# less, and by (5) nothing else counts.
#
# ### Exercise 4 (core): when is a black image better?
#
# You know the singular values `S` of an operator (some may be 0), the energy $\|x\|_2^2$ of the image (`total`), and the
# energy of its invisible part $\|x-A^\dagger Ax\|_2^2$ (`invisible`). From which noise level $\sigma$ on has the
# pseudo-inverse a larger expected squared error than an all black image? Write `break_even(S, total, invisible)`. The
# starter compares the noise with the whole image.
#
# *Hint:* write down both expected errors. Which part of the image do both of them miss?


# %%
def break_even(S, total, invisible):
    S = S[S > 0]
    return (total / S.pow(-2).sum()).sqrt()  # your turn


# %%
checks.break_even(break_even)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The error of the black image is $\|x\|_2^2$, and by (5) that of the pseudo-inverse is the invisible energy plus
# $\sigma^2\sum s_k^{-2}$, summed over the $s_k>0$ only. They are equal if $\sigma^2\sum_{s_k>0}s_k^{-2}=\|x\|_2^2-\|x-
# A^\dagger Ax\|_2^2$: both miss the invisible part, so it cancels, and the noise has to be compared with the *visible*
# energy. A null space makes this threshold smaller, not larger.
# </details>


# %% tags=["solution"]
def break_even(S, total, invisible):
    S = S[S > 0]
    return ((total - invisible) / S.pow(-2).sum()).sqrt()


assert checks.break_even(break_even)

# %% [markdown]
# ## 8 Truncation, the first repair
#
# Look at (4) term by term. Coefficient $k$ of the data is $u_k^T y = s_k (v_k^T x) + u_k^T e$: signal that shrinks
# with $s_k$, plus noise that does not. The **truncated SVD** keeps only the first $K$ terms:
#
# $$ x_K = \sum_{k=1}^{K} \frac{u_k^T y}{s_k} v_k, \qquad \mathbb{E}\|x_K - x\|_2^2 = \sum_{k>K} (v_k^Tx)^2 + \|x - A^\dagger A x\|_2^2 + \sigma^2 \sum_{k\le K} \frac1{s_k^2}. \tag{6} $$
#
# What is thrown away (bias) falls with $K$, noise (variance) rises. Which terms should be kept? Keeping term $k$ adds the
# noise $\sigma^2/s_k^2$ to the expected error and takes away $\mathbb E(v_k^Tx)^2$, where the expectation is over the
# images that one expects. Multiply both by $s_k^2$ and use $s_kv_k^Tx=u_k^TAx$:
#
# $$ \textbf{keep term } k \textbf{ if}\qquad \mathbb E\,(u_k^TAx)^2>\sigma^2. \tag{7} $$
#
# In words: a term is worth keeping if the mean square of its noise-free coefficient is above the variance of the noise.
# The plot of $|u_k^Ty|$ and $s_k$ against $k$ is called the **Picard plot** (Hansen 2010). In it one sees where the
# coefficients of the data stop falling and level off at $\sigma$; beyond that place (7) fails.
#
# Must a term be kept or dropped, or can it be damped? **Tikhonov** minimises $\|Ax-y\|_2^2+\lambda\|x\|_2^2$, and its
# minimiser is $\sum_k\varphi_k\frac{u_k^Ty}{s_k}v_k$ with the **filter** $\varphi_k=s_k^2/(s_k^2+\lambda)$: near 1 where
# $s_k^2\gg\lambda$, near 0 where $s_k^2\ll\lambda$, and between them in between (chapter 02 derives it).
#
# **Predict, then run.** Will Tikhonov's gradual filter be better than the cut, or worse? With ten times less noise more
# terms can be kept. How many dB does that bring?
#
# - [ ] about 20 dB
# - [ ] about 5 dB

# %% mystnb={"image": {"alt": "Left: PSNR against the number of singular values kept for blur, for four noise levels. Each curve rises, has a flat top and falls; with less noise the top is higher and further right. A dot on each curve marks the number of terms that rule (7) keeps, at the top. Right: filter factors at noise 0.01 against the index. Truncation is one up to 308 and zero beyond; Tikhonov falls smoothly from one to zero and crosses one half near 300."}}
A, n_kept = OPERATORS["blur"], torch.arange(1, 785)
U, S, V = A.svd()
energy = (A(x).flatten(1) @ U).pow(2).mean(0)  # mean of (u_k^T A x)^2 over the 100 digits
weights = torch.logspace(-5, 0, 41, dtype=torch.float64)  # candidates for Tikhonov's lambda


def decibel(errors):
    return (10 * torch.log10(A.n / errors)).mean(0)


figure, axes = plots.subplots(1, 2, size=(9.4, 3.4), alt="PSNR against truncation; two filters.")
table, best_cut, best_lam = [], {}, {}
for sigma in (0.1, 0.03, 0.01, 0.003):
    y = measure(A, x, sigma, generator)
    quality = decibel(truncation_errors(A, x, y))
    kept, best_cut[sigma] = int((energy > sigma**2).sum()), int(quality.argmax()) + 1
    parts = (y.flatten(1) @ U) / S  # u_k^T y / s_k
    tikhonov = torch.stack([decibel((f * parts - x.flatten(1) @ V).pow(2).sum(1)) for f in tikhonov_filter(S, weights)])
    best_lam[sigma] = float(weights[tikhonov.argmax()])
    table.append((sigma, kept, best_cut[sigma], float(quality.max()), float(tikhonov.max()), float(quality[-1])))
    (line,) = axes[0].plot(n_kept, quality, label=f"sigma = {sigma}")
    axes[0].plot(kept, quality[kept - 1], "o", color=line.get_color())
axes[0].set(xlabel="singular values kept (dot: rule (7))", ylabel="PSNR (dB), mean of 100 digits", ylim=(-25, 35))
axes[1].plot(n_kept, n_kept <= best_cut[0.01], label="truncation, best K")
axes[1].plot(n_kept, tikhonov_filter(S, best_lam[0.01]), "--", label=f"Tikhonov, best lambda = {best_lam[0.01]:.3f}")
axes[1].set(xlabel="index k", ylabel="filter factor", title="sigma = 0.01")
axes[0].legend()
axes[1].legend(loc="upper right", fontsize=8)
plt.show()

# %%
rows = [[f"{s:g}", k, best, f"{cut:.1f}", f"{tik:.1f}", f"{every:.1f}"] for s, k, best, cut, tik, every in table]
assert all(later[2] > earlier[2] and later[3] > earlier[3] for earlier, later in zip(table, table[1:], strict=False))
assert all(abs(kept - best) < 0.1 * best for _, kept, best, _, _, _ in table)
assert all(4.5 < table[k + 2][3] - table[k][3] < 6.5 and 150 < table[k + 2][2] - table[k][2] < 250 for k in (0, 1))
assert all(-0.1 < tik - cut < 1.2 for _, _, _, cut, tik, _ in table) and table[-1][4] > table[-1][3] + 0.5
heads = [
    "sigma",
    "terms kept by (7)",
    "best K",
    "truncated, best K (dB)",
    "Tikhonov, best lambda (dB)",
    "all 784 terms (dB)",
]
markdown_table(heads, rows)

# %% [markdown]
# Read the second and third column together: rule (7) finds the best $K$ within a few terms. Ten times less noise buys
# some two hundred more terms and about 5 dB. In a well-posed problem the error is proportional to the noise, so that ten
# times less noise would gain 20 dB; here better hardware gains much less. Tikhonov's filter is as good as the cut with
# loud noise, and 0.5 to 1 dB better with little noise, because a term near the cut holds signal *and* noise, and half of
# it is better than all or nothing. Exercise 5 derives the best filter.
#
# The expectation in (7), the best $K$ and the best $\lambda$ were all computed from the true images (an *oracle*).
# Chapter 02 shows how to choose without them.
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
# 2. Fine detail. At $\sigma = 0.1$ only the coarse patterns are above the noise, and even the best picture is blurred.
# 3. All singular values of compressed sensing lie within a factor of three: there is nothing to cut. The error is
#    in the null space, and no number of kept terms brings it back.
# 4. With 20 angles the curve of singular values has a cliff; truncation has to stop before it.
# </details>

# %% [markdown]
# ### Exercise 5 (stretch): the best filter, a proof on paper
#
# Let the noise be white with standard deviation $\sigma$, independent of the image, and let $b_k=\mathbb E(v_k^Tx)^2$ be
# the energy that we expect in pattern $k$. Reconstruct by a filter, $\hat x=\sum_k\varphi_k\frac{u_k^Ty}{s_k}v_k$ with
# numbers $\varphi_k$. Prove
#
# $$ \mathbb E\|\hat x-x\|_2^2=\sum_{k\le r}\Bigl((1-\varphi_k)^2b_k+\varphi_k^2\frac{\sigma^2}{s_k^2}\Bigr)
#    +\text{the invisible energy} $$
#
# and find the best $\varphi_k$. Then ask your proof: for which images is Tikhonov the best filter, and with which
# $\lambda$? And which rule comes out if $\varphi_k$ may only be 0 or 1?
#
# Write the best filter as a function of the tensors `s` and `b` and of `sigma`. The starter keeps or drops.


# %%
def best_filter(s, b, sigma):
    return (s**2 * b > sigma**2).double()  # your turn


# %%
checks.best_filter(best_filter)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# The coefficient of $\hat x$ on $v_k$ is $\varphi_k(v_k^Tx+u_k^Te/s_k)$. Subtract $v_k^Tx$, square, and take the
# expectation; the mixed term vanishes because the noise has mean zero and is independent of the image.
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# The $v_k$ are orthonormal, so the squared error is the sum of the squared errors of the coefficients, and the part of
# $x$ outside their span is the invisible energy. Coefficient $k$ of the error is
# $(\varphi_k-1)\,v_k^Tx+\varphi_k\,u_k^Te/s_k$. In the expectation of its square the mixed term is zero, and
# $\mathbb E(u_k^Te)^2=\sigma^2\|u_k\|_2^2=\sigma^2$. That is the formula.
#
# Each term is a parabola in its own $\varphi_k$. Its derivative $-2(1-\varphi_k)b_k+2\varphi_k\sigma^2/s_k^2$ vanishes at
#
# $$ \varphi_k=\frac{b_k}{b_k+\sigma^2/s_k^2}=\frac{s_k^2b_k}{s_k^2b_k+\sigma^2}, $$
#
# energy of the signal over energy of signal and noise (the *Wiener filter*).
#
# **Tikhonov** has $\varphi_k=s_k^2/(s_k^2+\lambda)$. Both are equal if $b_k=b$ for all $k$ and $\lambda=\sigma^2/b$. So
# Tikhonov is the best filter for images with the same expected energy in every pattern, as white noise has. Digits are
# not like that: they have less energy in fine patterns.
#
# **Only 0 or 1:** $\varphi_k=0$ costs $b_k$, $\varphi_k=1$ costs $\sigma^2/s_k^2$. Keep if $s_k^2b_k>\sigma^2$, which is (7).
# </details>


# %% tags=["solution"]
def best_filter(s, b, sigma):
    return s**2 * b / (s**2 * b + sigma**2)


assert checks.best_filter(best_filter)

# %% [markdown]
# What is the best filter worth? The course's own module computes it, with the energies of these 100 digits.

# %%
rows = []
for sigma, _, _, cut, tikhonov, _ in table:
    parts = (measure(A, x, sigma, generator).flatten(1) @ U) / S
    factors = wiener_filter(S, energy / S**2, sigma)
    best = float(decibel((factors * parts - x.flatten(1) @ V).pow(2).sum(1)))
    rows.append([f"{sigma:g}", f"{cut:.1f}", f"{tikhonov:.1f}", f"{best:.1f}"])
    assert best > max(cut, tikhonov) + 0.05
markdown_table(["sigma", "truncated, best K (dB)", "Tikhonov, best lambda (dB)", "best filter (dB)"], rows)

# %% [markdown]
# It is worth less than 1 dB beyond the better of the other two. No filter has a smaller expected squared error, because
# the proof covers all of them: a filter treats each pattern by itself and knows only its mean energy. To get further, one
# has to know how the patterns of one image depend on each other.

# %% [markdown]
# ### Explorer: a preference instead of a cut
#
# A filter knows $A$ and the mean energy of patterns, and nothing else of images. The other repair states a preference
# $R$ and asks for a compromise, $\min_x\|x-y\|_2^2+\lambda R(x)$; here without any blur, so that only the noise is left. *Tikhonov* prefers small
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
# 4. Half right. It empties the black ground, which is most of the picture, at the expense of the stroke, which loses
#    contrast: blue in the residual. A preference that knew how digits look would not have to flatten the stroke. The
#    generators of chapter 03 are such a preference.
# </details>

# %% [markdown]
# ## 9 The inverse crime
#
# All data so far were made with the matrix that we then inverted. Nature does not do that: a tomograph measures a
# continuous body, and we reconstruct it on pixels. Using one discretisation for both is called an **inverse crime**
# (Kaipio and Somersalo 2007). It hides the error of the model.
#
# An honest simulation makes the data on another, finer grid: take each digit on a grid four times finer ($112\times112$, smooth interpolation),
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
for k in (0, 6, 7, 9):
    gap = best["crime"][k] - best["honest"][k]
    values = f"crime {best['crime'][k]:.1f} dB, honest {best['honest'][k]:.1f} dB"
    print(f"sigma = {levels[k]:.4f}: {values}, gap {gap:.1f} dB")
everything = [truncation_errors(A_coarse, coarse, clean)[:, -1] for clean in (crime, honest)]
psnr_all = [float((10 * torch.log10(A_coarse.n / e)).mean()) for e in everything]
print(f"no noise, nothing truncated: crime {psnr_all[0]:.1f} dB, honest {psnr_all[1]:.1f} dB")
gaps = [c - h for c, h in zip(best["crime"], best["honest"], strict=True)]
assert gaps[0] > 3 and gaps[-1] < 0.5 and psnr_all[0] - psnr_all[1] > 30

# %% [markdown]
# The dotted line is the size of the model error. Noise of that size does not yet hide the crime: the gap is still 1.5 dB.
# With ten times as much noise it is gone, and the shortcut is harmless. To the left of the line the crime promises
# a quality that no instrument will deliver, and without noise it turns a worthless method into an excellent one.
# **Rule:** know the size of your model error, and do not believe simulations whose noise is not clearly larger.
#
# Blur and compressed sensing of a digital image (chapters 00, 02, 05) start from pixels, so there is no finer truth that
# they could miss. Tomography (chapter 07) has $\sigma = 0.1$, where there is no gap in the table above; that was measured
# for 20 angles and digits, and chapter 07 has other images and angles.

# %% [markdown]
# ## Paper and ours
#
# The paper (Duff, Campbell, Ehrhardt 2023, Sect. 6) says of its three test problems that deconvolution and fully
# sampled tomography have gradually decaying singular values, and that compressed sensing has a large kernel. Sect.
# 5 gives the operators and the noise:
#
# | problem | operator | $\sigma$ |
# |---|---|---|
# | deconvolution | $5\times5$ Gaussian blur | 0.1 |
# | compressed sensing | $m=150$ random measurements | 0.05 |
# | tomography | parallel beam, Shapes images; in the authors' code 125 angles by 81 bins for $56\times56$ pixels | 0.1 |
#
# Its text lists no singular values. We can compute them:

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
# Compressed sensing loses 634 of 784 directions; the gains of the other 150 lie within a factor of 2.5. So the paper's
# problems are hard for two different reasons, instability and non-uniqueness, and a regulariser has to deal with both.
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
# - [ ] Rounding is noise.
# - [ ] The inverse was computed wrongly.
# - [ ] Float32 cannot hold the grey values.
#
# <details><summary>Answer</summary>
#
# **Rounding is noise.** Float32 carries a relative error of about $10^{-7}$; a longer or wider blur easily has $1/s_r >
# 10^7$. Ill-posedness does not need a noisy instrument.
# </details>
#
# **2.** You measure everything twice, with independent noise. What happens to the singular values, and to the two
# terms of equation (5)?
#
# - [ ] Both terms halve.
# - [ ] The noise term halves, and the first term stays.
# - [ ] The first term halves, and the noise term stays.
#
# <details><summary>Answer</summary>
#
# **The noise term halves, and the first term stays.** Stacking $A$ on itself (without rescaling) multiplies every $s_k$
# by $\sqrt2$ and leaves the $v_k$ alone: that is averaging. The first term does not move, because measuring the same
# thing again shows nothing that was invisible before. For that you need *other* measurements.
# </details>
#
# **3.** Can a reconstruction fit the data exactly, look perfect, and be wrong?
#
# - [ ] No, because an exact fit determines the image.
# - [ ] Only if the data are noisy.
# - [ ] Yes.
#
# <details><summary>Answer</summary>
#
# **Yes.** The impostor below exercise 3 fits the data of a 0 exactly and shows a 4. Data fit says nothing about the
# null space.
# </details>
#
# **4.** A paper on tomography simulates its data with the matrix that it then inverts, at a noise level of $10^{-4}$, and
# reports almost 32 dB. The author's instrument has the geometry of section 9. What should she expect of it, and what would you
# ask her to do?
#
# - [ ] As much as in the paper, because the geometry is the same.
# - [ ] Less, because the error of the discrete model remains.
# - [ ] More, because her instrument has less noise.
#
# <details><summary>Answer</summary>
#
# **Less, because the error of the discrete model remains.** About 25 dB, as the honest curve says: below the dotted
# line less noise no longer helps. She should simulate on a finer grid (or with another projector), and report noise
# levels that are clearly above the model error.
# </details>

# %% [markdown]
# ## Take-aways
#
# - $y = Ax + e$. An inverse problem is ill-posed when a solution may not exist, not be unique, or not be stable.
#   Singular values tell which.
# - Dividing by a small $s_k$ multiplies noise. The error of the pseudo-inverse is the invisible part plus
#   $\sigma^2\sum s_k^{-2}$.
# - Truncation and Tikhonov trade bias against noise. Keep a term if the mean square of its coefficient is above the
#   variance of the noise. Neither of the two adds anything about the null space.
# - Test every adjoint with random vectors, and compare the score with round-off, not with 1. Make test data on another
#   grid if the noise is small.
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
# - All of this assumes that $A$ is known. A wrong blur kernel is an error that does not average out, however many data
#   there are.
# - PSNR weighs all pixels alike. It does not know which pixels matter to a doctor.
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
