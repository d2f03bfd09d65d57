"""The kinds: one module each (shared types beside them), one `Kind(...)` value a kind, `KINDS` in `kinds.py`."""
