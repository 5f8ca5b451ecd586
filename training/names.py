"""Names of the exported checkpoints."""

BASE, MID, EARLY, XL = "shapes-base", "shapes-mid", "shapes-early", "shapes-xl"
STAGES = (EARLY, MID, BASE)
