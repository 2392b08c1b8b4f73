"""Every kind of file: recognised by structure, brought in exactly; what it does not say is asked for."""

import pickle
import re

import fixtures
import numpy as np
import pytest
import torch
from fixtures import CLASSES, MEAN, STD

from fredfmt import ArgumentError, decode, load, save, validate
from fredfmt.exchange.importers import IMPORTERS, KNOWN, NOTES, Facts, import_file

NUMBERS = {"classes": "numbers"}
NORMALISED = {"mean": MEAN, "std": STD, **NUMBERS}
WHITENED = {"zca": "keep", "zca_epsilon": 0.1}

KINDS = {
    "dc": (fixtures.dc, "dc", NORMALISED),
    "mtt": (fixtures.mtt, "pair", {**NORMALISED, "zca": "no", "lr": 0.02}),
    "datm": (fixtures.datm, "triple", {**NORMALISED, "zca": "no"}),
    "idc, nothing packed": (fixtures.idc, "packed", {**NUMBERS, "factor": 1}),
    "averages of ftd": (fixtures.ftd_average, "pair", {**NORMALISED, "zca": "no", "lr": 0.02}),
    "whitened": (fixtures.mtt, "pair", {**NUMBERS, **WHITENED, "lr": 0.02}),
    "rfad": (fixtures.rfad, "arrays", {**NORMALISED, **WHITENED}),
    "kip": (fixtures.kip, "arrays", {**NORMALISED, **WHITENED, "labels": "hard"}),
    "rcig": (fixtures.rcig, "flax", {**NORMALISED, **WHITENED, "labels": "logits", "average": True}),
    "frepo": (fixtures.frepo, "flax", {**NORMALISED, "zca": "no"}),
    "rat": (
        fixtures.rat,
        "arrays",
        {**NORMALISED, "classes": tuple("abcdefghij"), "zca": "no", "labels": "class-major", "size": (7, 5)},
    ),
    "folder": (fixtures.folder_of_images, "folder", {}),
    "bare": (
        fixtures.bare,
        "tensor",
        {**NORMALISED, "classes": tuple("abcdefghij"), "zca": "no", "labels": "class-major"},
    ),
    "named tensors": (fixtures.named_tensors, "arrays", {**NORMALISED, "zca": "no"}),
}


@pytest.mark.parametrize(("make", "kind", "facts"), KINDS.values(), ids=KINDS)
def test_a_file_comes_in_exactly(make, kind, facts, tmp_path):
    path, images, labels = make(tmp_path)
    data = import_file(path, Facts(**facts))
    assert data.metadata.ext[NOTES]["kind"] == kind
    assert data.metadata.transform == "identity"
    assert data.metadata.reconstruction["rmse"] == 0
    assert np.array_equal(decode(data).numpy(), images)
    if labels.ndim == 1:
        assert np.array_equal(data.labels, labels)
    else:
        np.testing.assert_allclose(data.labels, labels, atol=1e-6)
    assert (data.metadata.normalization is not None) == ("mean" in facts)
    assert (data.metadata.whitening is not None) == ("zca_epsilon" in facts)
    save(data, tmp_path / "x.fred")
    assert load(tmp_path / "x.fred") == data
    assert validate(tmp_path / "x.fred").valid


@pytest.mark.parametrize(("make", "zca", "lr"), [(fixtures.fred_dm, None, None), (fixtures.fred_tm, "no", "unknown")])
def test_freds_coefficients_come_back_from_its_mask(make, zca, lr, tmp_path):
    path, images, labels = make(tmp_path)
    data = import_file(path, Facts(**NORMALISED, zca=zca, lr=lr))
    assert (data.metadata.transform, data.k) == ("dct", 9)
    np.testing.assert_allclose(decode(data).numpy(), images, atol=2e-5)
    assert data.metadata.reconstruction["rmse"] < 1e-6
    assert np.array_equal(data.labels, labels)
    kept = np.zeros((CLASSES, 49))
    np.put_along_axis(kept, data.frequencies.astype(int), 1, axis=1)
    mask = fixtures.fred_images()[2]
    assert np.array_equal(kept[labels].reshape(-1, 7, 7), mask[:, 0])
    exact = import_file(path, Facts(**NORMALISED, zca=zca, lr=lr), transform="identity")
    assert np.array_equal(decode(exact).numpy(), images)


