// Selecting thumbnails: ticks, Ctrl and Shift with the mouse, Space and Shift with arrows on the
// keyboard. What is selected outlasts a page, and is told to the page by an event of the grid.
(() => {
  const chosen = { "gallery-grid": new Set(), "trash-grid": new Set() };
  const anchors = {};

  const gridOf = (element) => element?.closest?.("#gallery-grid, #trash-grid");
  const tilesOf = (grid) => [...grid.querySelectorAll(".x-tile")];
  const shown = (element) => element && element.offsetParent !== null;

  function paint(grid) {
    const set = chosen[grid.id];
    for (const tile of tilesOf(grid)) {
      const on = set.has(tile.dataset.id);
      tile.classList.toggle("x-picked", on);
      tile.querySelector("input").checked = on;
    }
    const bar = grid.querySelector(".x-selection");
    if (!bar) return;
    bar.hidden = set.size === 0;
    bar.querySelector("b").textContent = `${set.size.toLocaleString("en")} selected`;
    const compare = bar.querySelector("[data-act=compare]");
    if (compare) compare.disabled = set.size < 2;
  }

  function choose(tile, on = null) {
    const grid = gridOf(tile), set = chosen[grid.id], id = tile.dataset.id;
    anchors[grid.id] = id;
    if (on ?? !set.has(id)) set.add(id);
    else set.delete(id);
    paint(grid);
  }

  function chooseTo(tile) {
    const grid = gridOf(tile), tiles = tilesOf(grid);
    const from = tiles.findIndex((each) => each.dataset.id === anchors[grid.id]);
    const [first, last] = [from < 0 ? tiles.indexOf(tile) : from, tiles.indexOf(tile)].sort((a, b) => a - b);
    for (const each of tiles.slice(first, last + 1)) chosen[grid.id].add(each.dataset.id);
    paint(grid);
  }

  function clear(grid) {
    chosen[grid.id].clear();
    delete anchors[grid.id];
    paint(grid);
  }

  function act(grid, action, ids = [...chosen[grid.id]]) {
    if (action === "page") {
      for (const tile of tilesOf(grid)) chosen[grid.id].add(tile.dataset.id);
      return paint(grid);
    }
    if (action === "none") return clear(grid);
    if (!ids.length) return;
    grid.querySelector(".x-selection").dispatchEvent(new CustomEvent("x-act", { bubbles: true, detail: { action, ids } }));
    if (action === "delete" || action === "restore") clear(grid);
  }

  addEventListener("click", (event) => {
    const grid = gridOf(event.target);
    if (!grid) return;
    const button = event.target.closest(".x-action");
    if (button) return act(grid, button.dataset.act);
    const tile = event.target.closest(".x-tile");
    if (!tile) return;
    if (event.target.closest(".x-tick")) {
      // The label sends a second click for its box; one of them is enough.
      event.preventDefault();
      if (event.shiftKey) chooseTo(tile);
      else choose(tile);
      return setTimeout(() => paint(grid));
    }
    if (!event.target.closest(".thumbnail-item")) return;
    if (event.shiftKey) chooseTo(tile);
    else if (event.ctrlKey || event.metaKey) choose(tile);
    else if (grid.id === "trash-grid") choose(tile);
    else act(grid, "open", [tile.dataset.id]);
  });

  addEventListener("keydown", (event) => {
    const thumbnail = event.target.closest?.(".x-tiled .thumbnail-item");
    if (!thumbnail) return;
    const tile = thumbnail.closest(".x-tile"), grid = gridOf(tile);
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") act(grid, "page");
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === " ") event.shiftKey ? chooseTo(tile) : choose(tile);
    else if (event.key === "Delete") act(grid, "delete");
    else if (event.key === "Escape" && chosen[grid.id].size) clear(grid);
    else if (event.shiftKey && event.key.startsWith("Arrow")) {
      if (anchors[grid.id] === undefined) choose(tile, true);
      // page.js moves the focus first.
      return setTimeout(() => {
        const next = document.activeElement.closest?.(".x-tile");
        if (next) chooseTo(next);
      });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  // A button is pressed when Space comes up.
  addEventListener("keyup", (event) => {
    if (event.key === " " && event.target.closest?.(".x-tiled .thumbnail-item")) event.preventDefault();
  }, true);
  addEventListener("x-painted", (event) => {
    const grid = gridOf(event.target);
    if (grid) paint(grid);
  });

  // Marks of the open picture by keys, and leaving the other screens of the tab.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], [role=tab], dialog")) return;
    const marks = [...document.querySelectorAll(".x-mark-bar")].find(shown);
    if (marks && /^[f1-5]$/i.test(event.key)) {
      const which = event.key.toLowerCase() === "f" ? "[data-act=favourite]" : `[data-act=stars]:nth-of-type(${Number(event.key) + 1})`;
      return marks.querySelector(which)?.click();
    }
    if (event.key === "Escape") ["compare-close", "trash-close"].map((id) => document.getElementById(id)).find(shown)?.click();
  });
})();

