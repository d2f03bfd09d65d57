"""Container images: names and manifests, the content store, layers, archives, and the built-in web server's program."""
