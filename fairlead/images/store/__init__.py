"""The content store of one user: blobs, unpacked layers, and the names of images, shared by all clusters."""
