/* The parts of the laboratory: one class each. */

/* Chapters 3 and 4: the noise of a photograph is inferred, then removed. With `tell`, the restorer
   is told another noise level than was inferred. */
class VblNoise extends VblPart {
  constructor(root, { tell = false } = {}) {
    super(root, { model: tell ? "virnet-denoise" : "virnet-photo", sample: "chelsea" });
    this.tell = tell;
  }

  build() {
    const { make, slider, button, picture, divided, colourBar, NOISE } = vblView;
    this.view = divided("before", "restored");
    this.noise = picture("Inferred noise", this.tell ? {} : {
      tabindex: 0, class: "lab-paint", role: "application",
    });
    this.bar = colourBar("of 255", NOISE);
    this.noise.element.append(this.bar.element);
    this.more = slider("more noise", { max: 60, value: 0, unit: " of 255", change: () => this.update() });
    const controls = make("div", { class: "lab-controls" }, this.more.element);
    if (this.tell) {
      this.told = slider("tell it", { max: 75, value: 25, unit: " of 255", change: () => { this.telling = true; this.update(); } });
      controls.append(this.told.element,
        make("p", {}, button("Tell it what it infers", () => { this.telling = false; this.update(); })));
    } else {
      this.brush = slider("brush", { min: 5, max: 60, value: 30, unit: " of 255", change: () => {} });
      controls.append(this.brush.element);
      this.listenToBrush();
    }
    this.saving = make("p", { class: "lab-actions" },
      button("Save the restored piece", () => this.try(() => this.save(false))),
      button("Save before, restored and map", () => this.try(() => this.save(true))));
    if (!this.tell) this.saving.append(
      button("Wipe the brush", () => { this.painted.fill(0); this.update(); }), this.wholeButton());
    this.body.append(make("div", { class: "lab-views" }, this.view.element, this.noise.element),
      controls, this.saving, this.progress);
  }

  opened(sample) {
    this.more.value = sample ? 25 : 0;
    this.telling = this.tell;
    if (this.tell) this.told.value = sample ? 5 : 25;
  }

  moved() {
    this.clean = this.piece();
    this.random = vblNormal(this.clean.data.length, 1);
    this.painted = new Float32Array(this.crop.h * this.crop.w);
    this.update();
  }

  async answer() {
    const { clean, random, painted } = this, level = this.more.value / 255;
    const y = { ...clean, data: clean.data.map((v, i) =>
      v + Math.hypot(level, painted[Math.floor(i / 3)]) * random[i]) };
    const std = await vblLab.run(this.model, "infer", y);
    let given = std;
    if (this.telling) given = { ...std, data: new Float32Array(std.data.length).fill(this.told.value / 255) };
    const x = await vblLab.run(this.model, "restore", y, given);
    const mean = 255 * std.data.reduce((a, b) => a + b, 0) / std.data.length;
    const most = 255 * std.data.reduce((a, b) => Math.max(a, b), 0);
    if (this.tell && !this.telling) this.told.value = Math.round(mean);
    const end = [10, 20, 40, 80, 160].find(v => v >= most) ?? 320;
    this.bar.show(end);
    this.images = [vblPicture.pixels(y), vblPicture.pixels(x)];
    const inferred = `${mean.toFixed(1)} of 255 on average, at most ${most.toFixed(0)}`;
    this.view.draw(...this.images, `Left of the line the photograph, right of it restored. Inferred noise: ${inferred}.`);
    this.noise.draw(vblView.coloured(std, end / 255, vblView.NOISE), `Map of the inferred noise: ${inferred}.`
      + (this.tell ? "" : " Draw on it to add noise there; with the keyboard, arrow keys move the brush and the space bar draws."));
    this.cursor = this.cursor && this.drawCursor();
    this.result = { y, std, x };
    const told = this.telling ? ` It was told ${this.told.value}.` : "";
    const added = level > 0 || painted.some(v => v);
    const psnr = added ? ` PSNR to the photograph without the added noise: ${vblPSNR(y, clean).toFixed(1)} dB before, ${vblPSNR(x, clean).toFixed(1)} dB restored.` : "";
    return `Inferred noise: ${inferred}.${told}${psnr}`;
  }

  /* Painting */

