# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     cell_metadata_filter: tags,mystnb,slideshow,-all
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
# # 00 Start here
#
# > **A digit was photographed out of focus, in bad light. How much of it can be brought back, and what does a program
# > have to know about digits to do it?**
#
# **You will be able to**
#
# - say what PSNR rewards, and why an image that shows no digit can have a better PSNR than one that does (exercise 1);
# - compare methods fairly, with weights that were chosen on other images (exercise 2);
# - carry a weight from another paper's units into those of the course (exercise 3).
#
# You will also meet the explorers and the checks. Symbols, words, conventions and the map of the course are in sections
# 5 to 8; come back to this page when you look for one.
#
# **Prerequisites:** a little Python. Nothing about inverse problems or neural networks.
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
import time

import matplotlib.pyplot as plt
import torch

from course_utils import (
    TV,
    Dictionary,
    GaussianBlur,
    Hard,
    Relaxed,
    Sparse,
    Tikhonov,
    load,
    measure,
    pretrained,
    psnr,
    reconstruct,
)
from course_utils import figures as plots
from course_utils.chapters.start import checks
from course_utils.chapters.start.explorer import self_test, tour_explorer
from course_utils.notebooks import FAST

# %% mystnb={"image": {"alt": "Three blurred and noisy handwritten digits in a row: a 1, a 2 and a third one whose lower half is smeared."}}
mnist = load("mnist")
A, sigma = GaussianBlur(28), 0.1
x = mnist.test[[2, 1, 61]]  # three digits that no method has seen
y = measure(A, x, sigma, torch.Generator().manual_seed(0))
plots.image_strips({"data": y}, size=1.6)
plt.show()

# %% [markdown]
# This is what the camera has stored of three digits. You can read them because you know how digits look. In section 2
# five programs get these data. Two of them know nothing of digits; the other three have learned from examples what a
# digit is.
#
# ## 1 Is this machine ready?
#
# One cell tells versions, threads, data, trained generators and speed. Nothing is downloaded: data and generators are
# part of the course, and their checksums are verified here.

# %%
report = self_test()
assert report["ok"]

# %% [markdown]
# If a line is missing or the cell fails, the message says what to do. A slow machine changes waiting times and
# nothing else: all random numbers come from generators with fixed seeds.

# %% [markdown]
# ## 2 The whole course in one figure
#
# **The problem.** The digit $x$ was blurred by a known $5\times5$ kernel, $A$, and noise $e$ of standard deviation
# $\sigma = 0.1$ was added (white is 1):
#
# $$ y = Ax + e. $$
#
# Blurring is easy; going back is not. Simply inverting $A$ gives noise in which no digit can be seen (chapter 01 shows
# it), because the inverse amplifies the noise. So we ask for more than agreement with the data: **minimise misfit plus
# penalty**,
#
# $$ \min_x\ \|Ax - y\|_2^2 + \lambda R(x), $$
#
# (paper, eq. (2)). The **regulariser** $R$ is small for images that we find plausible; the weight $\lambda$ says how
# much that counts. We compare five choices of the penalty:
#
# | method | what is minimised | what it believes about images |
# |---|---|---|
# | Tikhonov | $\Vert Ax-y\Vert_2^2+\lambda\Vert x\Vert_2^2$ | they are small |
# | TV | $\Vert Ax-y\Vert_2^2+\lambda\,\mathrm{TV}(x)$ | they are flat, with few edges |
# | hard | $\Vert AG(z)-y\Vert_2^2+\lambda\Vert z\Vert_2^2$, then $x=G(z)$ | they are outputs of the generator $G$ |
# | relaxed | $\Vert Ax-y\Vert_2^2+\lambda\big(\Vert G(z)-x\Vert_2^2+\mu\Vert z\Vert_2^2\big)$ | they are near outputs of $G$ |
# | sparse | $\Vert A(G(z)+u)-y\Vert_2^2+\lambda\big(\Vert u\Vert_1+\mu\Vert z\Vert_2^2\big)$, then $x=G(z)+u$ | they are outputs of $G$, except in a few pixels $u$ |
#
# The first two are written by hand; chapter 02 shows where they come from and how they are solved. In the last three,
# $G$ is a **generator**: a small network that turns a vector $z$ of eight numbers into a digit, trained on images
# only, never on this blur (paper, Sect. 3 and 5). Here it is a variational autoencoder.

# %%
G = pretrained("vae-mnist-8")
z = G.sample_latent(8, torch.Generator().manual_seed(1))

# %% mystnb={"image": {"alt": "Eight images made by the generator from random vectors. Some are handwritten digits, a 7 and a 0 among them, others are fragments or mixtures of two digits."}}
figure, axes = plots.subplots(1, 8, size=(7.6, 1.2), alt="Eight images made by the generator from random vectors.")
for ax, image in zip(axes, G(z).detach(), strict=True):
    plots.show_image(ax, image)
figure.suptitle("what the generator makes of eight random vectors z", fontsize=10)
plt.show()

# %% [markdown]
# Some are digits, some are fragments, so not every $z$ is a good one (chapter 03 asks why). The methods look for one
# that is good: one whose image, blurred, agrees with the data.
#
# The weights $\lambda$ and $\mu$ below were chosen on other digits (section 5). PSNR, the **peak signal-to-noise
# ratio**, measures the error of an image in decibels; more is better, and 6 dB more is half the error.
#
# **Predict, then run.** Which method gives the cleanest picture of the 1? The last digit is an 8, written in an unusual
# way. Which method gets the best PSNR there?
#
# - [ ] TV
# - [ ] hard
# - [ ] relaxed
# - [ ] sparse

# %%
methods = {
    "Tikhonov": Tikhonov(0.1),
    "TV": TV(0.03),
    "hard": Hard(G, lam=0.003),
    "relaxed": Relaxed(G, lam=0.3, mu=0.03),
    "sparse": Sparse(G, lam=0.3, mu=0.03),
}
started = time.perf_counter()
starts = Dictionary(G, torch.Generator().manual_seed(2))  # 4096 images of G: where the search for z begins
found = {name: reconstruct(A, y, R, start=starts).x for name, R in methods.items()}
print(f"15 reconstructions in {time.perf_counter() - started:.1f} s")

