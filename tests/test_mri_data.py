"""MR images: no person on two sides of a split, no face, licences, and scripts that never spoil what was there."""

import gzip
import io
import subprocess
import sys
import tarfile
import urllib.error

import numpy as np
import pytest
import torch
from needs import needed
from scripts import script

from course_utils import _files, load
from course_utils._files import IntegrityError, read_json, sha256
from course_utils.data import archive, kspace
from course_utils.data import brain as mri_data

# What is shipped


def test_no_person_is_on_both_sides():
    d = load("brain")
    people = {split: set(names) for split, names in d.subjects.items()}
    assert people == {"train": {"Colin27"}, "val": {"ITK"}, "test": {"S1"}}
    for split, images, labels in (
        ("train", d.train, d.train_labels),
        ("val", d.val, d.val_labels),
        ("test", d.test, d.test_labels),
    ):
        assert len(images) == len(d.subjects[split]) == len(labels)
        (name,) = people[split]
        head = mri_data.HEADS[name]
        assert head.split == split and int(labels.min()) == 0 and int(labels.max()) < head.highest - head.lowest
    # and no image of one split is nearly one of another
    flat = {s: getattr(d, s).flatten(1) for s in people}
    flat = {s: (v - v.mean(1, keepdim=True)) / v.std(1, keepdim=True) for s, v in flat.items()}
    within = (flat["train"] @ flat["train"].T / 128**2).fill_diagonal_(0).amax(1)
    across = (flat["train"] @ torch.cat([flat["val"], flat["test"]]).T / 128**2).amax()
    assert float(within.median()) > 0.95 and float(across) < 0.93


@pytest.mark.parametrize("test", mri_data.FOLDS)
def test_no_person_is_on_both_sides_of_a_fold(test):
    """Every image is one of that person, and what is tested lies horizontally."""
    whole, d = load("brain"), mri_data.brain_fold(test)
    of = {names[0]: getattr(whole, split) for split, names in whole.subjects.items()}
    people = [set(d.subjects[split]) for split in ("train", "val", "test")]
    assert people[2] == {test} and all(len(names) == 1 for names in people) and len(set.union(*people)) == 3
    for split in ("train", "val", "test"):
        images, (name,) = getattr(d, split), set(d.subjects[split])
        assert len(images) == len(d.subjects[split]) == len(getattr(d, f"{split}_labels"))
        assert all((of[name] == image).flatten(1).all(1).any() for image in images)
    assert len(d.test) == len(d.test_labels.unique()), "a height that comes twice is of a raised plane"


def test_folds_begin_with_the_split_that_is_shipped():
    d, fold = load("brain"), mri_data.brain_fold("S1")
    assert all(torch.equal(getattr(d, split), getattr(fold, split)) for split in ("train", "val", "test"))
    with pytest.raises(ValueError, match="'test' must be one of 'S1', 'Colin27', 'ITK', got 'S2'"):
        mri_data.brain_fold("S2")


