/* Executes the tables that `vbl export NAME --page` writes: one model, its stages, its weights.

   All of it is one function without free names, as a worker is made from its text: a page opened
   from disk may not start a worker from a file. A picture is {h, w, c, data}: rows of pixels of c
   floats. Inside, c is rounded up to a multiple of 4, and what is added stays 0. */
function vblEngine(binary) {
  const PAGE = 65536, TILES = 16;
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 32768 });
  const { exports: C } = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } });
  let F = new Float32Array(memory.buffer);
  let top = Math.ceil((C.__heap_base?.value ?? PAGE) / 16) * 4;  // in floats, as all addresses here
  let unused = [];  // [size, address] of tensors that nobody reads any more

  const up4 = n => Math.ceil(n / 4) * 4, up8 = n => Math.ceil(n / 8) * 8;

  function reserve(size) {
    const at = top;
    top += up4(size);
    const missing = Math.ceil((4 * top - memory.buffer.byteLength) / PAGE);
    if (missing > 0) {
      memory.grow(missing);
      F = new Float32Array(memory.buffer);
    }
    return at;
  }

  function tensor(h, w, n) {
    const c = up4(n), size = h * w * c, found = unused.findIndex(([free]) => free === size);
    const at = found >= 0 ? unused.splice(found, 1)[0][1] : reserve(size);
    if (c > n) F.fill(0, at, at + size);
    return { h, w, n, c, at, size };
  }

  /* Weights */

  const half = bits => {
    const exponent = bits >> 10 & 31, fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction;
    return bits & 0x8000 ? -size : size;
  };

  /* Weights (O, I, K, K) as float32 in the order of conv.c, for the output channels from..to. */
  function unpack({ at, bits, co, ci, k }, bytes, from, to, transform) {
    const raw = new DataView(bytes), start = at + 8 * co;
    const read = bits === 16 ? i => half(raw.getUint16(start + 2 * i, true)) : i => raw.getInt8(start + i);
    const n = to - from, wide = up8(n), into = up4(ci), size = wide * into * k * k;
    const bias = reserve(wide), weights = reserve(transform ? 4 * size : size);
    const plain = transform ? reserve(size) : weights;
    F.fill(0, bias, bias + wide);
    F.fill(0, plain, plain + size);
    for (let o = 0; o < n; o++) {
      F[bias + o] = raw.getFloat32(at + 4 * (from + o), true);
      const scale = raw.getFloat32(at + 4 * (co + from + o), true);
      const block = plain + (o >> 3) * k * k * into * 8 + (o & 7), first = (from + o) * ci * k * k;
      for (let i = 0; i < ci; i++) for (let t = 0; t < k * k; t++)
        F[block + (t * into + i) * 8] = scale * read(first + i * k * k + t);
    }
    if (transform) {
      C.winograd_weights(4 * plain, 4 * weights, into, wide);
      top = plain;
    }
    return { weights, bias };
  }

  function load({ stages, layers }, bytes) {
    const made = new Map();
    for (const stage of Object.values(stages)) for (const op of stage.ops) {
      if (op.layer === undefined) continue;
      const layer = layers[op.layer], fast = layer.k === 3 && op.stride === 1 && layer.ci >= 16;
      const key = `${op.layer} ${fast}`;
      if (!made.has(key)) {
        const few = layer.co / 4;
        made.set(key, op.op === "up"
          ? { ...layer, co: few, four: [0, 1, 2, 3].map(i => unpack(layer, bytes, i * few, (i + 1) * few)) }
          : { ...layer, fast, ...unpack(layer, bytes, 0, layer.co, fast) });
      }
      op.made = made.get(key);
    }
    return stages;
  }

  /* Operations: from tensors and an entry of the table to a tensor */

  function direct(x, out, made, weights, { add, stride = 1, gap = 1, oy = 0, ox = 0, pre = 1, slope = 1 }) {
    const scratch = reserve(made.k * (x.w + made.k) * x.c);
    C.direct(4 * x.at, 4 * weights.weights, 4 * weights.bias, 4 * out.at, add ? 4 * add.at : 0, 4 * scratch,
      x.h, x.w, x.c, out.c, made.k, stride, gap, oy, ox, pre, slope);
    top = scratch;
  }

  const each = (out, f) => {
    for (let p = 0, i = out.at; p < out.h * out.w; p++, i += out.c)
      for (let j = 0; j < out.n; j++) F[i + j] = f(p, j, i + j);
    return out;
  };

  /* Reads x at pixel and channel of `like`; single pixels and single channels are repeated. */
  const reader = (x, like) => {
    const pixel = x.h * x.w === 1 && like.h * like.w > 1 ? 0 : x.c, one = x.n === 1;
    return (p, j) => F[x.at + p * pixel + (one ? 0 : j)];
  };

  const unary = f => (op, x) => {
    const out = tensor(x.h, x.w, x.n), shift = x.at - out.at;
    return each(out, (p, j, i) => f(F[i + shift], op));
  };

  const binary_ = f => (op, a, b) => {
    if (!b) return op.in.length === 1 ? unary(v => f(v, op.number))(op, a) : OPS[op.op](op, a, a);
    const big = a.h * a.w >= b.h * b.w ? a : b;
    const out = tensor(big.h, big.w, Math.max(a.n, b.n)), left = reader(a, out), right = reader(b, out);
    return each(out, (p, j) => f(left(p, j), right(p, j)));
  };

  const overPixels = share => (op, x) => {
    const out = tensor(1, 1, x.n), count = x.h * x.w;
    return each(out, (p, j) => {
      let total = 0;
      for (let i = 0; i < count; i++) total += F[x.at + i * x.c + j];
      return share ? total / count : total;
    });
  };

  /* The mean or maximum of x in rows y0..y1 and columns x0..x1, which are inside. */
  const within = (x, j, y0, y1, x0, x1, max) => {
    let total = max ? -Infinity : 0;
    for (let y = y0; y < y1; y++) for (let i = x0; i < x1; i++) {
      const v = F[x.at + (y * x.w + i) * x.c + j];
      total = max ? Math.max(total, v) : total + v;
    }
    return max ? total : total / ((y1 - y0) * (x1 - x0));
  };

  const OPS = {
    conv(op, x) {
      const { made, stride } = op, h = Math.ceil(x.h / stride), w = Math.ceil(x.w / stride);
      const out = tensor(h, w, made.co);
      if (!made.fast) {
        direct(x, out, made, made, op);
        return out;
      }
      const scratch = reserve(36 * TILES * (x.c + up8(out.c)));
      C.winograd(4 * x.at, 4 * made.weights, 4 * made.bias, 4 * out.at, op.add ? 4 * op.add.at : 0, 4 * scratch,
        x.h, x.w, x.c, out.c, op.pre ?? 1, op.slope ?? 1);
      top = scratch;
      return out;
    },
    up(op, x) {
      const out = tensor(2 * x.h, 2 * x.w, op.made.co);
      op.made.four.forEach((weights, i) =>
        direct(x, out, op.made, weights, { add: op.add, gap: 2, oy: i >> 1, ox: i & 1 }));
      return out;
    },
    add: binary_((a, b) => a + b),
    sub: binary_((a, b) => a - b),
    mul: binary_((a, b) => a * b),
    div: binary_((a, b) => a / b),
    leaky: unary((v, op) => v < 0 ? op.slope * v : v),
    clamp: unary((v, op) => Math.min(Math.max(v, op.low ?? -Infinity), op.high ?? Infinity)),
    exp: unary(Math.exp),
    sqrt: unary(Math.sqrt),
    rsqrt: unary(v => 1 / Math.sqrt(v)),
    tanh: unary(Math.tanh),
    sigmoid: unary(v => 1 / (1 + Math.exp(-v))),
    mean: overPixels(true),
    sum: overPixels(false),
    grey(op, x) {
      return each(tensor(x.h, x.w, 1), p => {
        let total = 0;
        for (let j = 0; j < x.n; j++) total += F[x.at + p * x.c + j];
        return total / x.n;
      });
    },
    softmax(op, x) {
      const peak = Math.max(...F.subarray(x.at, x.at + x.n)), out = tensor(1, 1, x.n);
      each(out, (p, j) => Math.exp(F[x.at + j] - peak));
      const total = F.subarray(out.at, out.at + out.n).reduce((a, b) => a + b, 0);
      return each(out, (p, j, i) => F[i] / total);
    },
    cat(op, ...parts) {
      const big = parts.reduce((a, b) => a.h * a.w >= b.h * b.w ? a : b);
      const out = tensor(big.h, big.w, parts.reduce((n, part) => n + part.n, 0));
      let first = out.at;
      for (const part of parts) {
        const step = part.h * part.w === 1 ? 0 : part.c;
        for (let p = 0; p < out.h * out.w; p++) for (let j = 0; j < part.n; j++)
          F[first + p * out.c + j] = F[part.at + p * step + j];
        first += part.n;
      }
      return out;
    },
    slice(op, x) {
      return each(tensor(x.h, x.w, op.channels), (p, j) => F[x.at + p * x.c + op.start + j]);
    },
    reshape({ to: [h, w, n] }, x) {
      return each(tensor(h, w, n), (p, j) => F[x.at + j * h * w + p]);
    },
    pool({ side, stride, pad, max }, x) {
      const count = n => Math.ceil((n + 2 * pad - side) / stride) + 1;
      const out = tensor(count(x.h), count(x.w), x.n);
      return each(out, (p, j) => {
        const y = Math.floor(p / out.w) * stride - pad, i = p % out.w * stride - pad;
        return within(x, j, Math.max(y, 0), Math.min(y + side, x.h), Math.max(i, 0), Math.min(i + side, x.w), max);
      });
    },
    windows({ side, max }, x) {
      const rows = Math.max(Math.floor(x.h / side), 1), columns = Math.max(Math.floor(x.w / side), 1);
      return each(tensor(rows, columns, x.n), (p, j) => {
        const y = Math.floor(p / columns), i = p % columns;
        const part = (k, size, n) => [Math.floor(k * size / n), Math.ceil((k + 1) * size / n)];
        return within(x, j, ...part(y, x.h, rows), ...part(i, x.w, columns), max);
      });
    },
    enlarge({ factor, smooth }, x) {
      const out = tensor(x.h * factor, x.w * factor, x.n);
      const at = (y, i, j) => F[x.at + (Math.min(y, x.h - 1) * x.w + Math.min(i, x.w - 1)) * x.c + j];
      return each(out, (p, j) => {
        const y = Math.floor(p / out.w), i = p % out.w;
        if (!smooth) return at(Math.floor(y / factor), Math.floor(i / factor), j);
        const v = Math.max((y + 0.5) / factor - 0.5, 0), u = Math.max((i + 0.5) / factor - 0.5, 0);
        const y0 = Math.floor(v), i0 = Math.floor(u), b = v - y0, a = u - i0;
        return (1 - b) * ((1 - a) * at(y0, i0, j) + a * at(y0, i0 + 1, j))
          + b * ((1 - a) * at(y0 + 1, i0, j) + a * at(y0 + 1, i0 + 1, j));
      });
    },
    shuffle({ factor: f, back, channels }, x) {
      const out = back ? tensor(x.h / f, x.w / f, channels * f * f) : tensor(x.h * f, x.w * f, channels);
      return each(out, (p, j) => {
        const y = Math.floor(p / out.w), i = p % out.w;
        if (!back) return F[x.at + (Math.floor(y / f) * x.w + Math.floor(i / f)) * x.c + j * f * f + y % f * f + i % f];
        const place = j % (f * f), row = y * f + Math.floor(place / f), column = i * f + place % f;
        return F[x.at + (row * x.w + column) * x.c + Math.floor(j / (f * f))];
      });
    },
  };

  /* A stage */

  function run({ inputs, output, ops }, pictures) {
    const base = top, values = new Map(), last = new Map([[output.id, Infinity]]);
    unused = [];
    ops.forEach((op, i) => op.in.forEach(id => last.get(id) === Infinity || last.set(id, i)));
    inputs.forEach(({ id }, k) => {
      const { h, w, c, data } = pictures[k];
      values.set(id, each(tensor(h, w, c), (p, j) => data[p * c + j]));
    });
    ops.forEach((op, i) => {
      const given = op.in.map(id => values.get(id));
      const add = op.layer !== undefined && op.add !== undefined ? values.get(op.add) : undefined;
      values.set(op.out, OPS[op.op](add ? { ...op, add } : op, ...given));
      for (const id of op.in) if (last.get(id) === i && values.has(id)) {
        const { size, at } = values.get(id);
        unused.push([size, at]);
        values.delete(id);
      }
    });
    const { h, w, n: c, at, c: step } = values.get(output.id), data = new Float32Array(h * w * c);
    for (let p = 0; p < h * w; p++) for (let j = 0; j < c; j++) data[p * c + j] = F[at + p * step + j];
    top = base;
    return { h, w, c, data };
  }

  return { load, run };
}
