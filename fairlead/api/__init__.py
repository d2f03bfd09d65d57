"""The kinds. Each kind has one module with one `Kind(...)` value; `kinds.py` lists them in `KINDS`."""
