"""What live explorers compute in the page, against the library: images, solutions, objectives."""

import re

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from page_tools import look, made, press, settled, stored

from course_utils import TV, Hard, LearnedCovariance, Tikhonov, reconstruct
from course_utils.chapters.classical import iterations
from course_utils.chapters.generative_models import explorer as generative_models
from course_utils.chapters.inverse_problems import denoising
from course_utils.chapters.inverse_problems import explorer as inverse_problems
from course_utils.chapters.mri import explorer as mri
from course_utils.chapters.properties import explorer as properties
from course_utils.chapters.regularisers import explorer as regularisers
from course_utils.chapters.regularisers import parabola
from course_utils.chapters.start import explorer as start
from course_utils.chapters.tomography import explorer as tomography
from course_utils.explore import EXPLORERS
from course_utils.explore.page import WEB, control_values, palette_module
from course_utils.live import bundle
from course_utils.metrics import psnr
from course_utils.operators import GaussianMatrix, measure


def close(found, wanted, tolerance: float = 1e-3) -> None:
    found, wanted = torch.as_tensor(found, dtype=torch.float64), torch.as_tensor(wanted, dtype=torch.float64)
    error = float((found - wanted.reshape(found.shape)).abs().max() / wanted.abs().max())
    assert error < tolerance, f"relative error {error:.1e}"


#: What the page has drawn, typed arrays as lists.
IMAGES = """name => Object.fromEntries(Object.entries(document.querySelector(".course-page")[name])
  .map(([family, found]) => [family, [...found.image]]))"""


#: Where the numbers stand that a live explorer shows, in the page as in the notebook.
SHOWN = {
    "tour": r", ([\d.]+) dB|= ([\d.]+), noise|m\}?\$? = ([\d.]+): ",
    "truncated-svd": r"(\d+) of (\d+), -?([\d.]+) dB|reconstruction,\s-?([\d.]+) dB|largest ([\d.]+)",
    "denoising": r"TV, ([\d.]+) dB",
    "iterations": r"error ([\d.]+); the best is ([\d.]+), at k = (\d+)|stops at k = (\d+), with ([\d.]+)",
    "latent": r"‖z‖ = ([\d.]+)",
    "far-from-prior": r"distance ([\d.]+)",
    "interpolation": r"‖z‖ = ([\d.]+)",
    "regularisers": r"PSNR ([\d.]+) dB|objective ([\d.]+)",
    "initialisation": r"f = ([\d.]+) after (\d+) it|(\d+) per cent \w+\s+the ([\d.]+)",
    "parabola": r"(\d+) minimisers|(\d+) times as far",
    "tomography": r"PSNR ([\d.]+) dB|residual ([\d.]+) of the noise",
    "mri": r"(?:x|\(z\)|filled) ([\d.]+) dB|misfit ([\d.]+) of|std ([\d.]+)",
    "attack": r"change ([\d.]+) = ([\d.]+)|at most ([\d.]+) in|PSNR ([\d.]+) dB before|([\d.]+) dB after",
    "turn": r"([\d.]+) dB|error ([\d.]+)\n",
}


def numbers(pattern: str, words: str) -> list[float]:
    return sorted(float(number.rstrip(".")) for match in re.findall(pattern, words) for number in match if number)


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_live_page_shows_the_numbers_of_the_notebook(show, name):
    explorer, text = made(name)
    if explorer.live is None:
        assert name not in SHOWN
        return
    pattern = SHOWN[name] if "|" in SHOWN[name] else SHOWN[name] + "|($^)"  # so that each match is a tuple
    figure = explorer.draw(**explorer.default)
    wanted = [found.get_text() for found in figure.findobj(Text) if found.get_visible()]
    with show(text) as page:
        page.wait_for_function("document.querySelector('.cp-values').textContent !== ''", timeout=60_000)
        found = page.locator(".cp-live").inner_text()
    wanted = numbers(pattern, "\n".join(wanted) + "\n")
    assert len(wanted) >= 1
    assert numbers(pattern, found) == pytest.approx(wanted, rel=0.03), (wanted, found)


