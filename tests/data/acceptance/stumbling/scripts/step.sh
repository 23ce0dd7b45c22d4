#!/bin/sh
# Fails unless the runtime property `mode` is `work`; with `hang` it takes long enough to be cancelled.
mode=$(ctx instance runtime-properties mode 2>/dev/null || echo fail)
ctx logger info "mode ${mode}"
case "${mode}" in
  work) ;;
  hang) sleep 600 ;;
  *) exit 1 ;;
esac
