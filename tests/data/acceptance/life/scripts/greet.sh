#!/bin/sh
# An operation as a shell script: inputs are environment variables, `ctx` talks to the manager.
set -e
count=$(ctx instance runtime-properties count 2>/dev/null || echo 0)
ctx instance runtime-properties count "$((count + 1))"
ctx instance runtime-properties last "Hello, ${name}!"
ctx logger info "Hello, ${name}!"
