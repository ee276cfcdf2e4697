#!/bin/sh
# Compile the laboratory's convolutions: build.sh [CLANG] [OUTPUT]; needs clang and lld.
cd "$(dirname "$0")" || exit 1
exec "${1:-clang}" --target=wasm32 -O2 -msimd128 -nostdlib -ffreestanding -Wall \
  -Wl,--no-entry -Wl,--export-dynamic -Wl,--import-memory -Wl,--export=__heap_base \
  -Wl,--strip-all -o "${2:-conv.wasm}" conv.c
