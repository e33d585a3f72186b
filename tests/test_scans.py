"""Real scans: patients do not mix, files are verified, and a bad download changes nothing."""

import gzip
import io
import math
import tarfile
import urllib.error
import zipfile

import numpy as np
import pytest
import torch
from needs import needed
from scripts import script

from course_utils import _files, load, load_tilt_series
from course_utils._files import IntegrityError
from course_utils.data import archive as archives
from course_utils.data import scans


def test_no_patient_is_on_both_sides():
    assert scans.patients("train") | scans.patients("val") == {"lung2"}
    assert scans.patients("test") == {"lung1"}
    assert not (scans.patients("train") | scans.patients("val")) & scans.patients("test")
    # and the images are what those names promise
    d = load("ct")
    with np.load(_files.SHIPPED / "data" / "ct.npz", allow_pickle=False) as archive:
        volume = {name: archive[name] for name in archive.files}
    assert set(volume) == {"lung1", "lung2"}
    for split, labels in (("train", d.train_labels), ("val", d.val_labels), ("test", d.test_labels)):
        (patient,) = scans.patients(split)
        stored = torch.from_numpy(volume[patient][labels.numpy()]).float().div(255).unsqueeze(1)
        assert torch.equal(getattr(d, split), stored), split
    other = {image.tobytes() for image in volume["lung1"]}
    assert not any(image.tobytes() in other for image in volume["lung2"])


def test_every_slice_of_the_training_patient_is_used_once():
    d = load("ct")
    both = torch.cat([d.train_labels, d.val_labels])
    assert sorted(both.tolist()) == list(range(61))
    assert d.test_labels.tolist() == list(range(48))
    assert d.image_shape == (1, 56, 56) and d.train.dtype == torch.float32
    assert float(d.test.min()) == 0 and float(d.test.max()) == 1
    assert "BSD-3-Clause" in d.licence and "shipped" in repr(d)


def test_ct_shows_a_chest():
    """Air around it, soft tissue at about 0.72, and air-filled lungs inside the body."""
    d = load("ct")
    middle = d.test[24, 0]
    assert float(middle[:4].mean()) < 0.05
    tissue = d.test[(d.test > 0.65) & (d.test < 0.8)]
    assert float(tissue.median()) == pytest.approx(0.74, abs=0.03)
    lungs = (middle[20:36, 14:42] < 0.35).float().mean()
    assert 0.15 < float(lungs) < 0.9


def test_the_shipped_tilt_series():
    series = load_tilt_series()
    assert series.sinograms.shape == (8, 77, 256) and series.sinograms.dtype == torch.float32
    assert torch.allclose(torch.rad2deg(series.angles), torch.arange(-76.0, 77.0, 2.0).double())
    assert 0 <= float(series.sinograms.min()) and float(series.sinograms.max()) <= 1
    # measured: the total of a view should not depend on the angle, and does a little
    total = series.sinograms.sum(2)
    drift = (total.amax(1) - total.amin(1)) / total.mean(1)
    assert 0.01 < float(drift.median()) < 0.1
    # the object is a solid of about 80 bins, in the middle
    inside = series.sinograms[2, 38] > 0.3
    assert 60 < int(inside.sum()) < 90 and abs(float(inside.nonzero().float().mean()) - 127.5) < 6
    assert "NIST" in series.licence and "tilt series: 8 layers" in repr(series)


@pytest.mark.parametrize("name", ["ct", "tilt-series"])
def test_licences_are_shipped_beside_the_data(name):
    words = (_files.SHIPPED / "data" / f"{name}-LICENSE.txt").read_text()
    assert ("Harvard Medical School" if name == "ct" else "National Institute of") in words
    assert (_files.SHIPPED / "data" / f"{name}.npz").stat().st_size < 500_000


@pytest.mark.parametrize(
    ("name", "call"), [("ct", lambda **k: load("ct", **k)), ("tilt-series", load_tilt_series)], ids=["ct", "tilts"]
)
def test_missing_files_are_named(name, call, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=f"python data_scripts/fetch_{name.replace('-', '_')}.py"):
        call(full=True)