@pytest.mark.parametrize("name", ["TV", "hard", "relaxed"])
def test_the_tour_solves_the_problems_of_the_notebook(show, name):
    mu, sigma, digit = 10**-1.5, 10**-1.25, 7
    explorer, text = made("tour")
    sigmas = control_values(explorer.controls["sigma"])
    with show(text) as page:
        page.locator("[data-key=method]").select_option(label=name)
        page.locator("[data-key=digit]").select_option(label=str(digit))
        page.locator("[data-key=sigma]").fill(str(min(range(len(sigmas)), key=lambda k: abs(sigmas[k] - sigma))))
        page.wait_for_function("document.querySelector('.course-page').tour.done", timeout=60_000)
        found = page.evaluate("(t => ({psnr: t.psnr, y: [...t.y]}))(document.querySelector('.course-page').tour)")
    truth, y = start._data(sigma, digit)
    close(found["y"], y, 5e-3)  # one byte a pixel
    wanted = start._sweep(name, round(mu, 9) if name == "relaxed" else 0.0, round(sigma, 9), digit)
    apart = torch.tensor(found["psnr"]) - psnr(wanted.x, truth.expand_as(wanted.x))
    assert apart.abs().max() < 0.2, apart


def test_the_latent_walk_draws_what_the_library_draws(show):
    _, models = generative_models._world()
    with show(made("latent")[1]) as page:
        for key, presses in {"a": 5, "t": 3, "first": 1}.items():
            for _ in range(presses):
                assert press(page, page.locator(f"[data-key={key}]"))
        found = page.evaluate(IMAGES, "latent")
    for family, (G, codes, unit) in models.items():
        z = torch.lerp(codes[5], codes[0], 0.65)
        z[0] += 1.25 * unit[0]
        with torch.no_grad():
            close(found[family], G(z[None]))


def test_far_from_the_prior_the_images_and_their_nearest_digits_are_those_of_the_library(show):
    explorer, text = made("far-from-prior")
    radii, train = control_values(explorer.controls["radius"]), properties.load("mnist").train[: properties.N_TRAIN]
    with show(text) as page:
        for place, direction in ((0, 19), (17, 7), (len(radii) - 1, 3)):
            page.locator("[data-key=radius]").fill(str(place))
            page.locator("[data-key=direction]").fill(str(direction))
            found = page.evaluate(IMAGES, "far")
            rest = page.evaluate(
                "Object.values(document.querySelector('.course-page').far).map(f => [[...f.digit], f.distance])"
            )
            z = torch.randn(1, 8, generator=torch.Generator().manual_seed(direction))
            z *= radii[place] * 8**0.5 / z.norm()
            for (family, G), (digit, distance) in zip(properties._models().items(), rest, strict=True):
                with torch.no_grad():
                    x = G(z)
                close(found[family], x)
                wanted, index = properties.nearest(x, train)
                close([distance], wanted / properties._usual_distance(), 5e-3)
                close(digit, train[index], 5e-3)  # one byte a pixel


def test_the_triangle_draws_what_the_library_draws_and_its_dot_moves(show):
    with show(made("interpolation")[1]) as page:
        dot, before = page.locator("circle[tabindex]"), look(page)
        dot.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert dot.get_attribute("aria-valuetext") == "α1 0.35, α2 0.40"
        assert page.locator("[data-key=alpha2] + output").inner_text() == "0.40"
        assert look(page) != before
        found = page.evaluate(IMAGES, "interpolation")
        box = dot.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] - 400, box["y"] - 400, steps=4)  # far out: it stops at the ends
        page.mouse.up()
        assert dot.get_attribute("aria-valuetext") == "α1 0.00, α2 1.00"
    for family, G in properties._models().items():
        z = properties.triangle(properties._corners()[family], torch.tensor([0.35]), torch.tensor([0.4]))[0]
        with torch.no_grad():
            close(found[family], G(z))


