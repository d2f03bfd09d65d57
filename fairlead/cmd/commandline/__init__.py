"""What the command line itself needs: completion, the manual page, and the manifests in its arguments."""