# %% mystnb={"image": {"alt": "Three digits, each with its blurred noisy data and five reconstructions, residuals below. Tikhonov is grainy, TV is clean with blocky strokes, hard is smooth and black around the digit, relaxed and sparse lie between. For the last digit, a slanted 8, hard draws a different shape with a large residual."}}
plots.image_rows({"data": y, **found}, truth=x, size=1.2)
plt.show()

# %%
one, eight = ({name: float(psnr(image, x)[k]) for name, image in found.items()} for k in (0, 2))
print("           " + "".join(f"{name:>10s}" for name in found))
print("the 1 (dB) " + "".join(f"{value:10.1f}" for value in one.values()))
print("the 8 (dB) " + "".join(f"{value:10.1f}" for value in eight.values()))
assert max(one, key=one.get) in ("hard", "sparse") and one["hard"] > one["TV"] + 2
misfit = {name: float((A(found[name]) - y)[2].norm()) for name in found}
print("its misfit " + "".join(f"{value:10.2f}" for value in misfit.values()) + f"   noise alone {sigma * A.m**0.5:.2f}")
assert eight["TV"] > eight["Tikhonov"] > eight["relaxed"] > eight["hard"] + 2 and eight["sparse"] > eight["hard"] + 0.5
assert abs(misfit["relaxed"] / (sigma * A.m**0.5) - 1) < 0.1
assert misfit["hard"] > 1.3 * sigma * A.m**0.5 > 1.3 * misfit["TV"]

# %% [markdown]
# The table says four things.
#
# 1. **A generator that can draw the image helps a lot.** All three methods with a generator bring the 1 back better than
#    TV, hard and sparse by more than 5 dB.
# 2. **A generator that cannot draw the image invents another one.** Hard's 8 is clean, free of noise, and wrong. The
#    residual shows it, but in practice nobody has the truth. The only warning is the misfit in the last line: it is half
#    as large again as the noise.
# 3. **Relaxing repairs much of the damage, but not all of it.** Relaxed may leave the range of the generator, the set
#    of its outputs, and gains almost 4 dB over hard. Still, its 8 is worse than TV's by 2 dB, and even slightly worse than Tikhonov's, because
#    the penalty pulls it towards a wrong image. Sparse, which may change a few pixels only, gains 1 dB over hard.
# 4. **The misfit does not show every error.** Relaxed's misfit is as large as the noise, as it should be, and nearer to
#    it than TV's. By the misfit alone nobody would prefer TV's 8, which is the better one.
#
# So on this 8 a method written by hand is the best of the five. But three digits prove nothing. Here are a hundred.

# %%
n = 20 if FAST else 100
many = mnist.test[:n]
data = measure(A, many, sigma, torch.Generator().manual_seed(3))
quality = {name: psnr(reconstruct(A, data, R, start=starts).x, many) for name, R in methods.items()}
print(f"{n} test digits     mean PSNR   spread   worst")
for name, values in quality.items():
    print(f"{name:18s}{values.mean():8.2f} dB {values.std():8.2f} {values.min():8.2f}")
mean = {name: float(values.mean()) for name, values in quality.items()}
wins = {name: int((quality["relaxed"] > quality[name]).sum()) for name in ("Tikhonov", "TV")}
print(f"relaxed is better than Tikhonov on {wins['Tikhonov']} of {n} digits, better than TV on {wins['TV']}")
assert mean["Tikhonov"] < min(mean["hard"], mean["TV"]) - 1 and mean["relaxed"] > mean["hard"] + 0.3
assert quality["hard"].std() > 1.5 * quality["TV"].std() or FAST

# %% [markdown]
# On average the relaxed method is best here, by 0.6 dB over TV; hard has the largest spread (standard
# deviation over the digits), from far above TV to far below it. Does that contradict the 8? The misfit of *hard* tells
# how well the generator can draw a digit, without a look at the truth. We sort the digits by it.

# %%
misfits = (A(reconstruct(A, data, methods["hard"], start=starts).x) - data).flatten(1).norm(dim=1)
quarters = misfits.argsort().chunk(4)
print("misfit of hard / noise      " + "".join(f"{name:>10s}" for name in quality))
for part in quarters:
    ratio = misfits[part] / (sigma * A.m**0.5)
    values = "".join(f"{v[part].mean():10.2f}" for v in quality.values())
    print(f"{ratio.min():.2f} to {ratio.max():.2f}, {len(part):2d} digits   {values} dB")
gain = [float((quality["relaxed"] - quality["TV"])[part].mean()) for part in (quarters[0], quarters[-1])]
assert gain[0] > gain[1] + 0.5 and (FAST or gain[0] > 0.7 and gain[1] < 0)

# %% [markdown]
# There is no contradiction. The lead of relaxed over TV comes from the digits that the generator can draw: it is more
# than 1 dB in the first quarter, where hard and sparse are better still. In the last quarter, where hard explains the data badly, TV is slightly ahead; the 8
# above, with a misfit of 1.5 times the noise, is one of these. A mean over a test set hides this, because it mixes both
# kinds, and it would change if the test set had more unusual digits.
#
# All this is one operator, one noise level and one generator. The course repeats the comparison for other operators,
# with the same care, and the ranking changes.

# %% [markdown]
# ## 3 Explorers: move the weights yourself
#
# An **explorer** is a figure with controls. With a running kernel (JupyterLab, Colab, Binder) every control redraws
# it; move a slider with the mouse or the arrow keys. On the web page of the course they work without a kernel: nearly
# all compute in the page. There you can also drag the dot along its curve. On GitHub you see the default picture.
# Below the figure, *Reset* puts all controls back, and *Keep* keeps a picture, so that you can compare it with the next
# one; on the web page, *Copy link* gives a link that opens the page with the same settings.
#
# 1. Method *hard*, all $\lambda$ from left to right. Where does the digit stop following the data?
# 2. Method *relaxed*. Why is there a best $\lambda$ now? What happens to its left, and to its right?
# 3. Set *noise* to its largest value. Which method suffers least? And at its smallest?
# 4. Look at the misfit. Should it be zero?

