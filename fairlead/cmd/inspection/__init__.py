"""Questions of commands to a running cluster: rules, packets, connections, answers of DNS, timelines."""
