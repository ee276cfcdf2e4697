/* Opens photographs in the page, and says in a sentence what is wrong with one. */
const vblPicture = (() => {
  const LEAST = 32, LONGEST = 16384, MOST = 60e6;  // pixels: of a side, of a side, of a picture

  const ascii = (bytes, at, n) => String.fromCharCode(...bytes.subarray(at, at + n));

  /* The frame header of a JPEG: [height, width, channels]. */
  function jpegFrame(view) {
    for (let at = 2; at + 10 < view.byteLength && view.getUint8(at) === 0xff;) {
      const kind = view.getUint8(at + 1);
      if (kind >= 0xc0 && kind <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(kind))
        return [view.getUint16(at + 5), view.getUint16(at + 7), view.getUint8(at + 9)];
      at += 2 + view.getUint16(at + 2);
    }
    return [];
  }

  /* Whether a GIF has more than one picture. */
  function gifMoves(bytes) {
    const table = flags => flags & 0x80 ? 3 << (flags & 7) + 1 : 0;
    let at = 13 + table(bytes[10]), pictures = 0;
    while (pictures < 2 && (bytes[at] === 0x21 || bytes[at] === 0x2c)) {
      const picture = bytes[at] === 0x2c;
      pictures += picture;
      at += picture ? 11 + table(bytes[at + 9]) : 2;
      while (bytes[at]) at += bytes[at] + 1;
      at += 1;
    }
    return pictures > 1;
  }

  /* What the first bytes say: {refused} or {size, notes}. */
  function inspect(buffer) {
    const bytes = new Uint8Array(buffer), view = new DataView(buffer), notes = [];
    const starts = text => ascii(bytes, 0, text.length) === text;
    const text = ascii(bytes, 0, Math.min(bytes.length, 4096));
    const all = () => new TextDecoder("latin1").decode(bytes);
    if (!bytes.length) return { refused: "is empty: it has no bytes" };
    if (starts("%PDF")) return { refused: "is a PDF: export the page as PNG or JPEG first" };
    if (starts("PK")) return { refused: "is an archive or a document, not a picture" };
    if (starts("II*\0") || starts("MM\0*"))
      return { refused: "is a TIFF or a camera's raw file, which browsers do not open: export it as JPEG or PNG" };
    if (ascii(bytes, 4, 4) === "ftyp") {
      const brand = ascii(bytes, 8, 4);
      if (/^(heic|heix|hevc|mif1|msf1)$/.test(brand))
        return { heic: true, notes };
      if (!/^avi[fs]$/.test(brand)) return { refused: "is a film: choose a photograph" };
    }
    if (/^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg/.test(text))
      return { refused: "is a drawing (SVG): it has no pixels, and so no noise" };
    let size = [];
    if (starts("\x89PNG") && bytes.length > 32) {
      size = [view.getUint32(20), view.getUint32(16)];
      if (bytes[24] === 16) notes.push("Of its 16 bits per value the page sees 8.");
      if (all().includes("acTL")) notes.push("It is animated: this is its first frame.");
    } else if (starts("\xff\xd8")) {
      const [h, w, channels] = jpegFrame(view);
      size = [h, w];
      if (channels === 4) notes.push("Its four inks were converted to red, green and blue by the browser.");
    } else if (starts("GIF8") && bytes.length > 10) {
      size = [view.getUint16(8, true), view.getUint16(6, true)];
      if (gifMoves(bytes)) notes.push("It is animated: this is its first frame.");
    } else if (starts("RIFF") && text.includes("ANIM")) notes.push("It is animated: this is its first frame.");
    return { size, notes };
  }

  const tooLarge = (h, w) => h * w > MOST || Math.max(h, w) > LONGEST;
  const dimensions = (h, w) => `${w.toLocaleString("en")} × ${h.toLocaleString("en")} pixels`;

  /* Read a file of the reader's. Returns {name, canvas, h, w, notes}; rejects with a sentence. */
  async function open(file) {
    const name = `“${file.name || "the picture"}”`;
    const refuse = reason => { throw new Error(`${name} ${reason}.`); };
    let buffer;
    try {
      buffer = await file.arrayBuffer();
    } catch {
      refuse("could not be read: it may be a folder, or have been moved");
    }
    const { refused, heic, size = [], notes } = inspect(buffer);
    if (refused) refuse(refused);
    const limit = (h, w) => tooLarge(h, w) && refuse(`has ${dimensions(h, w)}: the page takes at most `
      + `${MOST / 1e6} million, and ${LONGEST.toLocaleString("en")} on a side`);
    if (size[0]) limit(...size);
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      refuse(heic ? "is HEIC, which this browser does not open: export it as JPEG" :
        "is damaged, or no picture that this browser opens: expected JPEG, PNG, WebP, GIF, BMP or AVIF");
    }
    const { width: w, height: h } = bitmap;
    if (Math.min(h, w) < LEAST) refuse(`has ${dimensions(h, w)}: at least ${LEAST} on each side are needed`);
    limit(h, w);
    if (transparent(bitmap)) notes.push("Its transparent pixels were laid on white.");
    return { name: file.name || "the picture", canvas: onWhite(bitmap), h, w, notes };
  }

  function context(w, h) {
    const canvas = Object.assign(document.createElement("canvas"), { width: w, height: h });
    return canvas.getContext("2d", { willReadFrequently: true });
  }

  function transparent(bitmap) {
    const small = context(64, 64);
    small.drawImage(bitmap, 0, 0, 64, 64);
    return small.getImageData(0, 0, 64, 64).data.some((v, i) => i % 4 === 3 && v < 255);
  }

  function onWhite(bitmap) {
    const made = context(bitmap.width, bitmap.height);
    made.fillStyle = "#fff";
    made.fillRect(0, 0, bitmap.width, bitmap.height);
    made.drawImage(bitmap, 0, 0);
    bitmap.close?.();
    return made.canvas;
  }

  /* A sample of the book, from the address of its data. */
  async function sample(name, address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    return { name, canvas: onWhite(image), h: image.naturalHeight, w: image.naturalWidth, notes: [] };
  }

  /* Pixels of a canvas as {h, w, c: 3, data} in [0, 1]. */
  function read(canvas, { y, x, h, w }) {
    const { data } = canvas.getContext("2d", { willReadFrequently: true }).getImageData(x, y, w, h);
    const values = new Float32Array(3 * h * w);
    for (let p = 0; p < h * w; p++) for (let c = 0; c < 3; c++) values[3 * p + c] = data[4 * p + c] / 255;
    return { h, w, c: 3, data: values };
  }

  /* A picture in [0, 1] as pixels for a canvas. */
  function pixels({ h, w, c, data }) {
    const image = new ImageData(w, h);
    for (let p = 0; p < h * w; p++) {
      for (let j = 0; j < 3; j++) image.data[4 * p + j] = Math.round(255 * data[c * p + (c === 1 ? 0 : j)]);
      image.data[4 * p + 3] = 255;
    }
    return image;
  }

  return { open, sample, read, pixels, context };
})();