# %% tags=["explorer"] mystnb={"image": {"alt": "Digit 2, its blurred noisy picture at 16 dB, the hard reconstruction at about 19 dB and its residual; on the right the PSNR of hard against lambda, flat up to 0.1 and then falling."}}
explorer = tour_explorer()
explorer.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls for method, lambda, mu, noise level and digit."}}
explorer

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. Beyond $\lambda \approx 0.1$ the penalty on $z$ pulls every answer towards $G(0)$, the image that the
#    generator makes of $z=0$, which has nothing to do with the data.
# 2. With small $\lambda$ relaxed may go anywhere and fits the noise: the misfit falls below the noise line. With
#    large $\lambda$ it turns into hard with the weight $\lambda\mu$. The best is between.
# 3. With the largest noise the three methods with a generator still reach about 19 dB on this digit, TV less than
#    15. With the smallest noise TV reaches 29 dB, and hard stays where it was: its error is the generator's, not
#    the noise's.
# 4. No: even the truth has a misfit of about $\sigma\sqrt m$. A smaller one means that noise is being explained.
# </details>

# %% [markdown]
# ## 4 Checks: exercises that answer
#
# Every chapter has exercises, graded *easy*, *core* and *stretch*. Each has a cell to complete, a cell that checks
# and says by how much you are off, and a solution that you open when you want. Starters run as they are, and fail
# their check.
#
# ### Exercise 1 (easy): the safest guess
#
# Some data fit two images equally well: a digit $a$, which is the truth with probability $p$, and a digit $b$, with
# probability $1-p$. You hand in one image $v$ and are paid by its squared error, $\|v-a\|_2^2$ or $\|v-b\|_2^2$,
# whichever is the truth. Which $v$ has the smallest *expected* squared error? Write `safest(a, b, p)`, then prove on
# paper that no other image does better.
#
# The starter hands in the more probable digit. Before you start: will the best $v$ show a digit?


# %%
def safest(a, b, p):
    return a if p > 0.5 else b  # your turn


# %%
checks.safest(safest)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# The expected squared error is $p\,\|v-a\|_2^2+(1-p)\,\|v-b\|_2^2$. Look at one pixel: it is a parabola in its grey
# value.
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Let $m=pa+(1-p)b$, and write $v-a=(v-m)+(m-a)$, and the same with $b$. In the expected squared error the mixed terms
# are $2\langle v-m,\;p(m-a)+(1-p)(m-b)\rangle$, and they vanish, because $p(m-a)+(1-p)(m-b)=m-m=0$. What remains is
#
# $$ p\,\|v-a\|_2^2+(1-p)\,\|v-b\|_2^2=\|v-m\|_2^2+p(1-p)\,\|a-b\|_2^2, $$
#
# because $m-a=(1-p)(b-a)$ and $m-b=p(a-b)$. The last term does not depend on $v$, so $v=m$ is the only minimiser: the
# mean of the two, which shows both digits, faintly, one over the other.
# </details>


# %% tags=["solution"]
def safest(a, b, p):
    return p * a + (1 - p) * b


assert checks.safest(safest)

# %% [markdown]
# <details><summary><b>What it says</b> (open after trying)</summary>
#
# The best guess is a ghost that nobody would write. It is better than the more probable digit by the factor
# $\max(p,1-p)$, so by 3 dB if both are equally probable. PSNR is the logarithm of a squared error, so it prefers such a
# compromise to a clean digit that may be the wrong one. Whoever needs to see *which* digit it is must not rely on PSNR
# alone. For more than two images the same proof gives the mean of all that are plausible.
# </details>

# %% [markdown]
# ## 5 Conventions: what every number in the course means
#
# - **Images** have grey values in $[0, 1]$, shape $(B, 1, H, W)$, float32. A batch of $B$ problems is solved at
#   once; each has its own step sizes and stops by itself.
# - **Misfit**: $\|Ax-y\|_2^2$, a sum over all data, without a factor $\frac12$. So a printed $\lambda$ means the
#   same in every chapter.
# - **Operators** are divided by their norm, $\|A\| = 1$; `A.scale` keeps the factor.
# - **Noise** has standard deviation $\sigma$ in units of the data. It is drawn with an explicit `torch.Generator`,
#   so that results repeat.
# - **PSNR** has data range 1. The paper's code for MNIST and Shapes used range 2, which adds $20\log_{10}2 = 6.02$
#   dB; comparisons print both.
# - **Tune on validation images, report on test images.** All methods get the same data, and the weights of all are
#   tuned in the same way.
# - **Several starts** are compared by objective, never by PSNR: in practice there is no truth.
# - **"Paper"** is what the paper states. **"Ours"** is computed in the chapter or loaded from `results/` with
#   commit, versions and machine.
#
# ### Exercise 2 (core): choose $\lambda$ without looking at the answer
#
# In section 2 the noise had $\sigma=0.1$. Here are data with twice as much. Choose the $\lambda$ of TV from the
# candidates, by mean PSNR on the *validation* images below. (Using the digits that you later report on would flatter
# the method.) The starter takes the first one.

# %%
x_val = mnist.val[:20]
louder = 2 * sigma
y_val = measure(A, x_val, louder, torch.Generator().manual_seed(1))
candidates = [0.015, 0.05, 0.15, 0.5]
best = candidates[0]  # your turn

# %%
checks.weight(best, candidates, A, x_val, y_val, louder)


# %% tags=["solution"]
def validation_psnr(lam):
    return float(psnr(reconstruct(A, y_val, TV(lam)).x, x_val).mean())


best = max(candidates, key=validation_psnr)
assert checks.weight(best, candidates, A, x_val, y_val, louder)

# %% [markdown]
# All weights of section 2 were found like this, for $\sigma=0.1$ on the same 20 digits, on the grid 1, 3, 10, 30, …
# (times a power of ten) for $\lambda$ and, where there is one, $\mu$. The paper also tunes by PSNR on 20 images, and reports on
# 100 others.
#
# ### Exercise 3 (stretch): the same method in another paper's units
#
# Many authors divide the misfit by the noise: they minimise $\frac{1}{2\sigma^2}\|Ax-y\|_2^2 + \lambda' R(x)$. (The
# authors' code for MNIST does.) Which $\lambda$ in *our* convention gives the same minimiser? The starter returns
# $\lambda'$.


# %%
def our_lambda(lambda_prime, sigma):
    return lambda_prime  # your turn


# %%
checks.convert(our_lambda)


