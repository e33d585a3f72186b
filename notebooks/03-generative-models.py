# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     cell_metadata_filter: tags,mystnb,slideshow,-all
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3 (ipykernel), language: python, name: python3}
# ---

# %% [markdown]
# # 03 Generative models
#
# > **Fill the 784 pixels of an image at random, as long as you like: you will never see a 7. How can a function of
# > eight numbers draw every digit, and almost nothing else, and how is such a function learned?**
#
# **You will be able to**
#
# - state what an autoencoder, a variational autoencoder and a Wasserstein GAN minimise, and derive the last two
#   (exercises 2, 3 and 7);
# - train a variational autoencoder in half a minute, and say in advance what its noise level $\rho$ does (exercises 1
#   and 4);
# - compare generators by reconstruction and by samples, and say what an earth mover's distance does not tell (exercise 5);
# - count the weights of a printed architecture, and notice when the print cannot be right (exercise 6).
#
# Sections 8 to 10 show what a flow, a score and an autoregressive model offer instead, and what each costs (quiz 3).
#
# **Prerequisites:** chapters 00 to 02; expectation, density, Gaussian distribution; what a neural network and its
# training are. PyTorch helps.
#
# **Time:** 150 min to read and do the exercises, 2 min to run on two CPU cores.

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
import numpy as np
import ot
import torch
from torch import nn

from course_utils import Dictionary, GeneratorConfig, Hard, Identity, build, load, nrmse, pretrained, reconstruct
from course_utils import figures as plots
from course_utils.chapters.generative_models import checks
from course_utils.chapters.generative_models import figures as pictures
from course_utils.chapters.generative_models.collapse import coordinates_that_pay
from course_utils.chapters.generative_models.diagram import network_diagram
from course_utils.chapters.generative_models.explorer import latent_explorer
from course_utils.chapters.properties.figures import error_histograms
from course_utils.figures.tables import markdown_table
from course_utils.generators import decoder, kl_to_standard_normal, n_parameters
from course_utils.generators.diffusion import Diffusion
from course_utils.generators.flow import Flow
from course_utils.generators.wgan import gradient_penalty
from course_utils.notebooks import FAST
from course_utils.results import load_result, origin
from course_utils.training.trainer import TrainConfig, train
from course_utils.training.zoo import card

mnist = load("mnist")
print(mnist)

# %% mystnb={"image": {"alt": "Two strips of ten images. Pixels drawn at random: grey noise. A trained generator: ten handwritten digits, most of them legible."}}
generator = torch.Generator().manual_seed(0)
G = pretrained("vae-mnist-8")
rows = {
    "784 random\npixels": torch.rand(10, 1, 28, 28, generator=generator),
    "$G(z)$, 8 random\nnumbers": G.sample(10, generator),
}
plots.image_strips(rows)
plt.show()

# %% [markdown]
# Each image of the second row took eight random numbers, and one function $G$ draws them all. Most are digits; some are
# shapes between two digits.
#
# ## 1 What a generator is
#
# Images $x\in\mathcal X=\mathbb R^n$ of one kind, digits say, follow an unknown distribution $P^*$. A **generator** is
# a function
#
# $$ G:\mathcal Z\to\mathcal X,\qquad \mathcal Z=\mathbb R^d, \qquad z\sim P_{\mathcal Z}=\mathcal N(0,I). $$
#
# It turns simple random vectors $z$ from the **latent space** $\mathcal Z$ into images. The distribution of $G(z)$ is
# called $P_G$. Learning means: choose the weights $\theta$ of $G_\theta$ so that $P_G$ comes close to $P^*$ (paper,
# Sect. 2.2). The models of this chapter differ in what they mean by *close*.
#
# Two properties matter for inverse problems. First, $d\ll n$: the images $G(z)$ fill only a $d$-dimensional surface in
# $\mathbb R^n$, and to stay on it is a strong prior. Second, $G$ is continuous, and differentiable at almost every $z$, so
# we can search with gradients for the $z$ that fits the data. (Only at *almost* every $z$: section 5 shows why, and
# chapter 05 what it means for the search.)
#
# Do we need a network for that? Chapter 02's tools know means and covariances. Let us give a Gaussian the *exact* mean
# and covariance of 20,000 digits, all $784\cdot785/2$ numbers of it, and draw.
#
# **Predict, then run.** Will you recognise digits in the draws of this Gaussian?
#
# - [ ] yes, most of them
# - [ ] yes, a few of them
# - [ ] no

# %% mystnb={"image": {"alt": "A strip of ten draws from a Gaussian with the mean and covariance of MNIST: blotches in the middle, no digit."}}
flat = mnist.train.flatten(1)  # (20000, 784)
centre = flat.mean(0)
variances, axes = torch.linalg.eigh(torch.cov(flat.T).double())  # covariance = axes diag(variances) axes^T
variances, axes = variances.flip(0).clamp_min(0), axes.flip(1).float()  # the largest variance first
coordinates = torch.randn(10, 784, generator=generator) * variances.float().sqrt()
plots.image_strips({"right mean and\ncovariance": (centre + coordinates @ axes.T).reshape(10, 1, 28, 28)})
plt.show()

# %% [markdown]
# These draws have the right mean and the right covariance, so there is the right amount of ink in the right place, but
# no digit. Means and covariances are all that a quadratic regulariser such as Tikhonov's (chapter 02) can know. What
# distinguishes a digit from such blotches is in the higher moments.
#
# %% [markdown]
# ## 2 The autoencoder
#
# The simplest way to a generator is to compress. An **encoder** $E_\psi:\mathcal X\to\mathcal Z$ has to describe an
# image by $d$ numbers, the decoder $G_\theta$ has to draw it from them, and both learn by the error:
#
# $$ \min_{\theta,\psi}\; \mathbb E_{x}\,\|x-G_\theta(E_\psi(x))\|_2^2. \tag{4} $$
#
# (Paper, eq. (4), with its number.) After training, keep $G$.
#
# **The linear case is known.** Let $E$ and $G$ be affine. Then $G(E(x))$ lies in a $d$-dimensional plane, the
# best image in a plane is the orthogonal projection, and the best plane is spanned by the $d$ leading eigenvectors of
# the covariance (Eckart and Young 1936). A linear autoencoder is **principal component analysis** (Baldi and Hornik
# 1989). So PCA with $d=8$ is the baseline that a network with 115,321 weights must beat.
#
# We measure with the normalised error of the paper's Fig. 1, $\mathrm{NRMSE}=\|G(E(x))-x\|_2/\|x\|_2$, over the 10,000
# test images.
#
# **Predict, then run.** PCA with 8 components reaches a median NRMSE of 0.59. What will the network reach with 8
# numbers? How many components would PCA need for that?
#
# - [ ] ____ (median NRMSE of the network)


# %%
@torch.no_grad()
def encode_decode(G, x):
    """Encodings (B, d) and images G(E(x)) (B, 1, 28, 28), in chunks."""
    z = torch.cat([G.encode(part) for part in x.split(500)])
    return z, torch.cat([G(part) for part in z.split(500)])


x = mnist.test
c = (x.flatten(1) - centre) @ axes  # (10000, 784): PCA coordinates of the test images
left_over = c.pow(2).flip(1).cumsum(1).flip(1)  # [:, k] is the squared error if k components are kept
pca = (left_over.sqrt() / x.flatten(1).norm(dim=1, keepdim=True)).median(0).values  # NRMSE for k = 0, 1, ...
AE = pretrained("ae-mnist-8")
ae = nrmse(encode_decode(AE, x)[1], x).median()
equal = int((pca > ae).sum())
print(f"median NRMSE: PCA with 8 components {pca[8]:.3f}, autoencoder with 8 numbers {ae:.3f}")
print(f"PCA needs {equal} components to match it; the AE has {n_parameters(AE):,} weights")
assert 0.3 < ae < 0.36 and 0.57 < pca[8] < 0.60 and 42 <= equal <= 44 and n_parameters(AE) == 115_321

# %% [markdown]
# Eight coordinates of the network do as well as forty-three principal components. Among all planes of a given dimension
# PCA finds the best one, so the surface with eight dimensions near which the digits lie cannot be a plane: it is bent.
#
# Equation (4) has a gap: it never says *where* in $\mathcal Z$ the encodings should lie. To draw a new image, which
# $z$ should we take? Section 5 shows what happens if one guesses.

# %% [markdown]
# ## 3 The variational autoencoder
#
# Now *close* gets a meaning: the Kullback-Leibler divergence, taken from the data,
#
# $$ d_{KL}(P^*\|P_G)=\mathbb E_{x\sim P^*}\log p^*(x)-\mathbb E_{x\sim P^*}\log p_G(x). $$
#
# The first term does not depend on $G$. So minimising the divergence means making the training images likely. But
# the images $G(z)$ lie on a surface of $d<n$ dimensions, which has no volume, so their distribution has no density. Add
# observation noise: model an image as $x=G(z)+\rho\,e$ with $e\sim\mathcal N(0,I)$. Then there is a density, for *every*
# generator:
#
# $$ p_G(x)=\int p(x|z)\,p(z)\,dz,\qquad -\log p(x|z)=\frac{\|x-G(z)\|_2^2}{2\rho^2}+\frac n2\log(2\pi\rho^2). $$
#
# **The evidence lower bound.** The integral over $z$ cannot be computed by drawing $z$ from the prior, because for a given
# $x$ nearly every $z$ contributes next to nothing. So guess which $z$ matter, by any density $q(z)$. By Bayes' rule
# $p_G(x)=p(x|z)\,p(z)/p(z|x)$ for every $z$. Take the logarithm, insert $q(z)/q(z)$, and average over $z\sim q$:
#
# $$ \log p_G(x)=\underbrace{\mathbb E_{z\sim q}\log p(x|z)-d_{KL}(q\,\|\,p(z))}_{\text{evidence lower bound (ELBO)}}
#    \;+\;\underbrace{d_{KL}(q\,\|\,p(z|x))}_{\ge\,0}. $$
#
# The last term is not negative, so the first part bounds $\log p_G(x)$ from below; it is equal if $q$ is the true
# posterior. Let an encoder supply $q$ for each image: $\mathcal N_{x,\psi}=\mathcal N(\mu_\psi(x),
# \mathrm{diag}\,\sigma_\psi^2(x))$. Minus the ELBO, without the constant $\frac n2\log(2\pi\rho^2)$, is the **VAE
# loss** (paper, eq. (6); Kingma and Welling 2014):
#
# $$ \min_{\theta,\psi}\;\mathbb E_{x\sim P^*}\left(\mathbb E_{z\sim\mathcal N_{x,\psi}}
#    \left[\frac{\|x-G_\theta(z)\|_2^2}{2\rho^2}\right]+d_{KL}(\mathcal N_{x,\psi}\|P_{\mathcal Z})\right). \tag{6} $$
#
# Between two Gaussians the second term is explicit:
# $d_{KL}(\mathcal N(\mu,\mathrm{diag}\,\sigma^2)\|\mathcal N(0,I))=\frac12\sum_j(\mu_j^2+\sigma_j^2-\log\sigma_j^2-1)$.
#
# **The reparametrisation trick.** We need the gradient of $\mathbb E_{z\sim\mathcal N_{x,\psi}}[\ldots]$ with respect
# to $\psi$, which sits in the distribution. Write $z=\mu+\sigma e$ with $e\sim\mathcal N(0,I)$: now the randomness does
# not depend on $\psi$, and the chain rule applies to each draw. Exercise 2 does it by hand.
#
# **One number, two names.** Multiply (6) by $2\rho^2$: it becomes $\|x-G(z)\|_2^2+k\,d_{KL}$ with
#
# $$ k=2\rho^2,\qquad \rho=\sqrt{k/2}. $$
#
# Programs state the *KL weight* $k$; the paper states $\rho$, and its code runs $k=0.05$ on MNIST, so $\rho=0.158$.
#
# ### The loss in ten lines
#
# This is all of (6) as a program, on a batch, with one draw of $z$ for each image. The library's VAE computes the same,
# which the cell checks. The unit is the *nat*, one unit of the natural logarithm.


