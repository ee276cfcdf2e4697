/* A part of the laboratory: the photograph that was chosen, the piece of it that is looked at, and
   answers that follow the controls. Each part of parts.js extends `VblPart`. */
class VblPart {
  static photograph = null;  // the reader's, for the other parts of the page
  static active = null;  // the part that a pasted picture goes to

  /* model, sample: names. side: of the piece in pixels. */
  constructor(root, { model, sample, side = 256 }) {
    Object.assign(this, { root, model, sampleName: sample, side, photo: null, place: { y: 0, x: 0 } });
    const { make, button } = vblView;
    this.file = make("input", { type: "file", accept: "image/*", class: "lab-file", tabindex: -1,
      "aria-label": "A photograph", onchange: () => this.take(this.file.files[0]) });
    this.chosen = make("p", { class: "lab-chosen" });
    const again = button("The same photograph", () => this.try(() => this.open(VblPart.photograph)), { hidden: true });
    document.addEventListener("lab-photograph", () => again.hidden = VblPart.photograph === this.photo);
    this.source = make("div", { class: "lab-source" },
      button("Try the sample", () => this.try(() => this.openSample())),
      button("Open a photograph", () => this.file.click()),
      again,
      this.file,
      make("span", {}, "or drop or paste one here. It stays in this page."));
    this.status = make("p", { role: "status", "aria-live": "polite", class: "lab-status" });
    this.body = make("div", { class: "lab-body", hidden: true });
    this.progress = make("div", { class: "lab-progress" });
    root.append(this.source, this.chosen, this.body, this.status);
    root.addEventListener("focusin", () => VblPart.active = this);
    root.addEventListener("pointerdown", () => VblPart.active = this);
    root.addEventListener("dragover", event => { event.preventDefault(); root.classList.add("lab-over"); });
    root.addEventListener("dragleave", () => root.classList.remove("lab-over"));
    root.addEventListener("drop", event => this.drop(event));
    root.vblPart = this;
  }

  drop(event) {
    event.preventDefault();
    event.stopPropagation();
    this.root.classList.remove("lab-over");
    this.take(event.dataTransfer.files[0], event.dataTransfer.files.length);
  }

  say(text, wrong = false) {
    this.status.textContent = text;
    this.status.classList.toggle("lab-wrong", wrong);
  }

