"""Shows the proxy's rules and the way of a packet through them, as planned and as the kernel has them. Pure.

`ruleset` holds the rules of one node in one family; `planned` makes them from the API's objects. `lines` annotates
rules with their Service, slice and Pod; `walk` follows a packet from node to node; `report` renders both.
"""