# %% tags=["solution"]
def our_lambda(lambda_prime, sigma):
    return 2 * sigma**2 * lambda_prime  # multiply the whole objective by 2 sigma^2: the minimiser stays


assert checks.convert(our_lambda)

# %% [markdown]
# A probabilist reads the other convention as $-\log$ of a posterior: Gaussian noise and a prior $e^{-\lambda' R}$.
# Our $\lambda=2\sigma^2\lambda'$ then grows with the noise, as it should, because noisier data should count less
# against the prior.

# %% [markdown]
# ## 6 The map
#
# <!-- chapters, made from chapter.yml -->
#
# | | chapter | its question |
# |---|---|---|
# | 00 | Start here | What do five methods make of one blurred digit? |
# | 01 | [Inverse problems](01-inverse-problems.ipynb) | Why does undoing a known blur destroy the picture? |
# | 02 | [Classical solutions](02-classical-solutions.ipynb) | What can we know of an image before we have seen one, and what does each piece of knowledge cost? |
# | 03 | [Generative models](03-generative-models.ipynb) | How does a network learn to draw digits? |
# | 04 | [Desired properties](04-desired-properties.ipynb) | What should a generator be able to do before it is used? |
# | 05 | [The three regularisers](05-generative-regularisers.ipynb) | Must the solution be an output of the generator? |
# | 06 | [The wider family](06-wider-family.ipynb) | Which other ways are there to obey a generator, and which of them help? |
# | 07 | [Tomography](07-tomography.ipynb) | What happens where there are no data? |
# | 08 | [MRI](08-mri.ipynb) | What must a generator know about its own errors? |
# | 09 | [Learned reconstruction and its dangers](09-learned-reconstruction.ipynb) | Who has learned more, and what does it cost when the data are not as expected? |
# | 10 | [Equivariance](10-equivariance.ipynb) | What does a reconstruction do with an object that is turned, and what does it cost to make it indifferent? |
# | 11 | [Bilevel learning](11-bilevel-learning.ipynb) | How accurately must a problem be solved to learn its parameters? |
#
# <!-- end of the chapters -->
#
# Read them in this order. If you know inverse problems, start with 03. If you know generative models,
# start with 01. Every chapter opens with its question, asks you to predict before you run, and ends with what the paper
# says and what we found.
#
# **Do you come from the paper or from the lectures?** Each fold below is one of their parts. It says where a topic is
# taught and what in the library belongs to it. A room 04.2 is section 2 of chapter 04, and `solvers.palm` is
# `course_utils.solvers.palm`.
#
# <!-- map, made from book/map.yml -->
#
# <details><summary><b>Paper, Sect. 1:</b> Introduction</summary>
#
# | topic | room | `course_utils` |
# | --- | --- | --- |
# | The forward model with noise, eq. (1), and why problems are ill-posed | [01.2](01-inverse-problems.ipynb), [01.6](01-inverse-problems.ipynb), [01.7](01-inverse-problems.ipynb) | `LinearOperator`, `measure`, `add_noise` |
# | Variational regularisation, eq. (2); Tikhonov and TV | [02.3](02-classical-solutions.ipynb), [02.1](02-classical-solutions.ipynb), 00.2 | `reconstruct`, `Tikhonov`, `TV` |
# | Regularisers learned from denoisers and from unwanted images | [09.3](09-learned-reconstruction.ipynb), [09.4](09-learned-reconstruction.ipynb) | `regularisers.AdversarialRegulariser`, `solvers.RED` |
# | Solutions in the range of a generator, eq. (3) | [05.2](05-generative-regularisers.ipynb), 00.2 | `Hard` |
# | Learning without pairs, apart from the forward model | [09.1](09-learned-reconstruction.ipynb), [09.6](09-learned-reconstruction.ipynb), [08.8](08-mri.ipynb) | `pretrained` |
#
# </details>
#
# <details><summary><b>Paper, Sect. 2:</b> Generative models</summary>
#
# | Sect. | topic | room | `course_utils` |
# | --- | --- | --- | --- |
# | 2 | What a generator is | [03.1](03-generative-models.ipynb) | `Generator`, `pretrained` |
# | 2.1 | The autoencoder, eq. (4) | [03.2](03-generative-models.ipynb) | `AE` |
# | 2.2 | A prior on z and the distribution that G makes of it | [03.1](03-generative-models.ipynb) | `Generator` |
# | 2.3 | The Wasserstein GAN, eq. (5) | [03.4](03-generative-models.ipynb) | `WGAN`, `generators.gradient_penalty` |
# | 2.4 | The variational autoencoder, eq. (6) | [03.3](03-generative-models.ipynb) | `VAE`, `generators.reparametrise`, `generators.kl_to_standard_normal` |
# | 2.5 | Flows and other invertible networks | [03.8](03-generative-models.ipynb) | `generators.flow.Flow` |
# | 2.5 | Score-based models, and sampling from a posterior with them | [03.9](03-generative-models.ipynb), [09.5](09-learned-reconstruction.ipynb) | `generators.ScoreModel`, `generators.diffusion.Diffusion`, `bayes.DPS` |
# | 2.5 | Autoregressive models | [03.10](03-generative-models.ipynb) |  |
#
# </details>
#
# <details><summary><b>Paper, Sect. 3:</b> Generative regularisers</summary>
#
# | Sect. | topic | room | `course_utils` |
# | --- | --- | --- | --- |
# | 3 | The family of eq. (7) | [05.2](05-generative-regularisers.ipynb), [06.1](06-wider-family.ipynb) | `Hard`, `Relaxed`, `Sparse` |
# | 3.1 | Choices of the generator fidelity F | [05.2](05-generative-regularisers.ipynb), [06.1](06-wider-family.ipynb), [06.2](06-wider-family.ipynb) | `Hard`, `Relaxed`, `Sparse`, `SparseTV` |
# | 3.1.1 | Restricting to the range | [05.2](05-generative-regularisers.ipynb), [05.5](05-generative-regularisers.ipynb) | `Hard`, `Dictionary` |
# | 3.1.1 | Projected gradient descent, eq. (8) | [06.3](06-wider-family.ipynb) | `solvers.projected_gradient_descent` |
# | 3.1.1 | The set-restricted eigenvalue condition, S-REC | [06.4](06-wider-family.ipynb) | `solvers.s_rec` |
# | 3.1.1 | Phase retrieval, one of the applications named | [06.7](06-wider-family.ipynb) | `Magnitude` |
# | 3.1.2 | Quality that levels off with more measurements | [05.9](05-generative-regularisers.ipynb) | `GaussianMatrix`, `Hard` |
# | 3.1.2 | Small and sparse deviations from the range | [05.2](05-generative-regularisers.ipynb), [05.6](05-generative-regularisers.ipynb) | `Relaxed`, `Sparse` |
# | 3.1.2 | The distance from x to G(E(x)), with an encoder E | [06.1](06-wider-family.ipynb), [06.2](06-wider-family.ipynb) | `regularisers.EncoderDistance` |
# | 3.1.2 | Intermediate layers, and weights of G that follow the data | [06.5](06-wider-family.ipynb), [06.2](06-wider-family.ipynb), [08.8](08-mri.ipynb) | `regularisers.Intermediate`, `solvers.adapt` |
# | 3.2 | Regularisers of z: box, sphere, fitted priors, TV of G(z), the critic | [06.1](06-wider-family.ipynb), [06.2](06-wider-family.ipynb) | `regularisers.Box`, `regularisers.Sphere`, `regularisers.GaussianMixture`, `regularisers.ImageTV`, `regularisers.CriticLoss` |
# | 3.2 | Inpainting | [06.6](06-wider-family.ipynb) | `Inpainting` |
# | 3.3 | Networks trained with one forward model in mind | [09.2](09-learned-reconstruction.ipynb), [08.8](08-mri.ipynb) | `reconstructors.PostProcessing`, `reconstructors.VariationalNetwork` |
#
# </details>
#
# <details><summary><b>Paper, Sect. 4:</b> What a generator should be able to do</summary>
#
# | Sect. | topic | room | `course_utils` |
# | --- | --- | --- | --- |
# | 4 | Why good samples are not enough | [04.1](04-desired-properties.ipynb) | `properties.score_card` |
# | 4.1 | The properties A1 to A3, B1 and B2 | [04.1](04-desired-properties.ipynb), [04.8](04-desired-properties.ipynb) | `properties.judge`, `properties.score_card` |
# | 4.2 | Likelihoods, distances of features, classifier tests, size of the support | [04.4](04-desired-properties.ipynb) | `properties.log_likelihood`, `properties.frechet_distance`, `properties.classifier_test`, `properties.support_size` |
# | 4.3 | MNIST and Shapes, and the generators trained on them | [03.5](03-generative-models.ipynb) | `load`, `pretrained`, `available` |
# | 4.3.1 | Reconstructing a test set, eq. (9), Figs 1 and 2 | [04.2](04-desired-properties.ipynb), [03.5](03-generative-models.ipynb) | `properties.range_errors` |
# | 4.3.2 | The earth mover's distance, eq. (10), Fig. 3 | [04.4](04-desired-properties.ipynb) | `properties.emd`, `properties.emd_floor` |
# | 4.3.3 | Where the encodings lie, Fig. 4 | [04.6](04-desired-properties.ipynb) | `properties.plane_projections`, `properties.latent_spread` |
# | 4.3.4 | Images far from the prior, Fig. 5 | [04.3](04-desired-properties.ipynb) | `properties.far_from_prior` |
# | 4.3.5 | Interpolation in the latent space, Fig. 6 | [04.5](04-desired-properties.ipynb), [03.7](03-generative-models.ipynb) | `properties.triangle`, `properties.path_smoothness`, `properties.lipschitz` |
# | 4.3.6 | Which generator has which property | [04.8](04-desired-properties.ipynb) | `properties.score_card` |
#
# </details>
#
# <details><summary><b>Paper, Sect. 5:</b> Inverse problems</summary>
#
# | Sect. | topic | room | `course_utils` |
# | --- | --- | --- | --- |
# | 5 | The three problems, the three methods, and how weights are chosen | [05.2](05-generative-regularisers.ipynb), [01.2](01-inverse-problems.ipynb), 00.5 | `ParallelBeam`, `GaussianBlur`, `GaussianMatrix`, `tuning.sweep` |
# | 5 | Total variation by the primal-dual hybrid gradient method | [02.4](02-classical-solutions.ipynb) | `solvers.pdhg` |
# | 5.1 | Deconvolution, the weight and the Morozov value, Fig. 7 | [05.7](05-generative-regularisers.ipynb), [02.8](02-classical-solutions.ipynb), 00.2 | `GaussianBlur`, `choosing.morozov` |
# | 5.1 | Three starts for each generator, Fig. 8 | [05.7](05-generative-regularisers.ipynb), [05.5](05-generative-regularisers.ipynb) | `Hard`, `Dictionary` |
# | 5.2 | Compressed sensing, Fig. 9; iterations and times | [05.8](05-generative-regularisers.ipynb), [09.8](09-learned-reconstruction.ipynb) | `GaussianMatrix`, `reconstruct` |
# | 5.3 | Tomography, Fig. 10; iterations and times | [07.4](07-tomography.ipynb), [07.1](07-tomography.ipynb) | `ParallelBeam` |
# | 5.4 | Outside the training distribution, shapes+, Fig. 11 | [07.7](07-tomography.ipynb) | `SparseTV` |
# | 5.5 | MR images and tomography with more and less noise, Fig. 12 | [08.4](08-mri.ipynb), [08.3](08-mri.ipynb) | `VAE`, `Relaxed` |
#
# </details>
#
# <details><summary><b>Paper, Sect. 6:</b> Conclusions and open problems</summary>
#
# | Sect. | topic | room | `course_utils` |
# | --- | --- | --- | --- |
# | 6 | How the singular values of the test problems decay | [07.3](07-tomography.ipynb), [01.5](01-inverse-problems.ipynb) | `operators.SVD` |
# | 6 | What the generators and the three methods have in their favour | [09.6](09-learned-reconstruction.ipynb), [07.4](07-tomography.ipynb), [05.8](05-generative-regularisers.ipynb) | `reconstruct` |
# | 6.1 | Criteria that are mathematically precise | [04.8](04-desired-properties.ipynb) | `properties.judge` |
# | 6.1 | Two minimisers and a jump, the parabola; when there is one minimiser | [05.1](05-generative-regularisers.ipynb), [05.6](05-generative-regularisers.ipynb) |  |
#
# </details>
#
# <details><summary><b>Paper, App. A and B:</b> Algorithms and architectures</summary>
#
# | App. | topic | room | `course_utils` |
# | --- | --- | --- | --- |
# | A | Algorithm 1, gradient descent with backtracking | [05.3](05-generative-regularisers.ipynb) | `solvers.gradient_descent` |
# | A | Algorithm 2, alternating gradient descent | [05.4](05-generative-regularisers.ipynb) | `solvers.alternating_gradient_descent` |
# | A | Algorithm 3, PALM | [05.4](05-generative-regularisers.ipynb) | `solvers.palm` |
# | B | Networks for MNIST and Shapes, Figs 13 to 15 | [03.6](03-generative-models.ipynb) | `generators.encoder`, `generators.decoder`, `generators.n_parameters` |
# | B | The network for MR images, Fig. 16 | [08.3](08-mri.ipynb) | `GeneratorConfig`, `build` |
#
# </details>
#
# <details><summary><b>Lectures, part I.1:</b> Inverse problems and how to solve them</summary>
#
# | topic | room | `course_utils` |
# | --- | --- | --- |
# | Recover an image from data, given a model; the ray transform | [01.2](01-inverse-problems.ipynb), [07.1](07-tomography.ipynb) | `LinearOperator`, `ParallelBeam` |
# | Solutions need not exist, be unique or be stable; PET | [01.6](01-inverse-problems.ipynb), [01.7](01-inverse-problems.ipynb), [02.7](02-classical-solutions.ipynb) | `poisson_noise`, `reconstructors.MLEM` |
# | The four options | [02.1](02-classical-solutions.ipynb), [02.10](02-classical-solutions.ipynb) | `reconstruct` |
# | Option 1, formulas: zero-filled, sum of squares, filtered back-projection | [02.2](02-classical-solutions.ipynb), [07.2](07-tomography.ipynb), [08.1](08-mri.ipynb), [08.2](08-mri.ipynb) | `fbp`, `zero_filled`, `root_sum_of_squares` |
# | Option 2, variational: data terms that fit the noise | [02.7](02-classical-solutions.ipynb) | `SquaredError`, `KullbackLeibler` |
# | Option 2, variational: TV and TGV | [02.3](02-classical-solutions.ipynb) | `TV`, `TGV` |
# | Option 2, variational: proximal operators and proximal gradient descent | [02.4](02-classical-solutions.ipynb) | `solvers.forward_backward`, `solvers.fista`, `solvers.pdhg` |
# | Option 2, variational: the choice of the weight | [02.8](02-classical-solutions.ipynb) | `choosing.morozov`, `choosing.l_curve`, `choosing.gcv`, `choosing.sure` |
# | Option 3, iterations that stop early: Landweber | [02.5](02-classical-solutions.ipynb) | `reconstructors.Landweber`, `reconstructors.CGLS` |
# | Option 3, iterations that stop early: linearised Bregman | [02.5](02-classical-solutions.ipynb) | `reconstructors.LinearisedBregman` |
# | Option 4, Bayesian methods | [02.9](02-classical-solutions.ipynb) | `bayes.gaussian_posterior`, `bayes.LogPosterior`, `bayes.mala` |
# | The comparison of the options | [02.10](02-classical-solutions.ipynb), [02.1](02-classical-solutions.ipynb) | `reconstruct` |
#
# </details>
#
# <details><summary><b>Lectures, part I.2:</b> Machine learning meets inverse problems</summary>
#
# | topic | room | `course_utils` |
# | --- | --- | --- |
# | AUTOMAP, from data to image without the model | [09.2](09-learned-reconstruction.ipynb), [09.1](09-learned-reconstruction.ipynb) | `reconstructors.Automap` |
# | Learned post-processing | [09.2](09-learned-reconstruction.ipynb) | `reconstructors.PostProcessing` |
# | Unrolled iterations | [09.2](09-learned-reconstruction.ipynb) | `reconstructors.LISTA`, `reconstructors.LearnedProximal`, `reconstructors.LearnedPrimalDual` |
# | Not as stable as what came before | [09.7](09-learned-reconstruction.ipynb) | `stability.attack`, `stability.hallucinate` |
# | A regulariser from a generative model, hard and relaxed | [05.2](05-generative-regularisers.ipynb) | `Hard`, `Relaxed` |
# | A regulariser from a denoiser, RED | [09.4](09-learned-reconstruction.ipynb) | `solvers.RED`, `denoisers.jacobian_asymmetry` |
# | A regulariser trained on good and bad images, 1-Lipschitz | [09.3](09-learned-reconstruction.ipynb) | `regularisers.AdversarialRegulariser` |
# | A regulariser trained by bilevel learning | [11.7](11-bilevel-learning.ipynb), [11.1](11-bilevel-learning.ipynb) | `bilevel.FieldOfExperts`, `bilevel.Bilevel` |
# | Input-convex networks | [09.3](09-learned-reconstruction.ipynb) | `regularisers.InputConvexRegulariser` |
# | Plug-and-play, and when it stops | [09.4](09-learned-reconstruction.ipynb) | `solvers.PnPForwardBackward`, `denoisers.LipschitzDenoiser` |
# | Deep equilibrium | [09.4](09-learned-reconstruction.ipynb), [09.1](09-learned-reconstruction.ipynb) | `reconstructors.Equilibrium` |
# | Score-based diffusion | [09.5](09-learned-reconstruction.ipynb), [03.9](03-generative-models.ipynb) | `bayes.DPS`, `bayes.DiffPIR` |
# | Summary: what to learn, and from which data | [09.1](09-learned-reconstruction.ipynb), [09.6](09-learned-reconstruction.ipynb) |  |
#
# </details>
#
# <details><summary><b>Lectures, part II.1:</b> Equivariance</summary>
#
# | topic | room | `course_utils` |
# | --- | --- | --- |
# | What happens when data are turned | [10.1](10-equivariance.ipynb) | `equivariance.equivariance_error`, `equivariance.rotate` |
# | By learning, with turned copies of the data, or by design | [10.5](10-equivariance.ipynb), [10.4](10-equivariance.ipynb) | `training.augment.quarter_turns`, `equivariance.LearnedProximalGradient` |
# | Data of a scanner; TV inpainting is not equivariant | [10.1](10-equivariance.ipynb) | `equivariance.reconstruction_error`, `equivariance.act_on_data`, `equivariance.act_on_mask` |
# | Groups acting on images | [10.2](10-equivariance.ipynb) | `equivariance.Group` |
# | An invariant functional has an equivariant proximal operator | [10.3](10-equivariance.ipynb) | `equivariance.invariance_error`, `equivariance.prox_error`, `equivariance.SymmetricTV` |
# | Equivariant networks: compositions, sums, biases, nonlinearities | [10.4](10-equivariance.ipynb) | `equivariance.GroupConv`, `equivariance.ResidualBlock` |
# | Linear equivariant maps are convolutions with a constraint | [10.4](10-equivariance.ipynb) | `equivariance.GroupConv`, `equivariance.expanded` |
# | Results by the number of training images, and for unseen orientations | [10.5](10-equivariance.ipynb) | `equivariance.LearnedProximalGradient`, `equivariance.equal_weights` |
#
# </details>
#
# <details><summary><b>Lectures, part II.2:</b> Regularisation with generative models</summary>
#
# | topic | room | `course_utils` |
# | --- | --- | --- |
# | Generative regularisers, with and without deviations | [05.2](05-generative-regularisers.ipynb), [06.1](06-wider-family.ipynb) | `Hard`, `Relaxed` |
# | Only the mean is modelled | [08.5](08-mri.ipynb) |  |
# | A regulariser with a learned covariance | [08.6](08-mri.ipynb), [08.7](08-mri.ipynb) | `LocalPrecision`, `StructuredVAE`, `LearnedCovariance` |
# | The learned correlations of a pixel, to be seen | [08.6](08-mri.ipynb), [08.8](08-mri.ipynb) | `LocalPrecision` |
# | Magnetic resonance imaging | [08.1](08-mri.ipynb), [08.2](08-mri.ipynb) | `MaskedFourier`, `MultiCoil`, `radial_mask` |
# | Identity, diagonal and covariance compared | [08.8](08-mri.ipynb), [08.7](08-mri.ipynb) | `LearnedCovariance` |
# | Compared with end-to-end learning | [08.8](08-mri.ipynb) | `reconstructors.VariationalNetwork` |
# | Compared with other unsupervised methods, range and inverse GAN | [08.8](08-mri.ipynb) | `Hard`, `solvers.adapt` |
#
# </details>
#
# <details><summary><b>Lectures, part II.3:</b> Inexact algorithms for bilevel learning</summary>
#
# | topic | room | `course_utils` |
# | --- | --- | --- |
# | Upper and lower level | [11.1](11-bilevel-learning.ipynb) | `bilevel.Bilevel` |
# | The implicit function theorem and the gradient | [11.3](11-bilevel-learning.ipynb) | `bilevel.hypergradient`, `bilevel.solve_lower`, `bilevel.solve_hessian` |
# | L-BFGS-B on top of it | [11.4](11-bilevel-learning.ipynb) | `bilevel.learn_lbfgsb` |
# | What is wrong with that, and four ways to deal with it | [11.1](11-bilevel-learning.ipynb), [11.2](11-bilevel-learning.ipynb), [11.4](11-bilevel-learning.ipynb) | `bilevel.LowerSolution`, `bilevel.semismooth_newton` |
# | A finite number of iterations instead of the lower level | [11.3](11-bilevel-learning.ipynb) | `bilevel.unrolled_gradient` |
# | Values with error bounds; dynamic accuracy without derivatives | [11.5](11-bilevel-learning.ipynb) | `bilevel.dynamic_dfo`, `bilevel.Residuals` |
# | A regulariser with parameters, reconstructions on the way | [11.1](11-bilevel-learning.ipynb), [11.5](11-bilevel-learning.ipynb) | `bilevel.SmoothTV` |
# | Dynamic accuracy and fixed numbers of iterations, speed and robustness | [11.5](11-bilevel-learning.ipynb) | `bilevel.dynamic_dfo` |
# | Next step: inexact first-order algorithms | [11.6](11-bilevel-learning.ipynb) | `bilevel.maid`, `bilevel.hoag`, `bilevel.isgd` |
#
# </details>
#
# <!-- end of the map -->
#
# Four of their topics are not taught: conditional generators and untrained networks, which the paper leaves aside too
# (Sect. 3.3); generators that are trained with an inverse problem in mind (Sect. 6.1); semi-smooth Newton methods for
# both levels together (chapter 11 has one for the lower level), and the proof that dynamic accuracy converges (lectures,
# part II.3).
#
# ## 7 Notation
#
# | maths | code | meaning |
# |---|---|---|
# | $x,\ x^\dagger,\ y$ | `x`, `truth`, `y` | image $(B,1,H,W)$, true image, data $(B,\dots)$ |
# | $n,\ m$ | `A.n`, `A.m` | number of pixels, number of data |
# | $A,\ A^*$ | `A(x)`, `A.T(y)` | forward operator, its adjoint |
# | $\sigma,\ e$ | `sigma`, `add_noise` | noise level, noise |
# | $G,\ E,\ D$ | `G(z)`, `G.encode(x)`, `D(x)` | generator, encoder, critic |
# | $z,\ d$ | `z`, `G.latent_dim` | latent vector $(B,d)$, its dimension |
# | $u$ | `u` | deviation $x - G(z)$ from the range of $G$ |
# | $R,\ \lambda$ | `R`, `lam` | regulariser, its weight |
# | $R_{\mathcal Z},\ \mu$ | `mu` | latent regulariser, its weight relative to $\lambda$ |
# | $F$ | `Hard`, `Relaxed`, `Sparse` | generator fidelity: how $x$ may differ from $G(z)$, eq. (7) |
# | $\rho$ | `rho` | noise level in the training of a VAE, eq. (6) |
# | $s_k, u_k, v_k$ | `A.svd()` | singular values and vectors |
#
# ## 8 Glossary
#
# | word | meaning |
# |---|---|
# | adjoint | the operator $A^*$ with $\langle Ax,y\rangle=\langle x,A^*y\rangle$; the transposed matrix |
# | autoencoder (AE) | encoder and generator trained so that $G(E(x))\approx x$ |
# | compressed sensing | reconstruction from far fewer random measurements than pixels |
# | discrepancy principle | choose $\lambda$ so that the misfit equals the size of the noise (Morozov) |
# | GAN, WGAN | generator trained against a critic that compares its images with real ones |
# | generative regulariser | one that is large for images far from the range of a generator, eq. (7) |
# | ill-posed | no solution, several, or one that jumps when the data change a little |
# | inverse crime | testing on data made with the very discretisation that is inverted |
# | latent space, prior | where $z$ lives, and the distribution it is assumed to have, $\mathcal N(0,I)$ |
# | null space | the images that $A$ cannot see |
# | out of distribution | unlike the training images |
# | posterior, MAP | all images that data and prior allow, with their probabilities; the most probable of them |
# | proximal operator | denoising with a penalty: $\arg\min_v R(v)+\Vert v-u\Vert_2^2/(2\tau)$ |
# | PSNR, SNR | error of an image, noise of the data, both in dB |
# | range of $G$ | all images that $G$ can make |
# | regulariser, weight | penalty $R$ on implausible images, and how much it counts, $\lambda$ |
# | residual | reconstruction minus truth; the *misfit* compares data instead |
# | semi-convergence | iterates get better, then worse: early ones have less noise |
# | total variation (TV) | sum of the lengths of the image gradients |
# | VAE | autoencoder whose latent vectors are trained to follow the prior |

