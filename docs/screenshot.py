"""The picture of the report page in look.md: python docs/screenshot.py [file]

Takes Chromium, playwright and Fashion-MNIST (Debian: chromium, dataset-fashion-mnist).
"""

import io
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

from fredfmt import encode, open_source
from fredfmt.view.report import report


def main(target: Path) -> None:
    few = open_source("fashion-mnist").sample(16, seed=0)
    data = encode(few.normalized, few.labels, k=49, step=0.5, normalization=few.normalization, classes=few.classes)
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "page.html"
        path.write_text(report(data, name="fashion.fred"), encoding="utf-8")
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector(":nth-match(.tile[data-drawn], 90)")
        page.get_by_role("spinbutton", name="Instance").fill("18")
        page.get_by_role("spinbutton", name="Instance").press("Enter")
        mask = page.get_by_role("slider", name="Frequency of the mask")
        mask.focus()
        for _ in range(6):
            page.keyboard.press("PageDown")
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    shot.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "report.png")
