"""Sources from the user's own files: folders of images, Tiny ImageNet, Imagenette, npz."""

import os
import re
import struct

import numpy as np
import pytest
from PIL import Image

from fredfmt import ArgumentError, SourceError
from fredfmt.data.sources import npz, open_source
from fredfmt.data.sources.imagenette import CLASSES as IMAGENETTE
from fredfmt.errors import AccessError

HEIGHT, WIDTH = 13, 17


def picture(seed, *, channels=3, height=HEIGHT, width=WIDTH):
    """(height, width[, 3]) uint8."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def write_folder(root, classes, each, **kind):
    """Made-up PNG files ``root/<class>/<number>.png``; the pixels of each class."""
    pixels = {}
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        pixels[name] = [picture(97 * number + index, **kind) for index in range(each)]
        for index, image in enumerate(pixels[name]):
            Image.fromarray(image).save(root / name / f"{index:03}.png")
    return pixels


def channels_first(pictures):
    return np.stack([image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0) for image in pictures])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("held", ["test", "val"])
def test_a_folder_with_splits(tmp_path, channels, held):
    train = write_folder(tmp_path / "train", ["cow", "ant"], 5, channels=channels)
    write_folder(tmp_path / held, ["cow", "ant"], 3, channels=channels)
    (tmp_path / "train" / "ant" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / "ant" / ".000.png").write_text("hidden")
    (tmp_path / "train" / ".cache").mkdir()
    source = open_source(f"folder:{tmp_path}")
    assert source.classes == ("ant", "cow")
    assert source.labels.tolist() == [0] * 5 + [1] * 5
    assert source.images.shape == (10, channels, HEIGHT, WIDTH)
    np.testing.assert_array_equal(source.images[:], channels_first(train["ant"] + train["cow"]))
    np.testing.assert_array_equal(source.images[np.array([6, 0])], channels_first([train["cow"][1], train["ant"][0]]))
    test = open_source(f"folder:{tmp_path}", split="test")
    assert len(test) == 6
    assert test.normalization == source.normalization
    found = {"name": f"folder:{tmp_path.name}", "split": "train", "count": 10}
    assert source.provenance() == {**found, "left_out": {"files .txt": 1, "hidden": 1}}


def test_a_folder_without_splits_holds_out_a_stated_fifth(tmp_path):
    pixels = write_folder(tmp_path / "pets", ["bee", "ant", "train"], 10)
    parts = {split: open_source(f"folder:{tmp_path / 'pets'}", split=split) for split in ("train", "test")}
    assert np.bincount(parts["train"].labels).tolist() == [8, 8, 8]
    assert np.bincount(parts["test"].labels).tolist() == [2, 2, 2]
    everything = {image.tobytes() for part in parts.values() for image in part.images[:]}
    assert everything == {image.tobytes() for name in pixels for image in channels_first(pixels[name])}
    assert parts["test"].provenance()["selection"] == "a random 20 % of every class, seed 0"
    assert parts["train"].provenance()["selection"] == "without a random 20 % of every class, seed 0"
    assert parts["test"].normalization == parts["train"].normalization


def test_images_are_decoded_only_when_they_are_asked_for(tmp_path):
    write_folder(tmp_path / "train", ["ant", "bee"], 5)
    source = open_source(f"folder:{tmp_path}")
    first = source.images[:3].copy()
    for path in source.images.coded.paths[3:]:
        os.remove(path)
    np.testing.assert_array_equal(source.images[:3], first)
    with pytest.raises(SourceError, match="cannot be decoded"):
        source.images[:]


def test_resizing_covers_and_crops_centrally(tmp_path):
    """A wide picture of three equal stripes keeps its middle; a tall one too."""
    for name, axis in (("wide", 1), ("tall", 0)):
        (tmp_path / "train" / name).mkdir(parents=True)
        stripes = np.repeat(np.array([0, 128, 255], np.uint8), 20)
        image = np.broadcast_to(np.expand_dims(stripes, 1 - axis), (20, 60) if axis else (60, 20))
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / "train" / name / "0.png")
    source = open_source(f"folder:{tmp_path}", size=10)
    assert source.images.shape == (2, 1, 10, 10)
    assert (np.abs(source.images[:,].astype(int)[:, :, 2:-2, 2:-2] - 128) <= 1).all()
    assert open_source(f"folder:{tmp_path}", size=(9, 5)).images[:1].shape == (1, 1, 9, 5)


def test_colour_in_any_class_makes_all_rgb(tmp_path):
    grey = write_folder(tmp_path / "train", ["ant"], 3, channels=1)["ant"]
    write_folder(tmp_path / "train" / "..", ["train/bee"], 3, channels=3)
    source = open_source(f"folder:{tmp_path}")
    assert source.channels == 3
    np.testing.assert_array_equal(source.images[:1][0], np.repeat(grey[0][None], 3, axis=0))


def test_palette_and_transparent_images_are_rgb_on_white(tmp_path):
    pixels = write_folder(tmp_path / "train", ["ant"], 4)["ant"]
    folder = tmp_path / "train" / "ant"
    alpha = np.full((HEIGHT, WIDTH, 1), 51, np.uint8)
    Image.fromarray(np.concatenate([pixels[0], alpha], axis=2)).save(folder / "000.png")
    Image.fromarray(pixels[1]).quantize(256).save(folder / "001.png")
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[3:6, 4:9, 3] = 255
    Image.fromarray(ink).save(folder / "002.png")
    Image.fromarray(pixels[3]).save(folder / "003.png", transparency=tuple(map(int, pixels[3][0, 0])))
    images = open_source(f"folder:{tmp_path}").images[:]
    assert images.shape == (4, 3, HEIGHT, WIDTH)
    blended = 0.2 * np.moveaxis(pixels[0], -1, 0) + 0.8 * 255
    assert np.abs(images[0] - blended).max() <= 1
    np.testing.assert_array_equal(images[2], np.broadcast_to(255 - ink[..., 3], (3, HEIGHT, WIDTH)))
    expected = pixels[3].copy()
    expected[0, 0] = 255
    np.testing.assert_array_equal(images[3], np.moveaxis(expected, -1, 0))


def test_grey_on_transparency_stays_grey_on_white(tmp_path):
    write_folder(tmp_path / "train", ["ant"], 1, channels=1)
    pixels = np.stack([np.full((HEIGHT, WIDTH), 100, np.uint8), np.tile([0, 255], 111)[:221].reshape(13, 17)], axis=2)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "train" / "ant" / "000.png")
    images = open_source(f"folder:{tmp_path}").images[:]
    np.testing.assert_array_equal(images[0, 0], np.where(pixels[..., 1], 100, 255))


def test_white_ink_on_transparency_is_refused(tmp_path):
    write_folder(tmp_path / "train", ["ant"], 1)
    ink = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    ink[3:6, 4:9, 3] = 0
    Image.fromarray(ink).save(tmp_path / "train" / "ant" / "000.png")
    with pytest.raises(SourceError, match=r"000\.png: the image is white on a transparent background"):
        open_source(f"folder:{tmp_path}")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (9, 9)])
def test_images_are_turned_upright(tmp_path, orientation, size):
    """A dark corner, top left when upright, stored as a camera that was held otherwise stores it."""
    (tmp_path / "train" / "ant").mkdir(parents=True)
    upright = np.full((24, 16), 255, np.uint8)
    upright[:10, :6] = 0
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "train" / "ant" / "0.png"
    Image.fromarray(np.ascontiguousarray(turned)).save(path, exif=exif)
    image = open_source(f"folder:{tmp_path}", size=size).images[:][0, 0]
    if size is None:
        np.testing.assert_array_equal(image, upright)
    else:
        assert image[0, 0] < 60 < 200 < min(image[-1, 0], image[0, -1], image[-1, -1])


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("train", "tst"),
        ("training_set", "test_set"),
        ("Train", "valid"),
        ("seg_train", "seg_test"),
        ("TRAIN", "dev"),
        ("trainset", "validation"),
    ],
)
def test_splits_by_other_names(tmp_path, train, test):
    write_folder(tmp_path / train, ["ant", "bee"], 5)
    write_folder(tmp_path / test, ["ant", "bee"], 2)
    for split, count in (("train", 10), ("test", 4)):
        source = open_source(f"folder:{tmp_path}", split=split)
        assert (source.classes, len(source), source.selection) == (("ant", "bee"), count, None)


def test_a_test_split_is_taken_before_a_validation_split_and_what_is_left_out_is_said(tmp_path, caplog):
    for name, count in (("train", 5), ("test", 2), ("val", 3), ("masks", 1)):
        write_folder(tmp_path / name, ["ant", "bee"], count)
    for _ in range(2):
        test = open_source(f"folder:{tmp_path}", split="test")
    assert len(test) == 4
    assert test.provenance()["left_out"] == {"folders beside the splits: masks, val": 2}
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: 4 images are read; omitted: folders beside the splits: masks, val (2)"
    ]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train", "test"], "folders named as splits contain no class folders.*found test, train"),
        (["Training"], "folders named as splits contain no class folders"),
        (["test/ant", "test/bee"], "no train images"),
        (["data/train/ant", "data/test/ant"], r"holds folders named as splits.*Give folder:.*data$"),
        (["ant/train", "ant/test", "bee/train", "bee/test"], "ant: a class folder holds folders named as splits"),
        (["train/ant", "training/ant", "test/ant"], "several folders are named as the train split"),
    ],
)
def test_splits_are_not_taken_for_classes(tmp_path, folders, message):
    write_folder(tmp_path, folders, 3)
    for split in ("train", "test"):
        with pytest.raises(SourceError, match=message):
            open_source(f"folder:{tmp_path}", split=split)


def test_classes_may_be_called_as_splits_are(tmp_path):
    write_folder(tmp_path, ["bus", "steam train", "train", "test tube"], 2)
    assert open_source(f"folder:{tmp_path}").classes == ("bus", "steam train", "test tube", "train")


def test_what_is_held_out_is_said_once(tmp_path, caplog):
    write_folder(tmp_path / "train", ["ant", "bee"], 5)
    write_folder(tmp_path / "test", ["ant", "bee"], 5)
    for split in ("train", "test"):
        open_source(f"folder:{tmp_path / 'train'}", split=split)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{tmp_path / 'train'}: no test split; held out as one: a random 20 % of every class, seed 0;"
        f" test next to it is not read: give folder:{tmp_path} to use it"
    )


def test_links_are_followed_and_what_is_left_out_is_counted(tmp_path, caplog):
    pets, elsewhere = tmp_path / "pets", tmp_path / "elsewhere"
    write_folder(pets / "train", ["ant", "bee"], 3)
    write_folder(elsewhere, ["owl", "more"], 2)
    train = pets / "train"
    (train / "owl").symlink_to(elsewhere / "owl")
    (train / "ant" / "more").symlink_to(elsewhere / "more")
    (train / "ant" / "again").symlink_to(elsewhere / "more")
    (train / "ant" / "loop").symlink_to("..")
    (train / "ant" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (train / "bee" / "notes.txt").write_text("x")
    (train / "bee" / ".DS_Store").write_text("x")
    (train / "bee" / "LICENSE").write_text("x")
    Image.fromarray(picture(5)).save(train / "beside.png")
    Image.fromarray(picture(6)).save(train / "bee" / "x.jfif", "JPEG")
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    for name in ("x.gif", "x.tiff", "x.png"):
        frames[0].save(train / "bee" / name, save_all=True, append_images=frames[1:])
    source = open_source(f"folder:{pets}")
    assert source.classes == ("ant", "bee", "owl")
    assert np.bincount(source.labels).tolist() == [5, 7, 2]
    assert source.images[:].shape == (14, 3, HEIGHT, WIDTH)
    assert source.provenance()["left_out"] == {
        "files .txt": 1,
        "files without a suffix": 1,
        "further pages or frames of a file": 6,
        "hidden": 1,
        "images beside the class folders": 1,
        "broken links": 1,
        "links to folders that are read already": 2,
    }
    (record,) = caplog.records
    assert "14 images are read; omitted: broken links (1), files .txt (1), files without a suffix (1)" in record.message


def test_classes_that_are_left_out_may_be_empty_or_have_one_image(tmp_path):
    write_folder(tmp_path, ["ant", "bee, wild", "cow"], 5)
    write_folder(tmp_path, ["one"], 1)
    (tmp_path / "none").mkdir()
    chosen = open_source(f"folder:{tmp_path}", classes=["bee, wild", "ant"])
    assert (chosen.classes, len(chosen)) == (("bee, wild", "ant"), 8)
    assert open_source(f"folder:{tmp_path}", classes=[2]).classes == ("cow",)
    with pytest.raises(SourceError, match=r"none: a class has no images.*exclude the class"):
        open_source(f"folder:{tmp_path}")
    with pytest.raises(SourceError, match=r"class 4: a class with a single image cannot be split.*exclude the class"):
        open_source(f"folder:{tmp_path}", classes=["one", "ant"])
    with pytest.raises(SourceError, match="none: a class has no images"):
        open_source(f"folder:{tmp_path}", classes=["none", "ant"])


def test_a_class_name_that_is_not_text_is_refused(tmp_path):
    place = os.fsencode(tmp_path) + b"/c\xff"
    try:
        os.mkdir(place)
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(SourceError, match=r"not UTF-8; found b'c\\xff'"):
        open_source(f"folder:{tmp_path}")


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_what_the_system_refuses_is_one_error(tmp_path, kind):
    with pytest.raises(AccessError, match="cannot be read; found File name too long"):
        open_source(f"{kind}:{tmp_path / ('x' * 300)}")
    place = tmp_path / "x"
    place.touch() if kind == "folder" else place.mkdir()
    with pytest.raises(SourceError, match=f"no such .*found a {'file' if kind == 'folder' else 'folder'}"):
        open_source(f"{kind}:{place}")


def test_the_shape_can_be_looked_at_before_images_are_read(tmp_path):
    write_folder(tmp_path / "train", ["ant"], 3)
    (tmp_path / "train" / "ant" / "001.png").write_text("not an image")

    def refuse(shape):
        raise ArgumentError(f"not {shape}")

    for spec, options, shape in (
        (f"folder:{tmp_path}", {}, (HEIGHT, WIDTH)),
        (f"folder:{tmp_path}", {"size": (9, 5)}, (9, 5)),
        ("digits", {}, (8, 8)),
        (archive(tmp_path, images=pixels(4, 13, 17), labels=np.zeros(4, int)), {}, (13, 17)),
    ):
        with pytest.raises(ArgumentError, match=re.escape(f"not {shape}")):
            open_source(spec, check=refuse, **options)


def break_by_truncation(root):
    path = root / "train" / "bee" / "001.png"
    path.write_bytes(path.read_bytes()[:200])


def break_by_text(root):
    (root / "train" / "bee" / "001.png").write_text("not an image")


def break_by_size(root):
    Image.fromarray(picture(1, width=WIDTH + 1)).save(root / "train" / "bee" / "001.png")


def break_by_depth(root):
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint16)).save(root / "train" / "bee" / "001.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_by_truncation, "cannot be decoded"),
        (break_by_text, "cannot be decoded"),
        (break_by_size, r"differ in size; expected \(13, 17\), found \(13, 18\)"),
        (break_by_depth, "more than 8 bits"),
    ],
)
def test_an_unusable_file_is_named(tmp_path, damage, message):
    write_folder(tmp_path / "train", ["ant", "bee"], 3)
    damage(tmp_path)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(f"folder:{tmp_path}")
    assert str(tmp_path / "train" / "bee" / "001.png") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bits", [15, 16])
def test_bitmaps_of_16_bits_for_a_pixel_are_read(tmp_path, bits):
    """Five or six bits per channel, which Pillow calls BGR;15 or BGR;16 and reads, but does not write."""
    (tmp_path / "train" / "ant").mkdir(parents=True)
    masks = {16: (0xF800, 0x07E0, 0x001F), 15: (0x7C00, 0x03E0, 0x001F)}[bits]
    header = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 16, 3, 16, 2835, 2835, 0, 0) + struct.pack("<III", *masks)
    content = np.array([masks, masks], "<u2")
    rows = b"".join(row.tobytes() + bytes(2) for row in content)
    offset = 14 + len(header)
    file = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset) + header + rows
    (tmp_path / "train" / "ant" / "0.bmp").write_bytes(file)
    images = open_source(f"folder:{tmp_path}").images[:]
    np.testing.assert_array_equal(images[0, :, 0, :3], 255 * np.eye(3))


def test_colour_among_grey_is_named(tmp_path):
    write_folder(tmp_path / "train", ["ant"], 3, channels=1)
    Image.fromarray(picture(1)).save(tmp_path / "train" / "ant" / "002.png")
    with pytest.raises(SourceError, match=r"002\.png: an image has colour"):
        open_source(f"folder:{tmp_path}")


def test_folders_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        open_source(f"folder:{tmp_path / 'none'}")
    with pytest.raises(SourceError, match="no class folders"):
        open_source(f"folder:{tmp_path}")
    write_folder(tmp_path / "train", ["ant"], 1)
    with pytest.raises(SourceError, match="no test images"):
        open_source(f"folder:{tmp_path}", split="test")
    write_folder(tmp_path / "test", ["bee"], 1)
    with pytest.raises(SourceError, match=r"different classes.*a difference in ant, bee"):
        open_source(f"folder:{tmp_path}", split="test")
    (tmp_path / "train" / "empty").mkdir()
    with pytest.raises(SourceError, match="empty: a class has no images"):
        open_source(f"folder:{tmp_path}")
    with pytest.raises(SourceError, match="single image cannot be split"):
        open_source(f"folder:{tmp_path / 'test' / '..' / 'test'}")


@pytest.mark.parametrize("published", [True, False])
def test_tiny_imagenet(tmp_path, published):
    root = tmp_path / "tiny-imagenet-200"
    classes = ["n02", "n01"]
    train = {name: write_folder(root / "train" / name, ["images"], 3)["images"] for name in classes}
    if published:
        pixels = write_folder(root / "val", ["images"], 5)["images"]
        lines = [f"{index:03}.png\t{classes[index % 2]}\t0\t0\t62\t63\n" for index in range(5)]
        (root / "val" / "val_annotations.txt").write_text("".join(lines))
        expected, labels = pixels, [1, 0, 1, 0, 1]
    else:
        pixels = write_folder(root / "val", classes, 2)
        expected, labels = pixels["n01"] + pixels["n02"], [0, 0, 1, 1]
    source = open_source("tiny-imagenet", data_root=tmp_path)
    np.testing.assert_array_equal(source.images[:], channels_first(train["n01"] + train["n02"]))
    test = open_source("tiny-imagenet", split="test", data_root=root)
    assert test.labels.tolist() == labels
    assert test.classes == source.classes == ("n01", "n02")
    np.testing.assert_array_equal(test.images[:], channels_first(expected))


def test_tiny_imagenet_as_a_folder_and_its_words(tmp_path):
    numbers = ["n01443537", "n02012849", "n03126707"]
    for name in numbers:
        write_folder(tmp_path / "train" / name, ["images"], 3)
    write_folder(tmp_path / "val", ["images"], 6)
    lines = [f"{index:03}.png\t{numbers[index % 3]}\t0\t0\t62\t63\n" for index in range(6)]
    (tmp_path / "val" / "val_annotations.txt").write_text("".join(lines))
    by_number = open_source(f"folder:{tmp_path}", split="test")
    assert by_number.classes == tuple(numbers)
    words = "n01443537\tgoldfish, Carassius auratus\nn02012849\tcrane\nn03126707\tcrane\nn09\tgold\n"
    (tmp_path / "words.txt").write_text(words)
    test = open_source(f"folder:{tmp_path}", split="test")
    assert test.classes == ("goldfish", "crane (n02012849)", "crane (n03126707)")
    assert test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    chosen = test.of_classes(["n03126707", "goldfish"])
    assert chosen.classes == ("n03126707", "goldfish")
    np.testing.assert_array_equal(chosen.images[:], by_number.of_classes(["n03126707", "n01443537"]).images[:])
    assert test.of_classes(numbers).classes == tuple(numbers)
    same = open_source(f"folder:{tmp_path}", split="test", classes=["n03126707", "goldfish"])
    assert same.classes == chosen.classes
    with pytest.raises(ArgumentError, match=r"no such class; expected goldfish, crane \(n02012849\)"):
        test.of_classes(["cat"])


def test_many_different_classes_are_not_all_listed(tmp_path):
    write_folder(tmp_path / "train", [f"c{number:03}" for number in range(40)], 1)
    write_folder(tmp_path / "test", ["other"], 1)
    with pytest.raises(SourceError, match=r"difference in c000, .*c011 and 29 more"):
        open_source(f"folder:{tmp_path}", split="test")


@pytest.mark.parametrize("line", ["000.png\tn99\t0\t0\t9\t9", "../../../000.png\tn01\t0\t0\t9\t9", "x"])
def test_annotations_of_tiny_imagenet_are_checked(tmp_path, line):
    root = tmp_path / "tiny-imagenet-200"
    write_folder(root / "train" / "n01", ["images"], 2)
    write_folder(root / "val", ["images"], 2)
    (root / "val" / "val_annotations.txt").write_text(f"000.png\tn01\t0\t0\t9\t9\n{line}\n")
    with pytest.raises(SourceError, match=r"val_annotations\.txt: line 2"):
        open_source("tiny-imagenet", split="test", data_root=tmp_path)


def test_imagenette(tmp_path):
    root = tmp_path / "imagenette2-320"
    for split in ("train", "val"):
        write_folder(root / split, IMAGENETTE, 2, width=40, height=31)
    with pytest.raises(SourceError, match="--size"):
        open_source("imagenette", data_root=tmp_path)
    source = open_source("imagenette", split="test", data_root=tmp_path, size=(21, 12))
    assert source.images[:2].shape == (2, 3, 21, 12)
    assert source.classes[0] == "tench"
    assert len(source) == 20
    (root / "train" / "n99").mkdir()
    Image.fromarray(picture(0)).save(root / "train" / "n99" / "0.png")
    with pytest.raises(SourceError, match="classes are not those of Imagenette"):
        open_source("imagenette", data_root=tmp_path, size=8)


def archive(path, **arrays):
    np.savez(path / "data.npz", **arrays)
    return f"npz:{path / 'data.npz'}"


def pixels(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    "names",
    [
        ("images", "labels", "test_images", "test_labels"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_npz_in_every_spelling(tmp_path, names):
    train, test = pixels(6, 3, 13, 17), pixels(4, 3, 13, 17, seed=6)
    labels = np.array([0, 1, 2, 0, 1, 2])
    spec = archive(tmp_path, **dict(zip(names, (train, labels[:, None], test, labels[:4]), strict=True)))
    source, held_out = open_source(spec), open_source(spec, split="test")
    np.testing.assert_array_equal(source.images[:], train)
    np.testing.assert_array_equal(source.labels, labels)
    np.testing.assert_array_equal(held_out.images[:], test)
    assert source.normalization == held_out.normalization
    assert source.classes == ("0", "1", "2")
    assert source.selection is None


@pytest.mark.parametrize(
    ("shape", "axis", "expected"),
    [
        ((4, 19), None, (1, 19)),
        ((4, 13, 17), None, (1, 13, 17)),
        ((4, 3, 19), None, (3, 19)),
        ((4, 19, 1), None, (1, 19)),
        ((4, 1, 13, 17), None, (1, 13, 17)),
        ((4, 13, 17, 3), None, (3, 13, 17)),
        ((4, 1, 5, 6, 7), None, (1, 5, 6, 7)),
        ((4, 5, 6, 7, 3), None, (3, 5, 6, 7)),
        ((4, 2, 13, 17), 1, (2, 13, 17)),
        ((4, 13, 17, 2), -1, (2, 13, 17)),
        ((4, 12, 30), 1, (12, 30)),
        ((4, 3, 17, 3), 3, (3, 3, 17)),
        ((4, 2, 13, 17), None, None),
        ((4, 3, 17, 3), None, None),
        ((4, 5, 6, 7, 8), None, None),
        ((4, 13, 17), 3, None),
        ((4, 13, 17), 0, None),
    ],
)
def test_the_rule_for_the_channel_axis_of_npz(tmp_path, shape, axis, expected):
    images, labels = pixels(*shape), np.array([0, 1, 0, 1])
    extra = {} if axis is None else {"channel_axis": np.array(axis)}
    spec = archive(tmp_path, images=images, labels=labels, test_images=images, test_labels=labels, **extra)
    if expected is None:
        with pytest.raises(SourceError, match="channel_axis"):
            open_source(spec)
        return
    source = open_source(spec)
    assert source.images.shape == (4, *expected)
    if len(shape) == len(expected):
        first = images
    elif source.images.shape == shape:
        first = images[:, 0]
    else:
        first = images[..., 0]
    np.testing.assert_array_equal(source.images[:][:, 0], first)
    assert source.batch([3, 1]).flags.c_contiguous


def test_npz_without_test_arrays_holds_out_a_fifth(tmp_path):
    spec = archive(tmp_path, images=pixels(20, 13, 17), labels=np.arange(20) % 2, class_names=np.array(["a", "b"]))
    train, test = open_source(spec), open_source(spec, split="test")
    assert (len(train), len(test)) == (16, 4)
    assert test.selection == "a random 20 % of every class, seed 0"
    assert train.classes == ("a", "b")


def test_npz_names_of_bytes_and_arrays_that_are_not_read(tmp_path, caplog):
    names = np.array(["cat", "ünd"]).astype("U")
    encoded = np.array([name.encode() for name in names])
    spec = archive(
        tmp_path,
        images=pixels(20, 13, 17),
        labels=np.arange(20) % 2,
        class_names=encoded,
        val_images=pixels(3, 13, 17),
        version=np.array(2),
    )
    source = open_source(spec)
    assert source.classes == ("cat", "ünd")
    assert source.provenance()["left_out"] == {"in the array val_images": 3, "in the array version": 1}
    said = [record.getMessage() for record in caplog.records]
    place = tmp_path / "data.npz"
    assert said == [
        f"{place}: no test split; held out as one: a random 20 % of every class, seed 0",
        f"{place}: 16 images are read; omitted: in the array val_images (3), in the array version (1)",
    ]


def test_npz_a_little_beyond_0_to_1_is_fine(tmp_path):
    images = np.linspace(-0.18, 1.23, 4 * 13 * 17, dtype=np.float32).reshape(4, 13, 17)
    np.testing.assert_array_equal(
        np.sort(
            np.concatenate(
                [
                    open_source(archive(tmp_path, images=images, labels=np.zeros(4, int)), split=split)
                    .images[:]
                    .ravel()
                    for split in ("train", "test")
                ]
            )
        ),
        images.ravel(),
    )


def test_npz_of_floats_and_soft_labels(tmp_path):
    images = pixels(4, 1, 13, 17) / np.float64(255)
    images[0, 0, 0, 0] = 1.2
    soft = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [1, 0]])
    spec = archive(tmp_path, images=images, labels=soft)
    source = open_source(spec)
    assert source.images.dtype == np.float32
    assert sorted(source.labels.tolist() + open_source(spec, split="test").labels.tolist()) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.zeros(4, int)}, "arrays are missing"),
        ({"images": pixels(4, 5, 5)}, "arrays are missing"),
        ({"images": pixels(4, 5, 5).astype(np.int64), "labels": np.zeros(4, int)}, "wrong dtype"),
        ({"images": pixels(4, 5, 5).astype(np.float32), "labels": np.zeros(4, int)}, "not in 0..1"),
        (
            {"images": np.linspace(-1, 1, 100, dtype=np.float32).reshape(4, 5, 5), "labels": np.zeros(4, int)},
            r"not in 0..1; .*found -1 to 1. Store \(images \+ 1\) / 2",
        ),
        (
            {"images": np.linspace(0, 255, 100).reshape(4, 5, 5), "labels": np.zeros(4, int)},
            r"found 0 to 255. Store images / 255",
        ),
        (
            {"images": np.linspace(-0.42, 2.82, 100).reshape(4, 5, 5), "labels": np.zeros(4, int)},
            "Undo the normalisation",
        ),
        (
            {"images": np.linspace(-0.5, 0.5, 100).reshape(4, 5, 5), "labels": np.zeros(4, int)},
            "Undo the normalisation",
        ),
        (
            {"images": np.linspace(0, 1 / 255, 100).reshape(4, 5, 5), "labels": np.zeros(4, int)},
            "divided twice",
        ),
        (
            {
                "images": pixels(4, 5, 5),
                "labels": np.array([0, 0, 1, 1]),
                "class_names": np.array([b"a", b"\xff"]),
            },
            "class_names: a class name is not UTF-8",
        ),
        ({"images": np.full((4, 5, 5), np.nan), "labels": np.zeros(4, int)}, "NaN or infinity"),
        ({"images": pixels(4, 5, 5), "labels": np.zeros(3, int)}, "not one label per image"),
        ({"images": pixels(4, 5, 5), "labels": np.array(list("abcd"))}, "unusable labels"),
        ({"images": pixels(4, 5, 5), "labels": np.zeros((4, 2), int)}, "unusable labels"),
        ({"images": pixels(4, 5, 5), "labels": np.array([0, 0, 1, -1])}, "labels: a label is negative; found -1"),
        ({"images": pixels(4, 5, 5), "labels": np.array([0, 0, 1, 2**32 - 1])}, r"too large.*class_names.*4294967295"),
        ({"images": pixels(4, 5, 5), "labels": np.array([0, 0, 0, 1])}, "class 1: a class with a single image"),
        (
            {"images": pixels(4, 5, 5), "labels": np.array([0, 0, 1, 1]), "class_names": np.array(["a"])},
            "not a class number",
        ),
        ({"images": pixels(4), "labels": np.zeros(4, int)}, "shape of the images is unusable"),
        ({"images": pixels(0, 5, 5), "labels": np.zeros(0, int)}, "shape of the images is unusable"),
        ({"images": np.array([{}, None], object), "labels": np.zeros(2, int)}, "not a readable NumPy archive"),
        (
            {
                "images": pixels(4, 5, 5),
                "labels": np.zeros(4, int),
                "test_images": pixels(4, 5, 6),
                "test_labels": np.zeros(4, int),
            },
            "test images differ in shape",
        ),
    ],
)
def test_npz_that_cannot_be_used_is_refused(tmp_path, arrays, message):
    spec = archive(tmp_path, **arrays)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(spec)
    assert str(tmp_path / "data.npz") in str(caught.value)


def test_npz_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    with pytest.raises(SourceError, match="no such file"):
        open_source(f"npz:{path}")
    np.save(tmp_path / "data.npy", np.zeros(3))
    whole = tmp_path / "whole.npz"
    np.savez(whole, images=pixels(4, 13, 17), labels=np.zeros(4, int))
    for content in (b"", b"PK\x03\x04 and no more", (tmp_path / "data.npy").read_bytes(), whole.read_bytes()[:-40]):
        path.write_bytes(content)
        with pytest.raises(SourceError, match="not a readable NumPy archive"):
            open_source(f"npz:{path}")


@pytest.mark.parametrize("shape", [(23, 3, 5, 7), (23, 5, 7, 3), (23, 5, 7), (23, 1, 6)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_large_npz_stay_in_the_file(tmp_path, monkeypatch, shape, dtype):
    images = pixels(*shape) if dtype == np.uint8 else np.random.default_rng(0).random(shape, np.float32)
    name, path = archive(tmp_path, images=images, labels=np.arange(23) % 2), tmp_path / "data.npz"
    whole = [open_source(name, split=split) for split in ("train", "test")]
    monkeypatch.setattr(npz, "LARGE", 1)
    read = [open_source(name, split=split) for split in ("train", "test")]
    chosen = np.array([3, 1, 1, 2, 3, 0])
    for in_memory, in_file in zip(whole, read, strict=True):
        assert in_file.images.shape == in_memory.images.shape
        assert in_file.normalization == in_memory.normalization
        np.testing.assert_array_equal(in_file.normalized[:], in_memory.normalized[:])
        np.testing.assert_array_equal(in_file.batch(chosen), in_memory.batch(chosen))
        np.testing.assert_array_equal(in_file.images[1:3], in_memory.images[1:3])
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(SourceError, match="cut off"):
        read[0].batch(chosen)


def test_npz_that_can_only_be_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "LARGE", 1)
    images, labels = pixels(23, 3, 5, 7), np.arange(23) % 2
    expected = open_source(archive(tmp_path, images=images, labels=labels)).images[:]
    np.savez_compressed(tmp_path / "compressed.npz", images=images, labels=labels)
    np.savez(tmp_path / "columns.npz", images=np.asfortranarray(images), labels=labels)
    for name in ("compressed", "columns"):
        source = open_source(f"npz:{tmp_path / name}.npz")
        (tmp_path / f"{name}.npz").unlink()
        np.testing.assert_array_equal(source.images[:], expected)


def test_npz_is_not_resized(tmp_path):
    spec = archive(tmp_path, images=pixels(4, 13, 17), labels=np.array([0, 1, 0, 1]))
    assert open_source(spec, size=(13, 17)).spatial_shape == (13, 17)
    with pytest.raises(ArgumentError, match="only image files"):
        open_source(spec, size=13)