# %% [markdown]
# ## Paper and ours
#
# The paper's Fig. 7 has the problem of this page: MNIST, $5\times5$ Gaussian blur, $\sigma = 0.1$, a GAN with
# $d=8$. It reports (Sect. 5.1) that hard has good PSNR although its misfit does not come down to the Morozov value,
# the expected size of the noise; and that relaxed and sparse, for small $\lambda$, tend to a least squares solution
# that fits the noise.
#
# **Predict, then run.** Does that hold for our VAE?

# %%
noise = sigma * A.m**0.5
print(f"noise: {noise:.2f}")
misfit = {}
for name, R in [("hard, small lambda", Hard(G, 1e-4)), ("relaxed, small lambda", Relaxed(G, 1e-4, 0.03))]:
    result = reconstruct(A, data, R, start=starts)
    misfit[name] = float((A(result.x) - data).flatten(1).norm(dim=1).mean())
    value = float(psnr(result.x, many).mean())
    print(f"{name:24s} misfit {misfit[name]:.2f}   PSNR {value:.1f} dB (range 1), {value + 6.02:.1f} dB (range 2)")
assert misfit["hard, small lambda"] > 1.05 * noise and misfit["relaxed, small lambda"] < 0.5 * noise

# %% [markdown]
# Yes, both. Hard stays above the noise however small $\lambda$ is, because eight numbers cannot describe every digit.
# Relaxed passes the noise level as $\lambda$ falls, and ends in an image that explains the noise as well, with an error
# larger than white. *Settings:* theirs one image and a GAN, ours the mean
# over test digits and a VAE; our noise seeds differ from theirs. Their figure gives the PSNR of single images,
# which we do not quote, as it is an image.