  paint(y, x) {
    const { h, w } = this.crop, radius = w / 16;
    for (let i = 0; i < h; i++) for (let j = 0; j < w; j++)
      if (Math.hypot(i - y, j - x) < radius) this.painted[i * w + j] = this.brush.value / 255;
    this.update();
  }

  listenToBrush() {
    const { canvas } = this.noise;
    const paint = event => {
      if (!event.buttons) return;
      const { left, top, width, height } = canvas.getBoundingClientRect();
      this.paint((event.clientY - top) / height * this.crop.h, (event.clientX - left) / width * this.crop.w);
    };
    canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); paint(event); });
    canvas.addEventListener("pointermove", paint);
    canvas.addEventListener("blur", () => { this.cursor = null; this.update(); });
    canvas.addEventListener("keydown", event => {
      const { h, w } = this.crop, step = w / 16;
      this.cursor ??= { y: h / 2, x: w / 2 };
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!move && event.key !== " ") return;
      event.preventDefault();
      if (!move) return this.paint(this.cursor.y, this.cursor.x);
      this.cursor.y = Math.min(Math.max(this.cursor.y + move[0] * step, 0), h);
      this.cursor.x = Math.min(Math.max(this.cursor.x + move[1] * step, 0), w);
      this.noise.canvas.getContext("2d").putImageData(
        vblView.coloured(this.result.std, this.bar.most / 255, vblView.NOISE), 0, 0);
      this.drawCursor();
    });
  }

  drawCursor() {
    const context = this.noise.canvas.getContext("2d");
    for (const [width, style] of [[3, "#000"], [1, "#fff"]]) {
      context.beginPath();
      context.lineWidth = width;
      context.strokeStyle = style;
      context.arc(this.cursor.x, this.cursor.y, this.crop.w / 16, 0, 7);
      context.stroke();
    }
    return this.cursor;
  }

  /* Results as files */

  save(all) {
    const { h, w } = this.crop, context = vblPicture.context(all ? 3 * w + 16 : w, all ? h + 20 : h);
    if (!all) {
      context.putImageData(this.images[1], 0, 0);
      return vblView.save(context.canvas, `${this.stem}_restored.png`);
    }
    context.fillStyle = "#fff";
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    this.images.forEach((image, i) => context.putImageData(image, i * (w + 8), 0));
    context.putImageData(vblView.coloured(this.result.std, this.bar.most / 255, vblView.NOISE), 2 * (w + 8), 0);
    const shades = vblView.coloured({ h: 1, w: w / 2, data: Float32Array.from({ length: w / 2 }, (_, i) => 2 * i / w) }, 1, vblView.NOISE);
    for (let row = 6; row < 16; row++) context.putImageData(shades, 2 * (w + 8) + w / 8, h + row);
    context.fillStyle = "#000";
    context.font = "12px sans-serif";
    context.fillText("0", 2 * (w + 8) + w / 8 - 12, h + 16);
    context.fillText(`${this.bar.most} of 255`, 2 * (w + 8) + 5 * w / 8 + 4, h + 16);
    ["before", "restored"].forEach((text, i) => context.fillText(text, i * (w + 8) + 2, h + 15));
    return vblView.save(context.canvas, `${this.stem}_noise.png`);
  }

  get whole() {
    const { infer, restore } = this.about.stages;
    return {
      overlap: infer.radius + restore.radius,
      stride: restore.stride,
      restore: async (y, one) => one(this.model, "restore", y, await one(this.model, "infer", y)),
    };
  }
}

/* Chapter 5: the blur of a picture is inferred, then the picture is enlarged, conditioned on it. */
class VblBlur extends VblPart {
  constructor(root) {
    super(root, { model: "virnet-sr-x2", sample: "astronaut", side: 128 });
  }

  build() {
    const { make, slider, button, picture, divided } = vblView;
    const change = () => { this.telling = true; this.update(); };
    const wide = { min: 0.3, max: 4, step: 0.1, value: 1, unit: " pixels", change };
    this.view = divided("bicubic", "restored");
    this.kernel = picture("The blur that it is told");
    this.told = [
      slider("width across", wide),
      slider("width down", wide),
      slider("correlation", { min: -0.9, max: 0.9, step: 0.05, value: 0, change }),
      slider("noise", { max: 15, step: 0.1, value: 1, unit: " of 255", change }),
    ];
    this.body.append(
      make("div", { class: "lab-views" }, this.view.element, this.kernel.element),
      make("div", { class: "lab-controls" }, ...this.told.map(one => one.element)),
      make("p", { class: "lab-actions" },
        button("Tell it what it infers", () => { this.telling = false; this.update(); }),
        button("Save the enlarged piece", () => this.try(() => {
          const context = vblPicture.context(2 * this.crop.w, 2 * this.crop.h);
          context.putImageData(this.result, 0, 0);
          return vblView.save(context.canvas, `${this.stem}_x2.png`);
        }))));
  }

