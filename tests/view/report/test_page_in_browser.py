"""The report page in a real browser: canvases against fredfmt.decode, keyboard, download, hostile and damaged files."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from needed import CHROMIUM
from PIL import Image

import fredfmt
from fredfmt.data.sources import open_source
from fredfmt.view.report import report

pytestmark = [pytest.mark.slow, pytest.mark.needs("playwright", "chromium")]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def show(browser, tmp_path):
    """Opens the report of a dataset from disk, and in the end finds no error in the console and no other request."""
    contexts, complaints, requests = [], [], []

    def opened(data, *, change=lambda text: text, viewport=(1280, 4000), name="x.fred", **options):
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(change(report(data, name=name)), encoding="utf-8")
        width, height = viewport
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-state]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "blob"}
    assert len([url for url in requests if url.startswith("file")]) == len(contexts)


def wait_for_count(locator, count):
    """Wait for this many elements: a class is built only when it comes into view, some time after the page is ready."""
    from playwright.sync_api import expect

    expect(locator).to_have_count(count)


def digits(per_class=2, **options):
    source = open_source("digits").sample(per_class, seed=1)
    options = {"k": 20, "step": 0.1, "normalization": source.normalization, "classes": source.classes} | options
    return fredfmt.encode(source.normalized, source.labels, **options)


def colour_photographs():
    """Patches of two photographs, 24x36: sky and buildings, petals and leaves."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    patches = [photo[y : y + 24, x : x + 36] for photo in photographs for y, x in ((9, 9), (120, 200), (260, 400))]
    images = np.stack(patches).transpose(0, 3, 1, 2).astype(np.float32) / 255
    mean, std = (0.47, 0.45, 0.42), (0.24, 0.23, 0.25)
    space = (images - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    labels = np.repeat([0, 1], 3)
    return fredfmt.encode(
        space.astype(np.float32), labels, k=150, step=0.05, normalization=(mean, std), classes=("china", "flower")
    )


def drawn(page, k, size, count):
    """The pixels of all tiles, (instance, height, width, 3), once all are drawn at ``k`` frequencies and ``size``."""
    done = f".tile[data-drawn='{k} {' '.join(map(str, size))}']"
    page.wait_for_selector(f":nth-match({done}, {count})", state="attached")
    code = "tiles => tiles.map((tile) => [Number(tile.dataset.instance), tile.firstChild.toDataURL()])"
    found = dict(page.eval_on_selector_all(done, code))
    return np.stack([pixels_of(found[instance]) for instance in range(count)])


def pixels_of(url):
    """The pixels of a canvas, (height, width, 3), from its ``toDataURL``."""
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("RGB")).astype(float)


def expected(data, **options):
    pixels = fredfmt.decode(data, normalized=False, **options).clamp(0, 1).mul(255).numpy()
    return np.moveaxis(np.broadcast_to(pixels, (len(pixels), 3, *pixels.shape[2:])), 1, -1)


def set_slider(page, name, value):
    slider = page.get_by_role("slider", name=name, exact=True)
    slider.fill(str(value))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("fashion-mnist", marks=pytest.mark.needs("fashion-mnist")),
        pytest.param("rgb", marks=pytest.mark.needs("sklearn")),
    ],
)
def test_every_instance_is_drawn_as_fredfmt_decodes_it(show, kind):
    if kind == "rgb":
        data, asked = colour_photographs(), {"k": 31, "size": (40, 60)}
    else:
        source = open_source("fashion-mnist").sample(16, seed=0)
        data = fredfmt.encode(source.normalized, source.labels, k=49, step=0.5, normalization=source.normalization)
        asked = {"k": 17, "size": (45, 45)}
    page = show(data)
    found = drawn(page, data.k, data.metadata.spatial_shape, len(data))
    assert np.abs(found - expected(data)).max() <= 1
    assert len(np.unique(found)) > 200
    set_slider(page, "Frequencies", asked["k"])
    set_slider(page, "Size", asked["size"][0])
    assert np.abs(drawn(page, asked["k"], asked["size"], len(data)) - expected(data, **asked)).max() <= 1
    assert page.locator("#digest").text_content() == fredfmt.digest(data)


def test_the_file_comes_out_as_it_went_in(show, tmp_path):
    data = digits()
    fredfmt.save(data, tmp_path / "my digits.fred")
    page = show(tmp_path / "my digits.fred", name=None)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "my digits.fred"
    assert Path(download.value.path()).read_bytes() == (tmp_path / "my digits.fred").read_bytes()


