"""The JavaScript engine against torch, in headless Chromium: the same weights, the same data, the same algorithms.

Without Chromium these tests skip, or fail where CI is set.
"""

import base64
import itertools
import json
from functools import cache
from pathlib import Path

import conftest
import numpy as np
import pytest
import torch
from chromium import FLAGS, needed_browser
from scipy.signal import convolve2d
from scipy.sparse.linalg import cg

import course_utils
from course_utils import TV, GaussianBlur, GaussianMatrix, Hard, LinearOperator, Relaxed, Sparse, Tikhonov, pretrained
from course_utils.chapters.regularisers.parabola import solve_parabola
from course_utils.equivariance import LearnedProximalGradient, ProximalConfig, ResidualBlock
from course_utils.generators import GeneratorConfig, build
from course_utils.live import generator_spec, reconstructor_spec
from course_utils.operators import ParallelBeam
from course_utils.reconstructors import (
    CGLS,
    MLEM,
    Home,
    Landweber,
    LearnedPrimalDual,
    LearnedPrimalDualConfig,
    LearnedProximal,
    LearnedProximalConfig,
    PostProcessing,
    PostProcessingConfig,
)
from course_utils.solvers import (
    alternating_gradient_descent,
    gradient_descent,
    lbfgs,
    objective_of,
    palm,
    pdhg,
    reconstruct,
)

NAMES = ["ae-mnist-8", "vae-mnist-8", "wgan-mnist-8", "vae-shapes-10"]
LAM, MU, SIGMA = 0.02, 0.1, 0.05

LIVE = Path(course_utils.live.__file__).parent
ENGINE = "http://engine.test"  # no such place: the browser's questions are answered from the folder

#: Vectors travel as base64 of float32; ``load`` puts all that the engine's modules export into ``E``.
PAGE = """
window.bytes = text => {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < out.length; i++) out[i] = raw.charCodeAt(i);
  return out;
};
window.unpack = text => new Float32Array(bytes(text).buffer);
window.pack = v => {
  const bytes = new Uint8Array(Float32Array.from(v).buffer), parts = [];
  for (let i = 0; i < bytes.length; i += 8192) parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
  return btoa(parts.join(""));
};
window.load = async addresses => {
  window.E = Object.assign({}, ...await Promise.all(addresses.map(address => import(address))));
};
window.fresh = ({ spec, weights, matrix, y, m }) => {
  const G = E.generator(spec, E.decodeFloat16(bytes(weights)));
  return { G, A: E.matrix(unpack(matrix), m, spec.height * spec.width), y: unpack(y) };
};
window.problems = {};
window.problem = name => problems[name];
window.parabola = () => { // the paper's counterexample as a generator, G(z) = (z, z^2)
  let z = NaN;
  return {
    d: 1, height: 1, width: 2,
    forward([value], out = new Float32Array(2)) {
      z = value;
      out.set([z, z * z]);
      return out;
    },
    vjp(g, out = new Float32Array(1)) {
      out[0] = g[0] + 2 * z * g[1];
      return out;
    },
  };
};
"""


def pack(v) -> str:
    """A tensor, array or bytes for the page."""
    raw = v if isinstance(v, bytes) else np.asarray(v, dtype="<f4").tobytes()
    return base64.b64encode(raw).decode()


@pytest.fixture(scope="module")
def page():
    """An empty page with the engine's modules in ``E``; whatever else it asks for is blocked, and it may not ask."""
    path = needed_browser()
    from playwright.sync_api import sync_playwright

    modules, outside = sorted(path.name for path in LIVE.glob("*.js")), []

    def from_the_folder(route):
        address, _, name = route.request.url.rpartition("/")
        if address == ENGINE and name in modules:
            headers = {"access-control-allow-origin": "*"}
            route.fulfill(path=LIVE / name, content_type="text/javascript", headers=headers)
        else:
            outside.append(route.request.url)
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        page = browser.new_page()
        page.route("**/*", from_the_folder)
        page.add_script_tag(content=PAGE)
        page.evaluate("addresses => load(addresses)", [f"{ENGINE}/{name}" for name in modules])
        for name in NAMES:
            page.evaluate("([name, parts]) => { problems[name] = fresh(parts); }", [name, shipped(name)])
        yield page
        browser.close()
    assert not outside, f"asked for {outside}"


