"""The code of the subresources that kinds declare: one module each, and the table that dispatches to them."""
