"""What commands find out about a running cluster: rules, packets, connections, answers of DNS, timelines."""
