// The arena: keys for every answer, the keyboard stays where it was, and the next pair comes by
// itself after a moment if the person wants that.
(() => {
  const SOON = 2200;
  const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "tie", ArrowDown: "bad", s: "skip", u: "undo", t: "tie" };
  const PAIR = { 1: "left", 2: "right", 3: "tie", 4: "bad" };
  let timer = 0;
  let last = "";
  let held = false;

  const stage = () => {
    const found = document.querySelector("#arena-stage .x-arena");
    return found?.offsetParent ? found : null;
  };
  const button = (choice) => stage()?.querySelector(`button[data-choice="${choice}"]:not([disabled])`);

  function answerOf(key) {
    const { state, kind } = stage().dataset;
    if (state === "reveal") {
      if (key === "u") return "undo";
      return KEYS[key] || /^[1-6 ]$/.test(key) || key === "Enter" ? "next" : "";
    }
    if (/^[1-6]$/.test(key)) return kind === "pair" ? PAIR[key] : key;
    return KEYS[key];
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !stage()) return;
    const on = event.target;
    // Someone who writes, picks or moves along tabs means that, not the pictures.
    if (on.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], [role=listbox], dialog")) return;
    if (event.key.startsWith("Arrow") && on.closest?.("[role=tab], [type=radio]")) return;
    // A focused button or link answers to these itself.
    if ([" ", "Enter"].includes(event.key) && on.closest?.("button, a, summary, input")) return;
    const chosen = button(answerOf(event.key.length === 1 ? event.key.toLowerCase() : event.key));
    if (!chosen) return;
    event.preventDefault();
    chosen.click();
  });

  // A mouse that opened the tab leaves the keys to the pictures.
  addEventListener("click", (event) => {
    const tab = event.target.closest?.("#arena-button, [role=tab]");
    if (tab && event.detail > 0) tab.blur();
  });

  // Before Gradio puts new pictures in, note whether the keyboard was on the old ones.
  addEventListener("click", (event) => {
    const pressed = event.target.closest?.("#arena-stage button[data-choice]");
    if (!pressed) return;
    clearTimeout(timer);
    held = document.activeElement === pressed;
    if (!["next", "undo"].includes(pressed.dataset.choice)) last = pressed.dataset.choice;
  }, true);

  // After an answer that could not be taken, the buttons work again.
  window.freeArena = () => {
    for (const each of document.querySelectorAll("#arena-stage button[data-choice]")) each.disabled = false;
  };

  window.watchArena = (element) => {
    let seen = "";
    new MutationObserver(() => {
      const now = element.querySelector(".x-arena");
      // Gradio changes what is there, rather than putting something new in its place.
      const what = `${now?.dataset.state} ${now?.querySelector("img")?.src}`;
      if (!now || what === seen) return;
      seen = what;
      const revealed = now.dataset.state === "reveal";
      if (held) (button(revealed ? "next" : last) ?? button("left") ?? button("1"))?.focus({ preventScroll: true });
      clearTimeout(timer);
      if (revealed && document.getElementById("arena-auto")?.checked) {
        timer = setTimeout(() => stage()?.dataset.state === "reveal" && button("next")?.click(), SOON);
      }
    }).observe(element, { childList: true, subtree: true, attributeFilter: ["data-state", "src"] });
  };
})();