def test_by_keyboard_alone(show):
    data = digits()
    page = show(data, viewport=(1280, 900))
    focused = lambda: page.evaluate("document.activeElement.id || document.activeElement.className")  # noqa: E731
    order = []
    while (here := focused()) != "mask":
        order.append(here)
        assert len(order) < 40
        page.keyboard.press("Tab")
    assert order[1:6] == ["download", "theme", "k", "size", "class"]
    assert order.count("tile") == 10
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"

    mask = page.get_by_role("slider", name="Frequency of the mask")
    width = data.metadata.spatial_shape[1]
    kept = [divmod(int(index), width) for index in data.frequencies[0]]
    page.keyboard.press("Home")
    assert mask.get_attribute("aria-valuetext").startswith(f"Frequency ({kept[0][0]}, {kept[0][1]}), 1 of {data.k}")
    before = page.evaluate("document.getElementById('basis').toDataURL()")
    page.keyboard.press("ArrowDown")
    below = min((place for place in kept if place[0] > 0), key=lambda place: (place[0] - 1) ** 2 + place[1] ** 2)
    assert f"({below[0]}, {below[1]})" in mask.get_attribute("aria-valuetext")
    assert page.evaluate("document.getElementById('basis').toDataURL()") != before
    page.keyboard.press("End")
    assert mask.get_attribute("aria-valuenow") == str(data.k)

    page.locator("#k").focus()
    page.keyboard.press("Home")
    assert page.locator("#k-value").text_content() == f"1 of {data.k}"
    page.wait_for_selector("#status:has-text('1 frequency of')", state="attached")
    page.locator(".tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    second = np.flatnonzero(data.labels == 0)[1]
    assert page.locator("#chosen-name").text_content() == f"0, instance {second}"
    assert page.locator(".tile[aria-pressed='true']").get_attribute("aria-label") == f"0, instance {second}"
    page.get_by_role("button", name="Next").press("Enter")
    told = f"{data.labels[second + 1]}, instance {second + 1}"
    assert page.locator("#chosen-name").text_content() == told
    page.wait_for_selector(f"#status:has-text('{told}')", state="attached")
    assert page.locator("#k").get_attribute("aria-valuetext") == f"1 of {data.k}"


def test_everything_has_a_name_and_the_text_enough_contrast(show):
    """Roles and names as a screen reader finds them; contrast by the formula of WCAG 2, at least 4.5 to 1."""
    page = show(digits())
    for role, name in (
        ("link", "Download"), ("button", "Theme"), ("slider", "Frequencies"), ("slider", "Size"), ("combobox", "Class"),
        ("spinbutton", "Instance"), ("button", "Previous"), ("button", "Next"), ("slider", "Frequency of the mask"),
        ("region", "Where the bytes go"), ("complementary", "0, instance"), ("heading", "What the file says"),
    ):  # fmt: skip
        page.get_by_role(role, name=name, exact=False).first.wait_for()
    wait_for_count(page.get_by_role("button", name="3, instance"), 2)
    for theme in ("light", "dark"):
        page.locator("#theme").click()
        assert page.locator("#theme").text_content() == f"Theme: {theme}"
        for selector in ("body", "#subtitle", "#verdict strong", "#download", "#frequency-about", "#k-value", "footer"):
            colours = page.eval_on_selector(
                selector,
                """element => {
                    const ground = (node) => {
                        const colour = getComputedStyle(node).backgroundColor;
                        return colour.endsWith(", 0)") ? ground(node.parentElement) : colour;
                    };
                    return [getComputedStyle(element).color, ground(element)];
                }""",
            )
            assert contrast(*colours) >= 4.5, (theme, selector, colours)


def contrast(*colours):
    """The ratio of the luminances of two CSS colours."""
    shares = np.array([[int(part) for part in re.findall(r"\d+", colour)[:3]] for colour in colours]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def test_a_pattern_follows_the_pointer(show):
    data = digits()
    page = show(data)
    height, width = data.metadata.spatial_shape
    for index in data.frequencies[data.mask_of[0]][[0, 5, -1]]:
        row, column = divmod(int(index), width)
        box = page.locator("#mask").bounding_box()
        page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / width, box["y"] + (row + 0.5) * box["height"] / height
        )
        assert f"({row}, {column})" in page.locator("#frequency-name").text_content()
        shown = pixels_of(page.evaluate("document.getElementById('basis').toDataURL()"))[..., 0]
        x, y = np.arange(width), np.arange(height)
        pattern = np.cos(np.pi * (2 * y[:, None] + 1) * row / 16) * np.cos(np.pi * (2 * x + 1) * column / 16)
        assert np.abs(shown - 127.5 - 127.5 * pattern / np.abs(pattern).max()).max() <= 1


@pytest.mark.parametrize("harm", ["byte", "cut", "letters"])
def test_a_damaged_page_shows_nothing_but_that(show, harm):
    def damage(text):
        content = re.search(r'data-name="x.fred">([^<]+)', text)[1]
        damaged = bytearray(base64.b64decode(content))
        damaged[len(damaged) // 2] ^= 4
        other = {
            "byte": base64.b64encode(damaged).decode(),
            "cut": content[: len(content) // 8 * 4],
            "letters": "%" + content[1:],
        }
        return text.replace(content, other[harm])

    page = show(digits(), change=damage)
    alert = page.get_by_role("alert")
    assert "Refused" in alert.text_content()
    assert "FRED-" in alert.text_content()
    assert page.locator("#main").is_hidden()
    assert page.locator("#download").is_hidden()


def test_text_of_the_file_is_text(show):
    evil = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">'
    names = ("<b>0</b>", "<script>window.hacked = 3</script>", evil, *"3456789")
    data = digits(classes=names, source={"name": evil, "<i>": {"a": evil}})
    page = show(data, name=f"{evil}.fred")
    assert page.evaluate("window.hacked") is None
    assert page.locator("h1").text_content() == page.title() == f"{evil}.fred"
    assert page.locator(".class h3").all_text_contents() == list(names)
    assert evil in page.locator("#facts").text_content()
    assert page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 40), {}),
        ((3, 5, 9, 7), {}),
        ((2, 9, 7), {"transform": "db2"}),
        ((1, 9, 7), {"soft": True}),
    ],
    ids=str,
)
def test_other_kinds_of_data(show, shape, options):
    chance = np.random.default_rng(0)
    images = chance.normal(0.5, 0.2, (12, *shape)).astype(np.float32)
    labels = np.arange(12) % 4
    if options.pop("soft", False):
        labels = chance.dirichlet(np.ones(4), 12).astype(np.float32)
    page = show(fredfmt.encode(images, labels, k=15, step=0.02, **options))
    page.wait_for_selector(":nth-match(.tile[data-drawn], 12)")
    assert page.locator("#size").is_disabled() == ("transform" in options)
    assert page.locator("#depth").is_visible() == (len(shape) == 4)
    assert page.locator("#channel").is_visible() == (shape == (2, 9, 7))
    assert page.locator("#shares").is_visible() == (labels.ndim == 2)
    if len(shape) == 4:
        assert page.locator("#depth-value").text_content() == "3 of 5"
        set_slider(page, "Slice", 3)
        expected_slice = fredfmt.decode(fredfmt.encode(images, labels, k=15, step=0.02), 0)[:, 3].clamp(0, 1).mul(255)
        found = pixels_of(page.evaluate("document.getElementById('chosen').toDataURL()"))
        assert np.abs(found - np.moveaxis(expected_slice.numpy(), 0, -1)).max() <= 1


