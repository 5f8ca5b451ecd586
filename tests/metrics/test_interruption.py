"""An analysis that is killed has lost one batch at most."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from metrics import FolderFeatures, ScoreOptions
from tests.metrics.counting import counted, scored
from tests.metrics.drawn import write_circles

ROOT = Path(__file__).resolve().parents[2]
BATCH = 2
CODE = f"""
import sys
from pathlib import Path
from metrics import FolderFeatures, Scored, ScoreOptions, score
from tests.metrics.drawn import write_circles
samples = write_circles(Path(sys.argv[1]), 6)
options = ScoreOptions(device="cpu", features=FolderFeatures(Path(sys.argv[2])), batch_size={BATCH})
for event in score(samples, ["clip_score"], options):
    if isinstance(event, Scored):
        print(event.sample.key, flush=True)
"""


def test_a_killed_analysis_has_lost_one_batch_at_most(tmp_path: Path, options: ScoreOptions) -> None:
    line = [sys.executable, "-c", CODE, str(tmp_path / "m"), str(tmp_path / "features")]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(5)]
        process.kill()
    assert all(told)
    samples = write_circles(tmp_path / "m", 6)
    kept = replace(options, features=FolderFeatures(tmp_path / "features"), batch_size=BATCH)
    with counted() as counts:
        events = scored(samples, ["clip_score"], kept)
    assert len(events) == 12
    assert all(event.score.value is not None for event in events)
    assert counts["ClipNetwork"] <= 12 - 5
