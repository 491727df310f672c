# Runs a command in /workspace. Data, models and DVC's cache stay there, in a volume; the code beside them is always
# that of the image.
set -eu
cd /workspace
# Several containers share the volume: one brings the code while the others wait, and none replaces it under another
# that runs the same.
exec 9>.state/code.lock
flock 9
if ! cmp -s /opt/code.sha256 .state/code.sha256; then
    rm -rf src pipelines configs use_cases
    cp -R /app/. .
    cp /opt/code.sha256 .state/code.sha256
fi
exec 9>&-
exec "$@"