def test_themes_and_narrow_screens(show):
    data = digits()
    background = "getComputedStyle(document.body).backgroundColor"
    dark = show(data, color_scheme="dark", viewport=(390, 800))
    assert dark.evaluate("document.scrollingElement.scrollWidth") <= 390
    colours = [dark.evaluate(background)]
    for name in ("light", "dark", "system"):
        dark.locator("#theme").click()
        assert dark.locator("#theme").text_content() == f"Theme: {name}"
        colours.append(dark.evaluate(background))
    assert colours[0] == colours[2] == colours[3] != colours[1]


def test_on_a_narrow_screen_an_instance_opens_under_its_class(show):
    """Without a sideways scroll, whatever the names; a tile that is touched is still there afterwards."""
    names = ("x" * 70, "a name of several words that goes on and on and on", "שלום", *"3456789")
    data = digits(per_class=30, classes=names)
    page = show(data, viewport=(360, 760))
    assert page.evaluate("document.scrollingElement.scrollWidth") == 360
    under = "document.getElementById('about-chosen').previousElementSibling.dataset.label"
    assert page.evaluate(under) == "0"
    page.locator(".class").nth(2).scroll_into_view_if_needed()
    tile = page.locator(".class").nth(2).locator(".tile").nth(1)
    tile.scroll_into_view_if_needed()
    tile.click()
    assert page.evaluate(under) == "2"
    controls, aside = page.locator("#controls").bounding_box(), page.locator("aside").bounding_box()
    assert controls["y"] + controls["height"] < tile.bounding_box()["y"] < aside["y"] < 760
    number = page.get_by_role("spinbutton", name="Instance")
    before = number.bounding_box()["y"]
    number.fill(str(np.flatnonzero(data.labels == 7)[0]))
    number.press("Enter")
    assert page.evaluate(under) == "7"
    assert abs(number.bounding_box()["y"] - before) < 1
    assert page.evaluate("document.activeElement.id") == "instance"
    page.set_viewport_size({"width": 1280, "height": 760})
    page.wait_for_selector("#columns > #about-chosen")


