"""The kernel: system calls, namespaces, links and routes (rtnetlink), rules (nftables). Plans apart from I/O."""
