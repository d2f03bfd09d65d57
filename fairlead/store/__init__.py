"""Keys and bytes, durable before acknowledged. Engines: memory (tests) and SQLite (embedded)."""