# %%
def loss_6(model, x, e):
    """Eq. (6) for images x (B, 1, 28, 28) and draws e (B, 8) from N(0, I)."""
    mean, log_std = model.posterior(x)  # the encoder: two (B, 8)
    z = mean + log_std.exp() * e  # the reparametrisation trick, (B, 8)
    misfit = (x - model(z)).pow(2).flatten(1).sum(1) / (2 * model.config.rho**2)  # (B,)
    kl = 0.5 * (mean.pow(2) + (2 * log_std).exp() - 2 * log_std - 1).sum(1)  # (B,)
    return (misfit + kl).mean()


fresh = build(GeneratorConfig("vae", latent_dim=8, rho=0.158), seed=0)
e = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
ours, library = loss_6(fresh, mnist.train[:64], e), fresh.losses(mnist.train[:64], torch.Generator().manual_seed(0))
ours.backward()  # gradients for encoder and decoder, through z
print(f"before training: {ours:.2f} nats per image, the library's {library['loss']:.2f}", end="; ")
print(f"slope of the first layer of the encoder {fresh.encoder[0].weight.grad.norm():.1f}")
assert torch.isclose(ours, library["loss"])

# %% [markdown]
# A step of training is this loss on a new batch, its gradient, and a step of Adam.
#
# ### Train one
#
# The network of the shipped models, 20,000 training images, batches of 64. `rho` is a grey value: white is 1.


# %%
def tell(step, model):
    """Called at each validation with the moving average of the weights."""
    error = nrmse(encode_decode(model, watched)[1], watched).median()
    print(f"step {step:4d}: median NRMSE on validation images {error:.3f}")


