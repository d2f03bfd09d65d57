"""Controllers of volumes: binding, the built-in provisioner, expansion, and claims of ephemeral volumes."""
