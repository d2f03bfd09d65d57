"""Makes room for a pod by the eviction of pods with lower priority."""
