"""Ends with 0 if an OpenAI-compatible server answers: `python is_ready.py http://host:port/v1`."""

import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(f"{sys.argv[1]}/models", timeout=5):
        pass
except (urllib.error.URLError, OSError):
    sys.exit(1)
