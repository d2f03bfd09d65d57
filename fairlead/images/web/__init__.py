"""The image `fairlead/web`: a small server that reports the name of its Pod. `server.py` stands alone."""
