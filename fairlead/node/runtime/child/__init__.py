"""The zygote's children between fork and exec: namespaces, user, program."""