  moved() {
    this.telling = false;
    super.moved();
  }

  async answer() {
    const y = this.piece(), inferred = await vblLab.run(this.model, "infer", y);
    const [width, height, correlation, noise] = this.told, [l1, l2, rho, std] = inferred.data;
    if (!this.telling) {
      [width.value, height.value, correlation.value, noise.value] =
        [Math.sqrt(l1), Math.sqrt(l2), rho, 255 * std];
    }
    const given = this.telling
      ? Float32Array.of(width.value ** 2, height.value ** 2, correlation.value, noise.value / 255) : inferred.data;
    const residual = await vblLab.run(this.model, "residual", y, { ...inferred, data: given });
    const smooth = vblBicubic(y, 2), x = { ...smooth, data: smooth.data.map((v, i) => v + residual.data[i]) };
    const said = ([a, b, r]) => `${Math.sqrt(a).toFixed(1)} pixels across, ${Math.sqrt(b).toFixed(1)} down, correlation ${r.toFixed(2)}`;
    this.result = vblPicture.pixels(x);
    this.view.draw(vblPicture.pixels(smooth), this.result,
      `Twice as large: left of the line by bicubic interpolation, right of it restored, for a blur of ${said(given)}.`);
    const kernel = vblGaussian(given, 21);
    this.kernel.draw(vblView.coloured(kernel, Math.max(...kernel.data), vblView.KERNEL), `The blur that it is told: ${said(given)}.`);
    return `Inferred blur, in pixels of the enlarged picture: ${said(inferred.data)}; noise ${(255 * std).toFixed(1)} of 255.`
      + (this.telling ? ` It was told ${said(given)}.` : "");
  }
}

/* g(Λ), the anisotropic Gaussian of chapter 5, {h, w, c: 1, data}. */
function vblGaussian([l1, l2, rho], side) {
  const data = Float32Array.from({ length: side * side }, (_, i) => {
    const u = (i % side - (side >> 1)) / Math.sqrt(l1), v = (Math.floor(i / side) - (side >> 1)) / Math.sqrt(l2);
    return Math.exp(-(u * u - 2 * rho * u * v + v * v) / (2 * (1 - rho * rho)));
  });
  return { h: side, w: side, c: 1, data };
}

/* Cubic interpolation to s times the size, as `vbl.degradations.operators.bicubic_upsample`. */
function vblBicubic({ h, w, c, data }, s) {
  const weight = t => t <= 1 ? 1.5 * t ** 3 - 2.5 * t ** 2 + 1 : t < 2 ? -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2 : 0;
  const line = n => Array.from({ length: n * s }, (_, i) => {
    const at = (i - (s - 1) / 2) / s, first = Math.floor(at) - 1;
    return [0, 1, 2, 3].map(k => [Math.min(Math.max(first + k, 0), n - 1), weight(Math.abs(at - first - k))]);
  });
  const wide = new Float32Array(h * w * s * c), result = new Float32Array(h * w * s * s * c);
  line(w).forEach((taps, i) => {
    for (let y = 0; y < h; y++) for (let j = 0; j < c; j++)
      wide[(y * w * s + i) * c + j] = taps.reduce((sum, [x, k]) => sum + k * data[(y * w + x) * c + j], 0);
  });
  line(h).forEach((taps, i) => {
    for (let k = 0; k < w * s * c; k++)
      result[i * w * s * c + k] = taps.reduce((sum, [y, m]) => sum + m * wide[y * w * s * c + k], 0);
  });
  return { h: h * s, w: w * s, c, data: result };
}

/* Chapter 6: the code of a photograph, exchanged with that of the same one with other noise. */
class VblCode extends VblPart {
  constructor(root) {
    super(root, { model: "vdir-denoise", sample: "chelsea" });
  }

