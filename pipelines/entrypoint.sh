# Runs a command in /workspace. Data, models and DVC's cache stay there, in a volume; the code beside them is always
# that of the image.
set -eu
cd /workspace
rm -rf src pipelines configs use_cases
cp -R /app/. .
exec "$@"