# %% [markdown]
# ## Quiz
#
# **1.** Method P has 1 dB more than method Q on the images on which both were tuned. What do you conclude?
#
# - [ ] P is the better method.
# - [ ] P is the better method for images of this kind.
# - [ ] Nothing yet.
#
# <details><summary>Answer</summary>
#
# **Nothing yet.** Tuning fits the weights to those images, and the method with more weights profits more. Compare on
# images that were not used for tuning, and look at the spread as well as at the mean.
# </details>
#
# **2.** A reconstruction looks sharp and free of noise. Is it good?
#
# - [ ] Yes, at least on average.
# - [ ] Not for that reason.
# - [ ] No, because it fits the noise.
#
# <details><summary>Answer</summary>
#
# **Not for that reason.** Hard always looks like an output of $G$, also when $G$ has no output like the truth, as with
# the 8 above. Compare $Ax$ with the data: a misfit well above $\sigma\sqrt m$ is a warning that you can see without the
# truth. The reverse does not hold: relaxed's 8 has the right misfit and is still worse than TV's.
# </details>
#
# **3.** The generator was trained on sharp digits only. Why can it be used for deblurring, tomography and
# compressed sensing alike?
#
# - [ ] The three operators are alike.
# - [ ] It is trained a little further for each operator.
# - [ ] It describes images, not measurements.
#
# <details><summary>Answer</summary>
#
# **It describes images, not measurements.** The operator $A$ enters only in the misfit, which is known and not learned.
# No pairs of data and truth were needed (paper, Sect. 1: the learning is unsupervised).
# </details>
#
# ## Take-aways
#
# - Data alone do not determine the image. A regulariser adds what we believe; a generator learns it from examples.
# - The hard method answers with an output of $G$, the relaxed method with an image near one, the sparse method with one
#   that differs from an output in a few pixels only.
# - A stronger prior gives cleaner images. It also gives larger mistakes where it does not fit, and they look clean.
# - A comparison is fair if all methods get the same data and noise and are tuned in the same way. The mean hides on which
#   images a method is better.
#
# ## Where it fails
#
# - The generator must have been trained on images like yours. The 8 above is only an unusual digit; a letter is
#   further away still.
# - The problems in $z$ are not convex: a bad start ends in a wrong digit (chapter 05). We start from the best of
#   4096.
# - PSNR rewards the mean of all plausible images (exercise 1), so a blurred guess can have a better PSNR than a sharp
#   one.
# - MNIST is small and easy. It is here because every experiment runs while you watch.
#
# ## References
#
# - Duff, Campbell, Ehrhardt: *Regularising inverse problems with generative machine learning models*, J. Math.
#   Imaging Vis. (2023), "the paper". `duff2023regularising`
# - Ehrhardt: *Solving inverse problems with deep learning*, lectures (2024), "the lectures". `ehrhardt2024lectures`
# - Bora, Jalal, Price, Dimakis: *Compressed sensing using generative models*, ICML (2017). The hard method.
#   `bora2017compressed`
# - Rudin, Osher, Fatemi: *Nonlinear total variation based noise removal algorithms*, Physica D 60 (1992).
#   `rudin1992nonlinear`
# - Morozov: *Methods for solving incorrectly posed problems* (1984). `morozov1984methods`
