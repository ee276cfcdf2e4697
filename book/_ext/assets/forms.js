/* A small form with a button and a result that screen readers speak; for quizzes and exercises. */

/* parts: elements of the form. judge: returns {right, said} for the form, with `said` a list of
   nodes or strings. */
function vblForm(parts, judge) {
  const form = document.createElement("form");
  form.className = "vbl-form";
  form.noValidate = true;
  const button = document.createElement("button");
  button.textContent = "Check";
  const result = document.createElement("div");
  result.setAttribute("role", "status");
  form.append(...parts, button, result);
  form.addEventListener("submit", event => {
    event.preventDefault();
    const { right, said } = judge(form);
    result.className = right ? "vbl-said vbl-right" : "vbl-said vbl-wrong";
    result.replaceChildren(...said);
  });
  form.addEventListener("input", () => result.replaceChildren());
  return form;
}

/* A group of radio buttons. asks and each of the options: lists of nodes or strings. */
function vblRadios(name, asks, options) {
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.append(...asks);
  group.append(legend);
  options.forEach((option, i) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name, value: i });
    const text = document.createElement("span");
    text.append(...option);
    label.append(radio, text);
    group.append(label);
  });
  return group;
}
