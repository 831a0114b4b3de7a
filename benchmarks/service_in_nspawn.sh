#!/usr/bin/env bash
# Boots a Debian 12 in a container and puts the service through its life there. As root, with the packages
# debootstrap and systemd-container, and a Python 3 with pip and hatchling as $PYTHON (default: python3).
#
#     benchmarks/service_in_nspawn.sh [DIR]     DIR keeps the bare Debian for the next time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bare=${1:-$work/bare}
image=$work/image

if [[ ! -d $bare/usr ]]; then
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,python3,python3-venv,libportaudio2,procps,alsa-utils bookworm "$bare" >&2
fi
"$python" -c 'import hatchling.build, sys; hatchling.build.build_wheel(sys.argv[1])' "$work/dist"
wheel=("$work"/dist/*.whl)
"$python" -m pip download --quiet --dest "$work/dist" --only-binary=:all: --python-version 3.11 "${wheel[0]}[cpu]"
cp -a "$bare" "$image"
cp -r "$work/dist" "$image/srv/dist"
chroot "$image" /bin/sh -c '/usr/bin/python3 -m venv /srv/env &&
    /srv/env/bin/pip install --quiet --no-index --find-links /srv/dist "edge-listen[cpu]"'
cp benchmarks/service_in_nspawn_inside.sh "$image/srv/inside.sh"
cat >"$image/etc/systemd/system/inside.service" <<'END'
[Service]
Type=oneshot
ExecStart=/bin/bash /srv/inside.sh
ExecStopPost=/bin/systemctl poweroff
TimeoutStartSec=8min
END
mkdir -p "$image/etc/systemd/system/graphical.target.wants"
ln -s ../inside.service "$image/etc/systemd/system/graphical.target.wants/"

# Asking for the clock's state is what the unit allows; systemd-nspawn's own filter does not.
timeout 600 systemd-nspawn --quiet --directory="$image" --private-network --register=no --keep-unit \
    --system-call-filter="adjtimex clock_adjtime" --boot >"$work/boot.log" 2>&1 || cat "$work/boot.log"
cat "$image/srv/report"
grep -q '^all well$' "$image/srv/report"
