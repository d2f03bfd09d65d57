"""The page that `fairlead ui` opens: sessions of browsers, static files, and live data for them.

The API server asks `site` at the first request for `/ui`; nothing here is imported before. `relay` is the part in the
user's own process.
"""