watched = mnist.val[:500]
live = build(GeneratorConfig("vae", latent_dim=8, rho=0.158), seed=0)
steps = 100 if FAST else 600
budget = TrainConfig(steps=steps, batch_size=64, lr=3e-3, ema=0.99, validate_every=steps // 4)
report = train(live, mnist.train, watched, budget, progress=False, on_validation=tell)
print(f"{report['steps']} steps in {report['seconds']:.0f} s; loss (6) {report['best_score']:.0f} nats per image")
assert report["history"][-1]["score"] < report["history"][0]["score"]

# %% mystnb={"image": {"alt": "Three strips of ten images: test digits; their reconstructions by the VAE just trained, blurred but mostly legible; its samples, of which about half resemble digits."}}
live.freeze()
rows = {
    "test images": x[:10],
    "$G(E(x))$, live": encode_decode(live, x[:10])[1],
    "samples, live": live.sample(10, torch.Generator().manual_seed(1)),
}
plots.image_strips(rows)
plt.show()

# %% [markdown]
# Half a minute of training makes a generator of digits. Its images are soft, because if one $z$ must serve two digits,
# the best compromise in squared error is their mean (chapter 00, exercise 1). The shipped VAE had twenty-five times as
# many steps, with batches twice as large, from 58,000 images.
#
# ### What $\rho$ does
#
# Equation (6) weighs two wishes. The first: draw this image well. The second: let the encodings look like
# $\mathcal N(0,I)$. For $\rho\to0$ only the first counts, and we are back at the autoencoder. For $\rho\to\infty$
# only the second counts.
#
# **Predict, then run.** Four short runs, which differ in $\rho$ alone. Which of these changes by more than a factor of two
# between $\rho=0.05$ and $\rho=0.5$?
#
# - [ ] the reconstruction error
# - [ ] the KL divergence
# - [ ] the spread of the encodings

# %%
print(f"{'rho':>6}{'k = 2 rho^2':>13}{'NRMSE':>8}{'KL (nats)':>11}{'std of encodings':>18}{'coordinates in use':>20}")
sweep = {}
for rho in (0.05, 0.158, 0.5, 1.5):
    model = build(GeneratorConfig("vae", latent_dim=8, rho=rho), seed=0)
    steps = 40 if FAST else 250
    short = TrainConfig(steps=steps, batch_size=32, lr=3e-3, ema=0.98, validate_every=steps)
    train(model, mnist.train, watched, short, progress=False)
    with torch.no_grad():
        mean, log_std = model.posterior(watched)
        error = nrmse(model(mean), watched).median()
    kl = kl_to_standard_normal(mean, log_std).mean()
    each = torch.stack([kl_to_standard_normal(mean[:, [j]], log_std[:, [j]]).mean() for j in range(8)])
    sweep[rho] = {"kl": float(kl), "std": float(mean.var(0).mean().sqrt()), "used": int((each > 0.1).sum())}
    print(f"{rho:6.3f}{2 * rho**2:13.3f}{error:8.3f}{kl:11.1f}{sweep[rho]['std']:18.2f}{sweep[rho]['used']:20d}")
assert sweep[0.05]["kl"] > sweep[0.158]["kl"] > sweep[0.5]["kl"] > sweep[1.5]["kl"]
assert sweep[0.05]["std"] > sweep[1.5]["std"]

# %% [markdown]
# From $\rho=0.05$ to $0.5$ the reconstruction hardly moves, while the KL divergence falls by a factor above three and
# the spread of the encodings by about a third: over a wide range $\rho$ decides less about the quality of reconstructions than about *where the encodings lie*. Small
# $\rho$ lets them spread beyond the prior; then draws from $\mathcal N(0,I)$ reach only the middle of them. Large $\rho$
# ends in **posterior collapse**: coordinates are no longer used, because using them costs more nats than they save.
# Exercise 4 predicts the number of coordinates for the linear case exactly.
#
# For regularisation this matters twice. The penalty $\|z\|_2^2$ of chapter 05 presumes encodings of unit spread. And
# a switched-off coordinate is a dimension in which no image can be reconstructed.

# %% [markdown]
# ## 4 The Wasserstein GAN
#
# A different *close*: how far must probability mass travel to turn $P_G$ into $P^*$? A **coupling** $\gamma$ is a joint
# distribution of $(x,x')$ with marginals $P^*$ and $P_G$, a plan of who goes where. The **Wasserstein distance** is
# the cost of the cheapest plan,
#
# $$ W_1(P^*,P_G)=\min_{\gamma}\;\mathbb E_{(x,x')\sim\gamma}\|x-x'\|_2. $$
#
# (The index 1 says that the cost is the distance itself. Section 5 measures samples by another cost, its square.) It
# makes sense for distributions on thin surfaces, where the KL divergence is infinite. But who can compute the best
# plan among all images? **Kantorovich and Rubinstein** turn the minimum into a maximum:
#
# $$ W_1(P^*,P_G)=\max_{\|D\|_{\mathrm{Lip}}\le1}\;\mathbb E_{x\sim P^*}D(x)-\mathbb E_{x'\sim P_G}D(x'), $$
#
# over all **critics** $D$ with $|D(x)-D(x')|\le\|x-x'\|_2$, which are called 1-Lipschitz.
#
# *Why "$\ge$":* for a 1-Lipschitz $D$ and any plan, $\mathbb E D(x)-\mathbb E D(x')=\mathbb E_\gamma[D(x)-D(x')]\le
# \mathbb E_\gamma\|x-x'\|_2$. No critic exceeds any plan.
#
# *Why "$=$":* the minimum is a linear programme in $\gamma$ with the marginals as constraints. Its dual has a
# multiplier for each marginal, $f$ and $g$:
#
# $$ \max_{f,g}\;\mathbb E_{P^*}f+\mathbb E_{P_G}g\quad\text{subject to}\quad f(x)+g(x')\le\|x-x'\|_2, $$
#
# and linear programmes have no duality gap. Given $f$, the best $g$ is $g(x')=\min_x(\|x-x'\|_2-f(x))$, a minimum of
# 1-Lipschitz functions, so 1-Lipschitz itself. Put $D=-g$. For this $g$ the best $f$ is
# $f(x)=\min_{x'}(\|x-x'\|_2+D(x'))=D(x)$: the value at $x'=x$ is $D(x)$, and no other is smaller because $D$ is
# 1-Lipschitz. So the best pair is $f=D$, $g=-D$. (In full: Villani 2009, ch. 5.)
#
# In one dimension everything can be computed. The best plan matches the sorted samples; the best critic has slope
# $\pm1$ everywhere, up where $P_G$ has had more mass so far than $P^*$, down where less.
#
# **Predict, then run.** Mass has to move from both orange humps to the blue one. Where does the best critic have its
# peak? Will the critic $\tanh$ get close?

# %%
rng = np.random.default_rng(0)
real = rng.normal(0.0, 1.0, 4000)
fake = np.where(rng.random(4000) < 0.5, rng.normal(-2.0, 0.3, 4000), rng.normal(2.5, 0.5, 4000))
cheapest_plan = np.abs(np.sort(real) - np.sort(fake)).mean()
grid = np.sort(np.concatenate([real, fake]))
mass = [np.searchsorted(np.sort(s), grid, side="right") for s in (real, fake)]  # samples up to each point
slope = np.sign(mass[1] - mass[0])[:-1]
critic = np.concatenate([[0.0], np.cumsum(slope * np.diff(grid))])


def gain(values_at_grid):
    """E D(real) - E D(fake)."""
    return np.interp(real, grid, values_at_grid).mean() - np.interp(fake, grid, values_at_grid).mean()


print(f"cheapest plan {cheapest_plan:.6f}, best critic {gain(critic):.6f}, critic tanh {gain(np.tanh(grid)):.3f}")
assert abs(cheapest_plan - gain(critic)) < 1e-9 and gain(np.tanh(grid)) < cheapest_plan

# %% mystnb={"image": {"alt": "Histograms of P star, one hump around zero, and P G, two humps at minus 2 and 2.5. The best critic is a tent with slope one on the left and minus one on the right, its peak near zero, within the hump of P star."}}
figure, ax = plots.subplots(size=(5.6, 2.8), alt="Two histograms and the best critic.")
for samples, name, colour in ((real, "$P^*$", "blue"), (fake, "$P_G$", "orange")):
    ax.hist(samples, 80, density=True, alpha=0.5, label=name, color=plots.COLOURS[colour])
ax.plot(grid, 0.25 * (critic - critic.min()), color=plots.COLOURS["black"], ls="-", label="best critic / 4")
ax.set(xlabel="x", ylabel="density")
ax.legend()
plt.show()

# %% [markdown]
# Minimum and maximum agree to every printed digit: no duality gap. The critic is a tent with its peak inside the blue
# hump (and a foot at the far left, where a few blue samples lie beyond the orange ones). Its slope points from where mass
# is to where mass should be, and the generator learns from this slope. $\tanh$ rises to the right everywhere, so what it
# gains at one orange hump it loses at the other, and almost nothing remains.
#
# Replace the maximum over functions by one over networks $D_\psi$, and minimise over the generator (paper, eq. (5);
# Arjovsky, Chintala and Bottou 2017):
#
# $$ \min_\theta\max_\psi\;\mathbb E_{x\sim P^*}D_\psi(x)-\mathbb E_{z\sim P_{\mathcal Z}}D_\psi(G_\theta(z)),
#    \qquad D_\psi\ \text{1-Lipschitz}. \tag{5} $$
#
# **How to keep a network 1-Lipschitz?** A best critic has slope exactly 1 almost everywhere along the routes of the
# best plan. So ask for it (Gulrajani et al. 2017): draw points $\hat x$ between real and generated images and add
#
# $$ 10\;\mathbb E_{\hat x}\bigl(\|\nabla D_\psi(\hat x)\|_2-1\bigr)^2 $$
#
# to what the critic minimises. The norm is that of the gradient with respect to the *whole image*. In exercise 3 it is
# another one, as in a published code.
#
# ### One step of the critic in ten lines
#
# The critic of a new WGAN is trained alone here, against a generator that has learned nothing yet and draws nearly the
# same dark image every time. `gradient_penalty` is the library's function for the mean above, without the factor 10.
#
# **Predict, then run.** If the critic were the best one, what would `distance` be?


# %%
def critic_step(model, real, optimiser, generator):
    z = model.sample_latent(len(real), generator)
    fake = model(z).detach()  # the generator does not learn in this step
    distance = model.critic(real).mean() - model.critic(fake).mean()  # the inner part of (5)
    penalty = gradient_penalty(model.critic, real, fake, generator)
    loss = -distance + 10 * penalty  # the critic maximises the distance
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return distance.item(), penalty.item()


wgan, g = build(GeneratorConfig("wgan", latent_dim=8), seed=0), torch.Generator().manual_seed(0)
adam = torch.optim.Adam(wgan.critic_network.parameters(), lr=1e-3, betas=(0.5, 0.9))
for step in range(1, 21 if FAST else 61):
    critics_distance, critics_penalty = critic_step(wgan, mnist.train[64 * step : 64 * step + 64], adam, g)
    if step in (1, 10, 20, 40, 60):
        print(f"step {step:3d}: distance {critics_distance:6.2f}, penalty {critics_penalty:.2f}")
with torch.no_grad():
    cost = torch.cdist(mnist.test[:500].flatten(1).double(), wgan(wgan.sample_latent(500, g)).flatten(1).double())
cheapest = ot.emd2([], [], cost.numpy())
print(f"W_1 of 500 digits and 500 images of this generator, by linear programming: {cheapest:.2f}")
assert FAST or 0.8 * cheapest < critics_distance < 1.4 * cheapest

# %% [markdown]
# The best critic would find $W_1$. Ours comes near it within 40 steps and then exceeds it, which no 1-Lipschitz critic can:
# a penalty of 0.17 says that its slope misses 1 by $\sqrt{0.17}=0.4$ (root mean square). A penalty only discourages slopes above 1,
# and does not forbid them. So the loss of a critic is an estimate of $W_1$ up to the factor of its slope.
#
# Training alternates: five steps for the critic, one for the generator. It is a game of two players, not a minimisation.
# The loss of one player says how good the other is, so it cannot tell when to stop. We stop by the earth mover's distance
# between samples and validation images instead (section 5, and chapter 04). And there is **no encoder**: the $z$ of an
# image must be searched.

# %% [markdown]
# ## 5 The shipped generators
#
# Training such a GAN takes an hour or more, as the cell below prints. So the course ships an AE, a VAE ($\rho=0.158$) and a WGAN with $d=8$, trained on 58,000
# digits, and **the same generator network for all three**, as in the paper: so differences come from the training.
# `pretrained` refuses a file whose SHA-256 is not the one on record. Each comes with a card: seed, settings, curves,
# machine, commit.

# %% mystnb={"image": {"alt": "Validation score against training step for AE, VAE and WGAN. AE and VAE fall fast, then level off; so does the earth mover's distance of the GAN, which is best shortly before the end."}}
FAMILIES = ("ae", "vae", "wgan")
models = {family: pretrained(f"{family}-mnist-8") for family in FAMILIES}
cards = {family: card(f"{family}-mnist-8") for family in FAMILIES}
pictures.training_curves(cards)
plt.show()
size = {family: n_parameters(model.decoder) for family, model in models.items()}
print("weights of G:", size)
assert set(size.values()) == {69_377}

# %% [markdown]
# ### The networks, drawn from their own layers
#
# Each box is what comes out of a layer: channels × rows × columns, or the length of a vector (dark). Below each arrow
# stands the number of weights. The AE's encoder ends in 8 numbers instead of the VAE's 16, a mean and a log standard
# deviation for each latent variable.

# %% mystnb={"image": {"alt": "Three networks. G: 8 numbers, a dense layer to 64 maps of 7 by 7, transposed convolutions of stride 2 to 32 maps of 14 by 14 and to 16 maps of 28 by 28, a 3 by 3 convolution to the image of 28 by 28; 69,377 weights. E of the VAE: the image, three convolutions of stride 2 to 16 maps of 14 by 14, 32 of 7 by 7 and 64 of 3 by 3, a dense layer to 16 numbers; 50,560 weights. The critic: the same with a dense layer to one number; 41,905 weights. A leaky ReLU follows every layer except the last."}}
network_diagram(
    {
        "G of all three": (models["vae"].decoder, (8,)),
        "E of the VAE": (models["vae"].encoder, (1, 28, 28)),
        "D, the critic of the WGAN": (models["wgan"].critic_network, (1, 28, 28)),
    }
)
plt.show()

# %% [markdown]
# **Is $G$ smooth?** Between its layers stands the *leaky ReLU*, $v\mapsto v$ for $v>0$ and $v\mapsto0.3\,v$ for $v\le0$.
# It has a kink at 0, and everything else in $G$ is affine. So $G$ is **piecewise affine**: where none of its leaky ReLUs
# changes its side, $G$ is an affine function of $z$.
#
# **Predict, then run.** How often does that happen on a straight line of length 1 in the latent space: not at all, ten
# times, a thousand times?
#
# - [ ] not at all
# - [ ] about ten times
# - [ ] about a thousand times


# %%
@torch.no_grad()
def sides(G, z):
    """On which side of its kink each leaky ReLU of G is: (B, 8) -> (B, number of them) bool."""
    found, value = [], z
    for layer in G.decoder:
        if isinstance(layer, nn.LeakyReLU):
            found.append((value > 0).flatten(1))
        value = layer(value)
    return torch.cat(found, 1)


g = torch.Generator().manual_seed(0)
starts, directions = torch.randn(5, 1, 8, generator=g), torch.randn(5, 1, 8, generator=g)
directions /= directions.norm(dim=2, keepdim=True)
switches = {}
for family, G in models.items():
    along = [sides(G, z0 + torch.linspace(0, 1, 201)[:, None] * u) for z0, u in zip(starts, directions, strict=True)]
    switches[family] = [int((on[1:] != on[:-1]).sum()) for on in along]
    counts = ", ".join(map(str, switches[family]))
    print(f"{family.upper():4s} {along[0].shape[1]:,} leaky ReLUs; changes of side on five lines: {counts}")
assert all(300 < count < 4000 for counts in switches.values() for count in counts)

# %% [markdown]
# About a thousand times, seven hundred at least on these lines. So this much is true of $G$: it is Lipschitz continuous, as a composition of affine maps and
# leaky ReLUs, and it is differentiable except on a set of measure zero, the kinks. Its gradient is constant between two
# kinks and jumps at each of them, so it is neither continuous nor Lipschitz continuous. The same holds for the critic.
# Gradients can still be used, and all the searches of this course use them. But a theorem that assumes a Lipschitz
# gradient does not apply. Chapter 05 states such a theorem, and what happens without its assumption.
#
# ### Reconstruction
#
# AE and VAE encode and decode. For the GAN we solve $\min_z\|G(z)-x\|_2^2$ (paper, eq. (9)): that is the hard method of
# chapter 05 with $A=I$ and $\lambda=0$. For a fair comparison the same search is done for AE and VAE, from their own
# encodings.
#
# **Predict, then run.** Rank the three by reconstruction. Then rank them by the quality of their samples.

# %%
z, decoded = {}, {}
for family in ("ae", "vae"):
    z[family], decoded[family] = encode_decode(models[family], x)
    low, middle, high = torch.quantile(nrmse(decoded[family], x), torch.tensor([0.25, 0.5, 0.75]))
    print(f"{family.upper():4s} encode-decode, 10,000 test images: median NRMSE {middle:.3f} ({low:.3f} to {high:.3f})")

n = 20 if FAST else 100
few, searched = x[:n], {}
for family, G in models.items():
    if G.has_encoder:
        start = {"start": "encoder", "x0": few}
    else:
        start = {"start": Dictionary(G, torch.Generator().manual_seed(0)), "n_starts": 4}
    found = reconstruct(Identity(28), few, Hard(G, lam=0.0), **start)
    searched[family] = found.x
    low, middle, high = torch.quantile(nrmse(found.x, few), torch.tensor([0.25, 0.5, 0.75]))
    print(f"{family.upper():4s} best z found, {n} test images:     median NRMSE {middle:.3f} ({low:.3f} to {high:.3f})")
median = {family: float(nrmse(images, few).quantile(0.5)) for family, images in searched.items()}
assert median["wgan"] > 1.15 * max(median["ae"], median["vae"]) and abs(median["ae"] - median["vae"]) < 0.03

# %% mystnb={"image": {"alt": "Four strips of twelve digits: test images, and the best images found by AE, VAE and WGAN. AE and VAE are alike, slightly soft and nearly always the right digit; the GAN is crisper but changes details and now and then the digit."}}
rows = {"test images": few[:12]} | {f"{family.upper()}": images[:12] for family, images in searched.items()}
notes = {f"{family.upper()}": f"NRMSE {value:.2f}" for family, value in median.items()}
plots.image_strips(rows, notes)
plt.show()

# %% [markdown]
# AE and VAE reconstruct alike, with a median near 0.31; the GAN is clearly behind, near 0.43. It was never asked to
# reconstruct anything: equation (5) compares distributions, and it costs little if a few real digits have no $z$.
#
# ### Samples
#
# Draw $z\sim\mathcal N(0,I)$. For the AE this is a guess, because nothing told it where to put its encodings. So show it
# a second time, with $z$ from a Gaussian that has the mean and covariance *of its encodings* ("fitted").
#
# The VAE was told, by the KL term, but only as strongly as $\rho$ says. After its training the draws from $q(z|x)$, taken
# over all training images, had some mean $m$ and some covariance $TT^\top$ instead of $0$ and $I$. The course has put
# that right afterwards: with $z=m+Tz'$ the generator $G'(z')=G(m+Tz')$ and the encoder $E'(x)=T^{-1}(E(x)-m)$ draw and
# reconstruct the very same images, since $G'(E'(x))=G(E(x))$, and $z'$ has mean $0$ and covariance $I$. Both maps are
# affine, so they were multiplied into the layers next to $z$ (`VAE.standardise`). The card keeps $m$ and $T$; with them
# we can also draw as if nothing had been done ("as trained").
#
# To the right stands the **earth mover's distance** (EMD) between $N=1{,}000$ samples and $N$ test images,
#
# $$ \mathrm{EMD}=\min_{\pi}\;\frac1N\sum_{i=1}^N\|x_i-G(z_{\pi(i)})\|_2^2\qquad\text{over all ways } \pi \text{ to pair them,} $$
#
# which is eq. (10) of the paper divided by $N$. Its cost is the *squared* distance. So it is not the $W_1$ of section 4,
# which a critic estimates, but $W_2^2$, the square of the Wasserstein-2 distance. We use it because the paper ranks its
# generators by it (Fig. 3). Both are zero only if the two distributions are equal, but in $W_2^2$ large distances count
# more.
#
# **Predict, then run.** What will the first row show? How much can an affine map be worth?


# %%
def emd(a, b):
    """Earth mover's distance with squared Euclidean cost, per image: W_2^2, eq. (10) of the paper divided by N."""
    cost = torch.cdist(a.flatten(1).double(), b.flatten(1).double()).pow(2)
    return ot.emd2([], [], cost.numpy(), numItermax=10**8)


def normal(seed=5):
    """1,000 draws from N(0, I), (1000, 8)."""
    return torch.randn(1000, 8, generator=torch.Generator().manual_seed(seed))


change = {name: torch.tensor(value) for name, value in cards["vae"]["report"]["standardised_by"].items()}
latents = {
    "AE, N(0, I)": normal(),
    "AE, fitted": z["ae"].mean(0) + normal() @ torch.linalg.cholesky(torch.cov(z["ae"].T)).T,
    "VAE as trained, N(0, I)": torch.linalg.solve(change["T"], (normal() - change["m"]).T).T,
    "VAE, N(0, I)": normal(),
    "WGAN, N(0, I)": normal(),
}

# %% mystnb={"image": {"alt": "Five strips of twelve samples with their earth mover's distance. AE from the standard normal: almost black, the largest distance. AE from a Gaussian fitted to its encodings: soft digits. VAE as trained: digits, several faint or broken. VAE, standardised: soft digits, fewer broken ones. WGAN: crisp strokes, most of them digits."}}
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))  # neighbours share a writer: mix them
some, others = order[:1000], order[1000:2000]
samples = {name: models[name.split(",")[0].split()[0].lower()](v) for name, v in latents.items()}
distance = {name: emd(images, x[some]) for name, images in samples.items()}
notes = {name: f"EMD {value:.1f}" for name, value in distance.items()}
plots.image_strips({name: images[:12] for name, images in samples.items()}, notes)
plt.show()