def test_images_that_do_not_fit_the_mask_are_refused(tmp_path):
    path, images, _ = fixtures.fred_tm(tmp_path)
    torch.save(torch.tensor(np.swapaxes(images, 2, 3).copy()), tmp_path / "images_best.pt")
    with pytest.raises(ValueError, match="outside of the mask"):
        import_file(path, Facts(**NORMALISED, zca="no", lr=1.0))


def test_fields_are_drawn_as_ddif_draws_them(tmp_path):
    path, images, labels = fixtures.ddif(tmp_path)
    facts = {**NORMALISED, "zca": "no", "w0": 10.0, "w0_initial": 30.0, "size": (7, 5)}
    data = import_file(path, Facts(**facts))
    np.testing.assert_allclose(decode(data).numpy(), images, atol=2e-5)
    assert np.array_equal(data.labels, labels)
    assert data.metadata.recipe["lr"] == pytest.approx(0.03)
    path, _, _ = fixtures.ddif(tmp_path, lr=False)
    assert not import_file(path, Facts(**facts)).metadata.recipe


@pytest.mark.parametrize(("side", "factor"), [(8, 2), (7, 2), (8, 3)])
def test_packed_pictures_are_cut_out_as_idc_does(side, factor, tmp_path):
    path, images, labels = fixtures.idc(tmp_path, side=side)
    data = import_file(path, Facts(**NUMBERS, factor=factor))
    expected = np.concatenate([fixtures.unpacked(images[labels == label], factor) for label in range(CLASSES)])
    assert expected.shape == (len(images) * factor**2, 3, side, side)
    np.testing.assert_allclose(decode(data).numpy(), expected, atol=1e-6)
    assert np.array_equal(data.labels, np.repeat(np.arange(CLASSES), 3 * factor**2))
    assert data.metadata.normalization is None


def test_soft_labels_of_hdf5_and_of_kernels(tmp_path):
    path, _, labels = fixtures.rat(tmp_path, learned=True)
    data = import_file(path, Facts(**NORMALISED, zca="no", labels="logits", temperature=2.0, size=(7, 5)))
    expected = torch.softmax(torch.tensor(fixtures.logits(labels)) / 2, dim=1)
    np.testing.assert_allclose(data.labels, expected, atol=1e-6)
    torch.save({"images": torch.zeros(2, 3, 8, 8), "labels": torch.full((2, 10), 3.0)}, tmp_path / "x.pt")
    with pytest.raises(ArgumentError, match="does not fit"):
        import_file(tmp_path / "x.pt", Facts(**NORMALISED, zca="no", labels="centred"))


def test_old_pickles_and_several_experiments(tmp_path):
    path, images, _ = fixtures.dc(tmp_path, experiments=3, legacy=True)
    with pytest.raises(ArgumentError, match=r"which of its 3 experiments.*--experiment 0 to 2"):
        import_file(path, Facts(**NORMALISED))
    data = import_file(path, Facts(**NORMALISED, experiment=2))
    assert np.array_equal(decode(data).numpy(), images)
    notes = data.metadata.ext[NOTES]
    assert (notes["experiment"], notes["experiments"]) == (2, 3)
    assert list(notes["accuracies"]["ConvNet"]) == [0.5, 0.51]
    assert len(notes["files"][0]["sha256"]) == 64


def test_a_transform_reports_its_error(tmp_path):
    path, images, _ = fixtures.dc(tmp_path)
    data = import_file(path, Facts(**NORMALISED), transform="dct", k=20, step=0.1, mask="amplitude")
    error = np.sqrt(np.square(decode(data).numpy() - images).mean())
    assert data.metadata.reconstruction["rmse"] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("make", [fixtures.mtt, fixtures.ftd_average, fixtures.datm])
def test_the_copy_without_whitening_is_in_pixels(make, tmp_path):
    path, images, _ = make(tmp_path, which="500", whitened_copy=True)
    data = import_file(path, Facts(**NUMBERS, lr=0.01))
    assert data.metadata.normalization is None
    assert np.array_equal(decode(data).numpy(), images)