@pytest.mark.parametrize("operator", inverse_problems.operators())
def test_truncation_has_the_images_and_the_errors_of_the_library(show, operator):
    explorer, text = made("truncated-svd")
    sigmas, A = control_values(explorer.controls["sigma"]), inverse_problems.operators()[operator]
    drawing = explorer.draw
    with show(text) as page:
        page.locator("[data-key=operator]").select_option(label=operator)
        for place, kept in ((5, 100), (25, 700)):
            page.locator("[data-key=sigma]").fill(str(place))
            page.locator("[data-key=kept]").fill(str(kept - 1))
            found = page.evaluate(
                "(({x, psnr, beta, best, kept, picture}) => ({x: [...x], psnr, beta: [...beta], best, kept,"
                " picture: [...picture]}))(document.querySelector('.course-page').truncation)"
            )
            drawing(sigma=sigmas[place], kept=kept, operator=operator)
            close(found["x"], drawing.shown[2].get_array(), 2e-2)  # eight bits a component
            close(found["psnr"], drawing.curve.get_ydata(), 1e-3)
            close(found["beta"], drawing.noisy.get_ydata() * np.sign(found["beta"]), 1e-4)
            data = drawing.shown[1].get_array().filled(np.nan)
            low, high = np.nanmin(data), np.nanmax(data)
            close(found["picture"], np.nan_to_num((data - low) / (high - low), nan=1.0), 1e-3)
            assert (
                f"kept: {found['kept']} of {len(found['psnr'])},"
                in drawing.figure.axes[5].get_legend().get_texts()[0].get_text()
            )
            assert found["kept"] == min(kept, len(found["psnr"]))
    assert A.m == len(drawing.noise[operator].flatten())


def test_the_cut_is_dragged_in_both_plots_and_moved_by_keys(show):
    with show(made("truncated-svd")[1]) as page:
        kept = page.locator("[data-key=kept] + output")
        for k in range(2):
            handle = page.locator("circle[role=slider]").nth(k)
            plot = page.locator("svg:has(circle[role=slider])").nth(k)
            handle.focus()
            for key, wanted in (("Home", 1), ("ArrowRight", 2), ("PageUp", 12), ("ArrowLeft", 11), ("End", 784)):
                page.keyboard.press(key)
                assert kept.inner_text() == handle.get_attribute("aria-valuenow") == str(wanted)
            box = plot.bounding_box()
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 90)
            page.mouse.down()
            middle = int(kept.inner_text())
            assert 300 < middle < 450  # the left margin is wider than the right one
            page.mouse.move(box["x"] + box["width"] / 2 - 60, box["y"] + 90, steps=3)
            assert middle - 250 < int(kept.inner_text()) < middle - 100
            page.mouse.move(box["x"] - 100, box["y"] + 90, steps=2)
            page.mouse.up()
            assert kept.inner_text() == "1"
            page.mouse.move(box["x"] + 200, box["y"] + 90)  # released
            assert kept.inner_text() == "1"
        page.get_by_role("button", name="Reset").click()
        assert kept.inner_text() == "784"


@pytest.mark.parametrize(("name", "key"), [("tour", "lam"), ("denoising", "lam"), ("parabola", "y1")])
def test_a_dot_of_a_plot_is_dragged_and_moved_by_keys_as_its_slider_is(show, name, key):
    values = stored(made(name)[1])["controls"]
    start, labels = next((c["start"], c["labels"]) for c in values if c["key"] == key)
    with show(made(name)[1]) as page:
        settled(page)
        handle, told = page.locator("circle[role=slider]"), page.locator(f"[data-key={key}] + output")
        handle.focus()
        before = look(page)
        page.keyboard.press("ArrowRight")
        settled(page)
        assert told.inner_text() == labels[start + 1] and labels[start + 1] in handle.get_attribute("aria-valuetext")
        assert look(page) != before
        box = page.locator("svg:has(circle[role=slider])").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] + 50, box["y"] + 100, steps=2)
        page.mouse.up()
        assert told.inner_text() == labels[-1]


def test_denoising_solves_the_problems_of_the_library(show):
    with show(made("denoising")[1]) as page:
        for kind in ("signal", "digit"):
            for method in ("tikhonov", "tv"):
                for key, value in (("kind", kind), ("method", method)):
                    places = [option for _, option in denoising._controls()[key]._options_full]
                    page.locator(f"[data-key={key}]").nth(places.index(value)).check()
                settled(page)
                found = page.evaluate("[...document.querySelector('.course-page').denoising.x]")
                truth, noise = denoising._objects()[kind]
                wanted = denoising.denoise(method, truth + 0.1 * noise, torch.tensor([10**-0.5]))
                close(found, wanted, 5e-3)  # TV: each stops when its own bound is small


