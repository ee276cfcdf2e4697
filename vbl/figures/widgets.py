"""Interactive figures: live in Jupyter, precomputed in the built book.

In Jupyter the sliders redraw the figure. While the book is built (``VBL_STATIC=1``) a frame for
every combination is stored in the page, so that it works offline and without a kernel.
"""

import base64
import hashlib
import html
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from vbl.figures.plots import training_terms
from vbl.utils import is_static

PAUSE = 600  # milliseconds for a frame of a film


class Explore:
    """A figure with a slider for each of its arguments.

    Args:
        draw: Function from values to a figure.
        alt: Function from the same values to its alternative text.
        caption: Shown below the figure.
        axes: Name of an argument (the slider's label, with underscores as spaces) to its values.
            The middle ones are shown first.
        film: A button plays the values of the first axis; the last one is shown first. Nothing
            moves before somebody presses it.

    Raises:
        ValueError: If there is no axis, or one is empty.
    """

    def __init__(
        self,
        draw: Callable[..., Figure],
        *,
        alt: Callable[..., str],
        caption: str = "",
        axes: dict[str, Sequence],
        film: bool = False,
    ):
        if not axes or not all(len(values) for values in axes.values()):
            raise ValueError(f"axes: expected at least one argument with values, got {axes!r}")
        self.draw, self.alt, self.caption = draw, alt, caption
        self.axes = {name: list(values) for name, values in axes.items()}
        self.film = film
        self._first = {name: len(values) // 2 for name, values in self.axes.items()}
        if film:
            name, values = next(iter(self.axes.items()))
            self._first[name] = len(values) - 1

    def _shown_first(self) -> dict:
        return {name: values[self._first[name]] for name, values in self.axes.items()}

    def _image(self, fmt: str, **values) -> bytes:
        figure, file = self.draw(**values), io.BytesIO()
        figure.savefig(file, format=fmt, pil_kwargs={"lossless": True} if fmt == "webp" else None)
        plt.close(figure)
        return file.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        text = {"text/plain": self.alt(**self._shown_first())}
        if is_static():
            return text | {"text/html": self.to_html()}
        return text | self._live()._repr_mimebundle_()

    def _live(self):
        import ipywidgets

        picture = ipywidgets.Image(format="png")
        sliders = {
            name: ipywidgets.SelectionSlider(
                options=values,
                value=values[self._first[name]],
                description=name.replace("_", " "),
                style={"description_width": "initial"},
                continuous_update=False,
            )
            for name, values in self.axes.items()
        }

        def redraw(_=None) -> None:
            values = {name: slider.value for name, slider in sliders.items()}
            picture.value, picture.alt = self._image("png", **values), self.alt(**values)

        for slider in sliders.values():
            slider.observe(redraw, "value")
        redraw()
        note = ipywidgets.HTML(html.escape(self.caption))
        return ipywidgets.VBox([*self._play(sliders), *sliders.values(), picture, note])

    def _play(self, sliders: Mapping[str, Any]) -> list:
        import ipywidgets

        if not self.film:
            return []
        slider = next(iter(sliders.values()))
        play = ipywidgets.Play(max=len(slider.options) - 1, interval=PAUSE)
        ipywidgets.link((play, "value"), (slider, "index"))
        return [play]

    def to_html(self) -> str:
        """The figure with all its frames as self-contained HTML."""
        combinations = [
            dict(zip(self.axes, values, strict=True))
            for values in itertools.product(*self.axes.values())
        ]
        frames = [
            "data:image/webp;base64," + base64.b64encode(self._image("webp", **c)).decode()
            for c in combinations
        ]
        alts = [self.alt(**c) for c in combinations]
        # The same content gets the same id, so that two builds give the same page.
        content = "".join([self.caption, *alts, *frames]).encode()
        uid = "explore-" + hashlib.sha256(content).hexdigest()[:8]
        first = combinations.index(self._shown_first())
        sliders = "".join(
            _slider(f"{uid}-{i}", name, values, self._first[name])
            for i, (name, values) in enumerate(self.axes.items())
        )
        data = json.dumps({"frames": frames, "alts": alts, "values": _labels(self.axes)})
        return _PAGE.format(
            uid=uid,
            image=frames[first],
            alt=html.escape(alts[first], quote=True),
            sliders=sliders,
            play='<button type="button">Play</button>' if self.film else "",
            caption=html.escape(self.caption),
            data=data.replace("</", "<\\/"),
            pause=PAUSE,
        )


def _labels(axes: dict[str, list]) -> list[list[str]]:
    return [[str(v) for v in values] for values in axes.values()]


def _slider(uid: str, name: str, values: list, first: int) -> str:
    label = html.escape(name.replace("_", " "))
    shown = html.escape(str(values[first]), quote=True)
    return (
        f'<div class="vbl-explore-axis"><label for="{uid}">{label}</label>'
        f'<input type="range" id="{uid}" min="0" max="{len(values) - 1}" value="{first}" '
        f'aria-valuetext="{shown}"><output for="{uid}">{shown}</output></div>'
    )


_PAGE = """<figure class="vbl-explore" id="{uid}">
<img src="{image}" alt="{alt}">
{play}{sliders}
<figcaption>{caption}</figcaption>
</figure>
<script>(() => {{
const data = {data};
const root = document.getElementById("{uid}"), image = root.querySelector("img");
const sliders = [...root.querySelectorAll("input")], outputs = root.querySelectorAll("output");
const update = () => {{
  let frame = 0;
  sliders.forEach((slider, i) => {{
    const label = data.values[i][slider.value];
    frame = frame * data.values[i].length + Number(slider.value);
    outputs[i].textContent = label;
    slider.setAttribute("aria-valuetext", label);
  }});
  image.src = data.frames[frame];
  image.alt = data.alts[frame];
}};
sliders.forEach((slider) => slider.addEventListener("input", update));
const button = root.querySelector("button");
let timer = 0;
const rest = () => {{ clearInterval(timer); timer = 0; button.textContent = "Play"; }};
const step = () => {{
  sliders[0].value = Number(sliders[0].value) + 1;
  update();
  if (sliders[0].value === sliders[0].max) rest();
}};
button?.addEventListener("click", () => {{
  if (timer) return rest();
  if (sliders[0].value === sliders[0].max) sliders[0].value = -1;
  button.textContent = "Pause";
  timer = setInterval(step, {pause});
}});
update(); // the browser may remember a position from an earlier visit
}})()</script>
"""


class LiveTerms:
    """`training_terms`, redrawn after each validation of a training run.

    ::

        fit("resunet", preset="quick", watch=LiveTerms())

    Draws nothing while the book is built. `pixels` is that of a training crop.
    """

    def __init__(self, pixels: int = 64 * 64):
        self.pixels = pixels
        self._handle = None

    def __call__(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Draw the history of a run so far, in place of the last drawing."""
        if is_static():
            return
        from IPython.display import display

        figure = training_terms(history, self.pixels)
        plt.close(figure)
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
