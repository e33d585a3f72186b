# %%
import math
from importlib.util import find_spec

import matplotlib.pyplot as plt
import torch

from course_utils import GaussianBlur, load
from course_utils.chapters.equivariance import checks
from course_utils.chapters.equivariance.layers import (
    angle_errors,
    edge_filter,
    free_numbers,
    made,
    seconds,
    there_and_back,
    worst_errors,
)
from course_utils.chapters.equivariance.layers_figures import angles_figure, lifting_figure
from course_utils.equivariance import Group, GroupConv, equivariance_error, equivariant_sides, expanded
from course_utils.figures.tables import markdown_table
from course_utils.notebooks import FAST

# %% [markdown]
# ## 4 Layers that move with the image
#
# The theorem of section 3 asks for equivariant maps in place of proximal operators. How does one build a network that
# is equivariant whatever its weights are? The lectures collect the bricks. Let a group $G$ act on images, and let
# $\Phi$ and $\Psi$ be equivariant, so that $\Phi(g\cdot u)=g\cdot\Phi(u)$ for all $g\in G$. Then
#
# - the **composition** is equivariant: $\Phi(\Psi(g\cdot u))=\Phi(g\cdot\Psi(u))=g\cdot\Phi(\Psi(u))$;
# - the **sum** and the **identity** are, because $g$ acts linearly: $\Phi(g\cdot u)+g\cdot u=g\cdot(\Phi(u)+u)$. A
#   ResNet of equivariant layers is therefore equivariant;
# - adding a **bias** $b$ is equivariant if and only if $g\cdot b=b$, because $g\cdot u+b=g\cdot(u+b)$ says just that.
#   Under shifts and turns this leaves one number a channel, the same at all pixels;
# - a **nonlinearity** that acts on each pixel by itself, such as ReLU, commutes with everything that only moves pixels.
#
# What remains is the linear part. Shifts leave the convolutions, and turns then say something about the kernel:
#
# > **Theorem** (lectures, after Weiler and Cesa). Let $H$ be a group of orthogonal matrices, and $G$ the group of
# > shifts and of $H$, acting on scalar images by $(g\cdot u)(x)=u(R^{-1}(x-t))$. A linear map
# > $\Phi f(x)=\int K(x,y)f(y)\,dy$ is equivariant if and only if there is a $k$ with $K(x,y)=k(x-y)$ and $k(Rx)=k(x)$
# > for all $R\in H$.
#
# ### Exercise 4 (core): why the kernel must be invariant, a proof on paper
#
# Prove both directions for a continuous $K$ on $\mathbb R^n$ with compact support in $x-y$. You may use that two
# continuous kernels that give the same map are equal. Where does the proof need that $R$ is orthogonal?
#
# Then ask the theorem what it leaves of a filter: write how many free numbers a filter of `width` × `width` pixels has,
# `width` odd, if quarter turns must not change it. The starter knows of no condition.


# %%
def free(width):
    return width**2


# %%
checks.invariant_filter(free)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# Substitute $y=Ry'+t$, where $|\det R|=1$ (here orthogonality is used):
#
# $$\Phi(g\cdot f)(x)=\int K(x,y)\,f(R^{-1}(y-t))\,dy=\int K(x,Ry'+t)\,f(y')\,dy'.$$
#
# On the other side $(g\cdot\Phi f)(x)=\int K(R^{-1}(x-t),y')\,f(y')\,dy'$. The two are equal for all $f$ and $x$ if and
# only if $K(x,Ry'+t)=K(R^{-1}(x-t),y')$ for all $x,y'$; with $x=Rx'+t$ this reads
#
# $$K(Rx'+t,\,Ry'+t)=K(x',y')\qquad\text{for all }x',y',\ R\in H,\ t\in\mathbb R^n.$$
#
# If this holds, take $R=I$ and $t=-y'$: $K(x',y')=K(x'-y',0)=:k(x'-y')$. Then take $t=0$ and $y'=0$: $k(Rx')=k(x')$.
# Conversely, for $K(x,y)=k(x-y)$ with an invariant $k$, $K(Rx'+t,Ry'+t)=k(R(x'-y'))=k(x'-y')=K(x',y')$.
#
# **The filter.** The middle pixel stays where it is. The other $w^2-1$ pixels are taken to one another in fours, and
# the four must be equal: $1+(w^2-1)/4$ free numbers.
# </details>


# %% tags=["solution"]
def free(width):
    return 1 + (width**2 - 1) // 4


assert checks.invariant_filter(free)

