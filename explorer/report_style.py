"""The look of the HTML report, light and dark."""

STYLE = """
:root { color-scheme: light dark; --text: #1c2430; --quiet: #5d6878; --line: #dfe4ec;
  --page: #f6f7f9; --panel: #fff; --accent: #4f6bed; }
@media (prefers-color-scheme: dark) { :root { --text: #e7eaf0; --quiet: #9aa5b5; --line: #303846;
  --page: #12161d; --panel: #1a2029; --accent: #8ea2ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 68rem; background: var(--page);
  color: var(--text); font: 15px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.6rem; letter-spacing: -0.015em; }
h2 { margin: 0 0 0.2rem; font-size: 1.2rem; }
h3 { margin: 1.4rem 0 0.5rem; font-size: 1rem; }
small, .quiet { color: var(--quiet); font-weight: 400; }
p { margin: 0.2rem 0; max-width: 75ch; }
section { margin-top: 1rem; padding: 1.2rem 1.3rem; border: 1px solid var(--line); border-radius: 14px;
  background: var(--panel); }
.verdict { margin: 0.6rem 0; font-weight: 600; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.45rem 0.7rem 0.45rem 0; border-top: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: normal; }
thead th { border: 0; color: var(--quiet); font-size: 0.85rem; font-weight: 500; }
tbody th { min-width: 9rem; font-weight: 500; overflow-wrap: anywhere; }
svg { display: block; }
svg line { stroke: var(--accent); stroke-width: 3; stroke-linecap: round; opacity: 0.55; }
svg circle { fill: var(--accent); }
.contrasts { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.2rem; }
.contrast { display: flex; flex-direction: column; justify-content: space-between; gap: 0.4rem; }
.contrast > div { display: grid; grid-template-columns: 1fr 1fr; gap: 0.6rem; }
figure { margin: 0; }
figure img, .absent { display: block; width: 100%; border-radius: 8px; background: var(--line); }
.absent { padding: 4rem 0; text-align: center; color: var(--quiet); }
figcaption { margin-top: 0.25rem; font-size: 0.85rem; }
details { margin-top: 1rem; }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; margin: 0.4rem 0 0; }
dt { color: var(--quiet); }
dd { margin: 0; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""
