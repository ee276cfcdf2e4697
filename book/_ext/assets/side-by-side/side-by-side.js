/* Chapter 9's matrix: sorts by a column, filters, and shows the picture behind a cell. */
{
  const TILES = 6; // in a row of a sheet, which has what is given first, then the truth
  const folder = new URL(".", document.currentScript.src).href;
  const MEASURES = {
    gain: ["gain over the input (dB)", 1, 0, 8],
    ssim: ["SSIM", 3],
    ratio: ["ratio: rest over inferred noise", 2, 1, 1],
    alike: ["alike: neighbours in the rest", 2, 0, 1],
    costs: ["what it costs"],
  };

  // What is said of a cell: in which words, with how many digits.
  const SAID = {
    psnr: ["PSNR (dB)", 2], gain: ["gain (dB)", 2], ssim: ["SSIM", 3],
    level: ["noise inferred", 1], true_level: ["true noise", 1], map: ["its map", 2],
    kernel: ["kernel, cosine", 2], quality: ["quality inferred", 0],
    left: ["left over", 1], ratio: ["ratio", 2], alike: ["alike", 2], warns: ["map and error", 2],
  };

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  /* White at the centre, purple above and orange below; always light enough for dark text. */
  function colour(value, centre, limit) {
    if (centre === undefined) return "#fff";
    const far = Math.max(-1, Math.min(1, (value - centre) / limit));
    const end = far > 0 ? [178, 171, 210] : [253, 184, 99];
    return `rgb(${end.map(v => Math.round(255 + (v - 255) * Math.abs(far))).join()})`;
  }

  function choice(label, options) {
    const select = element("select", "");
    for (const [value, text] of options) select.append(element("option", text, { value }));
    const around = element("label", `${label} `);
    around.append(select);
    return [around, select];
  }

  function build(box) {
    const { damages, systems } = JSON.parse(box.querySelector("script").textContent);
    const table = box.querySelector("table"), body = table.tBodies[0];
    const rows = [...body.rows];
    const [kindLabel, kind] = choice("Pictures", [["photographs", "photographs"], ["pages", "pages"]]);
    const [measureLabel, measure] = choice("Show", Object.entries(MEASURES).map(([k, v]) => [k, v[0]]));
    const filter = element("input", "", { type: "search", size: 12 });
    const filterLabel = element("label", "Systems with ");
    filterLabel.append(filter);
    const choices = element("div", "");
    choices.className = "vbl-choices";
    choices.append(kindLabel, measureLabel, filterLabel);
    const shown = element("div", "", { role: "status" });
    shown.className = "vbl-shown";
    shown.append(element("p", "Press a number to see its picture, a heading to sort."));
    box.prepend(choices);
    box.append(shown);
    let sorted = [-1, 1], pressed = null;

    const value = (i, j) => systems[i].cells[damages[j]][kind.value]?.[measure.value];

    function fill() {
      const [text, digits, centre, limit] = MEASURES[measure.value], costs = measure.value === "costs";
      for (const row of [table.tHead.rows[0], ...rows])
        [...row.cells].forEach((cell, j) => { cell.hidden = j > 0 && (j > damages.length) !== costs; });
      table.caption.textContent = costs ? text : `${text}, ${kind.value}`;
      if (costs) return;
      rows.forEach((row, i) => damages.forEach((damage, j) => {
        const cell = row.cells[j + 1], found = value(i, j);
        const missing = systems[i].cells[damage].missing;
        if (missing) {
          const why = element("button", "–", { type: "button", "aria-label": `${systems[i].system}, ${damage}: nothing` });
          why.addEventListener("click", () => shown.replaceChildren(element("p", `${systems[i].system} on ${damage}: ${missing}.`)));
          cell.replaceChildren(why);
          return;
        }
        const number = found === undefined ? "·" : found.toFixed(digits).replace(/^-(0\.0*)$/, "$1");
        const said = measure.value === "gain" && number > 0 ? `+${number}` : number;
        const button = element("button", said, { type: "button", "aria-pressed": "false" });
        button.setAttribute("aria-label", `${systems[i].system}, ${damage}: ${said}`);
        button.style.setProperty("--vbl-cell", found === undefined ? "#fff" : colour(found, centre, limit));
        button.addEventListener("click", () => show(button, i, damage));
        cell.classList.toggle("vbl-home", systems[i].cells[damage].home.includes(kind.value));
        cell.replaceChildren(button);
      }));
    }

    function tile(place, damage, text) {
      const figure = element("figure", ""), row = Math.floor(place / TILES), count = Math.ceil((systems.length + 2) / TILES);
      const picture = element("div", "", { role: "img", "aria-label": `${text}, ${damage}` });
      picture.className = "vbl-tile";
      picture.style.backgroundImage = `url("${folder}${kind.value}-${damage}.webp")`;
      picture.style.backgroundPosition = `${place % TILES * 100 / (TILES - 1)}% ${count > 1 ? row * 100 / (count - 1) : 0}%`;
      figure.append(picture, element("figcaption", text));
      return figure;
    }

    function show(button, i, damage) {
      pressed?.setAttribute("aria-pressed", "false");
      pressed = button;
      button.setAttribute("aria-pressed", "true");
      const cell = systems[i].cells[damage], found = cell[kind.value];
      const said = Object.entries(SAID).filter(([name]) => found[name] !== undefined)
        .map(([name, [text, digits]]) => `${text} ${found[name].toFixed(digits)}`).join(", ");
      const how = cell.detour ? ` (${cell.detour})` : "";
      const words = `${systems[i].system}${how} on ${damage}, means of all ${kind.value}: ${said}.`;
      shown.replaceChildren(
        tile(0, damage, "given"), tile(systems[i].tile, damage, systems[i].system), tile(1, damage, "truth"),
        element("p", words));
    }

    function number(i, column) {
      const at = column - 1;
      if (at < damages.length) return value(i, at);
      return Object.values(systems[i].costs)[at - damages.length];
    }

    function sort(column) {
      sorted = [column, sorted[0] === column ? -sorted[1] : column > damages.length || !column ? 1 : -1];
      const order = rows.map((_, i) => i);
      const last = v => v === undefined || v === null;
      if (column) order.sort((a, b) => {
        const [x, y] = [number(a, column), number(b, column)];
        if (last(x) || last(y)) return last(x) - last(y);
        return sorted[1] * (x - y);
      });
      else order.sort((a, b) => sorted[1] * systems[a].system.localeCompare(systems[b].system));
      body.append(...order.map(i => rows[i]));
      [...table.tHead.rows[0].cells].forEach((head, j) => {
        if (j === column) head.setAttribute("aria-sort", sorted[1] > 0 ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });
    }

    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = element("button", head.textContent, { type: "button" });
      button.addEventListener("click", () => sort(column));
      head.replaceChildren(button);
    });
    kind.addEventListener("change", fill);
    measure.addEventListener("change", fill);
    filter.addEventListener("input", () => rows.forEach((row, i) => {
      row.hidden = !systems[i].system.includes(filter.value.trim().toLowerCase());
    }));
    fill();
  }

  document.querySelectorAll(".vbl-side-by-side").forEach(build);
}
