"""Kills a program at work, and looks at what it left."""

import hashlib
import signal
import sqlite3
import subprocess
from pathlib import Path

NONE_YET = ("no such table", "unable to open")


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def kill(process: "subprocess.Popen[bytes]", database: Path) -> bool:
    """Kill it where it stands, unless it would be the second time at one picture or one loading:
    that is set aside on purpose. Returns whether it was killed."""
    process.send_signal(signal.SIGSTOP)
    blamed = "SELECT key FROM in_flight WHERE owner IS NOT NULL AND deaths > 0"
    try:
        twice = bool(rows(database, blamed))
    except sqlite3.OperationalError as error:  # killed while the database is made
        if not str(error).startswith(NONE_YET):
            raise
        twice = False
    if twice:
        process.send_signal(signal.SIGCONT)
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def whole(images: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in images.rglob("*.png")}
