"""The volumes of pods' claims as the scheduler sees them. Imported from the first pod with a claim on."""
