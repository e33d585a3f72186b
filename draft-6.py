# %%
import matplotlib.pyplot as plt
import torch

from course_utils import TV, Inpainting, reconstruct
from course_utils.chapters.equivariance.imaging import drawn, hidden_psnr, seen_pixels, turned_digits
from course_utils.chapters.equivariance.imaging_figures import (
    imaging_figure,
    imaging_pictures,
    imaging_story,
    imaging_table,
    quality,
    runs,
)
from course_utils.equivariance import equivariant_imaging_losses
from course_utils.figures.images import show_image
from course_utils.figures.style import subplots
from course_utils.figures.tables import markdown_table
from course_utils.notebooks import FAST
from course_utils.reproduce import load_result
from course_utils.results import origin

# %% [markdown]
# ## 6 Learning without ground truth: equivariant imaging
#
# So far a symmetry has saved training images. It can do more: it can replace the true images altogether. Suppose that
# there are only data $y_i=Ax_i$ of a masked problem, always with the same mask $A$, and no $x_i$. A network can be
# trained to agree with its data, $\|A\Phi(y)-y\|^2\to0$. But the mask never shows a hidden pixel, so this loss does not
# depend on what $\Phi$ puts there: with any $\Phi$, also $\Phi+n$ with $An=0$ is a minimiser.
#
# Chen, Tachella and Davies add one assumption: the *set* of images has a symmetry, so that a turned image is as likely
# as the image. Then the turned reconstruction $T_g\Phi(y)$ is an image whose data can be simulated, and from these
# $\Phi$ has to find it again:
#
# $$\|A\Phi(y)-y\|^2+\alpha\,\|\Phi(A\,T_g\Phi(y))-T_g\Phi(y)\|^2,\qquad g\in H\text{ at random}.$$
#
# Pixels that $A$ saw have been turned to places that $A$ hides, where a network that fills with zeros is now caught.
# This works with any network. It does not work with any $A$:
#
# > **Proposition.** Let $A$ be equivariant, $AT_g=S_gA$ with some action $S_g$ on the data, and let $\Phi$ be
# > equivariant, $\Phi(S_gy)=T_g\Phi(y)$. If $\Phi$ agrees with the data, $A\Phi(y)=y$, then the second term is zero.
#
# <details><summary><b>Proof</b></summary>
#
# $\Phi(AT_g\Phi(y))=\Phi(S_gA\Phi(y))=\Phi(S_gy)=T_g\Phi(y)$. The first equality is the equivariance of $A$, the second the
# agreement with the data, the third the equivariance of $\Phi$.
# </details>
#
# So both terms vanish, whatever such a network puts into the null space, and there is nothing to learn. What makes
# reconstruction by an equivariant $\Phi$ so pleasant, an equivariant $A$, is what makes learning without ground truth
# impossible.
#
# **Predict, then run.** Two masks show about half of the pixels of a digit: a random one, and one that quarter turns
# map to itself. Three *untrained* $C_4$ networks are made to agree with the data by keeping the seen pixels. How large
# is the second term, and its gradient by the weights?

# %% mystnb={"image": {"alt": "Two masks of 28 by 28 pixels that show about half of the pixels: a random one, and one in which each quarter is the neighbouring one turned by 90 degrees."}}
masks = {kind: seen_pixels(kind) for kind in ("random", "invariant")}
figure, axes = subplots(1, 2, size=(4.8, 2.6))
for ax, (kind, seen) in zip(axes, masks.items(), strict=True):
    show_image(ax, seen.float(), f"{kind} mask")
plt.show()

# %%
lines, terms = [], {}
for kind, seen in masks.items():
    A = Inpainting(seen)
    y = A(turned_digits("train", 16, seed=1))
    hidden = (~seen).float()
    for seed in range(3):
        network = drawn("C4", seed)
        losses = equivariant_imaging_losses(
            lambda y, A, network=network, hidden=hidden: A.T(y) + hidden * network(y, A),
            y, A, torch.Generator().manual_seed(0), "C4",
        )  # fmt: skip
        losses["equivariance"].backward()
        slope = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]).norm()
        terms[kind, seed] = float(losses["equivariance"].detach()), float(slope)
        lines.append([kind, seed, *(f"{value:.1e}" for value in terms[kind, seed])])
assert max(max(pair) for (kind, _), pair in terms.items() if kind == "invariant") < 1e-4
assert min(min(pair) for (kind, _), pair in terms.items() if kind == "random") > 0.1
markdown_table(["mask", "first weights", "second term", "norm of its gradient"], lines)

