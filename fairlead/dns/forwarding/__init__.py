"""Questions about other zones: which upstream is asked, the connections to it, and the cache of its answers."""