  build() {
    const { make, slider, button, picture, divided, colourBar, NOISE } = vblView;
    this.view = divided("before", "restored");
    this.says = picture("The noise that the code stands for");
    this.bar = colourBar("of 255", NOISE);
    this.bar.show(80);
    this.says.element.append(this.bar.element);
    this.more = slider("more noise", { max: 60, value: 25, unit: " of 255", change: () => this.update() });
    this.other = slider("code of noise", { max: 60, value: 25, unit: " of 255", change: () => { this.exchanged = true; this.update(); } });
    this.body.append(make("div", { class: "lab-views" }, this.view.element, this.says.element),
      make("div", { class: "lab-controls" }, this.more.element, this.other.element),
      make("p", { class: "lab-actions" }, button("Its own code", () => { this.exchanged = false; this.update(); })));
  }

  opened(sample) {
    this.exchanged = false;
    this.more.value = sample ? 25 : 0;
  }

  moved() {
    this.clean = this.piece();
    this.random = vblNormal(this.clean.data.length, 1);
    this.update();
  }

  async answer() {
    if (!this.exchanged) this.other.value = this.more.value;
    const noisy = level => ({ ...this.clean, data: this.clean.data.map((v, i) => v + level / 255 * this.random[i]) });
    const y = noisy(this.more.value), code = await vblLab.run(this.model, "infer", noisy(this.other.value));
    const std = await vblLab.run(this.model, "estimate", code);
    const x = await vblLab.run(this.model, "restore", y, code);
    const grey = { ...std, c: 1, data: Float32Array.from({ length: std.h * std.w }, (_, p) =>
      (std.data[3 * p] + std.data[3 * p + 1] + std.data[3 * p + 2]) / 3) };
    const mean = (255 * grey.data.reduce((a, b) => a + b, 0) / grey.data.length).toFixed(1);
    this.view.draw(vblPicture.pixels(y), vblPicture.pixels(x),
      `Left of the line the photograph, right of it restored with a code that stands for noise of ${mean} of 255.`);
    this.says.draw(vblView.coloured(grey, 80 / 255, vblView.NOISE), `Map of the noise that the code stands for: ${mean} of 255 on average.`);
    const added = this.more.value > 0 ? ` PSNR to the photograph without the added noise: ${vblPSNR(x, this.clean).toFixed(1)} dB.` : "";
    return `The code stands for noise of ${mean} of 255${this.exchanged ? ", and is another photograph's" : ""}.${added}`;
  }
}

/* Chapter 7: learned grain for a clean photograph, x + d(z, z_n) - d(z, 0). */
class VblGrain extends VblPart {
  constructor(root) {
    super(root, { model: "lud-vae-real", sample: "coffee", side: 192 });
    this.seed = 1;
  }

  build() {
    const { make, slider, button, picture, divided } = vblView;
    this.view = divided("clean", "with grain");
    this.grain = picture("The grain alone, four times as strong");
    this.temperature = slider("temperature", { max: 3, step: 0.1, value: 1, change: () => this.update() });
    this.body.append(make("div", { class: "lab-views" }, this.view.element, this.grain.element),
      make("div", { class: "lab-controls" }, this.temperature.element),
      make("p", { class: "lab-actions" },
        button("Another draw", () => { this.seed += 1; this.update(); }),
        button("Save the piece with grain", () => this.try(() => {
          const context = vblPicture.context(this.crop.w, this.crop.h);
          context.putImageData(this.result, 0, 0);
          return vblView.save(context.canvas, `${this.stem}_grain.png`);
        }))));
  }

