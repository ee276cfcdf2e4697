/* Models for the laboratory: loaded when they are first used, run by a worker on each core.

   A page opened from disk may fetch nothing, but it may add scripts: weights, kernel and samples
   are scripts that call `vblLab.add`, `.kernel` and `.sample`. No address leads off the book. */
const vblLab = (() => {
  const here = document.currentScript.src.replace(/[^/]*$/, "");
  const BAND = 64, TILE = 320;  // pixels: rows that are worth a worker, side of a tile
  const scripts = {}, models = {}, samples = {};
  let binary, pool;

  const decode = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const add = (about, weights) => models[about.name] = { about, bytes: decode(weights).buffer, size: weights.length };
  const kernel = text => binary = decode(text);
  const sample = (name, address) => samples[name] = address;

  const script = file => scripts[file] ??= new Promise((done, fail) => {
    const element = Object.assign(document.createElement("script"), { src: here + file, onload: done });
    element.onerror = () => {
      delete scripts[file];
      fail(new Error(`The file ${file} of this book is missing or cannot be read.`));
    };
    document.head.append(element);
  });

  /* Workers: each runs one task after the other, the next free one takes the next task. */

  function work() {
    let engine;
    const loaded = {};
    onmessage = ({ data: { id, binary, about, bytes, model, stage, pictures } }) => {
      try {
        if (binary) engine = vblEngine(binary);
        if (about) loaded[about.name] = engine.load(about, bytes);
        const result = model && engine.run(loaded[model][stage], pictures);
        postMessage({ id, result }, result ? [result.data.buffer] : []);
      } catch (error) {
        postMessage({ id, error: String(error) });
      }
    };
  }

  function startPool() {
    if (!globalThis.WebAssembly?.validate(binary))
      throw new Error("This browser has no WebAssembly with SIMD, which the laboratory computes with. "
        + "Chrome has it since version 91, Firefox since 89, Safari since 16.4; the figures of the chapters work in any.");
    const address = URL.createObjectURL(
      new Blob([`${vblEngine}\n(${work})()`], { type: "text/javascript" }));
    const waiting = [], count = Math.min(Math.max(navigator.hardwareConcurrency || 1, 1), 8);
    let number = 0;
    const free = Array.from({ length: count }, () => {
      const worker = new Worker(address), has = new Set(), open = new Map();
      worker.onmessage = ({ data: { id, result, error } }) => {
        const { done, fail } = open.get(id);
        open.delete(id);
        if (error) fail(new Error(error));
        else done(result);
      };
      const send = (message, transfer) => new Promise((done, fail) => {
        open.set(++number, { done, fail });
        worker.postMessage({ ...message, id: number }, transfer);
      });
      send({ binary }, []);
      return { has, send };
    });
    const next = async () => {
      if (!free.length || !waiting.length) return;
      const task = waiting.shift(), worker = free.pop(), { model } = task.message;
      try {
        task.signal?.throwIfAborted();
        if (!worker.has.has(model)) {
          const { about, bytes } = models[model];
          await worker.send({ about, bytes }, []);
          worker.has.add(model);
        }
        task.done(await worker.send(task.message, task.message.pictures.map(p => p.data.buffer)));
      } catch (error) {
        task.fail(error);
      }
      free.push(worker);
      next();
    };
    return {
      count,
      task: (message, signal) => new Promise((done, fail) => {
        waiting.push({ message, signal, done, fail });
        next();
      }),
    };
  }

  /* The model's table, after its scripts have come. */
  async function load(name) {
    await Promise.all([script("kernel.js"), models[name] ?? script(`models/${name}.js`)]);
    pool ??= startPool();
    return models[name].about;
  }

  /* Parts of pictures */

  const up = (n, to) => Math.ceil(n / to) * to;

  /* Tiles of h x w pixels, which see `overlap` pixels more on each side, inside the picture. */
  function tiles(h, w, rows, columns, overlap, stride) {
    const reach = up(overlap, stride), H = up(h, stride), W = up(w, stride), found = [];
    const step = [up(rows, stride), up(columns, stride)];
    for (let y = 0; y < H; y += step[0]) for (let x = 0; x < W; x += step[1]) {
      const kept = { y, x, h: Math.min(step[0], H - y), w: Math.min(step[1], W - x) };
      const top = Math.max(y - reach, 0), left = Math.max(x - reach, 0);
      const seen = {
        y: top, x: left, h: Math.min(y + kept.h + reach, H) - top, w: Math.min(x + kept.w + reach, W) - left,
      };
      found.push({ kept, seen });
    }
    return found;
  }

  /* A part of a picture; what lies below or right of it is mirrored. */
  function cut(picture, { y, x, h, w }) {
    const { h: H, w: W, c, data } = picture, part = new Float32Array(h * w * c);
    const mirror = (i, n) => i < n ? i : Math.max(2 * (n - 1) - i, 0);
    for (let r = 0; r < h; r++) for (let i = 0; i < w; i++) {
      const from = (mirror(y + r, H) * W + mirror(x + i, W)) * c;
      for (let j = 0; j < c; j++) part[(r * w + i) * c + j] = data[from + j];
    }
    return { h, w, c, data: part };
  }

  function paste(part, { y, x, h, w }, from, into) {
    const { c } = into, rows = Math.min(h, into.h - y), columns = Math.min(w, into.w - x);
    for (let r = 0; r < rows; r++) {
      const start = ((r + from.y) * part.w + from.x) * c;
      into.data.set(part.data.subarray(start, start + columns * c), ((y + r) * into.w + x) * c);
    }
  }

  const scaled = ({ y, x, h, w }, s) => ({ y: y * s, x: x * s, h: h * s, w: w * s });
  const copied = ({ h, w, c, data }) => ({ h, w, c, data: data.slice() });

  /* Run a stage of a loaded model on pictures, in bands of rows.

     pictures: in the order of the stage's inputs, which differ in size by fixed factors. */
  async function run(model, stage, ...pictures) {
    const { inputs, output, radius, stride } = models[model].about.stages[stage], { h, w } = pictures[0];
    if (radius === null || output.side === 0)
      return pool.task({ model, stage, pictures: pictures.map(copied) });
    const bands = Math.min(pool.count, Math.max(Math.round(h / BAND), 1));
    const first = inputs[0].side;  // pictures[0] need not have the size of the image
    const all = tiles(h / first, w / first, Math.ceil(h / first / bands), w / first, radius, stride);
    const size = { h: Math.ceil(h / first * output.side), w: Math.ceil(w / first * output.side), c: output.channels };
    const result = { ...size, data: new Float32Array(size.h * size.w * size.c) };
    await Promise.all(all.map(async ({ kept, seen }) => {
      const parts = pictures.map((picture, i) =>
        inputs[i].side ? cut(picture, scaled(seen, inputs[i].side)) : copied(picture));
      const part = await pool.task({ model, stage, pictures: parts });
      const inside = { y: (kept.y - seen.y) * output.side, x: (kept.x - seen.x) * output.side };
      paste(part, scaled(kept, output.side), inside, result);
    }));
    return result;
  }

  /* Restore a picture that is too large to be held as numbers, tile by tile.

     read: from {y, x, h, w} inside h x w pixels to a picture. restore: from a picture to a
     picture, by `one` of the stages at a time. write: takes a picture and its place. */
  async function whole(h, w, { overlap, stride, read, restore, write, progress, signal }) {
    const all = tiles(h, w, TILE, TILE, overlap, stride);
    let done = 0, next = 0;
    const lane = async () => {
      while (next < all.length) {
        const { kept, seen } = all[next++];
        signal.throwIfAborted();
        const inside = { ...seen, h: Math.min(seen.h, h - seen.y), w: Math.min(seen.w, w - seen.x) };
        const part = cut(read(inside), { y: 0, x: 0, h: seen.h, w: seen.w });
        const result = await restore(part, (model, stage, ...pictures) =>
          pool.task({ model, stage, pictures: pictures.map(copied) }, signal));
        const place = { ...kept, h: Math.min(kept.h, h - kept.y), w: Math.min(kept.w, w - kept.x) };
        write(cut(result, { y: kept.y - seen.y, x: kept.x - seen.x, h: place.h, w: place.w }), place);
        progress(++done / all.length);
      }
    };
    await Promise.all(Array.from({ length: pool.count }, lane));
  }

  return {
    add, kernel, sample, load, run, whole,
    about: name => models[name].about,
    size: name => models[name].size,
    sampleOf: async name => (await script(`samples/${name}.js`), samples[name]),
  };
})();
