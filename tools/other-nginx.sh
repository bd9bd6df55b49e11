#!/bin/sh
# An nginx of another Debian release, with everything it needs in one folder: for tests on versions that this system does
# not have. Nothing is installed, no root is needed; network is.
#
#   tools/other-nginx.sh trixie DIR    nginx 1.26.3, njs 0.8.9
#   tools/other-nginx.sh sid DIR       nginx 1.30.6, njs 1.0.2 and QuickJS; whatever unstable has by now
#
# Then: NGINX_OTHERS=njs-0.8.9=DIR npm test     (several with commas; njs-1.0.2=DIR,qjs-1.0.2=DIR share one)
set -eu
release=$1
mkdir -p "$2"
root=$(cd "$2" && pwd)
apt=$root/.apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
: > "$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" > "$apt/list"
get() {
  apt-get -q -o Dir::Etc::SourceList="$apt/list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/lists" \
    -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1 "$@"
}
get update
get --yes --no-install-recommends --download-only install nginx libnginx-mod-http-js
for package in "$apt"/cache/archives/*.deb; do dpkg -x "$package" "$root"; done
rm -r "$apt"
# Its own loader and libraries: those of this system may be older.
cat > "$root/nginx" <<END
#!/bin/sh
exec $(ls "$root"/usr/lib64/ld-linux-*.so.* "$root"/lib64/ld-linux-*.so.* 2>/dev/null | head -1) \\
  --library-path $(ls -d "$root"/usr/lib/*-linux-gnu):$(ls -d "$root"/lib/*-linux-gnu 2>/dev/null || echo "$root/usr/lib") \\
  $root/usr/sbin/nginx "\$@"
END
chmod +x "$root/nginx"
"$root/nginx" -v
