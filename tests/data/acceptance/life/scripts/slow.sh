#!/bin/sh
# Long enough to be cancelled while it runs.
ctx logger info "going to sleep"
sleep 600