def test_area_average_keeps_the_mean_and_splits_pixels():
    volume = np.random.default_rng(0).normal(size=(2, 10, 10))
    assert np.allclose(archives.area_average(volume, 4).mean((1, 2)), volume.mean((1, 2)))
    assert np.allclose(archives.area_average(volume, 5), volume.reshape(2, 5, 2, 5, 2).mean((2, 4)))
    assert np.allclose(archives.area_average(np.array([[[0.0, 1, 2]] * 3]), 2)[0, 0], [1 / 3, 5 / 3])


def test_preparation_refuses_other_shapes_and_counts(tmp_path):
    with pytest.raises(ValueError, match=r"'volumes\['lung1'\]' must have shape \(48, 512, 512\), got \(1, 2, 2\)"):
        scans.prepare_ct({"lung1": np.zeros((1, 2, 2))}, tmp_path / "x.npz", 56)
    with pytest.raises(ValueError, match="must have shapes"):
        scans.prepare_tilt_series(np.zeros((3, 4, 5)), np.zeros(3), tmp_path / "x.npz")
    with pytest.raises(ValueError, match="must lie in 0 ... 65535, got -1 ... -?0"):
        scans.prepare_tilt_series(-np.eye(256)[None].repeat(77, 0), np.zeros(77), tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


# The scripts, with small archives made here


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A cache that already holds good (here: made-up) files, and no network."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    for name in ("ct", "tilt-series"):
        (tmp_path / "cache" / f"{name}-full.npz").write_bytes(b"the good old file")

    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    return tmp_path / "cache"


def nrrd(volume):
    head = b"NRRD0004\ntype: short\nencoding: gzip\n\n"
    return head + gzip.compress(volume.astype("<i2").tobytes())


def digest(content):
    import hashlib

    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def ct(closed, monkeypatch):
    """The script with two small volumes, whose checksums it expects; pip delivers them."""
    module = script("fetch_ct", monkeypatch)
    small = {"lung1": (2, 16, 16), "lung2": (3, 16, 16)}
    rng = np.random.default_rng(0)
    module.made = {name: rng.integers(-1000, 400, shape) for name, shape in small.items()}
    module.content = {name: nrrd(volume) for name, volume in module.made.items()}
    monkeypatch.setattr(module, "CT_VOLUMES", small)
    monkeypatch.setattr(scans, "CT_VOLUMES", small)
    monkeypatch.setattr(module, "CT_SIZES", {False: 4, True: 8})
    monkeypatch.setattr(module, "SHA256", {name: digest(part) for name, part in module.content.items()})

    def pip(package, folder, options):
        assert package == "pyradiomics==3.0.1" and "--no-binary" in options
        target = folder / "pyradiomics-3.0.1.tar.gz"
        with tarfile.open(target, "w:gz") as archive:
            for name, part in module.content.items():
                info = tarfile.TarInfo(f"pyradiomics-3.0.1/data/{name}_image.nrrd")
                info.size = len(part)
                archive.addfile(info, io.BytesIO(part))
        return target

    monkeypatch.setattr(module._sources, "pip_download", pip)
    return module


def test_ct_comes_from_the_package_when_the_project_is_out_of_reach(ct, closed, capsys):
    ct.main([])
    assert "Python package pyradiomics==3.0.1" in capsys.readouterr().out
    with np.load(closed / "ct-full.npz", allow_pickle=False) as archive:
        assert archive["lung1"].shape == (2, 8, 8) and archive["lung2"].shape == (3, 8, 8)
        expected = scans.window(archives.area_average(ct.made["lung1"].astype(float), 8))
        assert np.array_equal(archive["lung1"], expected)
    assert _files.read_json(closed / "ct-full.json")["sha256"] == _files.sha256(closed / "ct-full.npz")
    d = load("ct", full=True)
    assert d.image_shape == (1, 8, 8) and "pyradiomics" in d.source


def test_ct_from_a_folder_and_shipping(ct, closed, tmp_path, monkeypatch):
    for name, part in ct.content.items():
        (tmp_path / f"{name}_image.nrrd").write_bytes(part)
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(ct._sources, "SHIPPED", tmp_path)
    ct.main(["--from", str(tmp_path), "--ship"])
    entry = _files.read_json(tmp_path / "data" / "manifest.json")["ct.npz"]
    assert entry["sha256"] == _files.sha256(tmp_path / "data" / "ct.npz") and "BSD-3" in entry["licence"]
    ct.main(["--from", str(tmp_path), "--ship"])  # the same bytes again
    assert entry == _files.read_json(tmp_path / "data" / "manifest.json")["ct.npz"]
    (tmp_path / "lung2_image.nrrd").write_bytes(b"<html>")
    with pytest.raises(IntegrityError, match="lung2 is damaged or altered: 6 bytes"):
        ct.main(["--from", str(tmp_path)])


def test_an_altered_package_never_replaces_a_good_file(ct, closed):
    ct.content["lung2"] = nrrd(np.zeros((3, 16, 16)))
    with pytest.raises(SystemExit, match="cache is unchanged(.|\n)*lung2 is damaged or altered"):
        ct.main([])
    assert (closed / "ct-full.npz").read_bytes() == b"the good old file"
    assert sorted(p.name for p in closed.iterdir()) == ["ct-full.npz", "tilt-series-full.npz"]


def test_no_source_at_all_is_one_clear_error(ct, closed, monkeypatch):
    import subprocess

    def no_pip(*args):
        raise subprocess.CalledProcessError(1, "pip", stderr=b"No matching distribution found")

    monkeypatch.setattr(ct._sources, "pip_download", no_pip)
    with pytest.raises(SystemExit) as error:
        ct.main([])
    words = str(error.value)
    assert "from_canonical: <urlopen error no network>" in words
    assert "from_package: No matching distribution found" in words and "--from" in words


@pytest.fixture
def tilts(closed, monkeypatch):
    module = script("fetch_tilt_series", monkeypatch)
    module.content = b"not really HDF5"
    monkeypatch.setattr(module, "SHA256", digest(module.content))

    def pip(package, folder, options):
        assert package == "etspy==1.3.0"
        target = folder / "etspy-1.3.0-py3-none-any.whl"
        with zipfile.ZipFile(target, "w") as wheel:
            wheel.writestr(module.MEMBER, module.content)
        return target

    monkeypatch.setattr(module._sources, "pip_download", pip)
    return module


def test_tilt_series_from_the_package(tilts, closed, monkeypatch, capsys):
    counts = np.random.default_rng(0).uniform(0, 64_000, scans.TILT_SHAPE).astype(np.float32)
    degrees = np.arange(-76.0, 77.0, 2.0)
    monkeypatch.setattr(tilts, "decode", lambda content: (counts, degrees) if content == tilts.content else None)
    tilts.main([])
    assert "etspy" in capsys.readouterr().out
    series = load_tilt_series(full=True)
    assert series.sinograms.shape == (256, 77, 256) and series.layers == tuple(range(256))
    assert np.allclose(series.sinograms[7].numpy(), counts[:, :, 7] / counts.max(), atol=1e-5)
    assert float(series.angles[0]) == pytest.approx(-math.radians(76))


def test_tilt_series_without_h5py_says_what_to_install(tilts, closed, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(SystemExit, match="pip install h5py"):
        tilts.main([])
    assert (closed / "tilt-series-full.npz").read_bytes() == b"the good old file"


def test_a_wheel_without_the_file_is_refused(tilts, closed):
    tilts.MEMBER = "somewhere/else.hspy"
    tilts.content = b"altered"
    with pytest.raises(SystemExit, match="from_package: the tilt series is damaged or altered"):
        tilts.main([])
    assert (closed / "tilt-series-full.npz").read_bytes() == b"the good old file"


def test_tilt_series_is_read_from_hdf5(tilts, tmp_path):
    h5py = needed("h5py")
    path = tmp_path / "HAADF_Aligned.hspy"
    counts, degrees = np.ones((2, 3, 4), np.float32), np.array([[-2.0], [2.0]])
    with h5py.File(path, "w") as file:
        file["Experiments/__unnamed__/data"] = counts
        file["Experiments/__unnamed__/metadata/Tomography/_sig_tilts/data"] = degrees
    found = tilts.decode(path.read_bytes())
    assert np.array_equal(found[0], counts) and np.array_equal(found[1], degrees[:, 0])
