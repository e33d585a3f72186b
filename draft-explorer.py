# %% [markdown]
# ### Explorer: turn the object by any angle
#
# C4 has four turns, and an equivariant network commutes with these. What does it do with all the others? And by how much
# do two ordinary networks fail, of which one saw its training images turned by quarter turns? The explorer has one
# network of each kind: learned proximal gradients that saw the same ten upright images, in 30 views of $56\times56$
# pixels with noise $\sigma=0.1$, each trained once.
#
# So that only the networks are judged, the *data* have to be turned exactly. The views are 6 degrees apart. An object
# that is turned by a multiple of 6 degrees has the same views under other numbers, and those that are now seen from the
# other side are mirrored. This is $T_g$ for 60 turns in place of four. It needs no interpolated image, and the noise
# turns with the data. Hence the slider moves in steps of 6 degrees. *Images* are turned exactly by quarter turns, and by
# bicubic interpolation otherwise. That concerns $g\cdot\Phi(y)$, and the turned object from which PSNR is computed.
#
# The upper row shows the turned object and $\Phi(T_gy)$ of three networks. Below them stand the turned data, and
# $\Phi(T_gy)-g\cdot\Phi(y)$ or, at your choice, $\Phi(T_gy)$ minus the turned object. The equivariance error is
#
# $$\frac{\|\Phi(T_gy)-g\cdot\Phi(y)\|}{\|\Phi(y)\|},$$
#
# both norms within the circle that every turn keeps. The dotted grey curve below it is the error of turning $\Phi(y)$
# and turning it back: a scale for what interpolation does, and no bound. The dotted grey curve beside it is the PSNR of
# $g\cdot\Phi(y)$, for which no network had to reconstruct anything turned.
#
# **Predict, then run.** At which angles is the error of the equivariant network zero, and how large does it become
# between them, compared with that of the others? Which network has the best PSNR when the object is turned by 90
# degrees, and by how much?
#
# 1. *90 degrees:* compare the three differences. Where in the image do the two ordinary networks change their answer?
# 2. *84 and 42 degrees:* what has become of the zero?
# 3. *Noise: none.* How much of the errors was owed to the noise?
# 4. *Compare with the turned object:* is the equivariant network nearer to it than the others?

# %% tags=["explorer"] mystnb={"image": {"alt": "A disc and a rectangle, turned by 90 degrees, its data, and three reconstructions that look alike; of the differences from the turned reconstruction, those of the ordinary and of the augmented network have structure at the edges of the shapes, that of the equivariant network is empty. Below, the equivariance error over the angle: that of the equivariant network falls to zero at the quarter turns, those of the others do so at 0 degrees alone; and the PSNR, of which the three curves lie close together."}}
turner = turn_explorer()
turner.static()

# %% tags=["explorer"] mystnb={"image": {"alt": "The same figure with controls: angle, image, noise, and what the reconstructions are compared with."}}
turner

# %% [markdown]
# The means over 12 objects, at the three quarter turns and over the angles between them:

# %%
turns = load_result("equivariance-turns")
print(origin(turns))
print(turns_story(turns))
assert 1.7 < between(turns, "equivariant") / between(turns, "equivariant", "interpolation") < 2.6
rows = [row_of(turns, name) for name in ("ordinary", "augmented", "equivariant")]
apart = max(max(values) - min(values) for values in zip(*(row["psnr"] for row in rows), strict=True))
print(f"At each angle the mean PSNRs of the networks lie within {apart:.2f} dB.")
assert apart < 0.25 * min(rows[0]["psnr_std"])
turns_table(turns)

# %% [markdown]
# <details><summary><b>What to find</b></summary>
#
# *At quarter turns* the equivariant network is equivariant up to round-off. The two others change their answer by a few
# per cent of its norm, mostly at the edges of the shapes. That the training images were turned has not made the error of
# the augmented network smaller than that of the ordinary one. (Each was trained once, so which of the two is ahead says
# nothing.)
#
# *Between them* the theorem promises nothing. One view away from a quarter turn, at 84 degrees, the error is already
# larger than that of interpolating twice, and on the mean over the angles it is about twice as large. Three things can
# add to it: $g\cdot\Phi(y)$ is interpolated, the pixel grid does not turn with the object, and $3\times3$ filters are
# used in four orientations only. The explorer does not tell them apart. The error is smaller than that of the two
# others, except near 0 degrees, where every network is asked for almost the same image and all three errors are alike.
#
# *Without noise* the errors are only a little smaller, so most of them is not the noise's doing.
#
# *PSNR* hardly tells the networks apart. At every angle their means are much closer to each other than one object is to
# the next. With these objects it costs nothing to be indifferent to the turn, and it gains nothing either. Between
# quarter turns all PSNRs are higher. That is no merit of a network, because the turned reconstruction gains as much (last
# column): the turned object is interpolated and has softer edges. So PSNR may be compared between networks, and not
# between angles.
# </details>
