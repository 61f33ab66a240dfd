#!/bin/sh
# A CGI program: answers any request with what it was asked. A target that a field cannot hold is not repeated.
target=$REQUEST_URI
case $target in *[![:graph:]]*) target= ;; esac
printf 'Status: 200\r\nContent-Type: text/plain\r\nX-Echo-Target: %s\r\n\r\necho:%s:end\n' "$target" "$target"
