# ruff: noqa: B018, E501
# %%
# imports, for the setup cell
import matplotlib.pyplot as plt

from course_utils.chapters.learned.attack_explorer import attack_explorer, attacks_table
from course_utils.chapters.learned.worst_found import worst_figure, worst_story
from course_utils.reproduce import load_result
from course_utils.results import origin

# %% [markdown]
# ### Explorer: what a perturbation changes, and what it invents
#
# The data $y$ below hold noise already. How far can a further perturbation $e$ move the reconstruction? Does the answer
# depend on the method, on the size of $e$, or on its direction? The explorer shows truth, $y$, $e$ and $y+e$ in its
# upper row. Below them stand $\Phi(y)$, $\Phi(y+e)$, the change $\Phi(y+e)-\Phi(y)$, which is what $e$ alone has
# brought into the image or taken out of it, and the error. The size is $\|e\|$ as a multiple of $\sigma\sqrt m$, the
# norm of the noise.
#
# The worst perturbations were found beforehand, by a search with `course_utils.stability.attack` for size 0.3 and for
# size 1. Up to 0.3 the slider scales the first, above 0.3 the second. The worst perturbation of size 1, made smaller,
# is not the worst one of the smaller size, and no search proves that it has found the worst. So what you see is a
# **lower bound** of what is possible.
#
# **Predict, then run.** Which of the five methods is moved most by the worst perturbation of size 0.3: FBP, TV, or one
# of the three networks?
#
# 1. *Learned proximal gradient*, size 0.3: compare random noise with the worst perturbation that was found. Would you
#    notice in $y+e$ that something was done to the data? Would you notice it in $\Phi(y+e)$ if you had not seen the
#    truth?
# 2. Keep the size, and send what was found for one method to the others: what was found for the U-Net to the two
#    unrolled networks, to TV and to FBP; then what was found for TV to the networks. Which perturbations transfer?
# 3. *TV*, worst found for this method: compare the sizes 0.3 and 1. Watch the picture of the change and the largest
#    change of a pixel. What has the search found at size 1?

# %% tags=["explorer"] mystnb={"image": {"alt": "A square and a disc; noisy data; a smooth perturbation of the data of 0.3 times the norm of the noise, hardly visible in their sum; the reconstruction by learned proximal gradient before, close to the truth, and after, where the square has become a wide rectangle and the disc is dented; the change; the error."}}
attack = attack_explorer()
attack.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls: method, perturbation, size and image."}}
attack

# %% [markdown]
# One scan may be an exception. How do the methods compare on the mean over four scans? The two tables give the factor
# $\|\Phi(y+e)-\Phi(y)\|/\|e\|$ by which perturbations are amplified: random ones in the first row, the worst ones found
# for each method below. On the diagonal, a method meets what was found for it; everything beside it is transfer.

# %% mystnb={"image": {"alt": "Two tables of amplification factors, for perturbations of 0.3 and of 1 times the norm of the noise: random noise and the worst perturbations found for five methods, from top to bottom, applied to each of the five methods, from left to right."}}
found = load_result("attack-explorer")
worst_figure(found)
plt.show()
print(worst_story(found))
print(origin(found))

# %% [markdown]
# What is the change $\Delta=\Phi(y+e)-\Phi(y)$ like, when a method meets its own worst perturbation? The next table
# gives its norm, the norm of its data $A\Delta$, and its largest pixel. The last column is the norm of the change when
# both reconstructions are clipped to $[0, 1]$ afterwards, which everybody would do who knows that grey values lie
# there.

# %%
attacks_table()

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# The three networks are moved most by what was found at size 0.3, TV less, FBP least; which of the networks is the
# least stable cannot be told, because the four scans differ by more than the networks do.
#
# 1. Random noise, even of size 1, leaves the shapes nearly as they were. The perturbation of size 0.3 that was searched
#    for turns the square into a rectangle and dents the disc. What has been invented is sharp and even, so nothing in
#    $\Phi(y+e)$ says that it is wrong. Such an $e$ does not come about by chance: along a fixed direction the noise has
#    the standard deviation $\sigma$, and the column $\|e\|/\sigma=0.3\sqrt m$ says how many standard deviations $e$ is
#    long.
# 2. At size 0.3, what was found for one network moves the other two by more than four fifths of what was found for
#    them, although they are built differently; they were trained with images and noise of the same kind. It moves TV
#    less, and FBP least. What was found for TV moves the networks less than half as far as what was found for them, and
#    at size 1 the two unrolled networks feel it less than random noise.
# 3. At size 0.3, $e$ lends the image other shapes. At size 1 the search has found something else on each of the four
#    scans: a single pixel, or two or three neighbours, with values far outside $[0, 1]$, and data $e$ that look like
#    theirs. In norm this is the largest change of all; to the eye it is a dot, and clipping removes nearly all of it.
#    So the answer to “which method is the least stable?” depends on how a change is measured. It does not follow that
#    TV with clipping is stable, because the search was not made against it: the $e$ of size 0.3, multiplied out,
#    changes its clipped images more than the $e$ of size 1.
# </details>
#
# How can TV amplify an error several times, although its problem is convex? Because $A$ hardly sees what changes. Let
# $x_1$, $x_2$ minimise $\|Ax-y_i\|^2+\lambda\,\mathrm{TV}(x)$ for the data $y_1$, $y_2$. By the optimality condition,
# $\tfrac2\lambda A^\top(y_i-Ax_i)$ is a subgradient of TV at $x_i$. Subgradients of a convex function are monotone, so
#
# $$\big\langle A^\top(y_1-Ax_1)-A^\top(y_2-Ax_2),\; x_1-x_2\big\rangle\ge 0,
# \qquad\text{that is}\qquad \|A(x_1-x_2)\|^2\le\langle y_1-y_2,\,A(x_1-x_2)\rangle,$$
#
# and by the inequality of Cauchy and Schwarz $\|A(x_1-x_2)\|\le\|y_1-y_2\|$. With any convex regulariser, the data of
# the answer move no further than the data did. In the column $\|A\Delta\|/\|e\|$ TV keeps below 1, as it must. The
# three networks do not: none of them minimises such an objective, so the inequality does not hold for them.
