#!/usr/bin/env bash
# Renew the front-end files the book carries, so that no page ever asks a server for one.
# Needs npm, once, only to change the version below; what it writes is committed.
# The files live here and not below book/_static: Jupyter Book adds every script of that folder
# to every page.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=3.2.2
out=$here/assets/vendor/mathjax
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
tar xzf "$(npm pack --silent "mathjax@$version")"
rm -rf "$out"
mkdir -p "$out/output/chtml/fonts" "$out/input/tex/extensions"
cp package/LICENSE package/es5/tex-chtml.js "$out/" # the second holds assistive MathML too
cp -r package/es5/output/chtml/fonts/woff-v2 "$out/output/chtml/fonts/"
# Beyond TeX and amsmath, only what `loader` in _config.yml names.
cp package/es5/input/tex/extensions/boldsymbol.js "$out/input/tex/extensions/"
echo "$version" >"$out/VERSION"
du -sh "$out"

# The slides' program stands beside them, as no page needs it.
version=5.2.1
rm -rf package
out=$here/../_slides/reveal
tar xzf "$(npm pack --silent "reveal.js@$version")"
rm -rf "$out"
mkdir "$out"
cp package/LICENSE package/dist/reveal.js package/dist/reveal.css "$out/"
echo "$version" >"$out/VERSION"
du -sh "$out"