  /* Do something that may fail; failures become a sentence, never a dead page. */
  async try(action) {
    try {
      return await action();
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message, true);
      return undefined;
    }
  }

  take(file, count = 1) {
    return this.try(async () => {
      if (!file) throw new Error("There is no file in what you gave: expected a picture.");
      this.say("Opening the picture …");
      const photo = await vblPicture.open(file);
      if (count > 1) photo.notes.push(`Of ${count} files this is the first.`);
      VblPart.photograph = photo;
      await this.open(photo);
      document.dispatchEvent(new CustomEvent("lab-photograph"));
    });
  }

  async openSample() {
    this.say("Opening the sample …");
    const address = await vblLab.sampleOf(this.sampleName);
    await this.open(await vblPicture.sample(this.sampleName, address), true);
  }

  /* Look at a photograph: first at its middle, pixel by pixel, as shrinking would remove the noise. */
  async open(photo, sample = false) {
    this.say("Loading the model …");
    await vblLab.load(this.model);
    if (!this.built) this.build();
    this.built = true;
    Object.assign(this, { photo, sample });
    this.crop = { h: Math.min(this.side, photo.h) & ~3, w: Math.min(this.side, photo.w) & ~3 };
    this.place = { y: photo.h - this.crop.h >> 1, x: photo.w - this.crop.w >> 1 };
    this.body.hidden = false;
    this.chosen.replaceChildren(`${photo.name}, ${photo.w} × ${photo.h} pixels. `, photo.notes.join(" "));
    this.chosen.append(...this.where());
    this.opened(sample);
    this.moved();
  }

  /* A small picture of the photograph in which the piece is chosen. */
  where() {
    const { h, w, canvas } = this.photo;
    if (h === this.crop.h && w === this.crop.w) return [];
    const scale = Math.min(160 / Math.max(h, w), 1);
    this.map = vblView.make("canvas", { class: "lab-where", tabindex: 0, role: "application",
      "aria-label": "Which piece of the photograph: arrow keys move it",
      width: Math.round(w * scale), height: Math.round(h * scale) });
    const go = (y, x) => {
      this.place = {
        y: Math.round(Math.min(Math.max(y, 0), h - this.crop.h)),
        x: Math.round(Math.min(Math.max(x, 0), w - this.crop.w)),
      };
      this.drawWhere();
      this.moved();
    };
    this.map.addEventListener("pointerdown", event => {
      const { left, top, width, height } = this.map.getBoundingClientRect();
      go((event.clientY - top) / height * h - this.crop.h / 2, (event.clientX - left) / width * w - this.crop.w / 2);
    });
    this.map.addEventListener("keydown", event => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      go(this.place.y + step[0] * this.crop.h / 4, this.place.x + step[1] * this.crop.w / 4);
    });
    const small = vblPicture.context(this.map.width, this.map.height);
    small.drawImage(canvas, 0, 0, this.map.width, this.map.height);
    this.small = small.canvas;
    this.drawWhere(scale);
    return [this.map];
  }

  drawWhere() {
    const context = this.map.getContext("2d"), scale = this.map.width / this.photo.w;
    context.drawImage(this.small, 0, 0);
    const box = [this.place.x, this.place.y, this.crop.w, this.crop.h].map(v => v * scale);
    for (const [width, style] of [[4, "#000"], [2, "#fff"]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.strokeRect(...box);
    }
  }

  /* The piece that is looked at, {h, w, c: 3, data}. */
  piece() {
    return vblPicture.read(this.photo.canvas, { ...this.place, ...this.crop });
  }

  /* Compute again; while that goes on, of several requests only the last one counts. */
  async update() {
    this.asked = true;
    if (this.busy) return;
    this.busy = true;
    while (this.asked) {
      this.asked = false;
      await this.try(async () => {
        const start = performance.now();
        const said = await this.answer();
        this.seconds = (performance.now() - start) / 1000;
        const { about } = this, millions = (about.parameters / 1e6).toFixed(2);
        this.say(`${said} ${this.crop.w} × ${this.crop.h} pixels in ${this.seconds.toFixed(2)} s by ${about.name}, `
          + `${millions} million weights, ${(vblLab.size(this.model) / 1e6).toFixed(1)} MB.`);
      });
    }
    this.busy = false;
    this.root.dispatchEvent(new CustomEvent("lab-answer"));
  }

  get about() {
    return vblLab.about(this.model);
  }

  get stem() {
    return this.photo.name.replace(/\.[^.]*$/, "");
  }

  /* Restore the whole photograph, in tiles: only canvases hold it. */
  async restoreWhole() {
    const { make, button } = vblView, { photo } = this, stop = new AbortController();
    const result = vblPicture.context(photo.w, photo.h), start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    const bar = make("progress", { max: 1, value: 0, "aria-label": "The whole photograph" });
    const text = make("span", {}, "0 %");
    this.progress.replaceChildren(bar, text, button("Cancel", () => stop.abort()));
    try {
      await vblLab.whole(photo.h, photo.w, {
        ...this.whole,
        read: part => vblPicture.read(photo.canvas, part),
        write: (part, { y, x }) => result.putImageData(vblPicture.pixels(part), x, y),
        progress: share => {
          bar.value = share;
          text.textContent = `${Math.floor(100 * share)} %, about ${Math.ceil(seconds() * (1 / share - 1))} s left`;
        },
        signal: stop.signal,
      });
      const said = `The whole photograph was restored in ${seconds().toFixed(1)} s.`;
      this.progress.replaceChildren(make("span", {}, said),
        button("Save it", () => this.try(() => vblView.save(result.canvas, `${this.stem}_restored.png`))));
      this.say(said);
    } catch (error) {
      this.progress.replaceChildren();
      this.say(stop.signal.aborted ? "Cancelled; nothing was kept." : error.message, !stop.signal.aborted);
    }
    this.root.dispatchEvent(new CustomEvent("lab-whole"));
  }

  wholeButton() {
    return vblView.button("Restore the whole photograph", () => this.restoreWhole());
  }

  /* To be defined: build() makes the controls once; opened(sample) sets them for a photograph;
     moved() is called when the piece is another one; answer() computes, draws, returns a sentence;
     `whole`, where there is a wholeButton(), says how a tile is restored, see vblLab.whole. */
  opened() {}

  moved() {
    this.update();
  }
}

/* Normal random numbers from a seed (mulberry32, Box and Muller). */
function vblNormal(n, seed) {
  let state = seed;
  const uniform = () => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
  return Float32Array.from({ length: n }, () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/* 10 log10 of one over the mean squared difference, in dB; both clamped to [0, 1]. */
function vblPSNR(a, b) {
  const clamp = v => Math.min(Math.max(v, 0), 1);
  let total = 0;
  for (let i = 0; i < a.data.length; i++) total += (clamp(a.data[i]) - clamp(b.data[i])) ** 2;
  return -10 * Math.log10(total / a.data.length);
}