# %%
distance |= {
    "other test images": emd(x[others], x[some]),
    "the same, through the AE": emd(decoded["ae"][others], x[some]),
}
for name, value in distance.items():
    print(f"EMD {value:5.1f}  {name}")
length = z["ae"].norm(dim=1).quantile(torch.tensor([0.01, 0.5]))
print(f"AE encodings: 99 % longer than {length[0]:.1f}, median {length[1]:.1f}")
scales = torch.linalg.svdvals(change["T"])
print(f"VAE as trained: m of norm {change['m'].norm():.2f}, T stretches by {scales[-1]:.2f} to {scales[0]:.2f}")
before, after = cards["vae"]["report"]["best_score"], cards["vae"]["report"]["standardised_score"]
print(f"VAE, loss (6) of validation images: as trained {before:.2f}, standardised {after:.2f}")
assert distance["AE, N(0, I)"] > 2 * distance["AE, fitted"] and after < before
assert distance["VAE as trained, N(0, I)"] > 1.15 * distance["VAE, N(0, I)"]
assert distance["the same, through the AE"] < distance["other test images"]

# %% [markdown]
# What the pictures and the numbers say:
#
# 1. **The AE can draw, but nothing tells where.** Draws from $\mathcal N(0,I)$ have length $\sqrt8\approx2.8$; 99 % of its
#    encodings are longer than 5. So the guess hits the empty middle, where the decoder was never trained. Sampling where
#    the encodings are repairs it. (Ghosh et al. 2020 make a method of this.)
# 2. **The VAE's encodings are near the prior, not on it.** As trained, they lie off centre by $\|m\|$ and are stretched by
#    $T$, and several of the draws above are faint or broken. Moving the coordinates changes no reconstruction, brings
#    the EMD of samples down by a fifth, and even lowers the loss (6) itself, because the KL term shrinks: training had
#    not found the best affine map. How well the region that holds the images is known (property B2 of the paper) is
#    therefore a matter of degree. Chapter 04 measures what an affine map cannot repair.
# 3. **Sample quality and reconstruction are different goals.** The GAN draws the crispest strokes and reconstructs
#    worst. A regulariser needs the second: every image that may be the truth must be within reach.
#
# ### Why do two sets of real digits score 37?
#
# Two sets of *real* digits follow the same distribution, so $W_2$ of the distributions is 0. Yet the list above has 37.1
# for them, more than for the VAE. Our explanation: the EMD compares two finite sets, and among $N$ images in 784
# dimensions even the nearest one is far. The control: how does the EMD of real digits change with $N$, and how far is the
# nearest one? And what score has a useless generator, one that draws the mean image of MNIST every time? (Of all single
# images it has the best score, by the proof of exercise 1 in chapter 00.)
#
# **Predict, then run.** How many images does it take until real digits are better than the mean image?

# %%
sizes = (50, 100, 200) if FAST else (50, 100, 200, 400, 1000)
rows = []
for N in sizes:
    first, second = x[order[:N]], x[order[N : 2 * N]]
    real_ones = emd(second, first)
    nearest = torch.cdist(first.flatten(1), second.flatten(1)).pow(2).min(1).values.mean()
    drawn_ones = emd(models["vae"].sample(N, torch.Generator().manual_seed(5)), first)
    means = (first.flatten(1) - centre).pow(2).sum(1).mean()
    assert nearest < real_ones
    rows.append([f"{N:,}", *(f"{value:.1f}" for value in (real_ones, nearest, drawn_ones, means))])
assert float(rows[0][1]) > float(rows[-1][1]) + 5 and float(rows[0][1]) > float(rows[0][4])
heads = ["N", "EMD of two real sets", "mean squared distance to the nearest", "EMD of the VAE", "EMD of the mean image"]
markdown_table(heads, rows)

# %% [markdown]
# Twenty times as many images bring the EMD of two real sets down by about a third. Most of it is the squared distance to
# the nearest image of the other set, which no plan can avoid. With 50 or 100 images, real digits score *worse* than a
# generator that draws nothing but the mean; from 200 on they are better. So:
#
# - an EMD means something only beside that of two real sets of the same size, and EMDs of different $N$ cannot be
#   compared (the paper uses $N=10{,}000$);
# - a score below that of real digits, as the VAE has it with 1,000 images, is no proof of good samples. The line "through
#   the AE" shows how it comes about: digits that were passed through the AE score 28.4, *better* than the digits
#   themselves, because they are softer, and a soft image is nearer to all others. Exercise 5 looks at the opposite.
#
# Chapter 04 brings other measures, with other faults.

# %% [markdown]
# ## 6 Counting weights, and reading a printed architecture
#
# The paper's networks are printed in its Figs. 14 and 15. Their generators end in a dense layer from a stack of 64
# feature maps to all pixels. Count it: a dense layer from $a$ to $b$ numbers has $ab+b$ weights.
#
# **Predict, then run.** The MNIST generator ends with a dense layer from $64n^2$ to $n^2$, $n=28$. How many weights is
# that? How many is it for Shapes, $n=56$, with the same formula?

# %%
with torch.device("meta"):  # layers that know their shapes and store nothing
    head_printed = nn.Linear(64 * 56 * 56, 56 * 56)
    paper_mnist, paper_shapes = decoder("paper", 28, 8, "dense"), decoder("paper", 56, 10, "dense")
    conv_mnist, conv_shapes = decoder("paper", 28, 8, "conv"), decoder("paper", 56, 10, "conv")
    ours_mnist, ours_shapes = decoder("lean", 28, 8), decoder("lean", 56, 10)
body = n_parameters(conv_shapes) - n_parameters(conv_shapes[-1])  # Shapes without its last layer
counts = {
    "MNIST, as printed and coded": n_parameters(paper_mnist),
    "MNIST, last layer a 3x3 convolution": n_parameters(conv_mnist),
    "MNIST, ours": n_parameters(ours_mnist),
    "Shapes, as printed (Fig. 15)": body + n_parameters(head_printed),
    "Shapes, as in the authors' code": n_parameters(paper_shapes),
    "Shapes, last layer a 3x3 convolution": n_parameters(conv_shapes),
    "Shapes, ours": n_parameters(ours_shapes),
}
print(f"{'generator':38s}{'weights':>14s}{'float32 file':>15s}{'Adam training':>15s}")
for name, count in counts.items():
    print(f"{name:38s}{count:14,}{4 * count / 1e6:12,.1f} MB{16 * count / 1e9:12.3f} GB")
share = n_parameters(paper_mnist[-2]) / counts["MNIST, as printed and coded"]
print(f"share of the last layer in the MNIST generator: {100 * share:.1f} %")
assert list(counts.values()) == [39_472_555, 134_364, 69_377, 629_543_707, 157_487_899, 133_404, 77_633]