@cache
def problem(name: str):
    """A generator, 150 random projections, the noisy data of one of its images, and two latent vectors."""
    G = pretrained(name, verbose=False)
    A = GaussianMatrix(150, G.image_shape[1], torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(1)
    z, z0 = G.sample_latent(2, draws).split(1)
    y = A(G(z)) + SIGMA * torch.randn(1, 150, generator=draws)
    return G, A, y, z0


@cache
def shipped(name: str) -> dict:
    """The same for the page."""
    G, A, y, _ = problem(name)
    spec, weights = generator_spec(G)
    return {"spec": json.loads(json.dumps(spec)), "weights": pack(weights), "matrix": pack(A.M), "y": pack(y), "m": 150}


def unpack(text: str) -> np.ndarray:
    """A float32 array from the page."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def error(found, wanted) -> float:
    """Largest difference, relative to the largest entry."""
    found, wanted = np.asarray(found, dtype=np.float64).ravel(), np.asarray(wanted, dtype=np.float64).ravel()
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


# The generator


def test_float16_is_decoded_bit_by_bit(page):
    halves = np.arange(1 << 16, dtype="<u2").view("<f2")
    found = page.evaluate("text => pack(E.decodeFloat16(bytes(text)))", pack(halves.tobytes()))
    np.testing.assert_array_equal(unpack(found), halves.astype("<f4"))


GENERATOR = """([p, z, g, lam]) => {
  const { G, A, y } = problem(p);
  const image = G.forward(unpack(z)), vjp = G.vjp(unpack(g)), again = G.vjp(unpack(g));
  const grad = new Float32Array(G.d), f = E.hard(G, A, y, lam).gradient(unpack(z), grad);
  return { image: Array.from(image), vjp: Array.from(vjp), again: Array.from(again), f, grad: Array.from(grad) };
}"""


@pytest.mark.parametrize("name", NAMES)
def test_generator_vjp_objective_and_gradient_are_those_of_torch(page, name):
    G, A, y, z0 = problem(name)
    g = torch.randn(1, *G.image_shape, generator=torch.Generator().manual_seed(2))
    z = z0.clone().requires_grad_()
    image = G(z)
    (vjp,) = torch.autograd.grad(image, z, g)
    f, grad = objective_of(A, y, Hard(G, LAM), "paper").value_and_grad(z0)
    found = page.evaluate(GENERATOR, [name, pack(z0), pack(g), LAM])
    worst = {
        "G": error(found["image"], image.detach()),
        "vjp": error(found["vjp"], vjp),
        "f": error(found["f"], f),
        "grad f": error(found["grad"], grad),
    }
    conftest.MEASURED.append(
        f"{name} in the browser, relative error: " + str({k: f"{v:.0e}" for k, v in worst.items()})
    )
    assert max(worst.values()) < 1e-4, worst
    assert found["again"] == found["vjp"]


def test_a_generator_that_was_not_rounded_before(page):
    G = build(GeneratorConfig("vae", 5), seed=3).freeze()
    spec, weights = generator_spec(G)
    z = torch.randn(1, 5, generator=torch.Generator().manual_seed(0))
    found = page.evaluate(
        "([spec, w, z]) => Array.from(E.generator(spec, E.decodeFloat16(bytes(w))).forward(unpack(z)))",
        [spec, pack(weights), pack(z)],
    )
    rounded = build(GeneratorConfig("vae", 5), seed=3).freeze()
    rounded.load_state_dict({key: value.half().float() for key, value in G.state_dict().items()})
    assert error(found, rounded(z)) < 1e-4 < error(found, G(z))  # the rounding itself is seen


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("w => w.slice(0, -2)", "the layers have 69377 weights, got 69376"),
        ("w => new Uint8Array([...w, 0, 0])", "the layers have 69377 weights, got 69378"),
        ("w => w.slice(1)", "even number of bytes, got 138753"),
        ("w => { w[5] = 0x7e; return w; }", "the weights hold NaN"),
        ("(w, s) => { s.layers[1].type = 'gelu'; return w; }", 'layer 1 is "gelu"; known are linear, leakyRelu'),
        ("(w, s) => { s.layers[0].type = 'toString'; return w; }", 'layer 0 is "toString"'),
        ("(w, s) => { s.layers[2].channels = 32; return w; }", "takes 1568 numbers, gets 3136"),
        ("(w, s) => { s.height = 14; return w; }", "the layers make 1,28,28, not 1,14,28"),
    ],
)
def test_damaged_weights_and_unknown_layers_are_told(page, damage, message):
    found = page.evaluate(
        f"""([spec, text]) => {{
          const damage = {damage};
          try {{
            const w = damage(bytes(text), spec);
            E.generator(spec, E.decodeFloat16(w));
          }} catch (error) {{ return error.message; }}
          return "no error";
        }}""",
        [shipped("vae-mnist-8")["spec"], shipped("vae-mnist-8")["weights"]],
    )
    assert message in found


def test_a_decoder_that_the_engine_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"layer 5 of the decoder, SamePad.*: the engine does not know this layer"):
        generator_spec(build(GeneratorConfig("ae", 3, variant="paper"), seed=0))
    G = build(GeneratorConfig("ae", 3), seed=0)
    G.decoder[3] = torch.nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1, dilation=2)
    with pytest.raises(ValueError, match=r"layer 3 of the decoder.* has dilation=\(2, 2\)"):
        generator_spec(G)
    G.decoder[3] = torch.nn.ConvTranspose2d(64, 32, kernel_size=(4, 3), stride=2, padding=1)
    with pytest.raises(ValueError, match=r"layer 3 .* has kernel_size=\(4, 3\)"):
        generator_spec(G)
    G.decoder[3] = torch.nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1, bias=False)
    with pytest.raises(ValueError, match=r"layer 3 .* has no bias"):
        generator_spec(G)
    G = build(GeneratorConfig("ae", 3), seed=0).freeze()
    G.decoder[0].weight[0, 0] = 1e6
    with pytest.raises(ValueError, match=r"layer 0 .* beyond the range of float16"):
        generator_spec(G)


# Learned reconstruction

RECONSTRUCT = """([spec, weights, views, y]) => {
  const A = E.parallelBeam(spec.size, views, Math.PI);
  const network = E.reconstructor(spec, E.decodeFloat16(bytes(weights)), A);
  const once = [...network(unpack(y))], again = [...network(unpack(y))];
  return {
    x: pack(once.at(-1).x), again: pack(again.at(-1).x), count: once.at(-1).iterations,
    first: pack(once.find(state => state.iterations === 1).x),
  };
}"""


def scan(size: int, views: int, seed: int = 0):
    """An operator and data of a random image of two grey values."""
    A, draws = ParallelBeam.full(size, n_angles=views), torch.Generator().manual_seed(seed)
    x = (torch.rand(1, 1, size, size, generator=draws) > 0.5).float() / 2
    return A, A(x) + 0.1 * torch.randn(1, *A.shape_out, generator=draws)


@pytest.mark.parametrize("views", [30, 11])
@pytest.mark.parametrize(
    "name", ["post-processing-shapes", "proximal-shapes", "primal-dual-shapes", "equivariant-shapes"]
)
def test_learned_reconstructions_are_those_of_torch(page, name, views):
    network = pretrained(name, verbose=False)
    (A, y), (spec, weights) = scan(56, views), reconstructor_spec(network)
    found = page.evaluate(RECONSTRUCT, [json.loads(json.dumps(spec)), pack(weights), views, pack(y)])
    with torch.no_grad():
        assert error(unpack(found["x"]), network(y, A)) < 1e-4
    assert found["again"] == found["x"]  # no layer remembers what it saw before
    assert found["count"] == len(spec.get("steps", [0]))
    if isinstance(network, LearnedProximal):
        assert error(unpack(found["first"]), network.path(y, A)[1].detach()) < 1e-4


#: Odd channels and sides that are no multiples of four, where loops that take several at once have an end of their own.
SMALL = {
    "post-processing": lambda home: PostProcessing(PostProcessingConfig(home, channels=3, levels=2), seed=1),
    "one level": lambda home: PostProcessing(PostProcessingConfig(home, channels=5, levels=1), seed=2),
    "proximal": lambda home: LearnedProximal(LearnedProximalConfig(home, steps=2, width=5), seed=3),
    "primal-dual": lambda home: LearnedPrimalDual(LearnedPrimalDualConfig(home, steps=2, memory=1, width=3), seed=4),
    "ordinary": lambda home: with_memory(home, None, channels=3, memory=2),
    "equivariant": lambda home: with_memory(home, "C4", channels=4, memory=0),
}


def with_memory(home: Home, group: str | None, channels: int, memory: int) -> LearnedProximalGradient:
    """Its residual blocks start as the identity: other weights are drawn for them."""
    config = ProximalConfig(home.size, home.views, home.sigma, group, channels, blocks=2, memory=memory)
    network, draws = LearnedProximalGradient.drawn(config, 5), torch.Generator().manual_seed(6)
    with torch.no_grad():
        for block in network.blocks:
            for p in block[1].parameters():
                p.copy_(0.3 * torch.randn(p.shape, generator=draws))
    return network


@pytest.mark.parametrize("size", [18, 22])
@pytest.mark.parametrize("name", SMALL)
def test_networks_of_other_sizes_are_those_of_torch(page, name, size):
    network = SMALL[name](Home(size, sigma=0.1, views=7)).freeze()
    network.load_state_dict({key: value.half().float() for key, value in network.state_dict().items()})
    (A, y), (spec, weights) = scan(size, 7), reconstructor_spec(network)
    found = page.evaluate(RECONSTRUCT, [json.loads(json.dumps(spec)), pack(weights), 7, pack(y)])
    assert error(unpack(found["x"]), network(y, A)) < 1e-4


def test_a_residual_block_with_a_repeated_border_has_the_derivative_of_torch(page):
    """x + a(K x + b) between two layers, as the decoder of a generator: its value and its transposed derivative."""
    layers = [
        torch.nn.Unflatten(1, (2, 5, 7)),
        ResidualBlock(torch.nn.Conv2d(2, 2, 3, padding=1, padding_mode="replicate")),
        torch.nn.Conv2d(2, 1, 5, padding=2, padding_mode="replicate"),
    ]
    G, draws = build(GeneratorConfig("ae", 70), seed=0), torch.Generator().manual_seed(1)
    G.image_shape, G.decoder = (1, 5, 7), torch.nn.Sequential(*layers)
    for p in G.decoder.parameters():
        torch.nn.init.normal_(p, generator=draws).data.copy_(p.data.half().float())
    z, g = torch.randn(1, 70, generator=draws, requires_grad=True), torch.randn(1, 1, 5, 7, generator=draws)
    image = G.decoder(z)
    (vjp,) = torch.autograd.grad(image, z, g)
    spec, weights = generator_spec(G)
    found = page.evaluate(
        """([spec, w, z, g]) => {
          const G = E.generator(spec, E.decodeFloat16(bytes(w)));
          return [Array.from(G.forward(unpack(z))), Array.from(G.vjp(unpack(g)))];
        }""",
        [json.loads(json.dumps(spec)), pack(weights), pack(z.detach()), pack(g)],
    )
    assert error(found[0], image.detach()) < 1e-5 and error(found[1], vjp) < 1e-5


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("(w, s) => w.slice(0, -2)", "weights, got"),
        ("(w, s) => { s.family = 'lista'; return w; }", "'family' is \"lista\"; known are post-processing, learned"),
        ("(w, s) => { s.size = 18; return w; }", "images of side 18, A those of side 22"),
        ("(w, s) => { s.up[0].stride = 1; return w; }", "beside 3,22,22"),
        ("(w, s) => { s.down[1][0].inChannels = 4; return w; }", "takes 484 numbers, gets 363"),
    ],
)
def test_damaged_networks_are_told(page, damage, message):
    spec, weights = reconstructor_spec(SMALL["post-processing"](Home(22, sigma=0.1, views=7)))
    found = page.evaluate(
        f"""([spec, text]) => {{
          const damage = {damage};
          try {{
            const w = damage(bytes(text), spec);
            E.reconstructor(spec, E.decodeFloat16(w), E.parallelBeam(22, 7, Math.PI));
          }} catch (error) {{ return error.message; }}
          return "no error";
        }}""",
        [spec, pack(weights)],
    )
    assert message in found


def test_networks_that_the_engine_does_not_know_are_refused():
    with pytest.raises(ValueError, match="'network' must be one of PostProcessing, .* got Equilibrium"):
        reconstructor_spec(pretrained("equilibrium-shapes", verbose=False))
    with pytest.raises(ValueError, match="trained for tomography, its home is 150 random measurements"):
        reconstructor_spec(pretrained("proximal-mnist", verbose=False))
    network = SMALL["proximal"](Home(18, sigma=0.1, views=7))
    network.corrections[1][1] = torch.nn.GELU()
    with pytest.raises(ValueError, match=r"layer 1 of step 1, GELU.*: the engine does not know"):
        reconstructor_spec(network)


# Operators and random numbers

OPERATORS = {
    "identity": "E.identity(60)",
    "matrix": "E.matrix(E.randn(3, 7 * 50), 7, 50)",
    "compressed sensing": "E.gaussianMatrix(30, 100, 5)",
    "more data than pixels": "E.gaussianMatrix(90, 33, 5)",
    "blur": "E.blur(12)",
    "wide blur of an oblong": "E.blur([9, 14], E.gaussianKernel(7, 2))",
    "one-sided blur": "E.blur([6, 11], Float32Array.of(0.1, 0.2, 0.7))",
    "blur of a signal": "E.blur([1, 90], E.gaussianKernel(9, 2))",
}
COLUMNS = """A => pack(Array.from({ length: A.n }, (_, j) => {
  const e = new Float32Array(A.n);
  e[j] = 1;
  return Array.from(A.forward(e));
}).flat())"""


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_have_exact_adjoints_and_norm_one(page, name):
    found = page.evaluate(
        f"""() => {{
          const A = {OPERATORS[name]}, errors = [];
          const dot = (v, w) => v.reduce((sum, value, i) => sum + value * w[i], 0);
          for (let k = 0; k < 4; k++) {{
            const x = E.randn(k, 16 + A.n).subarray(16), r = E.randn(10 + k, 16 + A.m).subarray(16);
            const Ax = A.forward(x), Ar = A.adjoint(r);
            errors.push(Math.abs(dot(Ax, r) - dot(x, Ar)) / Math.sqrt(E.sumOfSquares(Ax) * E.sumOfSquares(r)));
          }}
          return {{ errors, shape: [A.m, A.n], columns: ({COLUMNS})(A) }};
        }}"""
    )
    assert max(found["errors"]) < 1e-6
    m, n = found["shape"]
    dense = unpack(found["columns"]).reshape(n, m).T
    if name != "matrix":  # that one is taken as it is
        assert abs(np.linalg.norm(dense, 2) - 1) < 1e-5


@pytest.mark.parametrize(("size", "width", "std"), [(28, 5, 1.0), (12, 11, 3.0)])
def test_the_blur_is_that_of_the_course(page, size, width, std):
    x = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    found = page.evaluate(
        "([size, width, std, x]) => Array.from(E.blur(size, E.gaussianKernel(width, std)).forward(unpack(x)))",
        [size, width, std, pack(x)],
    )
    assert error(found, GaussianBlur(size, width, std)(x)) < 1e-5


@pytest.mark.parametrize("shape", [(1, 11), (6, 7)])
def test_a_one_sided_blur_is_a_convolution(page, shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    found = page.evaluate(
        "([shape, x]) => pack(E.blur(shape, [0.1, 0.2, 0.7]).forward(unpack(x)))", [list(shape), pack(x)]
    )
    kernel = np.array([0.1, 0.2, 0.7])
    wanted = convolve2d(x, kernel[None] if shape[0] == 1 else np.outer(kernel, kernel), mode="same")
    size = float(np.linalg.norm(unpack(found)) / np.linalg.norm(wanted))  # 1 over the norm
    assert error(unpack(found), size * wanted) < 1e-5


@pytest.mark.parametrize(("seed", "n"), [(0, 117600), (3, 250), (7, 16), (7, 17), (2**32 - 1, 10125), (12, 31)])
def test_normal_numbers_are_those_of_torch(page, seed, n):
    wanted = torch.randn(n, generator=torch.Generator().manual_seed(seed))
    found = unpack(page.evaluate("([seed, n]) => pack(E.randn(seed, n))", [seed, n]))
    assert error(found, wanted) < 1e-6  # torch takes logarithms in float32
    rows = torch.randn(2, n, generator=torch.Generator().manual_seed(seed))  # a batch is one long draw
    found = unpack(page.evaluate("([seed, n]) => pack(E.randn(seed, 2 * n))", [seed, n]))
    assert error(found, rows) < 1e-6


@pytest.mark.parametrize("m", [25, 150])
def test_compressed_sensing_is_that_of_the_course(page, m):
    A = GaussianMatrix(m, 28, torch.Generator().manual_seed(0))
    found = page.evaluate(f"m => ({COLUMNS})(E.gaussianMatrix(m, 784, 0))", m)
    assert error(unpack(found).reshape(784, m).T, A.M) < 1e-5


# The algorithms

RUN = """([p, z0, which, weights, settings]) => {
  const { G, A, y } = problem(p), z = unpack(z0);
  const solvers = {
    hard: () => E.algorithm1(E.hard(G, A, y, ...weights), z, settings),
    relaxed: () => E.algorithm2(E.relaxed(G, A, y, ...weights), z, null, settings),
    sparse: () => E.algorithm3(E.sparse(G, A, y, ...weights), z, null, settings),
    reduced: () => E.algorithm1(E.reduced(G, A, y, ...weights), z, settings),
    "hard, lbfgs": () => E.lbfgs(E.hard(G, A, y, ...weights), z, settings),
    "reduced, lbfgs": () => E.lbfgs(E.reduced(G, A, y, ...weights), z, settings),
  };
  const start = performance.now(), run = solvers[which]();
  const states = [...run], last = states.at(-1), image = G.forward(last.z);
  return {
    ms: performance.now() - start,
    f: states.map(s => s.objective), count: states.map(s => s.iterations), status: states.map(s => s.status),
    z: states.map(s => Array.from(s.z)), values: states.map(s => s.values ?? 0),
    apart: Math.max(...last.x.map((value, i) => Math.abs(value - image[i] - last.u[i]))),
  };
}"""


def paper(which: str, name: str, settings: dict):
    """What torch makes of the same problem: results and traces of one run."""
    G, A, y, z0 = problem(name)
    method, _, solver = which.partition(", ")
    R = Hard(G, LAM) if method == "hard" else Sparse(G, LAM, MU) if method == "sparse" else Relaxed(G, LAM, MU)
    objective = objective_of(A, y, R, "reduced" if method == "reduced" else "paper")
    if solver == "lbfgs":
        return lbfgs(objective, z0, trace=True, **settings)
    if method in ("hard", "reduced"):
        return gradient_descent(objective, z0, trace=True, **settings)
    if which == "relaxed":
        return alternating_gradient_descent(objective, z0, G(z0), trace=True, **settings)
    return palm(objective, z0, torch.zeros_like(G(z0)), trace=True, **settings)


@pytest.mark.parametrize(("name", "most"), [("vae-mnist-8", 60), ("wgan-mnist-8", 60), ("vae-shapes-10", 12)])
@pytest.mark.parametrize("which", ["hard", "relaxed", "sparse", "reduced"])
def test_the_algorithms_walk_as_in_torch(page, which, name, most):
    settings = {"max_iter": most, "tol": 1e-6}
    weights = [LAM] if which == "hard" else [LAM, MU]
    found = page.evaluate(RUN, [name, pack(problem(name)[3]), which, weights, {"maxIter": most, "tol": 1e-6}])
    results, traces = paper(which, name, settings)
    f, z = traces["f"][:, 0].numpy(), traces["v" if "v" in traces else "z"][:, 0].numpy()
    count, walked = int(results["iterations"]), min(6, len(f))
    assert found["count"] == list(range(len(found["count"])))
    assert found["status"][:-1] == ["running"] * (len(found["count"]) - 1)
    assert error(found["f"][:walked], f[:walked]) < 1e-4
    assert error(found["z"][walked - 1], z[walked - 1]) < 1e-4
    assert abs(found["f"][-1] / float(results["f"]) - 1) < 1e-3
    # round-off may make two machines part, late; here they stop within a few steps of each other
    assert abs(found["count"][-1] - count) <= 0.1 * count
    assert found["status"][-1] == {0: "budget", 1: "converged", 2: "round-off"}[int(results["status"])]
    assert found["apart"] < 1e-6  # x = G(z) + u
    assert all(later <= earlier for earlier, later in itertools.pairwise(found["f"]))


@pytest.mark.parametrize("name", ["vae-mnist-8", "wgan-mnist-8"])
@pytest.mark.parametrize("which", ["hard, lbfgs", "reduced, lbfgs"])
def test_quasi_newton_steps_are_those_of_torch(page, which, name):
    """They feed on differences of gradients, so that round-off parts two machines sooner: here after a few steps."""
    weights = [LAM] if which.startswith("hard") else [LAM, MU]
    found = page.evaluate(RUN, [name, pack(problem(name)[3]), which, weights, {}])
    results, traces = paper(which, name, {})
    assert error(found["f"][:6], traces["f"][:6, 0]) < 1e-3
    assert abs(found["f"][-1] / float(results["f"]) - 1) < 1e-2
    assert found["status"][-1] == "converged" and abs(found["count"][-1] - int(results["iterations"])) <= 20
    assert found["apart"] < 1e-6 and found["f"][-1] == min(found["f"])


@pytest.mark.parametrize("which", ["hard", "relaxed", "sparse"])
def test_the_other_stopping_rule_and_other_steps(page, which):
    name, settings = "vae-mnist-8", {"L0": 3.0, "eta0": 0.4, "eta1": 4.0, "tol": 1e-2, "stop": "objective"}
    weights = [LAM] if which == "hard" else [LAM, MU]
    found = page.evaluate(RUN, [name, pack(problem(name)[3]), which, weights, settings])
    results, traces = paper(which, name, settings)
    assert found["count"][-1] == int(results["iterations"]) > 3
    assert found["status"][-1] == "converged"
    assert error(found["f"], traces["f"][:, 0]) < 1e-4


def test_a_run_that_cannot_go_on_stops(page):
    """At a minimum no float passes the test of line 4: the run ends and keeps its point."""
    found = page.evaluate(
        RUN, ["vae-mnist-8", pack(problem("vae-mnist-8")[3]), "hard", [LAM], {"tol": 0, "maxIter": 2000}]
    )
    assert found["status"][-1] == "round-off" and found["count"][-1] < 1000
    assert found["values"][-1] - found["values"][-2] < 20  # and it sees soon that it cannot
    assert found["f"][-1] == min(found["f"])


@pytest.mark.parametrize("method", ["relaxed", "sparse"])
def test_the_objective_rises_by_round_off_at_most_however_long_one_goes_on(page, method):
    """Data in the range of G: the objective falls to the least that float32 can hold, and stays there."""
    run = "algorithm2(E.relaxed" if method == "relaxed" else "algorithm3(E.sparse"
    for lam, target in [(0, 1.0), (1e-3, 1.0), (0.5, 1.7)]:
        f, values = page.evaluate(
            f"""([lam, t]) => {{
              const G = parabola(), A = E.identity(2), y = G.forward([t]), start = Float32Array.of(0.3);
              const states = [...E.{run}(G, A, y, lam, 0.1), start, null, {{ tol: 0, maxIter: 1500 }})];
              return [states.map(s => s.objective), states.at(-1).values];
            }}""",
            [lam, target],
        )
        size = target**2 + target**4
        noise = [10 * 2**-23 * (value * max(value, size)) ** 0.5 for value in f]
        assert all(later <= earlier + e for (earlier, later), e in zip(itertools.pairwise(f), noise, strict=False))
        assert values < 4 * len(f) + 20


MISTAKES = {
    "E.randn(1, 15)": "'n' must be a whole number >= 16, got 15",
    "E.randn(-1, 16)": "'seed' must be below 2^32, got -1",
    "G.vjp(new Float32Array(784))": "vjp belongs to the last forward, and there was none",
    "E.hard(G, A, y, -1)": "'lam' must be a number >= 0, got -1",
    "E.relaxed(G, A, y, 1, NaN)": "'mu' must be a number >= 0, got NaN",
    "E.hard(G, A, y.slice(1), 1)": "'y' must have 150 entries, got 149",
    "E.sparse(G, E.identity(9), y, 1, 1)": "G makes 784 pixels, A takes 9",
    "E.finish(E.algorithm1(E.hard(G, A, y, 1), [0, 0]))": "'z0' must have 8 entries, got 2",
    "E.finish(E.algorithm1(E.sparse(G, A, y, 1, 1), z))": "Algorithm 1 solves hard and reduced, got sparse",
    "E.finish(E.lbfgs(E.relaxed(G, A, y, 1, 1), z))": "L-BFGS solves hard and reduced, got relaxed",
    "E.reduced(G, A, y, 0, 1)": "'lam' must be a number > 0, got 0",
    "E.finish(E.algorithm2(E.hard(G, A, y, 1), z))": "Algorithm 2 solves relaxed, got hard",
    "E.finish(E.algorithm3(E.relaxed(G, A, y, 1, 1), z))": "Algorithm 3 solves sparse, got relaxed",
    "E.finish(E.algorithm1(E.hard(G, A, y, 1), z, { maxiter: 3 }))": "unknown setting 'maxiter'",
    "E.finish(E.algorithm1(E.hard(G, A, y, 1), z, { eta0: 2 }))": "'eta0' must lie in (0, 1), got 2",
    "E.finish(E.tv(A, y, [28, 27], 1))": "'shape' has 756 pixels, A takes 784",
    "E.finish(E.lbfgs(E.hard(G, A, y, 1), z, { L0: 3 }))": "unknown setting 'L0'",
    "E.finish(E.tikhonov(A, y, 1, { toll: 3 }))": "unknown setting 'toll'",
    "E.finish(E.tv(A, y, [28, 28], 1, { max_iter: 3 }))": "unknown setting 'max_iter'",
    "E.finish(E.tikhonov(A, y))": "'lam' must be a number >= 0, got undefined",
    "E.landweber(A, y, { step: 2 }).next()": "'step' must lie in (0, 2), got 2",
    "E.landweber(A, y, { step: 1.5, accelerated: true }).next()": "'step' must lie in (0, 1], got 1.5",
    "E.landweber(A, y, { maxIter: 3 }).next()": "unknown setting 'maxIter'",
    "E.cgls(A, y.slice(1)).next()": "'y' must have 150 entries, got 149",
    "E.mlem(E.identity(3), [1, NaN, 2]).next()": "'y' holds NaN",
    "E.mlem(E.identity(3), [1, -1, 2]).next()": "'y' must hold counts, got a negative number",
    "E.mlem(E.matrix([1, 0, 0, 0], 2, 2), [1, 1]).next()": "'y' has counts where A predicts none",
    "E.blur(28, E.gaussianKernel(4))": "'kernel' must have an odd number of entries, got 4",
    "E.matrix([1, 2, 3], 2, 2)": "'values' must have 4 entries, got 3",
    "G.forward([1])": "'z' must have 8 entries, got 1",
    "G.vjp(z)": "'g' must have 784 entries, got 8",
    "E.hard(G, A, y.map(() => NaN), 1)": "'y' holds NaN",
    "E.finish(E.tikhonov(A, y.map(() => Infinity), 1))": "'y' holds Infinity",
    "E.finish(E.lbfgs(E.hard(G, A, y, 1), z.fill(NaN)))": "'z0' holds NaN",
    "E.finish(E.tv(A, y, [28, 28], 1, { x0: [1] }))": "'x0' must have 784 entries, got 1",
    "E.blur(5, [0, 0, 0])": "an operator of norm 0 cannot be scaled to norm 1",
}


def test_mistakes_are_told(page):
    tries = ", ".join(f"() => {mistake}" for mistake in MISTAKES)
    found = page.evaluate(
        f"""parts => {{
          const {{ G, A, y }} = fresh(parts), z = new Float32Array(8);
          return [{tries}].map(attempt => {{
            try {{ attempt(); }} catch (error) {{ return error.message; }}
            return "no error";
          }});
        }}""",
        shipped("vae-mnist-8"),
    )
    assert dict(zip(MISTAKES, found, strict=True)) == MISTAKES


def test_a_state_is_not_changed_by_what_comes_after_and_a_run_can_be_left(page):
    found = page.evaluate(
        """p => {
          const { G, A, y } = problem(p), kept = [], z = new Float32Array(8);
          for (const run of [
            E.algorithm1(E.hard(G, A, y, 0.1), z), E.algorithm2(E.relaxed(G, A, y, 0.1, 0.1), z),
            E.algorithm3(E.sparse(G, A, y, 0.1, 0.1), z), E.tikhonov(A, y, 0.1), E.tv(A, y, [28, 28], 0.1),
            E.landweber(A, y), E.cgls(A, y), E.mlem(E.identity(784), G.forward(z).map(Math.abs)),
          ]) {
            run.next();
            const state = run.next().value, before = JSON.stringify(state);
            for (let k = 0; k < 3; k++) run.next();
            kept.push(JSON.stringify(state) === before && state.iterations === 1, run.return().done, run.next().done);
          }
          return [...kept, z.every(value => value === 0)];
        }""",
        "vae-mnist-8",
    )
    assert len(found) == 25 and all(found)


def test_runs_that_take_turns_do_not_disturb_each_other(page):
    found = page.evaluate(
        """p => {
          const { G, A, y } = problem(p), starts = [1, 2].map(seed => E.randn(seed, 16).subarray(0, 8));
          const relaxed = E.relaxed(G, A, y, 0.1, 0.1), settings = { maxIter: 8, tol: 0 };
          const make = [
            () => E.algorithm1(E.hard(G, A, y, 0.1), starts[0], settings),
            () => E.algorithm2(relaxed, starts[0], null, settings),
            () => E.algorithm2(relaxed, starts[1], null, settings),
            () => E.algorithm3(E.sparse(G, A, y, 0.1, 0.1), starts[1], null, settings),
          ];
          const alone = make.map(run => E.finish(run())), runs = make.map(run => run()), last = [];
          for (let k = 0; k <= 8; k++) runs.forEach((run, i) => { last[i] = run.next().value; });
          return [JSON.stringify(alone), JSON.stringify(last)];
        }""",
        "vae-mnist-8",
    )
    assert found[0] == found[1] and len(found[0]) > 10_000


def test_the_best_start_has_the_least_objective(page):
    G, A, y, _ = problem("vae-mnist-8")
    candidates = 0.2 * G.sample_latent(30, torch.Generator().manual_seed(4))  # near each other
    values = objective_of(A, y.expand(30, -1), Hard(G, LAM), "paper").value(candidates)
    for make in (f"hard(G, A, y, {LAM})", f"relaxed(G, A, y, {LAM / MU}, {MU})", f"sparse(G, A, y, {LAM / MU}, {MU})"):
        found = page.evaluate(
            f"""([p, text]) => {{
              const {{ G, A, y }} = problem(p), all = unpack(text);
              const candidates = Array.from({{ length: 30 }}, (_, k) => all.slice(8 * k, 8 * k + 8));
              return candidates.indexOf(E.bestStart(E.{make}, candidates));
            }}""",
            ["vae-mnist-8", pack(candidates)],
        )
        assert found == int(values.argmin())


@pytest.mark.parametrize("y1", [-0.3, 0.05, 0.4])
def test_the_parabola_of_the_paper(page, y1):
    found = page.evaluate(
        """y1 => {
          const G = parabola(), A = E.identity(2), y = Float32Array.of(y1, 4), z = Float32Array.of(Math.sign(y1));
          const settings = { tol: 1e-14 };
          const end = ({ z, x }) => [Array.from(z), Array.from(x)];
          return {
            hard: end(E.finish(E.algorithm1(E.hard(G, A, y, 1), z, settings))),
            relaxed: end(E.finish(E.algorithm2(E.relaxed(G, A, y, 1, 0.1), z, null, settings))),
            sparse: end(E.finish(E.algorithm3(E.sparse(G, A, y, 1, 0.1), z, null, settings))),
          };
        }""",
        y1,
    )
    for method, (z, x) in found.items():
        wanted = solve_parabola(method, y1, 1.0, 0.1)
        assert len(wanted.z) == 1
        assert abs(z[0] - wanted.z[0]) < 3e-3, method  # float32 ends Algorithm 2 a little early
        assert error(x, wanted.x[0]) < 3e-3, method


# Tikhonov and total variation


class Averages(LinearOperator):
    """Running means of three neighbours of a signal (1, 1, n), as data (1, 1, n), times 0.9."""

    def __init__(self, n: int) -> None:
        super().__init__((1, 1, n), (1, 1, n), scale=1.0, norm=1.0)  # a bound
        ones = torch.ones(n, n)
        self.register_buffer("K", 0.3 * (ones.triu(-1) - ones.triu(2)))

    def _forward(self, x):
        return x @ self.K

    _adjoint = _forward


def convex(kind: str):
    """Operator, data and shape of a problem without a generator."""
    draws = torch.Generator().manual_seed(5)
    if kind == "signal":
        A, x = Averages(80), torch.zeros(1, 1, 1, 80)
        x[..., 20:50] = 1
        x[..., 60:] = -0.5
    else:
        A = GaussianBlur(28) if kind == "blur" else GaussianMatrix(150, 28, torch.Generator().manual_seed(0))
        x = torch.zeros(1, 1, 28, 28)
        x[..., 6:20, 10:14] = 1
        x[..., 16:20, 6:24] = 0.6
    y = A(x)
    return A, x, y + SIGMA * torch.randn(y.shape, generator=draws)


CONVEX = """([values, m, n, y, call]) => {
  const A = E.matrix(unpack(values), m, n), data = unpack(y);
  const states = [...new Function("E", "A", "y", `return ${call}`)(E, A, data)], last = states.at(-1);
  return { f: states.map(s => s.objective), x: Array.from(last.x), count: last.iterations, status: last.status };
}"""


@pytest.mark.parametrize("lam", [1e-3, 0.1])
@pytest.mark.parametrize("kind", ["blur", "projections", "signal"])
def test_tikhonov_is_the_solution_of_the_normal_equations(page, kind, lam):
    A, _, y = convex(kind)
    found = page.evaluate(CONVEX, [pack(A.matrix()), A.m, A.n, pack(y), f"E.tikhonov(A, y, {lam}, {{ tol: 1e-6 }})"])
    if kind == "signal":  # a scaled operator has no business with ``reconstruct``, the formula has
        K = A.matrix().double()
        x = torch.linalg.solve(K.T @ K + lam * torch.eye(80, dtype=torch.float64), K.T @ y.double().flatten())
    else:
        x = reconstruct(A, y, Tikhonov(lam)).x
    K, b = A.matrix().double().numpy(), A.T(y).double().numpy().ravel()
    steps = []
    cg(K.T @ K + lam * np.eye(A.n), b, rtol=1e-6, atol=0.0, callback=steps.append)
    assert found["status"] == "converged"
    assert abs(found["count"] - len(steps)) <= (2 if lam > 0.01 else 0.4 * len(steps))  # round-off costs directions
    assert error(found["x"], x) < 1e-4
    wanted = objective_of(A, y, Tikhonov(lam)).value(x.reshape(1, *A.shape_in).float())
    assert abs(found["f"][-1] / float(wanted) - 1) < 1e-5


@pytest.mark.parametrize("ratio", [None, 0.5])
@pytest.mark.parametrize(("kind", "shape"), [("blur", "[28, 28]"), ("projections", "[28, 28]"), ("signal", "80")])
def test_total_variation_walks_as_in_torch(page, kind, shape, ratio):
    A, x, y = convex(kind)
    lam = 0.05
    settings = json.dumps({"ratio": ratio, "tol": 1e-5})
    found = page.evaluate(CONVEX, [pack(A.matrix()), A.m, A.n, pack(y), f"E.tv(A, y, {shape}, {lam}, {settings})"])
    objective = objective_of(A, y, TV(lam))
    results, traces = pdhg(objective, torch.zeros_like(x), ratio=ratio, tol=1e-5, trace=True)
    assert error(found["f"][10:101:10], traces["f"][:10, 0]) < 1e-4  # every tenth
    assert found["status"] == "converged" and abs(found["count"] - int(results["iterations"])) <= 20
    assert abs(found["f"][-1] / float(results["f"]) - 1) < 1e-4
    assert error(found["x"], results["x"]) < 1e-2
    other = -torch.tensor(found["x"]).reshape(x.shape)  # the value that the engine says is that of its image
    assert (
        abs(float(objective.value(-other)) / found["f"][-1] - 1)
        < 1e-4
        < abs(float(objective.value(other)) / found["f"][-1] - 1)
    )


@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("lam", [0.002, 1.0])
def test_total_variation_stops_where_torch_stops(page, tol, lam):
    A, x, y = convex("projections")
    found = page.evaluate(
        CONVEX, [pack(A.matrix()), A.m, A.n, pack(y), f"E.tv(A, y, [28, 28], {lam}, {{ tol: {tol} }})"]
    )
    results, _ = pdhg(objective_of(A, y, TV(lam)), torch.zeros_like(x), tol=tol)
    assert found["count"] == int(results["iterations"])


# Iterations that are stopped in time

ITERATIONS = {
    "landweber(A, y)": Landweber(),
    "landweber(A, y, { step: 1.6 })": Landweber(step=1.6),
    "landweber(A, y, { accelerated: true })": Landweber(accelerated=True),
    "cgls(A, y)": CGLS(),
    "mlem(A, y)": MLEM(),
}


@pytest.mark.parametrize("call", ITERATIONS)
def test_iterations_walk_as_in_torch(page, call):
    A, method = ParallelBeam(16, 20, 21), ITERATIONS[call]
    x, draws = torch.zeros(1, 1, 16, 16), torch.Generator().manual_seed(0)
    x[..., 4:11, 5:9] = 1
    counts = torch.poisson(100 * A(x), generator=draws)
    y = counts if isinstance(method, MLEM) else counts / 100
    A, y = A.double(), y.double()
    assert bool((counts == 0).any())
    found = page.evaluate(
        f"""([values, m, n, data]) => {{
          const A = E.matrix(unpack(values), m, n), y = unpack(data), states = [];
          for (const state of E.{call}) {{
            states.push(state);
            if (state.iterations === 40) break;
          }}
          return states.map(({{ iterations, misfit, x }}) => [iterations, misfit, Array.from(x)]);
        }}""",
        [pack(A.matrix()), A.m, A.n, pack(y)],
    )
    wanted = list(itertools.islice(method.iterates(y, A), 41))
    assert [state[0] for state in found] == list(range(41))
    misfits = [[state[1] for state in found], [float(misfit) for _, misfit in wanted]]
    together = 13 if isinstance(method, CGLS) else 41  # later, round-off moves single steps of conjugate gradients
    assert error(*(values[:together] for values in misfits)) < 1e-4
    assert error(*misfits) < 1e-3
    for k in (0, 1, 2, 10, together - 1):
        if k or isinstance(method, MLEM):
            assert error(found[k][2], wanted[k][0]) < 1e-4
        else:
            assert not any(found[k][2])


def test_conjugate_gradients_stay_at_the_solution(page):
    found = page.evaluate(
        """() => {
          const A = E.matrix([1, 0, 0, 0.5], 2, 2), run = E.cgls(A, Float32Array.of(1, 1)), states = [];
          for (let k = 0; k < 40; k++) states.push(Array.from(run.next().value.x));
          return states;
        }"""
    )
    assert error(found[2], [1, 2]) < 1e-6 and error(found[-1], [1, 2]) < 1e-6


def test_the_quality_is_that_of_the_course(page):
    assert abs(page.evaluate("E.psnr([0.1, 0.1, 0.1, 0.1], [0, 0, 0, 0])") - 20) < 1e-5


# How long


@pytest.mark.parametrize("name", ["vae-mnist-8", "vae-shapes-10"])
def test_milliseconds_of_the_engine(page, name):
    """Prints them; nothing is demanded of a machine that may be busy."""
    z0 = pack(problem(name)[3])
    found = page.evaluate(
        """([p, z0]) => {
          const { G } = problem(p), z = unpack(z0), g = G.forward(z), image = g.slice(), back = new Float32Array(G.d);
          const median = task => {
            const times = Array.from({ length: 21 }, (_, k) => {
              const start = performance.now();
              task(k);
              return performance.now() - start;
            });
            return times.sort((a, b) => a - b)[10];
          };
          return { G: median(k => { z[0] = k / 21; G.forward(z, image); }), vjp: median(() => G.vjp(g, back)) };
        }""",
        [name, z0],
    )
    for which, weights in {"hard": [LAM], "relaxed": [LAM, MU], "sparse": [LAM, MU]}.items():
        run = page.evaluate(RUN, [name, z0, which, weights, {"maxIter": 30, "tol": 0}])
        found[f"200 iterations of {which}"] = 200 * run["ms"] / run["count"][-1]
    conftest.MEASURED.append(f"{name} in the browser: " + ", ".join(f"{k} {v:.1f} ms" for k, v in found.items()))
    assert all(value > 0 for value in found.values())