// Zoom and pan. Every pane of one `.x-zoom` moves alike: the place is kept in parts of the pane.
(() => {
  const MOST = 16;
  const places = new WeakMap();
  const fingers = new Map();
  let pinch = 0;

  const placeOf = (root) => places.get(root) ?? { zoom: 1, x: 0, y: 0 };
  const paneAt = (root, target) => target.closest?.(".x-pane") ?? root;

  function put(root, { zoom, x, y }) {
    zoom = Math.min(MOST, Math.max(1, zoom));
    const least = 100 * (1 - zoom);
    const place = { zoom, x: Math.min(0, Math.max(least, x)), y: Math.min(0, Math.max(least, y)) };
    places.set(root, place);
    root.classList.toggle("x-zoomed", zoom > 1);
    root.style.setProperty("--zoom", zoom);
    root.style.setProperty("--x", `${place.x}%`);
    root.style.setProperty("--y", `${place.y}%`);
  }

  function zoomAt(root, pane, factor, clientX, clientY) {
    const { left, top, width, height } = pane.getBoundingClientRect();
    const [px, py] = [(100 * (clientX - left)) / width, (100 * (clientY - top)) / height];
    const { zoom, x, y } = placeOf(root);
    const next = Math.min(MOST, Math.max(1, zoom * factor));
    put(root, { zoom: next, x: px - (next * (px - x)) / zoom, y: py - (next * (py - y)) / zoom });
  }

  function zoomMiddle(root, way) {
    if (way === "fit") return put(root, { zoom: 1, x: 0, y: 0 });
    const pane = root.querySelector(".x-pane") ?? root;
    const { left, top, width, height } = pane.getBoundingClientRect();
    zoomAt(root, pane, way === "in" ? 1.5 : 1 / 1.5, left + width / 2, top + height / 2);
  }

  const rootFor = (element) => (element.closest(".x-compare, .x-picture") ?? document).querySelector(".x-zoom");

  addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-zoom]");
    if (button) zoomMiddle(rootFor(button), button.dataset.zoom);
    // Another picture begins whole.
    if (event.target.closest?.("[id$=picture-previous], [id$=picture-next], [id$=picture-close]")) {
      document.querySelectorAll(".x-frame.x-zoom").forEach((root) => put(root, { zoom: 1, x: 0, y: 0 }));
    }
  }, true);

  addEventListener("wheel", (event) => {
    const root = event.target.closest?.(".x-zoom");
    // A wheel scrolls the page until somebody zooms.
    if (!root || !(event.ctrlKey || event.metaKey || placeOf(root).zoom > 1)) return;
    event.preventDefault();
    zoomAt(root, paneAt(root, event.target), event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX, event.clientY);
  }, { passive: false });

  addEventListener("dblclick", (event) => {
    const root = event.target.closest?.(".x-zoom");
    if (!root || event.target.closest("button")) return;
    if (placeOf(root).zoom > 1) zoomMiddle(root, "fit");
    else zoomAt(root, paneAt(root, event.target), 3, event.clientX, event.clientY);
  });

  addEventListener("pointerdown", (event) => {
    const root = event.target.closest?.(".x-zoom");
    if (!root || event.target.closest("button, .x-handle")) return;
    fingers.set(event.pointerId, { root, x: event.clientX, y: event.clientY });
    pinch = 0;
    if (placeOf(root).zoom > 1 && event.pointerType === "mouse") event.preventDefault();
  });

  addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const { root } = finger, pane = paneAt(root, root.querySelector(".x-pane") ?? root);
    const { width, height } = pane.getBoundingClientRect();
    const [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y];
    fingers.set(event.pointerId, { root, x: event.clientX, y: event.clientY });
    const all = [...fingers.values()];
    if (all.length === 2) {
      const apart = Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y);
      if (pinch) zoomAt(root, pane, apart / pinch, (all[0].x + all[1].x) / 2, (all[0].y + all[1].y) / 2);
      pinch = apart;
    } else if (placeOf(root).zoom > 1) {
      const { zoom, x, y } = placeOf(root);
      put(root, { zoom, x: x + (100 * dx) / width, y: y + (100 * dy) / height });
    }
  });
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, (event) => fingers.delete(event.pointerId));

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input:not([type=range]), textarea, select, [contenteditable], [role=tab], dialog")) return;
    const way = { "+": "in", "=": "in", "-": "out", 0: "fit" }[event.key];
    if (!way) return;
    const root = [...document.querySelectorAll(".x-zoom")].find((each) => each.offsetParent);
    if (root) zoomMiddle(root, way);
  });
})();

