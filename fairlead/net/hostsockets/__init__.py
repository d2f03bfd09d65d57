"""Sockets of the host for processes of the sandbox: the messages, the sandbox's client, and the supervisor's answers.

The supervisor passes a socket, and decides by rules of the program that asks: see `relay/host.py` and
`dns/program/host.py`. Standard library only.
"""
