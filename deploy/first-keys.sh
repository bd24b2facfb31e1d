#!/bin/sh
# What services need to ask each other and visitors need to sign in, where it is not there yet, and then the command
# that is given: first-keys [COMMAND …].
#
# In the folder of MATINEE_KEYS_FILE: a key with the role write for the services (matinee_api_key), one with the role
# read for Prometheus (prometheus_key), the password of the web app and the studio (matinee_web_password), and what signs
# the web app's cookies (matinee_web_secret). The folder is one of those that MATINEE_SECRETS_DIR names.
set -eu
umask 077
folder=$(dirname "$MATINEE_KEYS_FILE")
mkdir -p "$folder"

once() { # NAME COMMAND …: the file of that name holds what the command prints
  file=$folder/$1
  shift
  if [ ! -s "$file" ]; then
    "$@" >"$file.new"
    mv "$file.new" "$file"
  fi
}
key() { matinee keys create "$1 $(date -u +%Y-%m-%dT%H:%M:%SZ)" --role "$2"; }
random() { python3 -c 'import secrets; print(secrets.token_urlsafe(24))'; }

once matinee_api_key key services write
once prometheus_key key prometheus read
chmod 444 "$folder/prometheus_key" # Prometheus runs as another user, and mounts this folder alone
once matinee_web_password random
once matinee_web_secret random
echo "Visitors sign in with the password in $folder/matinee_web_password; other programs need a key: matinee keys create."
[ $# -eq 0 ] || exec "$@"