@pytest.mark.parametrize("last", [False, True])
def test_whitening_is_undone_by_its_matrix(last, tmp_path):
    images, labels = fixtures.pixels(7, 5)
    laid_out = np.moveaxis(images, 1, -1) if last else images
    flat = laid_out.reshape(len(images), -1).astype(np.float64)
    rng = np.random.default_rng(0)
    matrix = np.eye(105) + 0.02 * rng.normal(size=(105, 105))
    mean = flat.mean(axis=0)
    white = ((flat - mean) @ matrix).reshape(laid_out.shape)
    white = np.moveaxis(white, -1, 1) if last else white
    torch.save(torch.tensor(white.astype(np.float32)), tmp_path / "images_best.pt")
    torch.save(torch.tensor(labels), tmp_path / "labels_best.pt")
    names = ("rev_whitening_transform", "zca_mean") if last else ("transform_inv", "mean_vector")
    np.savez(tmp_path / "zca.npz", **{names[0]: np.linalg.inv(matrix), names[1]: mean})
    facts = Facts(**NUMBERS, dataset="cifar10", zca=str(tmp_path / "zca.npz"), lr="unknown")
    data = import_file(tmp_path, facts)
    assert data.metadata.normalization is None  # MTT's code does not normalise what it whitens
    np.testing.assert_allclose(decode(data).numpy(), images, atol=1e-4)
    assert data.metadata.ext[NOTES]["whitening"] == "undone with zca.npz"


MISSING = {
    "mean": (fixtures.dc, NUMBERS, "--mean and --std, --dataset, or --unit"),
    "classes": (fixtures.dc, {"mean": MEAN, "std": STD}, "--classes A,B"),
    "zca": (fixtures.mtt, NORMALISED, "--no-zca"),
    "lr": (fixtures.mtt, {**NORMALISED, "zca": "no"}, "--lr RATE"),
    "factor": (fixtures.idc, NUMBERS, "--factor"),
    "w0": (fixtures.ddif, NORMALISED, "--w0 and --w0-initial"),
    "size": (fixtures.ddif, {**NORMALISED, "w0": 1.0, "w0_initial": 1.0}, "--size"),
    "labels": (fixtures.rat, {**NORMALISED, "zca": "no", "size": (7, 5)}, "--labels-file"),
    "size of rows": (fixtures.rat, {**NORMALISED, "zca": "no"}, "--size HEIGHTxWIDTH"),
    "float labels": (fixtures.kip, {**NORMALISED, **WHITENED}, "--labels logits"),
    "epsilon": (fixtures.mtt, {**NUMBERS, "zca": "keep", "lr": 1.0}, "--zca-epsilon"),
    "space before whitening": (fixtures.rfad, {**NUMBERS, **WHITENED}, "before they were whitened"),
    "average": (fixtures.rcig, {**NORMALISED, **WHITENED, "labels": "logits"}, "--average or --no-average"),
    "lr of the dataset": (fixtures.dc, {"dataset": "tiny-imagenet"}, "--classes A,B"),
}