# %% [markdown]
# Training needs weight, gradient and two moments of Adam: 16 bytes per weight. As printed, the Shapes generator asks
# for 10 GB, on a card with 6 GB (the paper's Nvidia K20X). So what was printed cannot be what was run. The authors' code resolves
# it: by its strides $[2,2,1]$ the stack ends at $28\times28\times64$, not at $56\times56\times64$, and the layer is
# $16n^2\to n^2$: **157 million weights instead of 629 million**.
#
# Ours has 0.07 million, because its last layer is a $3\times3$ convolution: a stroke looks the same in every corner,
# so there is no need to learn each pixel's drawing rule separately. The paper's network with such a layer is available
# as `GeneratorConfig("vae", 8, variant="paper")`, and with the dense one as `head="dense"`.
#
# <details><summary><b>Notes: print against code</b> (for those who compare with the authors' repository)</summary>
#
# Differences between the printed article and the authors' public code, and what we do.
#
# | | print | code | here |
# |---|---|---|---|
# | Shapes generator, end of the stack (Fig. 15) | $[n,n,64]$, dense $64n^2\to n^2$ | strides 2, 2, 1 give $28\times28\times64$, dense $50{,}176\to3136$ | 3×3 convolution |
# | MNIST generator (Fig. 14) | — (the row of transposed convolutions is lost in our text copy) | strides 1, 2, 2, ReLU, no dropout after the last | the same in `variant="paper"` |
# | knee generator (Fig. 16) | dense $n^2/8$, then a reshape to $\frac n{16}\cdot\frac n{16}\cdot16=n^2/16$ | 1024 $=n^2/16$ for $n=128$ | chapter 08 |
# | dropout "prob = 0.8" (Fig. 13) | reads like a rate | 0.8 is the probability to *keep*: rate 0.2 | rate 0.2 in `variant="paper"`, none in ours |
# | $\rho$ of the VAE | not stated | KL weight $k=0.05$ (MNIST), $0.01$ (Shapes): $\rho=0.158$, $0.0707$ | $\rho=0.158$ |
# | gradient penalty | an additional term, citing Gulrajani et al. | another norm (exercise 3) | norm for the whole image |
# | critic | not stated | five steps that reuse the same batch and the same $z$, dropout in the critic | fresh batch and $z$ each step, no dropout |
#
# Notes on the code's PSNR convention, operator scaling and line search belong to chapter 05.
# </details>

# %% [markdown]
# ## 7 Explorer: a walk through three latent spaces
#
# A test digit, and another one. The line between their encodings, $(1-t)z_1+t\,z_2$, is drawn by each generator.
# Below each image its eight latent coordinates. Two of them (orange) can be shifted, in units of the standard
# deviation: of the encodings for the AE, of the prior for VAE and GAN.
#
# 1. Walk from 4 to 0 with $t$. Which generator passes through other digits on the way, which one through blur?
# 2. At $t=0$, shift one coordinate after the other. Does any of them mean something (slant, width, which digit)?
# 3. Shift two coordinates to $\pm3$. Which generator still draws a digit?
# 4. From 7 to 7: read off $\|z\|$. What length does $\mathcal N(0,I)$ in eight dimensions expect?

# %% tags=["explorer"] mystnb={"image": {"alt": "Top: test digit 4, then the images of AE, VAE and GAN halfway to a 0; all three look like a slanted 9. Bottom: the digit 0, then eight latent coordinates of each as bars; those of the AE are up to four units long, those of VAE and GAN one to two."}}
explorer = latent_explorer()
explorer.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls: first and second digit, share of the way t, and shifts of two latent coordinates."}}
explorer

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# 1. AE and VAE pass through a 9, which lies between 4 and 0, and through blur. The GAN breaks its strokes instead of
#    blurring them. (From 3 to 8 it crosses a knot that is no digit.)
# 2. Mixtures: slant and thickness change together, and so does the digit. Nothing in (4), (5) or (6) ties a coordinate
#    to a meaning; for the GAN any rotation of $\mathcal Z$ would do as well, for the VAE nearly so.
# 3. Mostly the GAN, because it was trained on all of $\mathcal N(0,I)$. Far from their encodings, AE and VAE draw shapes
#    that no training image ever corrected (property A2, chapter 04).
# 4. About $\sqrt{8}\approx2.8$: the mass of a Gaussian in many dimensions lies in a shell, not at the centre. VAE and
#    GAN are near it, the AE is at about 8.
# </details>

# %% [markdown]
# ## 8 A flow: when the generator has an inverse
#
# The images $G(z)$ of the three generators above have no density, because the surface $G(\mathbb R^8)$ has no volume in
# $\mathbb R^{784}$. With observation noise, $x=G(z)+\rho e$, each of the three has one (section 3), but it is an integral
# over all $z$ that can only be bounded or estimated. A **normalising flow** has a density without noise, in closed form:
# $d=n$, and $G$ is invertible by construction. The change of variables $z=G^{-1}(x)$ gives
#
# $$ -\log p_G(x)=\tfrac12\|G^{-1}(x)\|_2^2+\tfrac n2\log2\pi-\log|\det\nabla G^{-1}(x)|. $$
#
# Training is maximum likelihood: minimise the mean of $-\log p_G$ over the data. And two regularisers follow,
#
# $$ R(x)=-\log p_G(x)\qquad\text{and}\qquad R_G(x)=\|G^{-1}(x)\|_2^2. $$
#
# The second is the one that the paper cites (Sect. 2.5, its reference to Oberlin and Verm 2021). It is what the *hard*
# method becomes for an invertible $G$: every image is in the range, and its one latent vector pays $\|z\|_2^2$. Up to a
# factor and a constant, the two differ by the determinant: how much $G$ stretches space.
#
# *How to invert a network.* An **affine coupling layer** leaves half of the coordinates alone, $x_a=z_a$, and
# stretches and shifts the others as the first half says: $x_b=z_b\odot e^{s(z_a)}+t(z_a)$. To invert, compute $s$ and
# $t$ from $x_a=z_a$ and undo. The Jacobian is triangular, its log-determinant the sum of $s$. The networks $s$, $t$
# need no inverse (Dinh et al. 2017). Six layers that change the halves in turn bend space enough.
#
# **A real problem that fits on paper.** Take the digit 1 and its first two principal components. Ones differ mostly
# by slant, and slant is not linear: in the plane the ones form a horseshoe. Each point of the plane is an image again.


# %%
def ones(images, labels):
    return images[labels == 1].flatten(1)


train_ones = ones(mnist.train, mnist.train_labels)
middle = train_ones.mean(0)
spread, basis = torch.linalg.eigh(torch.cov(train_ones.T).double())
basis, spread = basis[:, -2:].flip(1).float(), spread[-2:].flip(0).sqrt().float()
basis *= ((train_ones - middle) @ basis).pow(3).mean(0).sign()  # eigenvectors have no sign: fix one


def to_plane(images):
    """(N, 784) -> (N, 2), each coordinate with standard deviation 1 over the training ones."""
    return (images - middle) @ basis / spread


def to_images(points):
    """(N, 2) -> (N, 1, 28, 28)."""
    return (middle + points * spread @ basis.T).reshape(-1, 1, 28, 28)


p_train = to_plane(train_ones)
p_val, p_test = to_plane(ones(mnist.val, mnist.val_labels)), to_plane(ones(mnist.test, mnist.test_labels))

# %%
flow = Flow(2, layers=6)
steps = 300 if FAST else 600
report = train(flow, p_train, p_val, TrainConfig(steps, 256, lr=4e-3, ema=0.98, validate_every=50), progress=False)
flow.freeze()
nats = {"flow": -flow.log_prob(p_test).mean(), "Gaussian": (0.5 * p_test.pow(2).sum(1) + np.log(2 * np.pi)).mean()}
print(f"trained in {report['seconds']:.0f} s; mean of -log p over {len(p_test)} test ones:", end=" ")
print(f"flow {nats['flow']:.2f} nats, Gaussian with the same covariance {nats['Gaussian']:.2f} nats")
print(f"G(G^-1(x)) = x up to {(flow(flow.inverse(p_test)) - p_test).abs().max():.0e}")
assert nats["flow"] < nats["Gaussian"] - 0.7

# %% [markdown]
# **Predict, then run.** Left: the data, and new points from the flow. Middle: $-\log p_G$. Where will
# $\frac12\|G^{-1}(x)\|^2$ (right, shifted by $\log2\pi$ so that both mean the same if $G$ does not stretch) differ from
# it: inside the horseshoe, or on it?

# %% mystnb={"image": {"alt": "Three panels over the plane of the ones. Left: training points form a horseshoe open upwards, samples of the flow lie on it. Middle: minus log p is low along the whole horseshoe and high in its opening. Right: half the squared latent norm is lowest only at the bottom of the horseshoe and grows along both arms."}}
figure, panels = plots.subplots(1, 3, size=(9.6, 3.2), alt="Samples and two regularisers.", sharey=True)
plots.scatter(panels[0], p_train, label="training ones")
new = flow.sample(500, torch.Generator().manual_seed(0))
plots.scatter(panels[0], new, "data and samples", "flow", "vermilion", size=4)
panels[0].legend(loc="lower left", markerscale=3, fontsize=8)
regularisers = {
    "−log p(x)": lambda p: -flow.log_prob(p),
    "½‖G⁻¹(x)‖² + log 2π": lambda p: 0.5 * flow.inverse(p).pow(2).sum(1) + np.log(2 * np.pi),
}
for panel, (name, R) in zip(panels[1:], regularisers.items(), strict=True):
    shown = pictures.plane_map(panel, R, title=name)
figure.colorbar(shown, ax=panels, label="penalty (nats)", shrink=0.8)
for panel in panels:
    panel.set(xlabel="first component (std)", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6))
panels[0].set_ylabel("second component (std)")
plt.show()
at_data = flow.inverse_with_log_det(p_test)[1]
print(f"log|det| of G^-1 over the test ones: {at_data.mean():.2f}, standard deviation {at_data.std():.2f} nats")

# %% [markdown]
# On it. $-\log p_G$ is about equally low along the whole horseshoe. The norm is not: a Gaussian has one centre, so some
# ones must be mapped far from it. They are penalised for their slant although they are not unlikely.
#
# ### An inverse problem in the plane
#
# We measure only the second component, exactly: $y=x_2=0.6$. The first one is lost. Minimise each regulariser over the
# line $x_2=0.6$.
#
# **Predict, then run.** Tikhonov, with the right covariance, chooses $x_1=0$. What does that image look like?

# %% mystnb={"image": {"alt": "Penalty along the line x2 = 0.6 against x1. Tikhonov is a parabola with its minimum at zero. Minus log p and the squared latent norm have two minima near minus 1.3 and plus 1.6, where the line crosses the horseshoe, and a barrier between them."}}
line = torch.stack([torch.linspace(-2.2, 2.2, 441), torch.full((441,), 0.6)], dim=1)
penalties = {"Tikhonov": 0.5 * line.pow(2).sum(1) + np.log(2 * np.pi)}
penalties |= {name: R(line) for name, R in regularisers.items()}
ax = plots.curves(line[:, 0], penalties, "$x_1$, not measured (std)", "penalty (nats)", alt="Penalty along a line.")
ax.set_ylim(0, 12)
plt.show()

# %% mystnb={"image": {"alt": "Images at the minimisers. Tikhonov, twice the same: two faint crossed strokes, an X. Flow, left and right minimum of both penalties: a single stroke, upright in one, slanted in the other."}}
left, right = line[:, 0] < 0, line[:, 0] > 0
best = {"Tikhonov": [penalties["Tikhonov"].argmin()] * 2}
for name in list(penalties)[1:]:
    best[name] = [torch.where(side, penalties[name], torch.inf).argmin() for side in (left, right)]
plots.image_strips({name: to_images(line[torch.stack(at)]) for name, at in best.items()}, size=1.0)
plt.show()
for name, at in best.items():
    print(f"{name:22s} x1 = {line[at[0], 0]:+.2f} or {line[at[1], 0]:+.2f}")
assert line[best["−log p(x)"][0], 0] < -0.8 and line[best["−log p(x)"][1], 0] > 0.8

