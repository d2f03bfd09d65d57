"""The image `fairlead/web`: a small server that says which Pod answers. `server.py` stands alone."""
