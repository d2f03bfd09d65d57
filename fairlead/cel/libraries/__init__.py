"""Function libraries: those of CEL that upstream enables, and upstream's own."""
