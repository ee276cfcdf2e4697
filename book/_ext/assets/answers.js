/* Forms for the answers of exercises. A page holds hashes of the intervals, of log |answer|, in
   which an answer is right or has a known mistake; see book/_ext/vbl_answers.py. */
(() => {
  const digest = text => {
    let value = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193);
    return (value >>> 0).toString(16).padStart(8, "0");
  };

  /* 0.168, 0,168, 1.7e-1, 1/6 */
  const readNumber = text => {
    const plain = text.trim().replace(/\u2212/g, "-").replace(",", ".");
    const number = "[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[-+]?\\d+)?";
    const found = plain.match(new RegExp(`^(${number})(?:/(${number}))?$`, "i"));
    return found ? Number(found[1]) / Number(found[2] ?? 1) : NaN;
  };

  const interval = (value, step) =>
    (value < 0 ? "-" : "+") + Math.floor(Math.log(Math.abs(value)) / step);

  const judge = (key, text) => {
    const found = digest(`${key.name}|${text}`);
    if (key.right.includes(found)) return { right: true, said: ["Right."] };
    const mistake = key.wrong.find(([, hashes]) => hashes.includes(found));
    return { right: false, said: [mistake ? mistake[0] : "Not yet."] };
  };

  const capital = text => text[0].toUpperCase() + text.slice(1);

  const numberForm = key => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "text", inputMode: "decimal", autocomplete: "off" });
    label.append(`${capital(key.asks)}: `, input);
    return vblForm([label], () => {
      const value = readNumber(input.value);
      if (!Number.isFinite(value)) return { right: false, said: ["Expected a number."] };
      return judge(key, interval(value, key.step));
    });
  };

  const choiceForm = key => {
    const options = key.options.map(option => [option]);
    return vblForm([vblRadios(key.name, [`${capital(key.asks)}:`], options)], form => {
      const chosen = form.querySelector("input:checked");
      if (!chosen) return { right: false, said: ["Choose an option first."] };
      return judge(key, key.options[chosen.value]);
    });
  };

  document.querySelectorAll(".vbl-answer > .vbl-key").forEach(element => {
    const key = JSON.parse(element.textContent);
    element.parentElement.classList.add("vbl-active");
    element.replaceWith(key.options ? choiceForm(key) : numberForm(key));
  });
})();
