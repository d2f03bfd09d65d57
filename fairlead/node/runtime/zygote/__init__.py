"""The zygote's own process: requests, children, outputs, one epoll loop."""
