"""Creates the claims of pods' generic ephemeral volumes; garbage collection deletes them with their pods."""