# %% [markdown]
# **Predict, then run.** The theorem is generous with shifts: any filter may be used. Quarter turns leave fewer numbers
# free. How many fewer if mirrorings come in addition?

# %%
widths = (3, 5, 7)
counts = {group: [free_numbers(group, width) for width in widths] for group in ("C1", "C4", "D4")}
names = {"C1": "shifts alone", "C4": "and quarter turns (C4)", "D4": "and mirrorings (D4)"}
markdown_table(["free numbers of a filter", *(f"{w} × {w}" for w in widths)], [[names[g], *counts[g]] for g in counts])

# %% [markdown]
# In a filter of $3\times3$ pixels three numbers are free: the middle, the four neighbours at the sides, the four at the
# corners. Such a filter is close to a radial one. It answers to an edge from below as to one from the left, so that it
# cannot tell them apart. A network of invariant filters is equivariant and blind to directions.
#
# ### Lifting: one feature for each element of the group
#
# The way out is to let a layer give more than one scalar image. Apply *any* filter $k$ in all its turned copies
# $(hk)(x)=k(h^{-1}x)$ and keep the outcomes side by side:
#
# $$(Lu)(h)=(hk)*u,\qquad h\in H .$$
#
# Four features belong together and are called a *field*.
#
# **Predict, then run.** The filter below finds edges that get
# brighter to the right. What happens to the four features if the image is turned by 90 degrees counter-clockwise? Is
# each of them the turned one of before?

# %% mystnb={"image": {"alt": "Three rows of four. Top: an edge filter in its four quarter turns. Middle: the features that they find in a digit seven. Bottom: the features of the turned digit. Each feature of the bottom row is a turned feature of the middle row, that of the copy before: feature 1 below is feature 0 above, turned, and feature 0 below is feature 3 above, turned."}}
digit = load("mnist").test[:1]
lift = GroupConv("C4", 1, 1, "lift", padding="replicate")
with torch.no_grad():
    lift.k.copy_(edge_filter()[None, None, None])
    lift.b.zero_()
lifting_figure(lift, digit, g=1)
plt.show()

# %%
C4 = Group("C4")
moved_only = equivariance_error(lift, digit, lambda x: C4.act(x, 1), lambda f: torch.rot90(f, 1, (3, 4)))
permuted = equivariance_error(lift, digit, lambda x: C4.act(x, 1), lambda f: C4.act_fields(f, 1))
print(f"features of the turned image against turned features: relative distance {moved_only.item():.2f}")
print(f"the same if they are put into another order as well:  relative distance {permuted.item():.0e}")
assert moved_only > 1 and permuted < 1e-6

# %% [markdown]
# The features are turned, *and* they change places: what the copy $h$ found, the copy $gh$ finds in the turned image.
# This is an action of the group on fields, $(g\cdot f)(h,x)=f(g^{-1}h,\,g^{-1}x)$, called the regular representation.
# The layers that follow have to commute with it:
#
# $$\text{regular:}\quad(Kf)(h)=\sum_{j\in H}(hk_{h^{-1}j})*f(j),\qquad
# \text{project:}\quad Pf=\sum_{j\in H}(jk)*f(j),$$
#
# with one free filter for each $h^{-1}j$, and back to one image at the end. A bias is one number a field, because
# it must not change when features change places. A nonlinearity may act on each entry by itself. That is all of
# `GroupConv` and `ResidualBlock`.
#
# ### Exercise 5 (core): a lifting convolution by hand
#
# Write $L$ for $C_4$ and one filter, with zeros outside the image. Feature $h$ belongs to the filter turned
# counter-clockwise $h$ times. As everywhere in deep learning, “convolution” means `conv2d`, which does not mirror the
# filter.


