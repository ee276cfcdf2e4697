"""How fast the laboratory's page computes: seconds for 256 x 256 pixels in Chromium.

    python benchmarks/laboratory.py [--models NAME ...] [--add]

Opens the built page (`make book`) from disk and runs all stages of a model, one after the other,
on one worker and as the page does, on one for each core. Processor seconds are those of the page's
process, which other programs disturb little; with one worker they are what the clock on the wall
would show if there were none. Writes data/results/benchmark-laboratory.json.
"""

import argparse
import shutil
from collections.abc import Callable
from typing import Any

from measuring import add_file_options, save_rows
from playwright.sync_api import Page, sync_playwright

from vbl.utils import DATA

PAGE = DATA.parent / "_build" / "html" / "laboratory.html"
MODELS = ("virnet-photo", "virnet-denoise", "vdir-denoise", "vbdeblur-text", "virnet-sr-x2")
ROUNDS = 8
RUN = """async ([model, rounds]) => {
  const {stages, config} = await vblLab.load(model), chain = Object.keys(stages);
  const y = {h: 256, w: 256, c: 3, data: vblNormal(3 * 65536, 1).map(v => 0.5 + 0.1 * v)};
  const walls = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    let found;
    for (const stage of chain) {
      const {inputs} = stages[stage];
      const given = inputs[0].name === "y" ? [y, found].slice(0, inputs.length) : [found];
      const result = await vblLab.run(model, stage, ...given);
      if (stage === "infer") found = result;
    }
    walls.push(performance.now() - start);
  }
  return walls.sort((a, b) => a - b)[rounds >> 1] / 1000;
}"""


def processor_seconds(browser: Any) -> float:
    """Of all pages of a browser."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(p["cpuTime"] for p in processes if p["type"] == "renderer")


def measure(browser: Any, open_page: Callable[[int], Page], model: str) -> dict[str, Any]:
    """A row: seconds with one worker, and with one for each core."""
    row: dict[str, Any] = {"model": model}
    for cores, name in ((1, "one"), (0, "all")):
        page = open_page(cores)
        page.evaluate(RUN, [model, 4])  # compiled by the optimising compiler from now on
        before = processor_seconds(browser)
        row[f"wall_{name}"] = round(page.evaluate(RUN, [model, ROUNDS]), 3)
        row[f"seconds_{name}"] = round((processor_seconds(browser) - before) / ROUNDS, 3)
        row[f"workers_{name}"] = page.evaluate("Math.min(navigator.hardwareConcurrency, 8)")
        page.context.close()
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=MODELS, help="of the page")
    add_file_options(parser)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])

        def open_page(cores: int) -> Page:
            page = browser.new_context(offline=True).new_page()
            page.set_default_timeout(180_000)
            if cores:
                page.add_init_script(
                    "Object.defineProperty(navigator, 'hardwareConcurrency', "
                    f"{{get: () => {cores}}})"
                )
            page.goto(PAGE.as_uri(), wait_until="domcontentloaded")
            return page

        rows = [measure(browser, open_page, model) for model in options.models]
        browser.close()
    for row in rows:
        print(row)
    options.device = "cpu"
    save_rows("benchmark-laboratory", rows, ("model",), options)


if __name__ == "__main__":
    main()