@pytest.mark.parametrize("name", iterations.METHODS)
def test_the_iterations_walk_as_in_the_library_and_stop_where_it_stops(show, name):
    explorer, text = made("iterations")
    sigmas, method = iterations.control_values(explorer.controls["sigma"]), iterations.METHODS[name]
    with show(text) as page:
        page.locator("[data-key=method]").select_option(label=name)
        for sigma, k in ((sigmas[0], 20), (sigmas[-1], 6)):
            page.locator("[data-key=sigma]").fill(str(sigmas.index(sigma)))
            page.locator("[data-key=k]").fill(str(iterations.STOPS.index(k)))
            page.wait_for_function("document.querySelector('.course-page').iterations.done")
            found = page.evaluate(
                "(({x, error, best, stop}) => ({x: [...x], error, best, stop}))"
                "(document.querySelector('.course-page').iterations)"
            )
            wanted = iterations.run(method, sigma)
            close(found["x"], wanted.images[k])
            close(found["error"][:13], wanted.error[:13])
            # later, round-off moves single steps of conjugate gradients
            np.testing.assert_allclose(found["error"], wanted.error, rtol=0.1 if method == "cgls" else 1e-3)
            assert len(found["error"]) == len(wanted.error)
            assert found["stop"] == wanted.stop
            assert abs(wanted.error[found["best"]] / wanted.error.min() - 1) < 1e-3  # a flat minimum has neighbours


def test_the_parabola_is_solved_as_in_python(show):
    generator = np.random.default_rng(0)
    cases = [
        (method, float(y1), float(lam), float(mu))
        for method in ("hard", "relaxed", "sparse")
        for y1 in (0.0, *generator.uniform(-0.5, 0.5, 4))
        for lam, mu in 10 ** generator.uniform(-2, 2, (8, 2))
    ]
    cases += [
        (method, *case)
        for method in ("hard", "relaxed", "sparse")
        for case in [(0.005, 1.0, 0.1), (-0.3, 0.05, 1.0), (0.4, 30.0, 0.01), (0.0, 100.0, 100.0)]
    ]
    script = bundle(parabola.HERE / "parabola.js", {WEB / "palette.js": palette_module()})
    with show(made("parabola")[1]) as page:
        grid, found = page.evaluate(
            f"cases => {{ const {{ Z, solveParabola }} = {script};"
            "const answers = cases.map(c => solveParabola(...c));"
            "return [[...Z], answers.map(({ z, x, objective }) => [z, x, [...objective]])]; }",
            cases,
        )
    np.testing.assert_allclose(grid, parabola.Z, atol=1e-12)
    for case, (z, x, objective) in zip(cases, found, strict=True):
        wanted = parabola.solve_parabola(*case)
        assert len(z) == len(wanted.z), case
        np.testing.assert_allclose(z, wanted.z, atol=1e-6, err_msg=str(case))
        np.testing.assert_allclose(x, wanted.x, atol=1e-6, err_msg=str(case))
        np.testing.assert_allclose(objective, wanted.objective, rtol=1e-9, err_msg=str(case))


def test_algorithm_1_runs_in_the_page_as_in_the_library(show):
    A, _, y = regularisers._problem()
    with show(made("initialisation")[1]) as page:
        settled(page)
        found = page.evaluate(
            "(f => ({curves: f.curves, z: f.states.map(s => [...s.z]), reference: f.reference.objective,"
            " counts: f.counts}))(document.querySelector('.course-page').initialisation)"
        )
        page.locator("[data-key=image]").select_option(label="8")
        page.locator("[data-key=generator]").select_option(label="GAN")
        other = page.evaluate("document.querySelector('.course-page').initialisation.counts")
    for counts, (family, image) in ((found["counts"], ("vae", 3)), (other, ("wgan", 8))):
        bars = regularisers.initialisation_explorer().draw(1, 0, 0.01, family, image).axes[1].patches
        assert counts == [bar.get_height() for bar in bars] and sum(counts) == 50
    z0, by_descent, reference, _ = regularisers._paths("vae", 3, 0, 0.01)
    close([found["reference"]], reference.objective)
    G, _ = regularisers._generator("vae")
    z = torch.tensor(found["z"])
    with torch.no_grad():
        reached = (A(G(z)) - y[3:4]).pow(2).sum(1) + 0.01 * z.pow(2).sum(1)
    for k, curve in enumerate(found["curves"]):
        close(curve[:6], by_descent.trace["f"][:6, k, 0])
        close([curve[-1]], reached[k])
    # later the two drift apart, as any two machines do, but they draw the same digit
    ours, theirs = G(by_descent.z).flatten(1), G(z).flatten(1)
    apart = (ours - theirs).norm(dim=1) / ours.norm(dim=1)
    assert apart.max() < 0.3 and (apart < 0.01).sum() >= 2, apart
    assert torch.pdist(ours).min() > 0.5 * ours[0].norm(), "three different starts end at different digits"


