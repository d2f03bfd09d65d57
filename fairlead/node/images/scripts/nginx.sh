#!/bin/sh
# The entry point of the host image nginx: runs /docker-entrypoint.d and fills in the templates, then starts nginx.
set -e

fill_in() { # replaces ${NAME} and $NAME if the environment has the variable
    awk '{
        line = $0
        text = ""
        while (match(line, /\$([{][A-Za-z_][A-Za-z0-9_]*[}]|[A-Za-z_][A-Za-z0-9_]*)/)) {
            found = substr(line, RSTART, RLENGTH)
            name = found
            gsub(/[${}]/, "", name)
            text = text substr(line, 1, RSTART - 1) (name in ENVIRON ? ENVIRON[name] : found)
            line = substr(line, RSTART + RLENGTH)
        }
        print text line
    }' "$1"
}

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
    if [ -d "$templates" ]; then
        find -L "$templates" -type f -name "*$suffix" | while read -r template; do
            target=$output/${template#"$templates"/}
            target=${target%"$suffix"}
            mkdir -p "${target%/*}"
            fill_in "$template" >"$target"
        done
    fi
    for script in /docker-entrypoint.d/*; do
        case $script in
        *.envsh) [ ! -x "$script" ] || . "$script" ;;
        *.sh) [ ! -x "$script" ] || "$script" ;;
        esac
    done
fi
exec "$@"