# %% [markdown]
# With the invariant mask the term is zero up to round-off before any training, and so is its gradient: nothing pulls.
#
# Now three trainings of the same small network on 1000 digits: *supervised*, with the true images; with the *data
# alone*; and by *equivariant imaging*, with $\alpha=1$, again without true images. Each digit is turned by a random
# number of quarter turns, once and for all, so that the assumption on the set of images is true. The data have no
# noise. The network need not keep the seen pixels, and only the *hidden* pixels are judged. As an outside view: zeros
# in the holes, and total variation, which needs no training (`python -m course_utils.reproduce equivariant-imaging`).
#
# **Predict, then run.** Where does equivariant imaging end, between the data alone and the true images, on each mask?

# %% mystnb={"image": {"alt": "Two panels of the PSNR of hidden pixels over the training step. Left, random mask: the lines of supervised training and of equivariant imaging rise and end in overlapping ranges, and training on the data alone stays at its first value. Right, the invariant mask: supervised training rises, equivariant imaging and the data alone stay together at the bottom."}}
imaging_record = load_result("equivariant-imaging")
print("Ours:", origin(imaging_record))
imaging_figure(imaging_record)
plt.show()

# %%
print(imaging_story(imaging_record))
heading, lines = imaging_table(imaging_record)
x_val, x_test = turned_digits("val", 20, seed=3), turned_digits("test", 20 if FAST else 200, seed=2)
zeros, tv = {}, {}
for kind, seen in masks.items():
    A = Inpainting(seen)
    tried = {lam: hidden_psnr(reconstruct(A, A(x_val), TV(lam)).x, x_val, seen) for lam in (1e-3, 1e-2, 1e-1)}
    tv[kind] = hidden_psnr(reconstruct(A, A(x_test), TV(max(tried, key=tried.get))).x, x_test, seen)
    zeros[kind] = hidden_psnr(A.T(A(x_test)), x_test, seen)
for name, found in (("zeros in the holes", zeros), ("TV, λ from validation images", tv)):
    lines.append([name, f"{found['random']:.1f}", "", "", f"{found['invariant']:.1f}", "", ""])
by_loss = {
    (mask, loss): quality(runs(imaging_record, mask, loss))
    for mask in masks
    for loss in ("supervised", "equivariant imaging", "data alone")
}
assert by_loss["random", "equivariant imaging"][1] > by_loss["random", "data alone"][2] + 3
assert by_loss["invariant", "supervised"][1] > by_loss["invariant", "equivariant imaging"][2] + 3
assert abs(by_loss["invariant", "equivariant imaging"][0] - zeros["invariant"]) < 1
assert FAST or by_loss["random", "equivariant imaging"][1] > tv["random"]
assert tv["invariant"] > by_loss["invariant", "equivariant imaging"][2] + 3
markdown_table(heading, lines)

# %% [markdown]
# (Means over the seeds, in brackets the smallest and the largest; the terms are those of the test data after training.)
#
# - **Random mask.** Equivariant imaging never saw a hidden pixel, and fills the strokes. It ends many dB above the data
#   alone, which leave the holes as black as zeros do. Its distance to supervised training is smaller than the spread of
#   the seeds, and for one seed it is ahead, so that nothing can be said on which of the two is better here. The run of
#   twice the length says that its trainings had not converged. The ordinary network has as many channels and four times
#   the weights; its numbers say nothing on symmetry.
# - **Invariant mask.** Both terms become small, as the proposition says, and the hidden pixels stay where zeros in the
#   holes leave them. The control is supervised training: with the same mask and the same network it gains many dB. The
#   data hold enough; what is missing is information in the loss. The ordinary network fares no better, although the
#   proposition does not speak of it, because the equivariant maps that agree with the data are minimisers for it too.
# - **The outside view.** TV needs no training at all. On the random mask all seeds of equivariant imaging are above it,
#   one of them by little. On the invariant mask TV is above everything that was learned without true images, because it
#   states what images are like instead of inferring it from a symmetry.

# %% mystnb={"image": {"alt": "Three test digits for each mask and each loss. With the random mask, supervised training and equivariant imaging fill the strokes and the data alone leave holes in them. With the invariant mask only supervised training fills them."}}
imaging_pictures(imaging_record)
plt.show()

# %% [markdown]
# Two assumptions carry this, and one should ask for both before using the method. The set of images must have the
# symmetry: upright digits do not, which is why they were turned here; with them the second term would ask for the wrong
# thing (a conjecture, we have not run it). And $A$ must *not* have it. Shifts, which Chen et al. take for inpainting,
# are the usual way out, because hardly any mask is invariant under them. How much the moved operators $AT_g$ must see
# together is the subject of the sensing theorems of Tachella, Chen and Davies. Noise is a third point: the data term
# fits it, and the authors treat it in a paper of its own.
#
# References for this section:
#
# - Chen, Tachella, Davies: *Equivariant imaging: learning beyond the range space*, ICCV (2021). `chen2021equivariant`
# - Tachella, Chen, Davies: *Sensing theorems for unsupervised learning in linear inverse problems*, J. Mach. Learn.
#   Res. 24 (2023). `tachella2023sensing`