def test_pixels_are_squares_of_one_size_and_smooth_where_there_are_too_many(show):
    data = digits()
    page = show(data)
    page.wait_for_selector(":nth-match(.tile[data-drawn], 20)")
    size = "document.querySelector('.tile canvas').getBoundingClientRect().width"
    assert page.evaluate(size) % data.metadata.spatial_shape[1] == 0
    mask = "(() => { const c = document.getElementById('mask'); return c.getBoundingClientRect().width / c.width; })()"
    assert page.evaluate(mask) == 1
    rendering = "getComputedStyle(document.querySelector('.tile canvas')).imageRendering"
    assert page.evaluate(rendering) == "pixelated"
    large = fredfmt.encode(np.ones((2, 1, 9, 400), np.float32), [0, 1], k=5, mask="low")
    wide = show(large)
    wide.wait_for_selector(":nth-match(.tile[data-drawn], 2)")
    assert wide.evaluate(rendering) == "auto"


def test_on_paper_every_class_is_drawn(show):
    page = show(digits(per_class=20), viewport=(1280, 700))
    assert page.locator(".tile[data-drawn]").count() < 200
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".tile[data-drawn]").count() == 200
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("#controls").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_more_instances_are_there_when_asked_for(show):
    page = show(digits(per_class=40), viewport=(1280, 900))
    section = page.locator(".class").first
    wait_for_count(section.locator(".tile"), 24)
    section.get_by_role("button", name="Show the other 16 instances", exact=True).click()
    wait_for_count(section.locator(".tile"), 40)
    assert page.evaluate("document.activeElement.className") == "tile"
    assert page.locator(".tile[data-drawn]").count() < 400


def test_of_very_many_instances_some_more_are_offered(show):
    page = show(digits(per_class=25), viewport=(1280, 900))
    assert page.locator(".more").first.text_content() == "Show the other instance"
    images = np.zeros((200, 1, 3, 4), np.float32)
    many = show(fredfmt.encode(images, [0] * 200, k=2, mask="low"), viewport=(1280, 900))
    assert many.locator(".more").text_content() == "Show 120 more, of 176"


def test_size_enlarges_what_one_looks_at(show):
    page = show(digits())
    page.wait_for_selector(":nth-match(.tile[data-drawn], 20)")
    width = lambda id: page.locator(id).bounding_box()["width"]  # noqa: E731
    tile, chosen = width(".tile >> nth=0"), width("#chosen")
    set_slider(page, "Size", 16)
    assert width(".tile >> nth=0") == 2 * tile
    assert width("#chosen") > 1.9 * chosen
    set_slider(page, "Size", 4)
    assert (width(".tile >> nth=0"), width("#chosen")) == (tile, chosen)


@pytest.mark.needs("sklearn")
def test_channels_of_a_colour_image_have_their_names(show):
    data = colour_photographs()
    page = show(data)
    values = data.image_spectra([0])[0, :, 1]  # of the colours, not of the stored channels
    told = ", ".join(f"{name} {value:.4g}" for name, value in zip("RGB", values, strict=True)).replace("-", "−")
    assert page.locator("#frequency-about").text_content().startswith(f"Coefficients {told};")
    assert "Coefficient " in show(digits()).locator("#frequency-about").text_content()


def test_what_the_file_says_is_said_in_words(show):
    settings = {"name": "frepo", "configuration": {"pool": 8, "learn_labels": False, "of_my_own": [1, 2]}}
    data = digits(distillation={"objective": settings, "mask": "evr", "max_bytes": None, "seed": 2026})
    facts = show(data).locator("#facts")
    told = dict(facts.locator("tr").evaluate_all("rows => rows.map((row) => [...row.cells].map((c) => c.textContent))"))
    assert told["Objective: Name"] == "frepo"
    assert told["Objective: Networks in the pool"] == "8"
    assert told["Objective: Labels are also learned"] == "no"
    assert told["Objective: Of my own"] == "1, 2"
    assert told["Frequencies are chosen by"] == "evr: most variance within the class"
    assert told["Budget: bytes of the file"] == "not given"
    assert told["Seed"] == "2026"
    assert told["Stored as"] == "integer multiples of the step"
    assert re.fullmatch(r"\d+\.\d %", told["Variance within classes that the masks keep"])


def test_images_are_there_before_the_file_is_read_and_without_scripts(browser, tmp_path):
    data = digits()
    (tmp_path / "x.html").write_text(report(data))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "x.html").as_uri())
    assert page.locator("#first img").count() == 10
    assert page.locator("#first img").first.bounding_box()["height"] == 64
    assert page.locator("#first figcaption").all_text_contents() == list(data.metadata.classes)
    assert "JavaScript" in page.locator("#verdict").text_content()
    context.close()
    with Image.open(io.BytesIO(first_png(report(data)))) as picture:
        expected_first = expected(data, indices=[0])[0]
        assert np.abs(np.asarray(picture).astype(float) - expected_first).max() <= 1


def first_png(text):
    return base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', text)[1])