def test_shipped_brains():
    d = load("brain")
    assert d.image_shape == (1, 128, 128) and d.train.dtype == torch.float32
    assert len(d.train) > len(d.test) > 30 and len(d.val) > 20
    size = (_files.SHIPPED / "data" / "brain.npz").stat().st_size
    assert size < 3_000_000
    for images in (d.train, d.val, d.test):
        assert float(images.min()) == 0 and float(images.max()) == 1
        share = (images > 0.1).float().mean((1, 2, 3))
        assert 0.1 < float(share.min()) and float(share.max()) < 0.7  # a head, never nothing
        assert float((images == 1).float().mean()) < 0.02  # hardly anything is cut off
        middle = images[len(images) // 3, 0, 40:88, 44:84]
        assert 0.6 < float(middle.quantile(0.9)) < 0.8  # white matter looks the same in all
    for head in ("Colin27", "S1", "ITK"):
        assert head in d.licence
    words = (_files.SHIPPED / "data" / "brain-LICENSE.txt").read_text()
    for holder in ("Chris Rorden", "Louis Collins", "Regents of the University of California", "Apache License"):
        assert holder in words


def test_heads_lie_as_the_text_says():
    """Front at the top: the hemispheres are alike, left and right; front and back are not.  None is off the middle."""
    d = load("brain")
    for images in (d.train, d.val, d.test):
        mask = (images[:, 0] > 0.1).float()
        sides = (images - images.flip(3)).flatten(1).norm(dim=1) / images.flatten(1).norm(dim=1)
        turned = (images - images.flip(2)).flatten(1).norm(dim=1) / images.flatten(1).norm(dim=1)
        assert float(sides.median()) < float(turned.median())
        grid = torch.arange(128.0) - 63.5
        for axis in (1, 2):
            weight = mask.sum(axis)
            assert float(((weight * grid).sum(1) / weight.sum(1)).abs().max()) < (2 if axis == 1 else 15)
        height, width = (int((mask.sum((0, a)) > 0).sum()) for a in (2, 1))
        assert height > width  # a head is longer than wide


def test_planes_stay_above_the_orbits():
    """In front of the line about which they turn, no plane is below the height that was chosen for its head."""
    up = np.broadcast_to(np.arange(160.0), (160, 160, 160))  # every voxel holds its height in mm
    head = mri_data.HEADS["Colin27"]
    planes = [mri_data.resample_planes(up, (1, 1, 1), (80, 80), [60], degrees)[0] for degrees in head.degrees]
    line = round(64 - mri_data.PIVOT / mri_data.PIXEL)
    assert mri_data.PIXEL * 64 + 80 > 160 and all(d >= 0 for h in mri_data.HEADS.values() for d in h.degrees)
    for plane, degrees in zip(planes, head.degrees, strict=True):
        inside = slice(25, line)
        assert float(plane[inside, 40:90].min()) >= 60 - 1e-9
        rise = np.diff(plane[30:100, 64]).mean() / -mri_data.PIXEL
        assert rise == pytest.approx(np.sin(np.deg2rad(degrees)), abs=1e-9)


def test_planes_average_points_of_the_volume():
    """A linear function is reproduced, whatever the voxels; the right is on the right, the front at the top."""
    x, y, z = np.meshgrid(np.arange(40.0) * 2, np.arange(30.0) * 3, np.arange(50.0), indexing="ij")
    for k, volume in enumerate((x, y, z)):
        plane = mri_data.resample_planes(volume, (2, 3, 1), (40, 45), [20], 0.0, size=16)[0]
        offset = (np.arange(16) - 7.5) * mri_data.PIXEL
        expected = np.broadcast_to((40 + offset, (45 - offset)[:, None], np.array(20.0))[k], (16, 16))
        assert np.allclose(plane, expected)


def test_what_was_not_fetched_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    for call, script_name in (
        (lambda: load("brain", full=True), "fetch_brain"),
        (lambda: load("knee"), "fetch_knee"),
        (lambda: load("fastmri"), "prepare_fastmri"),
    ):
        with pytest.raises(FileNotFoundError, match=f"python data_scripts/{script_name}.py"):
            call()


def test_no_knee_is_in_the_repository():
    """mskt does not say how the volunteer consented, fastMRI may not be passed on, volumes of heads have faces."""
    listed = subprocess.run(["git", "ls-files"], cwd=_files.REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = listed.stdout.split()
    assert not [n for n in names if n.endswith((".dcm", ".h5", ".hdf5", ".nii", ".nii.gz", ".nrrd", ".dat"))]
    assert not [n for n in names if n.endswith(".npz") and ("knee" in n or "fastmri" in n)]


# The scripts, with small files made here


def digest(content):
    import hashlib

    return hashlib.sha256(content).hexdigest()


GOOD = b"the good old file"


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A cache that already holds good (here: made-up) files, and no network."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    for name in ("brain", "knee", "fastmri"):
        (tmp_path / "cache" / f"{name}-full.npz").write_bytes(GOOD)

    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    return tmp_path / "cache"


def tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def brain(closed, monkeypatch):
    """The script, three made-up files whose checksums it expects, and volumes in their place."""
    module = script("fetch_brain", monkeypatch)
    module.content = {name: f"the head of {name}".encode() for name in module.FILES}
    monkeypatch.setattr(module, "SHA256", {name: digest(part) for name, part in module.content.items()})
    rng = np.random.default_rng(0)

    def decode(content):
        (name,) = (n for n, part in module.content.items() if part == content)
        shape = mri_data.HEADS[name].shape
        return (rng.random(shape, dtype=np.float32) + np.linspace(0, 3, shape[2], dtype=np.float32)), (1.0, 1.0, 1.0)

    monkeypatch.setattr(module, "decode", decode)
    few = {n: mri_data.Head(h.split, h.shape, h.centre, 60, 63, h.degrees[:2]) for n, h in mri_data.HEADS.items()}
    monkeypatch.setattr(mri_data, "HEADS", few)

    def debian(package, folder):
        name = next(n for n, (p, _) in module.DEBIAN.items() if p == package)
        place = folder / module.DEBIAN[name][1]
        place.mkdir(parents=True)
        (place / module.FILES[name]).write_bytes(module.content[name])
        return folder, f"{package}_1_all.deb"

    def pip(package, folder, options):
        assert package == "pycortex==1.2.12" and "--no-binary" in options
        return tar(folder / "pycortex-1.2.12.tar.gz", {f"pycortex-1.2.12/{module.MEMBER}": module.content["S1"]})

    monkeypatch.setattr(module._sources, "debian_download", debian)
    monkeypatch.setattr(module._sources, "pip_download", pip)
    return module


def test_brains_from_the_packages(brain, closed, tmp_path, monkeypatch, capsys):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(brain._sources, "SHIPPED", tmp_path)
    brain.main(["--ship"])
    assert "mricron-data_1_all.deb" in capsys.readouterr().out
    d = load("brain", full=True)
    assert (len(d.train), len(d.val), len(d.test)) == (6, 3, 3) and "pycortex" in d.source
    assert d.train_labels.tolist() == [0, 1, 2, 0, 1, 2] and set(d.subjects["test"]) == {"S1"}
    assert sorted(p.name for p in closed.glob("brain*")) == ["brain-full.json", "brain-full.npz"]
    entry = read_json(tmp_path / "data" / "manifest.json")["brain.npz"]
    assert entry["sha256"] == sha256(tmp_path / "data" / "brain.npz") and "MNI" in entry["licence"]
    with np.load(tmp_path / "data" / "brain.npz", allow_pickle=False) as archive:
        assert archive["train"].shape == (4, 128, 128)  # every second millimetre


def test_an_altered_head_never_replaces_a_good_file(brain, closed, tmp_path):
    for name, part in brain.content.items():
        (tmp_path / brain.FILES[name]).write_bytes(part)
    (tmp_path / "raw.nii.gz").write_bytes(b"<html>")
    with pytest.raises(IntegrityError, match="S1 is damaged or altered: 6 bytes"):
        brain.main(["--from", str(tmp_path)])
    brain.content["ITK"] = b"another head"
    with pytest.raises(SystemExit, match="cache is unchanged(.|\n)*ITK is damaged or altered"):
        brain.main([])
    assert (closed / "brain-full.npz").read_bytes() == GOOD
    assert not list(closed.glob("*.part"))


def test_heads_that_do_not_fit_are_refused(tmp_path):
    volumes = {name: (np.zeros(head.shape, np.float32), (1, 1, 1)) for name, head in mri_data.HEADS.items()}
    with pytest.raises(ValueError, match=r"'volumes\['Colin27'\]' must be finite and not constant"):
        mri_data.prepare_brain(volumes, tmp_path / "x.npz", 40)
    volumes["Colin27"] = (np.zeros((2, 2, 2)), (1, 1, 1))
    with pytest.raises(ValueError, match=r"must have shape \(181, 217, 181\), got \(2, 2, 2\)"):
        mri_data.prepare_brain(volumes, tmp_path / "x.npz", 40)
    assert not list(tmp_path.iterdir())


def test_nifti_is_turned_to_right_front_up(monkeypatch):
    nibabel = needed("nibabel")
    module = script("fetch_brain", monkeypatch)
    volume = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    affine = np.array([[-2.0, 0, 0, 5], [0, 0, 3, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # left, down, front
    content = gzip.compress(nibabel.Nifti1Image(volume, affine).to_bytes())
    found, spacing = module.decode(content)
    assert spacing == (2, 3, 1)
    assert np.array_equal(found, volume[::-1, ::-1].transpose(0, 2, 1))


@pytest.mark.parametrize(("name", "package"), [("fetch_brain", "nibabel"), ("fetch_knee", "pydicom")])
def test_missing_readers_are_named(name, package, closed, monkeypatch):
    module = script(name, monkeypatch)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match=f"pip install {package}"):
        module.decode([b""] if name == "fetch_knee" else b"")


# k-space


def measured(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=kspace.KSPACE_SHAPE) + 1j * rng.normal(size=kspace.KSPACE_SHAPE)).astype(np.complex64)


def test_kspace_is_shifted_and_scaled(tmp_path, monkeypatch):
    module = script("fetch_kspace", monkeypatch)
    raw = b"from the scanner"
    monkeypatch.setattr(module, "SHA256", digest(raw))
    k = measured()
    monkeypatch.setattr(module, "decode", lambda path: k if path.read_bytes() == raw else None)
    monkeypatch.setattr(module._sources, "SHIPPED", tmp_path)
    (tmp_path / "data").mkdir()
    archive = tar(tmp_path / "twixtools-0.24.tar.gz", {"twixtools-0.24/example_data/gre.dat": raw})
    module.main(["--from", str(archive)])
    with np.load(tmp_path / "data" / "kspace.npz", allow_pickle=False) as stored:
        found = stored["kspace"]
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k, (1, 2)), norm="ortho"), (1, 2))
    ratio = np.fft.ifft2(found, norm="ortho") / image
    assert found.dtype == np.complex64 and np.allclose(ratio, ratio[0, 0, 0], rtol=1e-3)
    assert np.quantile(np.sqrt((np.abs(image * ratio) ** 2).sum(0)), 0.999) == pytest.approx(1, rel=1e-4)
    (tmp_path / "gre.dat").write_bytes(b"altered")
    with pytest.raises(IntegrityError, match="gre.dat is damaged or altered"):
        module.main(["--from", str(tmp_path / "gre.dat")])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 8, 8), complex), "must be complex of shape"),
        (np.zeros(kspace.KSPACE_SHAPE), "must be complex of shape"),
        (np.zeros(kspace.KSPACE_SHAPE, complex), "must be finite and not 0"),
        (np.full(kspace.KSPACE_SHAPE, complex("nan")), "must be finite and not 0"),
    ],
)
def test_kspace_that_cannot_be(values, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        kspace.prepare_kspace(values, tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


# The open knee


@pytest.fixture
def knee(closed, monkeypatch):
    """The script with an archive of made-up files, and beside them those that must not be read."""
    module = script("fetch_knee", monkeypatch)
    module.files = [f"slice {i:03d}".encode() for i in range(192)]
    monkeypatch.setattr(module, "SHA256", digest(b"".join(module.files)))
    module.volume = np.random.default_rng(0).integers(0, 9_000, mri_data.KNEE_SHAPE).astype(np.int16)
    monkeypatch.setattr(module, "decode", lambda files: module.volume if files == module.files else None)

    def pip(package, folder, options):
        assert package == "mskt==0.1.22" and not options
        members = {f"mskt-0.1.22{module.MEMBERS}I{i:03d}.dcm": part for i, part in enumerate(module.files)}
        named = {"mskt-0.1.22/data/MESE_T2_dicom_data/I000.dcm": b"a name and a date"}
        return tar(folder / "mskt-0.1.22.tar.gz", named | dict(reversed(members.items())))

    monkeypatch.setattr(module._sources, "pip_download", pip)
    return module


def test_knee_is_for_testing_only(knee, closed):
    knee.main([])
    d = load("knee")
    assert (len(d.train), len(d.val), len(d.test)) == (0, 0, 192) and d.image_shape == (1, 128, 128)
    assert d.test_labels[24:30].tolist() == [0, 1, 2, 3, 4, 5] and set(d.subjects["test"]) == {"mskt"}
    white = np.percentile(knee.volume[0], 99.5)
    expected = (knee.volume[3, 5].reshape(128, 2, 128, 2).mean((1, 3)) / white).clip(0, 1)
    assert np.abs(d.test[3 * 24 + 5, 0].numpy() - expected).max() <= 0.5 / 255 + 1e-6
    assert "not shipped" in d.licence


def test_an_altered_knee_never_replaces_a_good_file(knee, closed, tmp_path):
    knee.files = [*knee.files[:-1], b"altered"]
    with pytest.raises(SystemExit, match="cache is unchanged(.|\n)*the knee is damaged or altered"):
        knee.main([])
    archive = knee._sources.pip_download("mskt==0.1.22", tmp_path, [])
    with pytest.raises(IntegrityError, match="mskt-0.1.22.tar.gz is damaged or altered"):
        knee.main(["--from", str(archive)])
    assert (closed / "knee-full.npz").read_bytes() == GOOD
    with pytest.raises(ValueError, match="'volume' must have shape"):
        mri_data.prepare_knee(np.zeros((8, 24, 8, 8)), tmp_path / "x.npz")


def test_knee_is_sorted_by_echo_and_position(monkeypatch):
    pydicom = needed("pydicom")
    from pydicom.dataset import FileMetaDataset

    module = script("fetch_knee", monkeypatch)

    def dicom(echo, position, value):
        d = pydicom.Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        d.SOPClassUID, d.SOPInstanceUID = (
            pydicom.uid.MRImageStorage,
            pydicom.uid.generate_uid(entropy_srcs=[str(value)]),
        )
        d.EchoTime, d.SliceLocation = str(echo), str(position)
        d.Rows = d.Columns = 2
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.PixelData = np.full((2, 2), value, np.int16).tobytes()
        d["PixelData"].VR = "OW"
        out = io.BytesIO()
        pydicom.dcmwrite(out, d, enforce_file_format=True)
        return out.getvalue()

    pairs = [(e, p) for e in range(8) for p in range(24)]
    order = np.random.default_rng(0).permutation(192)
    files = [dicom(6.3 * (pairs[i][0] + 1), -3.0 * pairs[i][1], i) for i in order]
    volume = module.decode(files)
    assert volume.shape == (8, 24, 2, 2)
    assert volume[:, ::-1, 0, 0].tolist() == np.arange(192).reshape(8, 24).tolist()  # locations fall with p


# fastMRI


def fastmri(path, patient="", images=None, acquisition="CORPD_FBK", key="reconstruction_rss", seed=0):
    """A file with the parts of an official single-coil file that the script could look at."""
    import h5py

    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file["ismrmrd_header"] = "<ismrmrdHeader/>"
        file["kspace"] = np.zeros((2, 8, 4), np.complex64)
        if images is None:
            images = (1e-4 * rng.random((24, 160, 160))).astype(np.float32)
        file.create_dataset(key, data=images)
        if acquisition is not None:
            file.attrs["acquisition"] = acquisition
        file.attrs["patient_id"] = patient
        file.attrs["max"], file.attrs["norm"] = 1e-4, 1.0
    return images


@pytest.fixture
def prepare(closed, monkeypatch):
    needed("h5py")
    return script("prepare_fastmri", monkeypatch)


def test_fastmri_in_official_folders(prepare, closed, tmp_path, capsys):
    train, val = tmp_path / "singlecoil_train", tmp_path / "singlecoil_val"
    train.mkdir(), val.mkdir()
    images = {f"p{i}": fastmri(train / f"file{i}.h5", f"p{i}", seed=i) for i in range(4)}
    fastmri(train / "second.h5", "p0", seed=9)  # the other knee of the first patient
    fastmri(train / "fat.h5", "p8", acquisition="CORPDFS_FBK", seed=8)
    fastmri(train / "also_in_test.h5", "p5", seed=7)
    images["p5"] = fastmri(val / "file5.h5", "p5", seed=5)
    prepare.main([str(tmp_path)])
    assert "1 fat-suppressed files left out" in capsys.readouterr().out
    d = load("fastmri")
    people = {split: set(names) for split, names in d.subjects.items()}
    assert people["test"] == {"p5"} and len(people["val"]) == 1 and len(people["train"]) == 3
    assert not people["train"] & people["val"] and people["train"] | people["val"] == {"p0", "p1", "p2", "p3"}
    assert (len(d.train) + len(d.val), len(d.test)) == (40, 8)
    assert d.test_labels.tolist() == list(range(12, 20)) and d.image_shape == (1, 128, 128)
    for split in (d.train, d.val, d.test):
        assert torch.equal(split.amin((1, 2, 3)), torch.zeros(len(split)))
        assert torch.equal(split.amax((1, 2, 3)), torch.ones(len(split)))
    small = archive.area_average(images["p5"][15:16].astype(float), 128)[0]
    expected = (small - small.min()) / (small.max() - small.min())
    assert np.abs(d.test[3, 0].numpy() - expected).max() <= 0.5 / 255 + 1e-6
    assert "agreement" in d.licence and str(tmp_path) in d.source


def test_fastmri_in_one_folder_is_split_by_patient(prepare, closed, tmp_path):
    for i in range(12):
        fastmri(tmp_path / f"file{i}.h5", f"p{i // 2}" if i < 6 else "", seed=i)  # without a patient: the file's name
    prepare.main([str(tmp_path)])
    d = load("fastmri")
    people = {split: set(names) for split, names in d.subjects.items()}
    assert len(people["train"]) == 7 and len(people["val"]) == len(people["test"]) == 1
    assert len(people["train"] | people["val"] | people["test"]) == 9
    first = read_json(closed / "fastmri-full.json")["sha256"]
    prepare.main([str(tmp_path)])
    assert read_json(closed / "fastmri-full.json")["sha256"] == first


def bad_files(folder):
    """Name -> what the script has to say about it."""
    import h5py

    good = np.ones((24, 160, 160), np.float32) * np.linspace(0, 1, 160, dtype=np.float32)
    poisoned = good.copy()
    poisoned[14, 3, 4] = np.nan
    flat = good.copy()
    flat[19] = 1
    fastmri(folder / "nokey.h5", key="reconstruction_esc")
    fastmri(folder / "nan.h5", images=poisoned)
    fastmri(folder / "flat.h5", images=flat)
    fastmri(folder / "short.h5", images=good[:19])
    fastmri(folder / "shape.h5", images=good[:, :, :140])
    fastmri(folder / "small.h5", images=good[:, :100, :100])
    fastmri(folder / "plane.h5", images=good[0])
    fastmri(folder / "noattribute.h5", acquisition=None)
    (folder / "text.h5").write_bytes(b"<html>log in first</html>")
    fastmri(folder / "cut.h5", images=good)
    content = (folder / "cut.h5").read_bytes()
    (folder / "cut.h5").write_bytes(content[: len(content) // 2])
    import pickle

    opaque = np.array([np.void(pickle.dumps({"a": 1}))] * 24)
    fastmri(folder / "pickle.h5", images=opaque)
    with h5py.File(folder / "strings.h5", "w") as file:
        file.attrs["acquisition"] = "CORPD_FBK"
        file.create_dataset("reconstruction_rss", data=["cos\nsystem\n"] * 24)
    with h5py.File(folder / "group.h5", "w") as file:
        file.attrs["acquisition"] = "CORPD_FBK"
        file.create_group("reconstruction_rss")
    return {
        "nokey": "no data set 'reconstruction_rss'",
        "nan": "holds 1 NaN or infinite values",
        "flat": "holds an image without contrast",
        "short": "has 19 slices, 20 are needed",
        "shape": r"must have shape \(slices, H, H\) with H >= 128, got \(24, 160, 140\)",
        "small": r"got \(24, 100, 100\)",
        "plane": r"got \(160, 160\)",
        "noattribute": "no attribute 'acquisition'",
        "text": "not a readable HDF5 file",
        "cut": "not a readable HDF5 file",
        "pickle": "does not hold floating-point numbers",
        "strings": "does not hold floating-point numbers",
        "group": "no data set 'reconstruction_rss'",
    }


def test_bad_fastmri_files_are_skipped_and_named(prepare, closed, tmp_path, capsys):
    import re

    messages = bad_files(tmp_path)
    with pytest.raises(SystemExit, match="too few patients.*0 train.*the cache is unchanged"):
        prepare.main([str(tmp_path)])
    said = capsys.readouterr().out
    for name, message in messages.items():
        assert re.search(rf"skipped .*{name}\.h5: .*{message}", said), (name, said)
    assert (closed / "fastmri-full.npz").read_bytes() == GOOD and not (closed / "fastmri-full.json").exists()
    for i in range(4):
        fastmri(tmp_path / f"good{i}.h5", f"p{i}", seed=i)
    prepare.main([str(tmp_path)])  # the good ones among bad ones
    assert f"{len(messages)} skipped" in capsys.readouterr().out
    before = sha256(closed / "fastmri-full.npz")
    assert len(load("fastmri").train) == 16
    for i in range(4):  # and now they spoil: what was prepared stays
        (tmp_path / f"good{i}.h5").write_bytes(b"")
    with pytest.raises(SystemExit, match="the cache is unchanged"):
        prepare.main([str(tmp_path)])
    assert sha256(closed / "fastmri-full.npz") == before and len(load("fastmri").train) == 16


def test_fastmri_without_h5py_or_files(closed, tmp_path, monkeypatch):
    module = script("prepare_fastmri", monkeypatch)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(SystemExit, match="pip install h5py"):
            module.main([str(tmp_path)])
    needed("h5py")
    with pytest.raises(SystemExit, match="'folder' must be a folder, there is none at .*nowhere"):
        module.main([str(tmp_path / "nowhere")])
    (tmp_path / "multicoil_train").mkdir()
    with pytest.raises(SystemExit, match="holds .*multicoil_train"):
        module.main([str(tmp_path)])
    import h5py

    with h5py.File(tmp_path / "coils.h5", "w") as file:
        file.attrs["acquisition"] = "CORPD_FBK"
        file["kspace"] = np.zeros((2, 3, 4, 4), np.complex64)
    with pytest.raises(SystemExit, match="k-space of several coils: take the single-coil files"):
        module.main([str(tmp_path)])


def test_a_patient_in_two_splits_is_refused(tmp_path):
    one = {"p0": np.random.default_rng(0).random((8, 128, 128))}
    with pytest.raises(ValueError, match="patient p0 is in train and in test"):
        mri_data.prepare_fastmri({"train": one, "val": {"p1": one["p0"]}, "test": one}, tmp_path / "x.npz")
    with pytest.raises(ValueError, match=r"'splits\['val'\]' has no patients"):
        mri_data.prepare_fastmri({"train": one, "val": {}, "test": one}, tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())