def test_the_methods_minimise_what_they_say(show):
    """The page's data in the library's formulas, at the page's solution."""
    explorer, text = made("regularisers")
    G, _ = regularisers._generator("vae")
    A, _, data = regularisers._problem()
    lam, mu = explorer.default["lam"], explorer.default["mu"]
    with show(text) as page:
        for method in ("hard", "relaxed", "sparse", "tikhonov", "tv"):
            page.locator("[data-key=method]").select_option(
                label=next(k for k, v in regularisers.METHODS.items() if v == method)
            )
            page.wait_for_function("document.querySelector('.course-page').regularisers.done")
            found = page.evaluate(
                "(({state, y}) => ({f: state.objective, x: [...state.x], u: state.u && [...state.u],"
                " z: state.z && [...state.z], y: [...y]}))(document.querySelector('.course-page').regularisers)"
            )
            y, x = torch.tensor(found["y"])[None], torch.tensor(found["x"]).reshape(1, 1, 28, 28)
            close(y, data[3:4], 1e-5)  # the operator and the noise are the notebook's
            misfit = (A(x) - y).pow(2).sum()
            if method in ("hard", "relaxed", "sparse"):
                z = torch.tensor(found["z"])[None]
                u = torch.tensor(found["u"]).reshape(x.shape)
                with torch.no_grad():
                    close((x - u).flatten(), G(z))
                penalty = {"hard": 0.0, "relaxed": u.pow(2).sum(), "sparse": u.abs().sum()}[method]
                penalty = penalty + (1 if method == "hard" else mu) * z.pow(2).sum()
                other = {"hard": lambda: Hard(G, lam)}.get(method)
            elif method == "tikhonov":
                penalty, other = x.pow(2).sum(), lambda: Tikhonov(lam)
                close(x.flatten(), reconstruct(A, y, Tikhonov(lam)).x)
            else:
                d = torch.zeros(2, 28, 28)
                d[0, :-1], d[1, :, :-1] = x[0, 0].diff(dim=0), x[0, 0].diff(dim=1)
                penalty, other = d.pow(2).sum(0).sqrt().sum(), None
            close([found["f"]], misfit + lam * penalty)
            if other and method == "hard":  # from as good a start: no worse than the library's own answer
                best = reconstruct(A, y, other(), start=regularisers._generator("vae")[1])
                assert found["f"] < 1.05 * float(best.objective)


def test_the_operator_and_the_noise_are_the_notebooks_for_every_number_of_measurements(show):
    _, x, _ = regularisers._problem()
    with show(made("regularisers")[1]) as page:
        page.locator("[data-key=method]").select_option(label="Tikhonov")
        page.locator("[data-key=m]").fill("0")
        page.wait_for_function("document.querySelector('.course-page').regularisers.done")
        y = page.evaluate("[...document.querySelector('.course-page').regularisers.y]")
    A = GaussianMatrix(25, 28, torch.Generator().manual_seed(regularisers.MATRIX_SEED))
    close(y, measure(A, x, 0.05, torch.Generator().manual_seed(regularisers.NOISE_SEED))[3], 1e-5)


