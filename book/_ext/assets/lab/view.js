/* What the parts of the laboratory are made of: controls, pictures, a divided view. */
const vblView = (() => {
  const NOISE = ["00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bcae6c", "dec958", "fee838"];
  const KERNEL = ["000004", "1d1147", "51127c", "832681", "b73779", "e75263", "fc8961", "fec488", "fcfdbf"];
  let count = 0;

  /* An element: make("button", {type: "button"}, "Open", other). */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  /* A colour in 0..1 of a table of nine, as matplotlib's cividis and magma. */
  function colour(table, t) {
    const at = Math.min(Math.max(t, 0), 1) * (table.length - 1), i = Math.min(Math.floor(at), table.length - 2);
    return [0, 2, 4].map(k => {
      const [a, b] = [table[i], table[i + 1]].map(hex => parseInt(hex.slice(k, k + 2), 16));
      return Math.round(a + (at - i) * (b - a));
    });
  }

  /* A map of one number a pixel, in colours from 0 to `most`. */
  function coloured({ h, w, data }, most, table) {
    const image = new ImageData(w, h), shades = Array.from({ length: 256 }, (_, i) => colour(table, i / 255));
    for (let p = 0; p < h * w; p++) {
      const shade = shades[Math.min(Math.max(Math.round(255 * data[p] / most), 0), 255)];
      image.data.set([...shade, 255], 4 * p);
    }
    return image;
  }

  /* A slider with its name, value and unit: {element, value, input}. */
  function slider(label, { min = 0, max, step = 1, value, unit = "", change }) {
    const id = `lab-${++count}`;
    const input = make("input", { type: "range", id, min, max, step, value });
    const output = make("span", { "aria-hidden": "true" });  // the slider itself says its value
    const digits = step < 1 ? (step < 0.1 ? 2 : 1) : 0;
    const show = () => {
      output.textContent = `${Number(input.value).toFixed(digits)}${unit}`;
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => { show(); change(); });
    show();
    return {
      input,
      element: make("div", { class: "lab-slider" }, make("label", { for: id }, label), input, output),
      get value() { return Number(input.value); },
      set value(v) { input.value = v; show(); },
    };
  }

  const button = (text, click, more = {}) => make("button", { type: "button", onclick: click, ...more }, text);

  /* A canvas with a caption: {element, canvas, draw(ImageData, alt)}. */
  function picture(caption, more = {}) {
    const canvas = make("canvas", { role: "img", "aria-label": caption, ...more });
    const figure = make("figure", {}, canvas, make("figcaption", {}, caption));
    return {
      canvas,
      element: figure,
      draw(image, alt) {
        canvas.width = image.width;
        canvas.height = image.height;
        canvas.getContext("2d").putImageData(image, 0, 0);
        canvas.setAttribute("aria-label", alt);
      },
    };
  }

  /* Two pictures in one place, divided by a line that a slider or the pointer moves. */
  function divided(left, right) {
    const canvas = make("canvas", { role: "img", "aria-label": `${left} and ${right}` });
    const bar = slider(`${left} | ${right}`, { max: 100, value: 50, unit: " %", change: () => paint() });
    let images = [];
    function paint() {
      if (images.length < 2) return;
      const [a, b] = images, context = canvas.getContext("2d");
      canvas.width = b.width;
      canvas.height = b.height;
      const at = Math.round(b.width * bar.value / 100);
      context.putImageData(b, 0, 0);
      context.putImageData(a, 0, 0, 0, 0, at, a.height);
      if (at > 0 && at < b.width) {
        context.fillStyle = "#fff";
        context.fillRect(at, 0, 1, b.height);
        context.fillStyle = "#000";
        context.fillRect(at - 1, 0, 1, b.height);
      }
    }
    const follow = event => {
      if (!event.buttons) return;
      const { left: x, width } = canvas.getBoundingClientRect();
      bar.value = Math.round(100 * Math.min(Math.max((event.clientX - x) / width, 0), 1));
      paint();
    };
    canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); follow(event); });
    canvas.addEventListener("pointermove", follow);
    return {
      canvas,
      element: make("figure", { class: "lab-divided" }, canvas, bar.element),
      draw(a, b, alt) {
        images = [a, b];
        canvas.setAttribute("aria-label", alt);
        paint();
      },
    };
  }

  /* The bar that says which colour is which number: {element, show(most)}. */
  function colourBar(unit, table) {
    const stops = table.map(hex => `#${hex}`).join(", ");
    const ends = [make("span"), make("span")];
    const strip = make("span", { class: "lab-strip", style: `background: linear-gradient(to right, ${stops})` });
    return {
      most: 0,
      element: make("div", { class: "lab-bar" }, ends[0], strip, ends[1], make("span", {}, unit)),
      show(most) {
        this.most = most;
        ends[0].textContent = "0";
        ends[1].textContent = String(most);
      },
    };
  }

  /* Offer a canvas as a PNG. */
  async function save(canvas, name) {
    const blob = await new Promise(done => canvas.toBlob(done, "image/png"));
    if (!blob) throw new Error("This browser could not write the PNG: the picture is too large for it.");
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  return { make, slider, button, picture, divided, colourBar, coloured, save, NOISE, KERNEL };
})();
