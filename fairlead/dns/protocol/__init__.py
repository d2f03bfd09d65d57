"""Messages of the DNS protocol (RFC 1035): names and numbers on the wire, questions and answers in bytes."""