@pytest.mark.parametrize(("make", "facts", "option"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_asked_for_by_its_option(make, facts, option, tmp_path):
    path, _, _ = make(tmp_path)
    with pytest.raises(ArgumentError, match=re.escape(option)) as caught:
        import_file(path, Facts(**facts))
    assert "does not say" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_that_is_missing_is_asked_for_at_once(tmp_path):
    path, _, _ = fixtures.mtt(tmp_path)
    with pytest.raises(ArgumentError) as caught:
        import_file(path)
    for option in ("--no-zca", "--mean and --std", "--classes", "--lr"):
        assert option in str(caught.value)


CONTRADICTIONS = {
    "unit": (lambda folder: fixtures.dc(folder, experiments=3), {**NUMBERS, "unit": True, "experiment": 2}, "--unit"),
    "unit of packed": (fixtures.idc, {**NORMALISED, "factor": 1}, "in 0..1"),
    "zca": (fixtures.dc, {**NORMALISED, "zca": "keep"}, "not ZCA"),
    "epsilon": (fixtures.mtt, {**NORMALISED, "zca": "no", "zca_epsilon": 0.1, "lr": 1.0}, "--zca keep"),
    "epsilon of nothing": (fixtures.mtt, {**NUMBERS, "zca": "keep", "zca_epsilon": 0.0, "lr": 1.0}, "above 0"),
    "average": (fixtures.frepo, {**NORMALISED, "zca": "no", "average": True}, "running average"),
    "size of rows": (fixtures.rat, {**NORMALISED, "zca": "no", "size": (7, 6)}, "--size does not fit"),
    "mean alone": (fixtures.dc, {**NUMBERS, "mean": MEAN}, "--mean and --std"),
    "channels": (fixtures.dc, {**NUMBERS, "mean": (0.5,), "std": (0.5,)}, "3 values"),
    "names": (fixtures.dc, {**NORMALISED, "classes": ("a", "b")}, "10 names"),
    "dataset": (fixtures.dc, {"dataset": "cifar11"}, "cifar10"),
    "experiment": (fixtures.dc, {**NORMALISED, "experiment": 1}, "no such experiment"),
    "lr": (fixtures.mtt, {**NORMALISED, "zca": "no", "lr": -1.0}, "learning rate"),
}


@pytest.mark.parametrize(("make", "facts", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_facts_that_do_not_fit_are_refused(make, facts, words, tmp_path):
    path, _, _ = make(tmp_path)
    with pytest.raises(ArgumentError, match=re.escape(words)):
        import_file(path, Facts(**facts))


def test_known_datasets():
    for known in KNOWN.values():
        assert known.classes is None or len(set(known.classes)) == len(known.classes) in (10, 100)
    assert KNOWN["cifar100"].classes[98] == "woman"


def test_projects_that_normalise_differently_are_told_apart(tmp_path):
    path, images, _ = fixtures.dc(tmp_path)
    assert import_file(path, Facts(dataset="cifar100")).metadata.normalization.mean == (0.5071, 0.4866, 0.4409)
    path, _, _ = fixtures.mtt(tmp_path)
    facts = Facts(dataset="cifar100", zca="no", lr=0.01)
    data = import_file(path, facts)
    assert data.metadata.normalization.mean == (0.4914, 0.4822, 0.4465)
    assert data.metadata.source["name"] == "cifar100"
    torch.save({"images": torch.tensor(images), "labels": torch.arange(30)}, tmp_path / "x.pt")
    with pytest.raises(ArgumentError, match="in different ways"):
        import_file(tmp_path / "x.pt", facts)


MEASURED = (0.2470, 0.2435, 0.2616)
STATISTICS = {
    ("dc", "cifar10"): (0.2023, 0.1994, 0.2010),
    ("mtt", "cifar10"): (0.2023, 0.1994, 0.2010),
    ("frepo", "cifar10"): MEASURED,
    ("frepo", "cifar100"): (0.2673, 0.2564, 0.2762),
    ("frepo", "tiny-imagenet"): (0.2763, 0.2687, 0.2813),
    ("dc", "tiny-imagenet"): (0.229, 0.224, 0.225),
    ("rfad", "svhn"): (0.1980, 0.2010, 0.1970),
    ("frepo", "svhn"): None,
    ("rfad", "cifar10"): None,
    ("ddif", "cifar100"): None,
    ("datm", "svhn"): None,
}
"""What the projects' own code divides by; None where it does not say, or where nobody knows whose file it is."""


@pytest.mark.parametrize(("project", "dataset"), STATISTICS, ids=map(" ".join, STATISTICS))
def test_statistics_belong_to_a_project_and_a_dataset(project, dataset, tmp_path):
    path, _, _ = getattr(fixtures, project)(tmp_path)
    fields = {"w0": 10.0, "w0_initial": 30.0, "size": (7, 5)} if project == "ddif" else {}
    zca = None if project == "dc" else "no"
    facts = Facts(dataset=dataset, classes="numbers", zca=zca, lr="unknown", **fields)
    std = STATISTICS[project, dataset]
    if std is not None:
        assert import_file(path, facts).metadata.normalization.std == std
        return
    with pytest.raises(ArgumentError, match="--mean and --std") as caught:
        import_file(path, facts)
    assert ("0.247,0.2435,0.2616 (FRePo, RCIG, RFAD, KIP: measured)" in str(caught.value)) == (dataset == "cifar10")


def test_learnt_scores_become_the_nearest_probabilities_and_say_how_near(tmp_path):
    path, _, labels = fixtures.frepo(tmp_path)
    scores = np.eye(CLASSES)[labels] - 0.1 + np.random.default_rng(0).normal(0, 0.03, (len(labels), CLASSES))
    assert scores.min() < -0.1
    params = {"x_proto": np.zeros((len(labels), 7, 5, 3), np.float32), "y_proto": scores.astype(np.float32)}
    path.write_bytes(fixtures.flax_bytes({"step": 1, "params": params}))
    data = import_file(path, Facts(**NORMALISED, zca="no"))
    change = np.abs(data.labels - (scores + 0.1)).max()
    assert 0.01 < change < 0.1
    assert f"largest change {change:.2g}" in data.metadata.ext[NOTES]["labels"]
    for row, score in zip(data.labels, scores + 0.1, strict=True):  # the projection of its conditions
        shift = (row - score)[row > 0]
        np.testing.assert_allclose(shift, shift[0], atol=1e-6)
        assert (score[row == 0] + shift[0] <= 1e-6).all()
    assert import_file(path, Facts(**NORMALISED, zca="no", labels="hard")).labels.tolist() == labels.tolist()


def test_images_of_freds_corruption_experiment_bring_labels_and_mask(tmp_path):
    _, images, labels = fixtures.fred_tm(tmp_path)
    for role in ("images", "labels"):
        (tmp_path / f"{role}_best.pt").rename(tmp_path / f"FreD_ipc1#{role}_best.pt")
    facts = {**NORMALISED, "zca": "no", "lr": "unknown"}
    for path in (tmp_path / "FreD_ipc1#images_best.pt", tmp_path):
        data = import_file(path, Facts(**facts))
        assert (data.metadata.transform, data.k, data.labels.tolist()) == ("dct", 9, labels.tolist())
    (tmp_path / "FreD_ipc1#images_best.pt").rename(tmp_path / "mine.pt")
    labels_file = tmp_path / "FreD_ipc1#labels_best.pt"
    data = import_file(tmp_path / "mine.pt", Facts(**facts, labels_file=labels_file))
    assert (data.metadata.transform, data.k) == ("dct", 9)
    np.testing.assert_allclose(decode(data).numpy(), images, atol=2e-5)


def test_k_chooses_among_the_frequencies_of_freds_mask(tmp_path):
    path, images, _ = fixtures.fred_tm(tmp_path)
    facts = Facts(**NORMALISED, zca="no", lr="unknown")
    whole, part = import_file(path, facts, transform="dct"), import_file(path, facts, k=4)
    assert (whole.k, part.k) == (9, 4)
    assert all(set(few) < set(all_) for few, all_ in zip(part.frequencies, whole.frequencies, strict=True))
    assert 0 < part.metadata.reconstruction["rmse"] < images.std()
    with pytest.raises(ArgumentError, match="at most 9"):
        import_file(path, facts, k=10)


def test_a_mask_of_another_experiment_says_which_it_is_of(tmp_path):
    path, _, _ = fixtures.fred_dm(tmp_path)
    images, labels, _ = fixtures.fred_images()
    other = [torch.tensor(np.swapaxes(images, 2, 3).copy()), torch.tensor(labels)]
    pair = [torch.tensor(images), torch.tensor(labels)]
    torch.save({"data": [other, pair], "accs_all_exps": {}}, path)
    with pytest.raises(ValueError, match="only the mask of the last one: use --experiment 1"):
        import_file(path, Facts(**NORMALISED, experiment=0))
    assert import_file(path, Facts(**NORMALISED, experiment=1)).k == 9


def test_pixels_out_of_range_are_told_how_to_come_in(tmp_path):
    torch.save({"images": torch.full((2, 1, 4, 4), 7.0), "labels": torch.arange(2)}, tmp_path / "x.pt")
    with pytest.raises(ArgumentError, match="--mean 0 --std 1"):
        import_file(tmp_path / "x.pt", Facts(**NUMBERS, unit=True, zca="no"))
    data = import_file(tmp_path / "x.pt", Facts(**NUMBERS, mean=(0.0,), std=(1.0,), zca="no"))
    assert decode(data).max() == 7


@pytest.mark.parametrize(
    ("counts", "mask"), [((3, 2), "evr"), ((3, 1), "amplitude"), ((3, 0), "low")], ids=["evr", "amplitude", "low"]
)
def test_the_mask_is_one_that_can_be_computed(counts, mask, tmp_path):
    labels = np.repeat([0, 1], counts)
    images = np.random.default_rng(0).random((len(labels), 1, 5, 4)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    facts = Facts(unit=True, zca="no", classes=("a", "b"))
    data = import_file(tmp_path / "x.npz", facts, transform="dct", k=6)
    assert data.metadata.mask["strategy"] == mask


def test_all_that_a_field_lacks_is_asked_for_at_once(tmp_path):
    path, _, _ = fixtures.ddif(tmp_path)
    with pytest.raises(ArgumentError) as caught:
        import_file(path)
    for option in ("--w0 and --w0-initial", "--size", "--no-zca", "--mean and --std", "--classes"):
        assert option in str(caught.value)


def test_folders_of_runs_are_not_folders_of_classes(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    fixtures.datm(run)
    with pytest.raises(ValueError, match=re.escape(f"Name the folder of one run, such as {run}")):
        import_file(tmp_path, Facts(**NORMALISED, zca="no"))
    alone = tmp_path / "alone"
    alone.mkdir()
    fixtures.ddif(alone)
    fields = {"w0": 10.0, "w0_initial": 30.0, "size": (7, 5)}
    assert import_file(alone, Facts(**NORMALISED, zca="no", **fields)).metadata.ext[NOTES]["kind"] == "fields"


def test_a_plain_pickle_is_called_that(tmp_path):
    for protocol in (2, 3, 4, 5):
        (tmp_path / "x.pt").write_bytes(pickle.dumps({"images": [1]}, protocol=protocol))
        with pytest.raises(ValueError, match="a plain pickle"):
            import_file(tmp_path / "x.pt")


def test_images_that_stay_whitened_are_never_taken_for_pixels(tmp_path):
    path, images, _ = fixtures.mtt(tmp_path)
    data = import_file(path, Facts(dataset="cifar10", **WHITENED, lr=0.01))
    record = data.metadata.whitening
    assert (record.method, record.epsilon, record.images, record.source["name"]) == ("zca", 0.1, None, "cifar10")
    assert data.metadata.normalization is None
    assert np.array_equal(decode(data).numpy(), images)
    with pytest.raises(ArgumentError, match="whitened"):
        decode(data, normalized=False)


def test_a_list_that_is_not_idcs_is_not_taken_for_pixels(tmp_path):
    images, labels = fixtures.digits()
    path = tmp_path / "data.pt"
    torch.save([torch.tensor(images * 3), torch.tensor(labels)], path)
    with pytest.raises(ArgumentError, match="--mean and --std"):
        import_file(path, Facts(**NUMBERS, factor=1))
    assert import_file(path, Facts(**NORMALISED, factor=1)).metadata.normalization.mean == MEAN
    torch.save([torch.tensor(np.moveaxis(images * 3, 1, -1)), torch.tensor(labels)], path)
    assert np.array_equal(decode(import_file(path, Facts(**NORMALISED, factor=1))).numpy(), images * 3)
    bytes_ = (fixtures.pixels(8, 8)[0] * 255).astype(np.uint8)
    torch.save([torch.tensor(bytes_), torch.tensor(labels)], path)
    assert decode(import_file(path, Facts(**NUMBERS, factor=2))).max() <= 1


def test_grey_images_without_an_axis_of_channels(tmp_path):
    images, labels = fixtures.pixels(8, 8, 1)
    np.savez(tmp_path / "x.npz", images=images[:, 0], labels=labels)
    with pytest.raises(ValueError, match="none for grey"):
        import_file(tmp_path / "x.npz", Facts(**NUMBERS, unit=True, zca="no"))
    data = import_file(tmp_path / "x.npz", Facts(**NUMBERS, unit=True, zca="no", channels="none"))
    assert np.array_equal(decode(data).numpy(), images)


def test_a_kind_can_be_insisted_on(tmp_path):
    path, _, _ = fixtures.mtt(tmp_path)
    with pytest.raises(ValueError, match="not of the kind dc"):
        import_file(path, kind="dc")
    with pytest.raises(ArgumentError, match="unknown kind"):
        import_file(path, kind="mtt")
    assert set(IMPORTERS) >= {kind for _, kind, _ in KINDS.values()}


def test_float64_is_rounded_and_says_so(tmp_path):
    images, labels = fixtures.digits()
    wide = images.astype(np.float64) + 1e-9
    np.savez(tmp_path / "x.npz", images=wide, labels=labels)
    data = import_file(tmp_path / "x.npz", Facts(**NORMALISED, zca="no"))
    error = np.abs(decode(data).numpy() - wide).max()
    assert 0 < error == pytest.approx(data.metadata.ext[NOTES]["rounding"])


def test_ambiguous_channels_are_asked_for(tmp_path):
    images = np.random.default_rng(0).normal(size=(4, 3, 5, 3)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(4))
    facts = {"mean": MEAN, "std": STD, "zca": "no", **NUMBERS}
    with pytest.raises(ValueError, match="--channels first"):
        import_file(tmp_path / "x.npz", Facts(**facts))
    data = import_file(tmp_path / "x.npz", Facts(**facts, channels="last"))
    assert np.array_equal(decode(data).numpy(), np.moveaxis(images, -1, 1))
