"""Field ownership (KEP-555): sets of fields, server-side apply, and the bookkeeping of other writes."""