# %% [markdown]
# Tikhonov answers with a mixture of the two possible strokes, a cross that no one writes (one minimum, shown twice). The
# flow answers with a stroke, upright or slanted, but has two minima, because the data cannot say which it was. So the
# learned prior gives plausible answers instead of a wrong one, but more than one of them, and the problem is no longer
# convex. Chapter 05 has to deal with that.
#
# What a flow costs: $d=n$, so there is no small latent space, and invertible layers limit the architecture. Their inverses
# can also be unstable (Behrmann et al. 2021, cited by the paper as a concern).

# %% [markdown]
# ## 9 A score model: when the density is not needed
#
# To sample, and to regularise by gradient descent, we never need $p$ itself. The **score** $\nabla\log p(x)$, the
# direction in which an image becomes more plausible, is enough, and it needs no normalising constant and no inverse.
#
# It can be learned from noise. Mix data with Gaussian noise in $T$ steps,
# $x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,e$, with $\bar\alpha_t$ falling from 1 to about 0. Train a
# network to guess the noise,
#
# $$ \min_\theta\;\mathbb E_{x_0,\,t,\,e}\;\|e-e_\theta(x_t,t)\|_2^2. $$
#
# The best guess is $e_\theta=\mathbb E[e\,|\,x_t]$. The density of $x_t$ is a mixture of Gaussians around the data,
# $p_t(x)=\mathbb E_{x_0}\mathcal N(x;\sqrt{\bar\alpha_t}x_0,(1-\bar\alpha_t)I)$. Differentiate its logarithm:
#
# $$ \nabla\log p_t(x)=-\frac{\mathbb E[x_t-\sqrt{\bar\alpha_t}x_0\,|\,x_t=x]}{1-\bar\alpha_t}
#    =-\frac{\mathbb E[e\,|\,x_t=x]}{\sqrt{1-\bar\alpha_t}}\approx-\frac{e_\theta(x,t)}{\sqrt{1-\bar\alpha_t}}. $$
#
# (Tweedie's formula; Vincent 2011.) So a **denoiser knows the score**. To draw an image, start from pure noise and walk
# back, $t=T,\dots,1$: guess the clean image, mix a little less noise into the guess, repeat (Ho et al. 2020). That is
# the **denoising diffusion** model, trained here on the same ones.
#
# **Predict, then run.** Halfway back, at $t=50$ of 100, where are the points: still round like noise, or on the
# horseshoe?
#
# - [ ] still round like noise
# - [ ] between the two
# - [ ] already on the horseshoe

# %%
diffusion = Diffusion(2, steps=100)
steps = 1000 if FAST else 2500
settings = TrainConfig(steps, 256, lr=2e-3, ema=0.99, validate_every=steps // 5)
report = train(diffusion, p_train, p_val.repeat(20, 1), settings, progress=False)
diffusion.freeze()
walk = diffusion.path(len(p_test), torch.Generator().manual_seed(0))  # (101, 1135, 2), from noise to data
print(f"{report['seconds']:.0f} s; error of the guessed noise {report['best_score']:.2f} (guessing 0 has error 1)")

# %% mystnb={"image": {"alt": "Four panels. Points on their way back at t = 100, 50, 20 and 0: a round cloud, a slightly bent cloud, a thick horseshoe, a thin horseshoe. Arrows of the score point towards the horseshoe and grow longer as the noise shrinks."}}
figure, panels = plots.subplots(1, 4, size=(10.4, 2.9), alt="From noise to data.", sharey=True)
grid = torch.cartesian_prod(torch.linspace(-2.4, 2.4, 11), torch.linspace(-2.4, 2.4, 11))
for panel, t in zip(panels, (100, 50, 20, 0), strict=True):
    plots.scatter(panel, walk[100 - t], f"t = {t}")
    score = diffusion.score(grid, torch.full((len(grid),), max(t, 1)))
    score = score / (1 + score.norm(dim=1, keepdim=True))  # long arrows shortened
    panel.quiver(*grid.T.numpy(), *score.T.numpy(), color=plots.COLOURS["vermilion"], scale=15, width=0.007)
    panel.set(xlabel="first component (std)", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6))
panels[0].set_ylabel("second component (std)")
plt.show()

# %%
draw = {
    "training ones (floor)": lambda g: p_train[torch.randperm(len(p_train), generator=g)[: len(p_test)]],
    "flow": lambda g: flow.sample(len(p_test), g),
    "diffusion": lambda g: diffusion.sample(len(p_test), g),
    "Gaussian, same covariance": lambda g: torch.randn(p_test.shape, generator=g),
}
far = {}
for name, points in draw.items():
    tries = [emd(points(torch.Generator().manual_seed(seed)), p_test) ** 0.5 for seed in range(3 if FAST else 6)]
    far[name] = np.mean(tries)
    print(f"Wasserstein-2 distance to the test ones {far[name]:.2f} ({min(tries):.2f} to {max(tries):.2f}): {name}")
assert max(far["flow"], far["diffusion"]) < 0.6 * far["Gaussian, same covariance"]

# %% [markdown]
# At $t=50$ there is still a cloud, hardly bent; the horseshoe appears in the second half of the walk. Both learned
# models come close to the distance between two sets of real ones, about a third of the Gaussian's. The diffusion model
# took 100 evaluations of its network for that, the flow one. In exchange any network will do, without inverse and
# without a critic, which is why diffusion scales to photographs. Used as a prior it gives up the latent space: there
# is no $z$ to search.

# %% [markdown]
# ## 10 An autoregressive model: pixel by pixel
#
# Any density factors into conditionals: order the pixels, and
#
# $$ p(x)=\prod_{i=1}^{n}p(x_i\,|\,x_1,\dots,x_{i-1}). $$
#
# An **autoregressive model** learns the factors: predict the next pixel from those above and to the left. It has an
# exact likelihood, and no latent space. The smallest one is a table: make the images black and white, look at 16
# neighbours, and count how often the pixel was white in each of the $2^{16}$ cases. Quality is measured in **bits per
# pixel**: $-\log_2 p(x)/n$ on test images, the length of the best code.
#
# **Predict, then run.** A pixel needs 0.54 bits if each is coded alone with one probability of white.
# How many with 16 neighbours? And will the drawings be digits?
#
# - [ ] ____ bits a pixel

# %%
near = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, 2), (-1, -2)]  # (row, column) offsets
near += [(-2, -1), (-2, 1), (0, -3), (-3, 0), (-2, 2), (-2, -2), (-1, 3), (-3, 1)]


def contexts(images):
    """(N, H, 28) bool -> the number of each pixel's case, 0 ... 2^16 - 1."""
    padded, height = nn.functional.pad(images, (3, 3, 3, 0)), images.shape[1]  # black outside
    return sum(padded[:, 3 + r : 3 + r + height, 3 + c : 31 + c].long() << k for k, (r, c) in enumerate(near))


def bits(white, images):
    """Mean code length per pixel, if ``white`` is the probability of a white one."""
    return float(-torch.where(images, white, 1 - white).log2().mean())


drawn, unseen = mnist.train[: 2000 if FAST else 10_000, 0] > 0.5, mnist.test[:2000, 0] > 0.5
case = contexts(drawn).flatten()
seen = torch.bincount(case, minlength=2**16)
white = torch.bincount(case, weights=drawn.flatten().double(), minlength=2**16)
table = (white + 0.15) / (seen + 0.3)  # 0.15 imagined pixels of each colour: no case is impossible
everywhere, by_place = drawn.double().mean(), (drawn.double().sum(0) + 0.5) / (len(drawn) + 1)
print(f"bits per pixel: one probability {bits(everywhere, unseen):.3f}, one for each place", end=" ")
print(f"{bits(by_place, unseen):.3f}, 16 neighbours {bits(table[contexts(unseen)], unseen):.3f}")
assert bits(table[contexts(unseen)], unseen) < 0.5 * bits(by_place, unseen)

# %% mystnb={"image": {"alt": "Two strips of twelve black and white images: test digits, and drawings of the table. The drawings have clean strokes of the right thickness with bends and loops, but they are not digits."}}
generator = torch.Generator().manual_seed(0)
canvas = torch.zeros(12, 28, 28, dtype=torch.bool)
for r in range(28):
    for c in range(28):
        chance = table[contexts(canvas[:, : r + 1])[:, r, c]]  # what is below has not been drawn yet
        canvas[:, r, c] = torch.rand(12, generator=generator, dtype=torch.float64) < chance
plots.image_strips({"test images": unseen[:12, None].float(), "drawn pixel\nby pixel": canvas[:, None].float()})
plt.show()

# %% [markdown]
# It takes 0.14 bits instead of 0.54, a quarter. And still there are no digits, but strokes of the right thickness, well
# joined, that form nothing, and now and then an empty image. The table has learned how a pen moves, not which signs there
# are, because it sees only three pixels away. Networks that see further draw digits (van den Oord et al. 2016). This says
# something about *likelihood*: a model can give test images a short code and draw nothing like them. The paper warns of
# the same in Sect. 4.2.
#
# | | small latent space | density | sampling | prior for inverse problems |
# |---|---|---|---|---|
# | AE | yes | with noise only, an integral over $z$ | guess $z$ | near the range of $G$ |
# | VAE | yes | the same, with a lower bound | 1 evaluation | near the range of $G$ |
# | WGAN | yes | with noise only, an integral over $z$ | 1 evaluation | near the range of $G$ |
# | flow | no, $d=n$ | exact | 1 evaluation | $-\log p_G$ or $\lVert G^{-1}(x)\rVert^2$ |
# | diffusion | no | through its score | $T$ evaluations | score in an iteration |
# | autoregressive | no | exact | $n$ evaluations, in order | $-\log p$, slow |
#
# The paper and chapters 04 to 07 work with the first three, because they satisfy the assumption of a low-dimensional
# manifold.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1 (easy): the $\rho$ that the errors ask for
#
# In (6) $\rho$ was chosen beforehand. But it is the noise level of the model $x=G(z)+\rho e$, so the data have an
# opinion. Keep $G$ and the encodings fixed and minimise
#
# $$ \frac{\|x-G(z)\|_2^2}{2\rho^2}+\frac n2\log(2\pi\rho^2),\qquad z=E(x), $$
#
# averaged over 1,000 validation images, with respect to $\rho$. (Set the derivative to zero.) What is it for the
# shipped VAE?

# %%
images = mnist.val[:1000]
codes, drawings = encode_decode(models["vae"], images)
rho_best = 0.158  # your turn

# %%
checks.likeliest_rho(rho_best, models["vae"], images, codes)

# %% tags=["solution"]
# d/d rho: -||x - G||^2 / rho^3 + n / rho = 0, so rho^2 is the mean squared error of a pixel.
rho_best = (drawings - images).pow(2).mean().sqrt()
assert checks.likeliest_rho(rho_best, models["vae"], images, codes)

