#!/bin/sh
# A snapshot, where there is none yet, and then the command that is given: first-snapshot [COMMAND …].
#
# Train on MATINEE_DATA, add the pictures of POSTERS (files named by film id, IMDb id or TMDB id), if there are any, and
# train once more with them.
set -eu
posters=${POSTERS:-/posters}

if ls "$MATINEE_DATA_DIR"/snapshots/*/manifest.json >/dev/null 2>&1; then
  echo "There is a snapshot already; 'matinee train' makes a new one."
else
  matinee train --no-measure
  if ls "$posters"/* >/dev/null 2>&1; then
    matinee posters add "$posters" --no-index
    matinee train --no-measure
  fi
fi
[ $# -eq 0 ] || exec "$@"
