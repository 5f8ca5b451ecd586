// Keys for people without a mouse: arrows walk over thumbnails, and through the pictures
// once one is open; Escape goes back to the thumbnail. Everything else is Gradio's.
(() => {
  const THUMBNAILS = ".x-grid .thumbnail-item";
  const PICTURE_KEYS = { ArrowLeft: "picture-previous", ArrowRight: "picture-next", Escape: "picture-close" };
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
    const button = document.getElementById(PICTURE_KEYS[event.key]);
    if (!shown(button)) return;
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