# %% [markdown]
# <details><summary><b>What it says</b> (open after trying)</summary>
#
# It comes out below the 0.158 of training, because the errors are smaller than that $\rho$ assumes. So 0.158 is a choice
# about where the encodings lie, not a measured noise level. (The paper, Sect. 2.4, means $\rho$ to reflect the noise level
# of the training images.)
# </details>
#
# ### Exercise 2 (core): the reparametrised gradient
#
# Given draws $e_1,\dots,e_B\sim\mathcal N(0,I)$, let $z_b=\mu+\sigma\odot e_b$ with $\sigma=e^{s}$ ($s$ is what the
# encoder calls `log_std`). Write the gradient of $\frac1B\sum_b f(z_b)$ with respect to $\mu$ and to $s$, with nothing
# but $\nabla f$: no autograd.


# %%
def gradient(grad_f, mean, log_std, e):
    """grad_f: (B, d) -> (B, d); mean, log_std: (d,); e: (B, d).  Returns two (d,) tensors."""
    z = mean + log_std.exp() * e
    by_mean = grad_f(z).mean(0)
    by_log_std = ...  # your turn
    return by_mean, by_log_std


# %%
checks.reparametrised_gradient(gradient)


# %% tags=["solution"]
def gradient(grad_f, mean, log_std, e):
    std = log_std.exp()
    g = grad_f(mean + std * e)
    return g.mean(0), (g * std * e).mean(0)  # dz/ds = std * e


assert checks.reparametrised_gradient(gradient)

# %% [markdown]
# ### Exercise 3 (core): a penalty that lets the critic run
#
# A colleague's WGAN trains. The penalty is almost 0, so the critic should have slope 1. It has slope 5.3. Below is the
# code, with a critic that shows the fault: it adds up all pixels. Which norm does it take? Repair it.


