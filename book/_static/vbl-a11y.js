/* Small repairs of the theme for keyboards and screen readers; axe-core finds nothing else. */
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

  addEventListener("load", () => {
    nameButtons();
    nameLandmarks();
    reachScrollers();
    addEventListener("resize", reachScrollers);
    window.MathJax?.startup?.promise?.then(reachScrollers);
  });
})();