#: method, views, degrees, sigma, object, image
SCANS = [
    ("FBP", 30, 180, 0.1, "circle and rectangle", 0),
    ("FBP", 10, 60, 10**-2.5, "with a bright spot", 2),
    ("FBP", 5, 170, 0.1, "circle and rectangle", 1),
    ("Tikhonov", 125, 180, 10**-1.5, "with a bright spot", 5),
    ("TV", 30, 90, 10**-1.75, "circle and rectangle", 3),
    ("VAE hard", 10, 180, 0.1, "circle and rectangle", 1),
    ("VAE sparse", 30, 180, 10**-1.5, "with a bright spot", 2),
]


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: f"{scan[0]} {scan[1]} {scan[2]}")
def test_tomography_has_the_data_and_the_solutions_of_the_library(show, scan):
    explorer, text = made("tomography")
    name, views, degrees, sigma, kind, image = scan
    method, values = tomography.METHODS[name], dict(views=views, degrees=degrees, sigma=sigma)
    with show(text) as page:
        page.locator("[data-key=method]").select_option(label=name)
        page.locator("[data-key=kind]").select_option(label=kind)
        page.locator("[data-key=image]").select_option(label=str(image))
        for key, value in values.items():
            stops = tomography.control_values(explorer.controls[key])
            place = next(k for k, stop in enumerate(stops) if stop == pytest.approx(value))
            page.locator(f"[data-key={key}]").fill(str(place))
        settled(page)
        found = page.evaluate(
            "(({x, y, objective, contrast}) => ({x: [...x], y: [...y], objective, contrast}))"
            "(document.querySelector('.course-page').tomography)"
        )
    y, wanted = tomography._solve(method, views, degrees, sigma, image, tomography.IMAGES[kind])
    close(found["y"], y, 1e-4)
    x, A = torch.tensor(found["x"]).reshape(wanted.shape), tomography._operator(views, degrees)
    truth, w = tomography._truths()[tomography.IMAGES[kind]][image : image + 1], tomography.weights(method, sigma)
    if tomography.IMAGES[kind] == "shapes+":
        close([found["contrast"]], tomography.spot_contrast(x, truth), 1e-3)
    else:
        assert found["contrast"] is None
    if method == "fbp":
        close(x, wanted, 1e-3)
    elif method == "tikhonov":
        close(x, reconstruct(A, y, Tikhonov(w["lam"])).x, 1e-2)
    elif method == "tv":
        close([found["objective"]], reconstruct(A, y, TV(w["lam"]), tol=1e-6).objective, 2e-3)
    else:  # the starts differ: the page's answer is as good as the notebook's, or better
        assert float(psnr(x, truth)) > float(psnr(wanted, truth)) - 1.0


#: family, spokes, sigma, factor of lam, slice
BRAINS = [("covariance", 25, 0.05, 1.0, 0), ("diagonal", 5, 0.05, 10**0.5, 1), ("identity", 145, 0.005, 1e3, 2)]


@pytest.mark.parametrize("scan", BRAINS, ids=lambda scan: f"{scan[0]} {scan[1]}")
def test_mri_has_the_data_and_the_exact_image_of_the_library(show, scan):
    explorer, text = made("mri")
    family, spokes, sigma, factor, image = scan
    with show(text) as page:
        page.locator("[data-key=family]").select_option(label=family)
        page.locator("[data-key=image]").select_option(label=str(image))
        for key, value in dict(spokes=spokes, sigma=sigma, factor=factor, row=60, column=70).items():
            stops = control_values(explorer.controls[key])
            place = next(k for k, stop in enumerate(stops) if stop == pytest.approx(value))
            page.locator(f"[data-key={key}]").fill(str(place))
        page.wait_for_function("document.querySelector('.course-page').mri.done", timeout=60_000)
        found = page.evaluate(
            "(({x, y, relative, std}) => ({x: [...x], y: [...y], relative: [...relative], std}))"
            "(document.querySelector('.course-page').mri)"
        )
    A, y = mri._operator(spokes), mri._data(spokes, sigma, image)
    close(found["y"], y, 1e-4)
    z = mri._latent(**mri.HOME, image=image)  # the page's G(z) and Sigma(z)
    R = LearnedCovariance(mri._model(family), factor * 2 * sigma**2)
    close(found["x"], reconstruct(A, y, R, solver="alternating", start=z, max_iter=0).x, 1e-2)
    relative, std = mri._column(family, **mri.HOME, image=image, row=60, column=70)
    close(found["relative"], relative, 1e-2)
    close([found["std"]], torch.tensor([std]), 1e-2)
    if (spokes, sigma, factor) == (25, 0.05, 1.0):  # where it begins, its errors fill the scale and no more
        errors = (torch.tensor(found["x"]) - mri._truths()[image].flatten()).abs()
        assert 0.5 * mri.SPAN < float(errors.quantile(0.999)) < 1.2 * mri.SPAN


def test_a_click_on_a_brain_chooses_the_pixel(show):
    with show(made("mri")[1]) as page:
        before = page.evaluate("document.querySelector('.course-page').mri.std")
        canvas = page.locator("canvas").nth(4)  # the reconstruction
        side = canvas.evaluate("e => e.clientWidth")  # without the border, as positions count
        canvas.click(position={"x": side * 80.5 / 128, "y": side * 40.5 / 128})
        for key, place in (("row", 40), ("column", 80)):  # the mouse counts whole points of the screen
            assert abs(int(page.locator(f"[data-key={key}] + output").inner_text()) - place) <= 1
        assert page.evaluate("document.querySelector('.course-page').mri.std") != before
