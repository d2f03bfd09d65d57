"""The code behind the subresources that kinds declare: a module each, and the table that dispatches to them."""