# %%
def lift_by_hand(x, k):  # (B, 1, N, N), (w, w) -> (B, 4, N, N)
    filters = torch.stack([k, k, k, k])[:, None]
    return torch.nn.functional.conv2d(x, filters, padding=len(k) // 2)


# %%
checks.lifting(lift_by_hand)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# `torch.rot90` turns counter-clockwise, and $h$ quarter turns are its second argument. Turning the features of one filter
# instead gives nothing new, because they all come from the same edges.
# </details>


# %% tags=["solution"]
def lift_by_hand(x, k):
    filters = torch.stack([torch.rot90(k, h) for h in range(4)])[:, None]
    return torch.nn.functional.conv2d(x, filters, padding=len(k) // 2)


assert checks.lifting(lift_by_hand)

# %% [markdown]
# ### Is the whole network equivariant?
#
# Lift, residual block, regular layer, projection, with LeakyReLUs between and *random* weights: the property is one of
# the architecture, so no training is needed to look at it. The table has the largest error
# $\|\Phi(g\cdot x)-g\cdot\Phi(x)\|/\|\Phi(x)\|$ over all $g$ and four images of noise, in single precision. The
# ordinary network is turned by the elements of $C_4$.
#
# **Predict, then run.** Images with 27 to 32 pixels a side. Some networks have a first layer of stride 2: it keeps
# every second pixel. Which of them are equivariant on which sides?

# %%
sides, lines, errors = range(27, 33), [], {}
for group, label in (("C1", "ordinary"), ("C4", "C4"), ("D4", "D4")):
    for stride in (1, 2):
        found = worst_errors(made(group, stride=stride), sides, "C4" if group == "C1" else group)
        errors[group, stride] = dict(zip(sides, found, strict=True))
        lines.append([f"{label}, stride {stride}", *(f"{error:.0e}" for error in found)])
for (group, stride), found in errors.items():
    fits = equivariant_sides([stride], sides)
    assert all((error < 1e-5) == (group != "C1" and side in fits) for side, error in found.items())
assert max(errors["C4", 2].values()) < min(errors["C1", 2].values())
markdown_table(["network, side of the image", *map(str, sides)], lines)

# %% [markdown]
# With stride 1 the equivariant networks are so up to round-off, on every side. With stride 2 only on odd sides, because
# the pixels $0,2,4,\dots$ are kept: seen from the opposite side they are the same ones only if the last pixel is among
# them. On even sides the error is smaller than that of the ordinary network and nothing like round-off, and nothing
# warns.
#
# ### Exercise 6 (core): which sides does a strided network allow?
#
# Padding is half of the width, so that a layer of stride $s$ keeps the pixels $0,s,2s,\dots$ of what it is given. Given
# the strides of layers that follow one another, return the smallest side, not below `least`, for which all of them
# commute with quarter turns.


# %%
def smallest_side(least, strides):  # 28, [2, 2] -> ?
    return least


# %%
checks.smallest_side(smallest_side)

# %% [markdown]
# <details><summary><b>Solution</b> (open after trying)</summary>
#
# A layer of stride $s$ keeps the first pixel, so it must keep the last: $s$ divides $n-1$, and $(n-1)/s+1$ pixels remain.
# The next layer asks the same of $(n-1)/s$. So the product of all strides must divide $n-1$. Sides such as 28, 32 or 64,
# which one likes for other reasons, are never among them if a stride is even.
# </details>


# %% tags=["solution"]
def smallest_side(least, strides):
    return least + (1 - least) % math.prod(strides)


assert checks.smallest_side(smallest_side)

# %% [markdown]
# ### What does it cost?
#
# The lectures promise “no extra computational cost at test time”. A group convolution is an ordinary convolution whose
# filters are copies of one another, so the copies can be made once, after training: `expanded` does it.
#
# **Predict, then run.** Networks with 32 channels between their layers: how many weights have they, and how long do
# they take as they are and expanded? And with as many weights as the ordinary one?

# %%
images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
kinds = {"ordinary": ("C1", 32), "C4, as many channels": ("C4", 32), "D4, as many channels": ("D4", 32)}
kinds |= {"C4, about as many weights": ("C4", 64)}
nets = {name: made(*kind).eval() for name, kind in kinds.items()}
plain = {name: expanded(net) for name, net in nets.items()}
with torch.no_grad():
    assert all(torch.allclose(plain[name](images), nets[name](images), atol=1e-4) for name in nets)


def weights(net):
    return sum(p.numel() for p in net.parameters())


taken = seconds([*nets.values(), *plain.values()], images, 5 if FAST else 25)
base, lines = taken[len(nets)][0], []
for k, name in enumerate(nets):
    own, flat = ([t / base for t in taken[i]] for i in (k, k + len(nets)))
    times = (f"{middle:.2f} ({low:.2f} to {high:.2f})" for middle, low, high in (own, flat))
    lines.append([name, f"{weights(nets[name]):,}", f"{weights(plain[name]):,}", *times])
assert weights(plain["C4, as many channels"]) == weights(nets["ordinary"]) > 3.9 * weights(nets["C4, as many channels"])
print(f"Times over the median of the ordinary network, {1e3 * base:.1f} ms; in brackets the quartiles.")
markdown_table(["network", "weights", "weights expanded", "time", "time expanded"], lines)

# %% [markdown]
# With as many channels, the expanded network *is* an ordinary one of the same size, so the promise holds exactly: the
# same number of multiplications, whatever a clock says on a busy machine. What remains of the weights is about a fourth
# or an eighth. The promise is silent about the other comparison: with as many *weights* as the ordinary network, $C_4$
# needs twice the channels, and four times the multiplications. Section 5 has both.
#
# ### Other angles
#
# $C_4$ knows nothing of 45 degrees. How wrong is the network there, and how much of that is the interpolation that
# turning an image by 45 degrees needs in the first place? There are two controls. One is a Gaussian blur, which
# commutes with every turn in the continuous setting, so that all of its error is interpolation. The other is an image
# that is turned and turned back.
#
# **Predict, then run.** Shapes, blurred a little; five networks with random weights of each kind, no biases, errors
# within a disc. At which angles do $C_4$ and the ordinary network differ?

# %% mystnb={"image": {"alt": "Relative equivariance error on a logarithmic axis against the angle from 0 to 90 degrees. The ordinary networks rise to their largest error at 90 degrees. The C4 networks have round-off errors at 0 and 90 degrees and errors of the size of the ordinary ones between. The Gaussian blur and the image turned there and back lie far below both at the angles between."}}
smooth = GaussianBlur(56, width=7, std=1.0)(load("shapes").test[:4])
degrees = [0, 5, 15, 30, 45, 60, 75, 85, 90]
angles = [math.radians(a) for a in degrees]
curves = {}
for label, group in (("ordinary, random weights", "C1"), ("C4, random weights", "C4")):
    found = [angle_errors(made(group, seed=s, bias=False), smooth, angles, margin=8) for s in range(5)]
    single = [errors[degrees.index(45)] for errors in found]
    print(f"{label}: errors at 45 degrees from {min(single):.0e} to {max(single):.0e}")
    curves[label] = torch.tensor(found).mean(0).tolist()
curves["Gaussian blur"] = angle_errors(GaussianBlur(56, width=13, std=2.0), smooth, angles, margin=8)
curves["turned and turned back"] = there_and_back(smooth, angles, margin=8)
angles_figure(angles, curves)
plt.show()

# %%
at = {label: dict(zip(degrees, values, strict=True)) for label, values in curves.items()}
for label, found in at.items():
    print(f"{label:26s} 5 degrees {found[5]:.0e}, 45 degrees {found[45]:.0e}, 90 degrees {found[90]:.0e}")
assert at["C4, random weights"][90] < 1e-4 < 0.1 < at["ordinary, random weights"][90]
assert at["C4, random weights"][45] > 10 * max(at["Gaussian blur"][45], at["turned and turned back"][45])

# %% [markdown]
# At 45 degrees the error of the $C_4$ networks is far above both controls, so it is theirs and not that of the
# interpolation. A $C_4$ network is exact for quarter turns, and between them it promises nothing. (These are random
# weights. What training makes of the angles between is another question, which the explorer answers for trained
# networks.)
#
# There are two ways to have more angles. Groups of more turns, such as the $Z_{12}$ that Celledoni et al. try, have
# filters that must be turned by 30 degrees, so that they are interpolated or sampled from smooth functions. And
# *steerable* layers replace the field with one entry for each turn by coefficients that a turn by any angle mixes
# linearly. The constraint of the theorem becomes $k(Rx)=\rho_{\text{out}}(R)\,k(x)\,\rho_{\text{in}}(R)^{-1}$, with
# $\rho$ saying how values are mixed. Its solutions are circular harmonics times radial profiles (Weiler and Cesa). On a
# grid of pixels these are equivariant up to discretisation, like the blur above.
#
# The package `e2cnn` implements this in general. For $C_4$ its layers must be ours, although it builds them from a
# basis of such kernels. An optional cell looks.

# %%
if find_spec("e2cnn") is None:
    print("The optional package e2cnn is not installed: pip install e2cnn, and run this cell again.")
else:
    from e2cnn import gspaces
    from e2cnn import nn as e2nn

    space = gspaces.Rot2dOnR2(4)
    kinds_of_field = [space.trivial_repr], [space.regular_repr]
    theirs = e2nn.R2Conv(*(e2nn.FieldType(space, kind) for kind in kinds_of_field), 3, padding=1, bias=False)
    copies = theirs.expand_parameters()[0].detach()[:, 0]  # (4, 3, 3)
    off = max(float((torch.rot90(copies[0], h) - copies[h]).abs().max()) for h in range(4))
    print(f"e2cnn's lifting filters are turned copies of the first, up to {off:.0e}")
    assert off < 1e-5
