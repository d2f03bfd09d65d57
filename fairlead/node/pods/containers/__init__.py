"""Single containers: the specification for the zygote, handlers, and their ends."""
