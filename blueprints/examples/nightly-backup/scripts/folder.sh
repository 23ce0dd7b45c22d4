#!/bin/sh
# Make the folder for the backups, readable by its owner alone.
set -e
path="${folder:-$(ctx plugin workdir)/backups}"
mkdir -p "$path"
chmod 700 "$path"
ctx instance runtime-properties path "$path"
ctx logger info "Backups go to $path"
