"""What a check says of a folder with given files."""

import tempfile
from pathlib import Path


def breaches(check, files):
    """The breaches that `check(root)` yields for a folder with `files`: a dictionary from paths to texts."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            file = Path(root) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return list(check(Path(root)))
