/* Small repairs of the theme for keyboards, screen readers and phones; axe-core finds nothing else. */
(() => {
  const each = (selector, repair) => document.querySelectorAll(selector).forEach(repair);

  // A spoken name must contain the visible one.
  function nameButtons() {
    each(".search-button-field", (button) => {
      button.removeAttribute("aria-label");
      button.removeAttribute("title");
    });
    each(".search-button__kbd-shortcut", (keys) => keys.setAttribute("aria-hidden", "true"));
    each(".theme-switch-button i, .theme-switch-button svg", (icon) => {
      icon.setAttribute("aria-hidden", "true");
      icon.removeAttribute("title");
    });
  }

  function nameLandmarks() {
    each(".bd-sidebar-primary", (bar) => {
      bar.setAttribute("role", "complementary");
      bar.setAttribute("aria-label", "Book navigation");
    });
    each(".bd-links summary", (toggle) => {
      const page = toggle.parentElement.previousElementSibling?.textContent ?? "this page";
      toggle.setAttribute("aria-label", `Pages below ${page.trim()}`);
    });
  }

  // What scrolls sideways can be reached and scrolled with the keyboard.
  function reachScrollers() {
    const boxes = "pre, .cell_output > div, div.math, mjx-container, .pst-scrollable-table-container";
    each(`.bd-article :is(${boxes})`, (box) => {
      if (box.scrollWidth <= box.clientWidth || box.tabIndex === 0) return;
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", box.matches("div.math, mjx-container") ? "Scrollable formula" : "Scrollable content");
    });
  }

  // A figure that is shown much smaller than it is opens alone, where it can be enlarged.
  function openFigures() {
    each(".bd-article :is(figure, .cell_output) img[src]", (image) => {
      const small = image.clientWidth && image.naturalWidth > 1.5 * image.clientWidth;
      if (!small || image.src.startsWith("data:") || image.closest("a, .vbl-explore")) return;
      const link = document.createElement("a");
      link.href = image.src;
      link.title = "Open this figure alone";
      image.replaceWith(link);
      link.append(image);
    });
  }

  addEventListener("load", () => {
    nameButtons();
    nameLandmarks();
    reachScrollers();
    openFigures();
    addEventListener("resize", reachScrollers);
    addEventListener("resize", openFigures);
    window.MathJax?.startup?.promise?.then(reachScrollers);
  });
})();