# %%
def penalty(critic, x):
    """Mean of (||grad D(x)|| - 1)^2 over the images x (B, 1, H, W)."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)  # (B, 1, H, W)
    return (g.norm(dim=2) - 1).pow(2).mean()  # your turn


def adds_up(images):
    return images.flatten(1).sum(1) / 28**0.5


digit = mnist.val[:4].clone().requires_grad_()
(slope,) = torch.autograd.grad(adds_up(digit).sum(), digit)
print(f"slope {slope.flatten(1).norm(dim=1).mean():.2f}, penalty {penalty(adds_up, mnist.val[:4]):.1e}")

# %%
checks.critic_penalty(penalty)


# %% tags=["solution"]
def penalty(critic, x):
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (g.flatten(1).norm(dim=1) - 1).pow(2).mean()


assert checks.critic_penalty(penalty)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# `dim=2` runs over the rows, so the norm is that of each *column*: 28 norms per image, each pushed to 1. Take the norm
# of `g.flatten(1)` along `dim=1`.
# </details>
#
# <details><summary><b>What happened</b> (open after trying)</summary>
#
# Each of the 28 columns of an image was pushed to the slope 1, so the norm of the whole gradient is $\sqrt{28}=5.3$.
# The authors' code takes the norm over one axis in this way; for its $56\times56$ Shapes images that means
# $\sqrt{56}=7.5$. Such a critic measures several times the distance, and not quite the same one. Training still works,
# with another balance of loss and penalty. No loss curve shows the fault; a test with a linear critic finds it in one
# line.
# </details>
#
# ### Exercise 4 (stretch): when does a coordinate collapse?
#
# Make the VAE linear: $G(z)=Wz+b$, and let the encoder be as good as it can. Then minimising (6) over $W$ and the
# encoder is maximum likelihood for $x\sim\mathcal N(b,\,WW^\top+\rho^2I)$, with $\rho$ fixed. Let the data covariance
# have the eigenvalues $\lambda_1\ge\lambda_2\ge\dots$. How many of the $d$ latent coordinates are used ($W$ has so many
# nonzero singular values)?
#
# *Hint.* In the eigenvector basis the problem falls apart. Along each direction, the model has variance $w^2+\rho^2$,
# and minus the log-likelihood per image is $\frac12\bigl(\log(w^2+\rho^2)+\frac{\lambda}{w^2+\rho^2}\bigr)$. Minimise
# over $w^2\ge0$.


# %%
def coordinates_in_use(variances, rho, d):
    """variances: eigenvalues of the data covariance (n,), falling; returns a number."""
    return d  # your turn


# %%
checks.active_latents(coordinates_in_use)


# %% tags=["solution"]
def coordinates_in_use(variances, rho, d):
    # The minimum is at w^2 + rho^2 = lambda if lambda > rho^2, else at w = 0.
    return int((variances[:d] > rho**2).sum())


assert checks.active_latents(coordinates_in_use)

# %% [markdown]
# Now compare with the networks that were trained in section 3. The numbers of the linear model come from the course's
# own module, so they are right whatever your function says.

# %%
print(f"the eighth variance is {variances[7]:.3f}, its root {variances[7].sqrt():.2f}")
for rho in sweep:
    linear = coordinates_that_pay(variances, rho, 8)
    print(f"rho = {rho:5.3f}: a linear VAE uses {linear} of 8 coordinates, our short run {sweep[rho]['used']}")

# %% [markdown]
# So collapse is no accident of training: (6) itself asks for it where the noise $\rho$ is larger than the spread of the
# data in a direction (Lucas et al. 2019; the linear model is Tipping and Bishop's, 1999). In the linear model all eight live while
# $\rho<\sqrt{\lambda_8}=1.23$ on MNIST, far above the paper's 0.158. At $\rho=1.5$ our network uses fewer than the
# linear optimum. Our conjecture is that a few hundred steps are too few to find every coordinate that pays; it was not
# tested here.
#
# ### Exercise 5 (easy): noise and the EMD
#
# A generator draws perfect digits, but adds white noise of standard deviation $\tau$ to each of the $n$ pixels. Without
# the noise its EMD would be $E$. What is it with the noise, if the pairs stay as they are? Write `noisy_emd(E, tau, n)`.
# The starter assumes that noise which one hardly sees does not matter.


# %%
def noisy_emd(E, tau, n):
    return E  # your turn


# %%
checks.noisy_emd(noisy_emd)


# %% tags=["solution"]
def noisy_emd(E, tau, n):
    return E + n * tau**2  # E |x + tau e - x'|^2: the mixed term has mean zero


assert checks.noisy_emd(noisy_emd)

# %% [markdown]
# The same with real digits: one set is compared with another one as it is, with faint noise, and blurred.

# %%
N = 300 if FAST else 1000
first, second = x[some[:N]], x[others[:N]]
faint = 0.1 * torch.randn(N, 1, 28, 28, generator=torch.Generator().manual_seed(6))
changed = {
    "as they are": emd(second, first),
    "with noise of standard deviation 0.1": emd(second + faint, first),
    "blurred by the mean of 5 × 5 pixels": emd(nn.functional.avg_pool2d(second, 5, 1, 2), first),
}
for name, value in changed.items():
    print(f"EMD {value:5.1f}  real digits {name}")
assert changed["blurred by the mean of 5 × 5 pixels"] < changed["as they are"]
assert changed["with noise of standard deviation 0.1"] > changed["as they are"] + 6

# %% [markdown]
# Faint noise costs twice as much as the difference between the VAE and the GAN above, and a strong blur is rewarded. So before you rank generators by EMD, ask whether one of them is only softer than the other.
#
# ### Exercise 6 (easy): the largest image that fits
#
# A generator ends in a dense layer from $c\,n^2$ to $n^2$ numbers, as in section 6. You have `memory` bytes to train this
# layer, with Adam in single precision. What is the largest side $n$ of an image? Write `largest_image(memory, c)`. The
# starter counts only what it takes to store the weights.


# %%
def largest_image(memory, c):
    n = 1
    while 4 * (c * (n + 1) ** 4 + (n + 1) ** 2) <= memory:  # your turn
        n += 1
    return n


# %%
checks.largest_image(largest_image)


# %% tags=["solution"]
def largest_image(memory, c):
    n = 1
    while 16 * (c * (n + 1) ** 4 + (n + 1) ** 2) <= memory:  # weight, gradient and two moments, 4 bytes each
        n += 1
    return n


assert checks.largest_image(largest_image)

# %% [markdown]
# <details><summary><b>What it says</b> (open after trying)</summary>
#
# With 6 GB it is $n=49$ for $c=64$ and $n=69$ for $c=16$: the Shapes images with $n=56$ fit for the layer that was run, and
# not for the one that was printed. Because the count grows like $n^4$, sixteen times as much memory only doubles the side.
# A convolution has a number of weights that does not depend on $n$ at all.
# </details>
#
# ### Exercise 7 (core): what the bound gives away, a proof on paper
#
# Section 3 shows that the ELBO misses $\log p_G(x)$ by $d_{KL}(q\,\|\,p(z|x))$. For a linear generator with one latent
# number and one pixel, $x=wz+\rho e$ with $z,e\sim\mathcal N(0,1)$, everything can be computed. Prove:
#
# 1. $p(z|x)$ is Gaussian, with the variance $s^2=\frac{\rho^2}{w^2+\rho^2}$ and the mean $m=\frac{wx}{w^2+\rho^2}$;
# 2. for $q=\mathcal N(\mu,\sigma^2)$ the bound misses $\log p_G(x)$ by
#    $\log\frac s\sigma+\frac{\sigma^2+(\mu-m)^2}{2s^2}-\frac12$, and that is 0 only if $\mu=m$ and $\sigma=s$.
#
# Then ask your proof: which encoders lose nothing for *any* $x$? Why is that different for the networks of this chapter?
# Check your formula for the gap as a function. The starter measures the distance from the prior.


# %%
def bound_gap(mean, std, x, w, rho):
    return -np.log(std) + (std**2 + mean**2) / 2 - 0.5  # your turn


# %%
checks.bound_gap(bound_gap)

# %% [markdown]
# <details><summary><b>Hint</b></summary>
#
# By Bayes' rule $-\log p(z|x)=\frac{(x-wz)^2}{2\rho^2}+\frac{z^2}{2}+\text{const}$. Complete the square in $z$. For 2. take
# the mean of $\log q(z)-\log p(z|x)$ over $z\sim q$; you need $\mathbb E_q(z-m)^2=\sigma^2+(\mu-m)^2$.
# </details>

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# **1.** Collect powers of $z$: $\frac{(x-wz)^2}{2\rho^2}+\frac{z^2}2=\frac{w^2+\rho^2}{2\rho^2}z^2-\frac{wx}{\rho^2}z+\dots
# =\frac{1}{2s^2}(z-m)^2+\dots$ with $s^2=\frac{\rho^2}{w^2+\rho^2}$ and $m=\frac{wx}{\rho^2}s^2=\frac{wx}{w^2+\rho^2}$. The dots
# do not depend on $z$, so $p(z|x)$ is $\mathcal N(m,s^2)$.
#
# **2.** $\log q(z)-\log p(z|x)=\log\frac s\sigma-\frac{(z-\mu)^2}{2\sigma^2}+\frac{(z-m)^2}{2s^2}$. Over $z\sim q$ the second
# term has the mean $-\frac12$ and the third $\frac{\sigma^2+(\mu-m)^2}{2s^2}$. With $r=\sigma^2/s^2$ the gap is
# $\frac12(r-1-\log r)+\frac{(\mu-m)^2}{2s^2}$. Both parts are $\ge0$, because $\log r\le r-1$ with equality only at $r=1$.
#
# **Which encoders lose nothing?** Those with $\mu(x)=\frac{w}{w^2+\rho^2}x$, linear in $x$, and $\sigma(x)=s$, the same for
# every image. For a piecewise affine $G$ the posterior is not Gaussian: where $z$ crosses a kink, the square that we
# completed is another one. No Gaussian $q$ is exact then, and the ELBO stays below $\log p_G(x)$.
# </details>


# %% tags=["solution"]
def bound_gap(mean, std, x, w, rho):
    m, s = w * x / (w**2 + rho**2), rho / np.sqrt(w**2 + rho**2)
    return np.log(s / std) + (std**2 + (mean - m) ** 2) / (2 * s**2) - 0.5


assert checks.bound_gap(bound_gap)

# %% [markdown]
# ## Paper and ours
#
# The paper reports Fig. 1 (NRMSE) and Fig. 3 (EMD) as pictures; its text gives no numbers for them, and we invent none.
# Our counterpart of Fig. 1, for MNIST and $d=8$: the best $z$ for 1,000 test images, 300 for the GAN, which needs four
# starts each, computed beforehand (`python -m course_utils.reproduce fig1`). Chapter 04 has the other data and $d$.

# %% mystnb={"image": {"alt": "Three violins of the NRMSE of the best fit of MNIST test digits. AE and VAE are almost the same, with medians of 0.31; the WGAN lies to the right, median 0.44, and is wider."}}
stored = load_result("fig1")
print("Ours:", origin(stored))
ours = [row for row in stored["rows"] if (row["data"], row["d"]) == ("mnist", 8)]
error_histograms(ours, stored["settings"]["edges"])
plt.show()
best_z = {row["family"].upper(): row["quantiles"][2] for row in ours}
assert best_z["WGAN"] > 1.25 * best_z["AE"] and abs(best_z["AE"] - best_z["VAE"]) < 0.02

# %%
reports = {family: cards[family]["report"] for family in FAMILIES}
batch = {family: cards[family]["train"]["batch_size"] for family in FAMILIES}
here = f"{reports['vae']['seconds'] / 60:.0f} min, {cards['vae']['machine']['threads']} CPU thread"
markdown_table(
    ["", "paper", "ours"],
    [
        ["training time, MNIST VAE", "about 25 min, Nvidia K20X", here],
        ["steps × batch, AE and VAE", "30,000 × 64 (code)", f"{reports['vae']['steps']:,} × {batch['vae']}"],
        ["steps × batch, GAN", "20,000 × 64 (code)", f"{reports['wgan']['best_step']:,} × {batch['wgan']} kept"],
        ["weights of the MNIST generator", f"{counts['MNIST, as printed and coded']:,}", f"{counts['MNIST, ours']:,}"],
        ["noise level ρ", "0.158 (code: KL weight 0.05)", f"{models['vae'].config.rho:.3f}"],
        ["best z, median NRMSE: AE", "Fig. 1: AE and VAE almost identical", f"{best_z['AE']:.3f}"],
        ["best z, median NRMSE: VAE", "", f"{best_z['VAE']:.3f}"],
        ["best z, median NRMSE: GAN", "Fig. 1: comparatively worse", f"{best_z['WGAN']:.3f}"],
        [
            "EMD of samples, VAE / GAN",
            "Fig. 3: VAE lower",
            f"{distance['VAE, N(0, I)']:.1f} / {distance['WGAN, N(0, I)']:.1f}",
        ],
    ],
)

# %% [markdown]
# **The same:** one generator network for all three models; AE and VAE reconstruct alike; the GAN reconstructs worse.
#
# **Not quite the same:** the VAE has the lower EMD in the paper and here, but here only since its latent variables were
# standardised; as trained it was behind the GAN, whose training was stopped by this very number on validation images.
# Our networks are smaller and end in a convolution, and we use 1,000 samples where the paper uses 10,000, so the values
# themselves cannot be compared (section 5). Chapter 04 repeats the comparison with several training runs.
#
# **Not comparable:** training times. Other hardware, other networks, and our processor was shared.

# %% [markdown]
# ## Quiz
#
# **1.** You store your images as grey values from 0 to 255 instead of 0 to 1. What happens to $\rho$ and to the KL
# weight $k$, if the VAE is to stay the same?
#
# - [ ] Both are multiplied by 255.
# - [ ] $\rho$ is multiplied by 255, and $k$ by $255^2$.
# - [ ] Both stay as they are.
#
# <details><summary>Answer</summary>
#
# **$\rho$ is multiplied by 255, and $k$ by $255^2$.** $\rho$ has the unit of a grey value, and $k=2\rho^2$ has the unit
# squared; $255^2=65{,}025$. A "KL weight" without the scale of the images means nothing, which is why the course states
# $\rho$.
# </details>
#
# **2.** The critic loss of a WGAN falls to zero during training. Is that good news?
#
# - [ ] Yes, because the generator has won.
# - [ ] No, because the critic has failed.
# - [ ] It can be either.
#
# <details><summary>Answer</summary>
#
# **It can be either.** The inner value of (5) estimates the distance between the distributions, so zero may mean that
# the generator has won. Or the critic has become too weak to see a difference (badly trained, or its slope squeezed by
# the penalty). Only a measure from outside tells: samples, the EMD to validation images, a fresh critic.
# </details>
#
# **3.** For an invertible generator every image lies in the range of $G$. What, then, does the hard constraint
# $x=G(z)$ of chapter 05 forbid?
#
# - [ ] Nothing.
# - [ ] Images that were not in the training set.
# - [ ] Images off a surface of low dimension.
#
# <details><summary>Answer</summary>
#
# **Nothing.** All the regularisation comes from the penalty on $z$, that is from $\|G^{-1}(x)\|_2^2$. With a
# low-dimensional $G$ it is the other way round: most of the work is done by the constraint.
# </details>
#
# **4.** The encoder of a VAE is perfect, $q=p(z|x)$, and its ELBO is as high as can be. Are its samples good?
#
# - [ ] Yes, because the model is exact.
# - [ ] Not necessarily.
# - [ ] No, because samples of a VAE are always blurred.
#
# <details><summary>Answer</summary>
#
# **Not necessarily.** The ELBO rewards likelihood, and, as section 10 shows, likelihood can be high for a model that
# draws no digits. Moreover samples need $z\sim\mathcal N(0,I)$ to be where the encodings are; with small $\rho$ that
# term hardly counts.
# </details>

# %% [markdown]
# ## Take-aways
#
# - A generator turns a few random numbers into images; all that it can draw is a bent surface of few dimensions. Eight
#   coordinates of a network did the work of 43 principal components.
# - With leaky ReLUs $G$ is piecewise affine: Lipschitz continuous and differentiable almost everywhere, but its gradient
#   jumps.
# - AE, VAE and WGAN can share one network. They differ in what *close* means: reconstruction, Kullback-Leibler,
#   Wasserstein.
# - The VAE loss is minus a lower bound of $\log p_G(x)$. Its $\rho$ is a noise level in grey values, $k=2\rho^2$, and
#   decides where the encodings lie; over a wide range it hardly changes the quality of reconstructions.
# - The WGAN critic solves the dual problem of optimal transport with the cost $\|x-x'\|_2$, and it has to be 1-Lipschitz
#   in the whole image. The EMD of samples has the squared cost; it depends on the number of images, and prefers soft ones.
# - Good samples and good reconstructions are different goals. Inverse problems need the second, and a known latent
#   region.
# - Flows give $-\log p$, diffusion gives $\nabla\log p$, autoregressive models give exact code lengths; none of them has
#   a small latent space.
# - A table of an architecture may be misprinted; counting its weights shows it.
#
# ## Where it fails
#
# - **What was not in the training set is not in the range.** A digit with a tumour is reconstructed as a digit without
#   one. Chapter 05's sparse method is one answer.
# - **Eight numbers are too few** for a median NRMSE below 0.3 here: almost a third of the norm of a digit is lost. More
#   dimensions reconstruct better and constrain less.
# - **GAN training is fragile**: seed, step sizes and the penalty all matter, and the loss does not show when it fails.
# - **No encoder, many minima**: the best $z$ of a GAN is only the best that was found.
# - **MNIST is easy.** Everything here is small on purpose. Photographs and medical volumes need larger networks and much
#   more data. Then most of what is said above about counts and minutes changes; what is said about objectives does not.
#
# ## References
#
# - Duff, Campbell, Ehrhardt: *Regularising inverse problems with generative machine learning models*, J. Math. Imaging
#   Vis. (2023), "the paper", Sect. 2, 4.3, App. B. `duff2023regularising`
# - Kingma, Welling: *Auto-encoding variational Bayes*, ICLR (2014). `kingma2014auto`
# - Arjovsky, Chintala, Bottou: *Wasserstein generative adversarial networks*, ICML (2017). `arjovsky2017wasserstein`
# - Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville: *Improved training of Wasserstein GANs*, NeurIPS (2017).
#   `gulrajani2017improved`
# - Goodfellow et al.: *Generative adversarial nets*, NeurIPS (2014). `goodfellow2014generative`
# - Villani: *Optimal transport: old and new*, Springer (2009). `villani2009optimal`
# - Eckart, Young: *The approximation of one matrix by another of lower rank*, Psychometrika 1 (1936).
#   `eckart1936approximation`
# - Baldi, Hornik: *Neural networks and principal component analysis*, Neural Networks 2 (1989). `baldi1989neural`
# - Tipping, Bishop: *Probabilistic principal component analysis*, J. R. Stat. Soc. B 61 (1999).
#   `tipping1999probabilistic`
# - Lucas, Tucker, Grosse, Norouzi: *Don't blame the ELBO! A linear VAE perspective on posterior collapse*, NeurIPS
#   (2019). `lucas2019dont`
# - Ghosh, Sajjadi, Vergari, Black, Schölkopf: *From variational to deterministic autoencoders*, ICLR (2020).
#   `ghosh2020from`
# - Dinh, Sohl-Dickstein, Bengio: *Density estimation using Real NVP*, ICLR (2017). `dinh2017density`
# - Oberlin, Verm: *Regularization via deep generative models: an analysis point of view*, ICIP (2021).
#   `oberlin2021regularization`
# - Behrmann, Vicol, Wang, Grosse, Jacobsen: *Understanding and mitigating exploding inverses in invertible neural
#   networks*, AISTATS (2021). `behrmann2021understanding`
# - Vincent: *A connection between score matching and denoising autoencoders*, Neural Computation 23 (2011).
#   `vincent2011connection`
# - Ho, Jain, Abbeel: *Denoising diffusion probabilistic models*, NeurIPS (2020). `ho2020denoising`
# - Van den Oord, Kalchbrenner, Kavukcuoglu: *Pixel recurrent neural networks*, ICML (2016). `oord2016pixel`
# - LeCun, Cortes: *The MNIST database of handwritten digits* (1998), CC BY-SA 3.0. `lecun1998mnist`
