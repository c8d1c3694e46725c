#!/bin/sh
# Puts the camera agent on this machine: a DeepLens, a Raspberry Pi, a NUC, a laptop. Run it again to update; settings stay.
#
#   sudo sh install.sh [--engine onnxruntime|openvino|awscam] [--opencv] [--python python3.7] [--prefix /opt/binsight]
#                      [--settings /etc/binsight] [--user binsight] [--root <folder>] [--no-packages] [--no-service]
#
# --opencv: for USB and network cameras and video files. --root: put everything below that folder, e.g. of a card that is
# being made, and start nothing.
# Afterwards: enrol the camera, let the doctor look at it, start it. The last lines say how.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
engine=onnxruntime python='' prefix=/opt/binsight settings=/etc/binsight user=binsight
packages=yes service=yes opencv=no root=''
while [ $# -gt 0 ]; do
    case "$1" in
    --engine) engine=$2; shift ;;
    --python) python=$2; shift ;;
    --prefix) prefix=$2; shift ;;
    --settings) settings=$2; shift ;;
    --user) user=$2; shift ;;
    --root) root=$2; shift ;;
    --opencv) opencv=yes ;;
    --no-packages) packages=no ;;
    --no-service) service=no ;;
    *) echo "install: there is no option $1; see the head of $0" >&2; exit 2 ;;
    esac
    shift
done

# A DeepLens has awscam for 3.7; elsewhere the newest that there is.
if [ -z "$python" ]; then
    order='python3.13 python3.12 python3.11 python3.7 python3'
    [ "$engine" = awscam ] && order=python3.7
    for each in $order; do
        command -v "$each" >/dev/null 2>&1 && { python=$(command -v "$each"); break; }
    done
fi
[ -n "$python" ] || { echo "install: there is no Python 3.7 or 3.11 to 3.13 here; name one with --python" >&2; exit 1; }
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case "$version" in
3.7) requirements=camera-3.7.txt ;;
3.11 | 3.12 | 3.13) requirements=camera.txt ;;
*) echo "install: $python is Python $version; the packages are pinned for 3.7 and 3.11 to 3.13" >&2; exit 1 ;;
esac

to=$root$prefix
mkdir -p "$to" "$root$settings"
# The new code first beside the old, then in its place: never a mixture. A start between the two moves is repeated.
rm -rf "$to/device.new" "$to/device.old"
cp -R "$here/device" "$to/device.new"
[ ! -d "$to/device" ] || mv "$to/device" "$to/device.old"
mv "$to/device.new" "$to/device"
rm -rf "$to/device.old"
cp "$here/ca-bundle.pem" "$to/ca-bundle.pem"

add_packages() {
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
        --upgrade --target "$to/packages" --requirement "$here/$1"
}
if [ "$packages" = yes ]; then
    # awscam was built against the numpy that the DeepLens has: only what is missing is added there.
    if [ "$engine" = awscam ] && "$python" -c 'import numpy, PIL' 2>/dev/null; then
        echo "install: numpy and Pillow are there already"
    else
        add_packages "$requirements"
    fi
    # A DeepLens has an OpenCV of its own; with another one its awscam cannot be loaded.
    [ "$opencv" = no ] || [ "$engine" = awscam ] || add_packages camera-opencv.txt
    [ "$engine" != openvino ] || add_packages camera-openvino.txt
fi

program='-m device '$settings/agent.json
[ "$engine" = awscam ] && program='-m device.lambda_function'
filled() {
    sed -e "s|@PYTHON@|$python|g; s|@PREFIX@|$prefix|g; s|@SETTINGS@|$settings|g; s|@USER@|$user|g; s|@PROGRAM@|$program|g" \
        "$here/$1"
}
filled binsight-camera >"$to/binsight-camera"
chmod 755 "$to/binsight-camera"
if [ "$service" = yes ]; then
    mkdir -p "$root/etc/systemd/system" "$root/usr/local/bin"
    filled binsight-camera.service >"$root/etc/systemd/system/binsight-camera.service"
    ln -sf "$prefix/binsight-camera" "$root/usr/local/bin/binsight-camera"
fi
if [ "$service" = yes ] && [ -z "$root" ]; then
    # render: Intel's GPU.
    groups=video
    ! getent group render >/dev/null 2>&1 || groups=video,render
    id "$user" >/dev/null 2>&1 || useradd --system --home-dir "$settings" --shell /usr/sbin/nologin --groups "$groups" "$user"
    chown -R "$user" "$settings"
    chmod 700 "$settings"
    systemctl daemon-reload
    systemctl enable binsight-camera
    # An update takes effect at once; a camera that is not enrolled yet is not started.
    systemctl try-restart binsight-camera
fi

cat <<END
installed in $to under Python $version. Now, as root:
  $prefix/binsight-camera enrol --engine $engine --service https://<your service>    # then type the code
  $prefix/binsight-camera doctor
  systemctl start binsight-camera && journalctl -fu binsight-camera
END
