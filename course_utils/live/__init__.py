"""Figures that compute in the reader's browser: a small JavaScript engine, and what it needs of a network.

The engine is the folder's ES modules, which import each other by name; ``bundle`` makes one classic script of a module
and all that it reaches.  Conventions are those of the course: images are Float32Arrays in reading order with grey
values in [0, 1], the data term is ||A x - y||^2 without factor 1/2, and operators have norm 1.

- ``generator.js``: G and its derivative, from the list of its layers; ``float16.js``: its stored weights
- ``reconstructor.js``: learned maps from data to images, from their lists of layers
- ``operators.js``: identity, matrix, random projections; ``blur.js``, ``rays.js``, ``fourier.js``
- ``objectives.js``: hard, relaxed, sparse; ``reduced.js``: relaxed with x eliminated
- ``solvers.js``: Algorithms 1 to 3, L-BFGS; ``classical.js``: Tikhonov, total variation
- ``iterative.js``: Landweber, CGLS, MLEM, to be stopped in time
- ``metrics.js``: PSNR
- ``random.js``: the normal numbers of torch, from the same seeds
- ``linear.js``: sums, products, transposes; ``check.js``: mistakes, told by name
"""

from .bundle import bundle
from .export import generator_spec, reconstructor_spec

__all__ = ["bundle", "generator_spec", "reconstructor_spec"]
