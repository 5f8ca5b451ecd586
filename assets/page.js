// Keys for people without a mouse: arrows walk over thumbnails, and through the pictures
// once one is open; Escape goes back to the thumbnail. Everything else is Gradio's.
(() => {
  const THUMBNAILS = ".x-grid .thumbnail-item";
  const PICTURE_KEYS = { ArrowLeft: "previous", ArrowRight: "next", Escape: "close" };
  let opened = 0;

  const shown = (element) => element && element.offsetParent !== null;

  function walk(event, thumbnail) {
    const all = [...thumbnail.closest(".grid-container").querySelectorAll(".thumbnail-item")];
    const row = all.filter((other) => other.offsetParent && other.getBoundingClientRect().top === thumbnail.getBoundingClientRect().top);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row.length, ArrowDown: row.length };
    const next = all[all.indexOf(thumbnail) + steps[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  function focusOpened(tries = 60) {
    const thumbnail = document.querySelectorAll("#gallery-grid .thumbnail-item")[opened];
    if (shown(thumbnail)) thumbnail.focus();
    else if (tries > 0) requestAnimationFrame(() => focusOpened(tries - 1));
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const thumbnail = event.target.closest?.(THUMBNAILS);
    if (thumbnail && event.key.startsWith("Arrow")) return walk(event, thumbnail);
    // Someone who writes or picks from a list means the text, not the picture.
    if (event.target.closest?.("input, textarea, select, [contenteditable], [role=tab], dialog")) return;
    const buttons = document.querySelectorAll(`[id$="picture-${PICTURE_KEYS[event.key]}"]`);
    const button = [...buttons].find(shown);
    if (!button) return;
    event.preventDefault();
    button.click();
  });

  addEventListener("click", (event) => {
    const thumbnail = event.target.closest?.("#gallery-grid .thumbnail-item");
    if (thumbnail) opened = [...document.querySelectorAll("#gallery-grid .thumbnail-item")].indexOf(thumbnail);
    if (event.target.closest?.("#picture-close")) focusOpened();
  }, true);
})();

// The title of the window and, for those who asked, a notification say how far the work is:
// people look at other windows meanwhile.
(() => {
  const TITLE = "Model Benchmark Explorer";
  const ENDS = { done: "Done", failed: "It could not go on", cancelled: "Stopped" };
  let before = "";

  const permission = () => (document.documentElement.dataset.notify = window.Notification?.permission ?? "denied");
  window.askToNotify = () => window.Notification?.requestPermission().then(permission);
  permission();

  function tell() {
    const job = document.querySelector("#generate-status .x-job");
    if (!job) return;
    const { state, percent } = job.dataset;
    document.documentElement.dataset.job = state;
    const title = state === "running" ? `${percent} % · ${TITLE}` : state === "paused" ? `Paused · ${TITLE}` : TITLE;
    const ended = ENDS[state] && ["running", "queued", "paused"].includes(before);
    before = state;
    if (ended && document.hidden) {
      document.title = `${ENDS[state]} · ${TITLE}`;
      if (window.Notification?.permission === "granted") {
        new Notification(ENDS[state], { body: job.querySelector("h2")?.textContent ?? "" });
      }
    } else if (!(document.hidden && ENDS[state]) && document.title !== title) {
      document.title = title;
    }
  }

  // The body is there already where this script is put into a page that has been read.
  const watch = () => new MutationObserver(tell).observe(document.body, { childList: true, subtree: true });
  if (document.body) watch();
  else addEventListener("DOMContentLoaded", watch);
  document.addEventListener("visibilitychange", tell);
})();

// The leaderboard: headings sort it, reasons show on hover, focus and tap.
(() => {
  const bubble = document.createElement("div");
  bubble.className = "x-bubble";
  bubble.setAttribute("role", "tooltip");

  let told = null;

  function tell(target) {
    told = target?.closest?.("[data-tip]") ?? null;
    bubble.remove();
    if (!told) return;
    bubble.textContent = told.dataset.tip;
    document.body.append(bubble);
    put();
  }

  function put() {
    if (!bubble.isConnected) return;
    if (!told.isConnected) return tell(null);
    const { left, top, bottom } = told.getBoundingClientRect();
    const below = bottom + bubble.offsetHeight + 12 < innerHeight;
    bubble.style.top = `${below ? bottom + 6 : Math.max(6, top - bubble.offsetHeight - 6)}px`;
    bubble.style.left = `${Math.max(6, Math.min(left, innerWidth - bubble.offsetWidth - 6))}px`;
  }

  function sort(heading) {
    const column = heading.cellIndex;
    const { first } = heading.querySelector(".x-sort").dataset;
    const other = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    for (const each of heading.parentElement.children) each.setAttribute("aria-sort", each === heading ? order : "none");
    const sign = order === "ascending" ? 1 : -1;
    const value = (row) => row.cells[column].dataset.value;
    const compare = (one, two) => {
      // What was not scored is neither best nor worst.
      if (one === undefined || two === undefined) return (one === undefined) - (two === undefined);
      return sign * (column ? one - two : one.localeCompare(two));
    };
    const body = heading.closest("table").tBodies[0];
    body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b))));
  }

  // What scrolls away below a mouse that rests must not silence the keyboard.
  const focused = () => document.querySelector(".x-tip:focus, [data-tip]:focus-visible");
  for (const name of ["focusin", "click"]) addEventListener(name, (event) => tell(event.target));
  addEventListener("mouseover", (event) => tell(event.target.closest?.("[data-tip]") ?? focused()));
  addEventListener("focusout", () => tell(null));
  addEventListener("scroll", put, true);
  addEventListener("keydown", (event) => event.key === "Escape" && tell(null));
  addEventListener("click", (event) => {
    const button = event.target.closest?.(".x-sort");
    if (button) sort(button.closest("th"));
  });
})();

