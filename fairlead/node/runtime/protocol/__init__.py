"""Messages between agent and zygote: values, and their transport."""
