"""Archives of images: those of `docker save`, and tar files of an OCI image layout."""