// Plots: they keep the width of their place, and their dots open pictures.
(() => {
  let opener = null;

  function openDot({ points }) {
    const picture = points[0]?.customdata;
    const relay = this.closest(".x-explore")?.querySelector(".x-relay");
    if (!relay || typeof picture !== "string") return;
    opener = null;
    relay.dataset.picture = picture;
    relay.click();
  }

  addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-picture]:not(.x-relay)");
    if (button) opener = button;
    // The keyboard goes back to where it came from, once the picture is gone.
    if (event.target.closest?.(".x-explore [id$=picture-close]")) setTimeout(() => opener?.isConnected && opener.focus(), 300);
  }, true);

  // Plotly watches the window only, and a panel that opens beside a plot leaves that as it is.
  const places = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = target.querySelector(".js-plotly-plot");
      if (plot?._fullLayout && target.clientWidth && plot._fullLayout.width !== target.clientWidth) {
        requestAnimationFrame(() => plot.isConnected && window.Plotly?.Plots.resize(plot));
      }
    }
  });

  function adopt() {
    for (const plot of document.querySelectorAll(".js-plotly-plot:not([data-adopted])")) {
      if (!plot.on) continue;
      plot.dataset.adopted = "";
      plot.on("plotly_click", openDot.bind(plot));
      places.observe(plot.parentElement);
    }
  }
  const watch = () => new MutationObserver(adopt).observe(document.body, { childList: true, subtree: true });
  if (document.body) watch();
  else addEventListener("DOMContentLoaded", watch);
})();

// Dialogs: a button names the one it opens; the browser closes it on Escape and gives the
// keyboard back to the button.
addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-dialog]");
  if (button) document.getElementById(button.dataset.dialog)?.showModal();
  // A click beside the text is a click on the dialog itself.
  if (event.target.matches?.("dialog.x-dialog")) {
    const { left, right, top, bottom } = event.target.getBoundingClientRect();
    const inside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
    if (!inside) event.target.close();
  }
});
