#!/bin/sh
# Starts the host's Apache with the configuration at the place that the image httpd has.
set -e

rm -f /run/httpd.pid
exec apache2 -DFOREGROUND -f /usr/local/apache2/conf/httpd.conf "$@"
