"""Fetch a model from the hub at a pinned revision, and print its directory.

A child of its own, so that no downloader stays in the process of whoever asks. Weights, settings and templates are
fetched; code and pickles are not.
"""

import sys
from typing import Final

from huggingface_hub import snapshot_download

WANTED: Final = ("*.json", "*.safetensors", "*.jinja", "*.txt")

if __name__ == "__main__":
    print(snapshot_download(sys.argv[1], revision=sys.argv[2], allow_patterns=list(WANTED)))  # noqa: T201 - the parent reads it
