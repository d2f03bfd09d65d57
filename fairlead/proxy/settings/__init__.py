"""The settings of all proxies: upstream's configuration file, kept in a ConfigMap and watched."""