  async answer() {
    const x = this.piece(), { config, stages: { decode } } = this.about, { h, w } = this.crop;
    const random = vblNormal(x.data.length, this.seed);
    const hidden = { ...x, data: x.data.map((v, i) => v + config.std_x * random[i]) };
    const latents = decode.inputs.slice(2).map(({ channels: c, side }, i) => {
      const size = { h: h * side, w: w * side, c };
      return { ...size, data: vblNormal(size.h * size.w * c, 1000 * this.seed + i) };
    });
    const at = t => vblLab.run(this.model, "decode", hidden, { h: 1, w: 1, c: 1, data: Float32Array.of(t) }, ...latents);
    const key = `${this.photo.name} ${this.place.y} ${this.place.x} ${this.seed}`;
    if (this.plainKey !== key) this.plain = await at(0);
    this.plainKey = key;
    const noise = (await at(this.temperature.value)).data.map((v, i) => v - this.plain.data[i]);
    for (let c = 0; c < 3; c++) {
      let mean = 0;
      for (let i = c; i < noise.length; i += 3) mean += 3 * noise[i] / noise.length;
      for (let i = c; i < noise.length; i += 3) noise[i] -= mean;
    }
    const std = (255 * Math.sqrt(noise.reduce((a, b) => a + b * b, 0) / noise.length)).toFixed(1);
    this.result = vblPicture.pixels({ ...x, data: x.data.map((v, i) => v + noise[i]) });
    this.view.draw(vblPicture.pixels(x), this.result,
      `Left of the line the photograph, right of it with grain of standard deviation ${std} of 255.`);
    this.grain.draw(vblPicture.pixels({ ...x, data: noise.map(v => 0.5 + 4 * v) }),
      `The grain alone, four times as strong; its standard deviation is ${std} of 255.`);
    return `Grain of standard deviation ${std} of 255, draw ${this.seed}.`;
  }
}

/* Chapter 8: the blur of a photographed page is inferred, then removed. */
class VblPage extends VblPart {
  constructor(root) {
    super(root, { model: "vbdeblur-text", sample: "page" });
  }

  build() {
    const { make, button, picture, divided } = vblView;
    this.view = divided("before", "restored");
    this.kernel = picture("Inferred kernel, 9 × 9 pixels");
    this.body.append(make("div", { class: "lab-views" }, this.view.element, this.kernel.element),
      make("p", { class: "lab-actions" },
        button("Save the restored piece", () => this.try(() => {
          const context = vblPicture.context(this.crop.w, this.crop.h);
          context.putImageData(this.result, 0, 0);
          return vblView.save(context.canvas, `${this.stem}_restored.png`);
        })),
        this.wholeButton()),
      this.progress);
  }

  async answer() {
    const y = this.piece();
    this.inferred = await vblLab.run(this.model, "infer", y);
    const x = await vblLab.run(this.model, "restore", y, this.inferred);
    const { h: side, data } = this.inferred, most = Math.max(...data), middle = side >> 1;
    const moment = f => data.reduce((sum, k, i) => sum + k * f(i % side, Math.floor(i / side)), 0);
    const [across, down] = [moment(u => u), moment((u, v) => v)];
    const spread = [moment(u => (u - across) ** 2), moment((u, v) => (v - down) ** 2)].map(v => Math.sqrt(v).toFixed(1));
    const said = `${spread[0]} pixels wide across and ${spread[1]} down (standard deviations)`;
    this.result = vblPicture.pixels(x);
    this.view.draw(vblPicture.pixels(y), this.result,
      `Left of the line the photographed page, right of it restored for a kernel ${said}.`);
    this.kernel.draw(vblView.coloured(this.inferred, most, vblView.KERNEL), `Inferred kernel, ${said}.`);
    return `Inferred kernel: ${said}; its largest entry is ${most.toFixed(2)}, in the middle ${data[middle * side + middle].toFixed(2)}.`;
  }

  get whole() {
    const { radius, stride } = this.about.stages.restore;
    return { overlap: radius, stride, restore: (y, one) => one(this.model, "restore", y, this.inferred) };
  }
}

const vblParts = {
  noise: root => new VblNoise(root),
  fool: root => new VblNoise(root, { tell: true }),
  blur: root => new VblBlur(root),
  code: root => new VblCode(root),
  grain: root => new VblGrain(root),
  page: root => new VblPage(root),
};

for (const root of document.querySelectorAll(".vbl-lab[data-part]")) {
  root.replaceChildren();
  vblParts[root.dataset.part](root);
}

/* A picture that is pasted, or dropped beside a part, goes to the part that was used last. */
{
  const part = () => VblPart.active ?? document.querySelector(".vbl-lab").vblPart;
  document.addEventListener("paste", event => {
    const file = event.clipboardData?.files[0];
    if (file) part().take(file);
  });
  document.addEventListener("dragover", event => event.preventDefault());
  document.addEventListener("drop", event => part().drop(event));
}
