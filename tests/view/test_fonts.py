"""Letters that Pillow's own font lacks are drawn with an installed font that has them."""

import sys

import numpy as np
import pytest
from needed import miss
from PIL import Image, ImageFont

import fredfmt
from fredfmt.view.fonts import font_for
from fredfmt.view.preview import preview

NAMES = ("猫と犬", "自行车", "قطة صغيرة", "Кошка")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An empty folder that is the only one with fonts."""
    if sys.platform in ("darwin", "win32"):
        pytest.skip("the folders of fonts are fixed on this system")
    for variable in ("HOME", "XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "fonts").mkdir()
    return tmp_path / "fonts"


def with_names(names):
    images = np.zeros((len(names), 1, 6, 7), np.float32)
    return fredfmt.encode(images, np.arange(len(names)), k=4, mask="low", classes=names)


def test_latin_letters_need_no_other_font(installed):
    assert font_for("Trouser, 12 of 50", 12).getname()[0] == "Aileron"


@pytest.mark.parametrize("name", NAMES)
def test_letters_of_a_name_differ_from_those_of_no_font(name):
    font = font_for(name, 16)
    if font.getname()[0] == "Aileron":
        miss(f"no installed font has {name}: apt install fonts-noto-cjk fonts-dejavu")
    empty = bytes(font.getmask("\U0010ffff"))
    assert all(bytes(font.getmask(letter)) != empty for letter in name if letter != " ")


def test_names_are_drawn_with_it():
    sheets = [np.asarray(preview(with_names((name, "x")))) for name in NAMES[:2]]
    if font_for(NAMES[0], 12).getname()[0] == "Aileron":
        miss("no installed font has Chinese or Japanese letters: apt install fonts-noto-cjk")
    assert (sheets[0] != sheets[1]).any()


def test_where_none_has_them_a_line_says_what_to_do(installed, caplog):
    assert font_for("猫", 12).getname()[0] == "Aileron"
    font_for("猫", 20)
    assert len(caplog.records) == 1
    assert "fonts-noto-cjk" in caplog.text


def test_a_file_that_is_no_font_is_passed_over(installed):
    (installed / "broken.ttf").write_bytes(b"not a font")
    assert isinstance(font_for("猫", 12), ImageFont.FreeTypeFont)


def test_png_folders_keep_the_letters_of_class_names(tmp_path):
    from fredfmt.exchange.exporters import export

    names = ("猫と犬", "قطة صغيرة", "हिन्दी", "T-shirt/top", "../up", "車" * 200)
    images = np.zeros((len(names), 1, 6, 7), np.float32)
    data = fredfmt.encode(images, np.arange(len(names)), k=4, mask="low", classes=names)
    export(data, tmp_path / "out", to="png")
    folders = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert folders[:5] == ["0-猫と犬", "1-قطة-صغيرة", "2-हिन्दी", "3-T-shirt-top", "4--up"]
    assert folders[5] == "5-" + "車" * 66
    with Image.open(tmp_path / "out" / "0-猫と犬" / "000000.png") as picture:
        assert picture.size == (7, 6)
