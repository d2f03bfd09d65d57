"""The description of an object's fields: markers, the schema derived from them, and what walks along it."""