// Two pictures over one another.
(() => {
  const side = (root, name) => root.querySelector(`select[data-side=${name}]`).selectedOptions[0];

  function load(root) {
    const [a, b] = [side(root, "a"), side(root, "b")];
    const stage = root.querySelector(".x-stage");
    const [first, second] = root.querySelectorAll(".x-pane img");
    if (first.getAttribute("src") !== a.dataset.src) first.src = a.dataset.src;
    if (second.getAttribute("src") !== b.dataset.src) second.src = b.dataset.src;
    first.alt = `A: ${a.textContent}`;
    second.alt = `B: ${b.textContent}`;
    const size = (each) => `${each.dataset.width} × ${each.dataset.height}`;
    stage.style.setProperty("--ratio", `${a.dataset.width} / ${a.dataset.height}`);
    stage.style.setProperty("--tall", a.dataset.height / a.dataset.width);
    root.querySelector(".x-sizes").textContent =
      size(a) === size(b) ? `Both ${size(a)} pixels.` : `A is ${size(a)}, B ${size(b)} pixels: both are fitted whole into one frame.`;
  }

  function mode(root, name) {
    root.dataset.mode = name;
    for (const button of root.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === name);
  }

  const split = (root, percent) => {
    const range = root.querySelector(".x-split-at");
    range.value = Math.min(100, Math.max(0, percent));
    root.querySelector(".x-stage").style.setProperty("--split", `${range.value}%`);
  };

  function adopt() {
    for (const root of document.querySelectorAll(".x-compare:not([data-adopted])")) {
      root.dataset.adopted = "";
      load(root);
      split(root, 50);
    }
  }

  addEventListener("change", (event) => {
    const root = event.target.closest?.(".x-compare");
    if (root && event.target.matches("select")) load(root);
    if (root && event.target.matches(".x-brighter input")) root.classList.toggle("x-bright", event.target.checked);
  });
  addEventListener("input", (event) => {
    if (event.target.matches?.(".x-split-at")) split(event.target.closest(".x-compare"), event.target.value);
  });
  addEventListener("click", (event) => {
    const button = event.target.closest?.(".x-compare [data-mode]");
    if (!button || button.tagName !== "BUTTON") return;
    const root = button.closest(".x-compare");
    // Pressed again, A/B shows the other one.
    if (button.dataset.mode === "flip" && root.dataset.mode === "flip") flip(root);
    mode(root, button.dataset.mode);
  });

  const flip = (root) => (root.dataset.side = root.dataset.side === "a" ? "b" : "a");

  let dragged = null;
  addEventListener("pointerdown", (event) => {
    dragged = event.target.closest?.(".x-compare .x-handle")?.closest(".x-compare") ?? null;
    if (dragged) event.preventDefault();
  });
  addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const { left, width } = dragged.querySelector(".x-stage").getBoundingClientRect();
    split(dragged, (100 * (event.clientX - left)) / width);
  });
  addEventListener("pointerup", () => (dragged = null));

  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "b" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const root = [...document.querySelectorAll(".x-compare")].find((each) => each.offsetParent);
    if (!root) return;
    if (root.dataset.mode !== "flip") mode(root, "flip");
    flip(root);
  });

  const watch = () => new MutationObserver(adopt).observe(document.body, { childList: true, subtree: true });
  if (document.body) watch();
  else addEventListener("DOMContentLoaded", watch);
})();
