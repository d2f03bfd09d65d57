"""The sandbox of a Pod: its network, host ports, kernel parameters and files in /etc."""
