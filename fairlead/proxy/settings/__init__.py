"""The settings of all proxies: upstream's configuration file in a ConfigMap, which is kept there and followed."""
