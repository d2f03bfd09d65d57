"""The kernel: system calls, namespaces, links and routes (rtnetlink), rules (nftables, iptables), flows (conntrack).

Plans are apart from I/O.
"""
