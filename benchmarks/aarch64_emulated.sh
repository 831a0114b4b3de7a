#!/usr/bin/env bash
# That edge-listen installs on a 64-bit ARM Debian from wheels alone, and hears its demo there. Emulated: the
# instructions are those of the processors below, their speed is not.
#
#     benchmarks/aarch64_emulated.sh [DIR]
#
# For Debian on x86-64, as root. It needs about 1 GB in DIR (default /var/tmp/edge-listen-aarch64), which must
# be on a file system without noexec and nodev. What is finished there is not done again; remove DIR to start
# afresh. What is installed is what is committed. Environment:
#
#     CPUS    processors to run as (cortex-a53 cortex-a72 cortex-a76: Raspberry Pi 3, 4 and 5; a Jetson Nano's
#             is cortex-a57)
#     SUITE   the Debian to make (bookworm)
#     MIRROR  the Debian mirror (apt's own, or else deb.debian.org)
#     PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_TRUSTED_HOST, PIP_CERT, PIP_DEFAULT_TIMEOUT, http_proxy,
#     https_proxy, no_proxy
#             passed on to pip
set -euo pipefail

fail() {
    printf '\naarch64_emulated.sh: %s\n' "$1" >&2
    exit 1
}
step() {
    printf '\n== %s (%d min %02d s; emulated: speeds mean nothing)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

((EUID == 0)) || fail "making a Debian root needs root: run it with sudo"
# In a mount namespace of its own, whatever is mounted below is gone when the script ends, however it ends.
if [[ ${1:-} != --mounts-are-private ]]; then
    exec unshare --mount --propagation private -- "$0" --mounts-are-private "$@"
fi
shift

work=$(realpath -m "${1:-/var/tmp/edge-listen-aarch64}")
root=$work/root
suite=${SUITE:-bookworm}
read -ra cpus <<<"${CPUS:-cortex-a53 cortex-a72 cortex-a76}"
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export DEBIAN_FRONTEND=noninteractive

step "this machine's packages"
missing=()
for package in debootstrap debian-archive-keyring git qemu-user-static; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
    apt-get update
    apt-get install -y --no-install-recommends "${missing[@]}"
fi
qemu-aarch64-static --version | head -n 1

step "the kernel gives programs for aarch64 to the emulator"
formats=/proc/sys/fs/binfmt_misc
if [[ ! -e $formats/register ]]; then
    mount -t binfmt_misc binfmt_misc "$formats" ||
        fail "binfmt_misc can't be mounted: modprobe binfmt_misc, or run this outside of a container"
fi
if [[ ! -e $formats/qemu-aarch64 ]]; then
    cat /usr/lib/binfmt.d/qemu-aarch64.conf >"$formats/register"
    trap 'echo -1 >"$formats/qemu-aarch64"' EXIT
fi
# F: the kernel keeps the emulator open, so that it need not lie in the other root.
grep -q '^flags: .*F' "$formats/qemu-aarch64" ||
    fail "$formats/qemu-aarch64 lacks the flag F: register the emulator of qemu-user-static instead"
cat "$formats/qemu-aarch64"

passed_on=(HOME=/root LANG=C.UTF-8 PATH=/opt/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in PIP_{INDEX_URL,EXTRA_INDEX_URL,TRUSTED_HOST,DEFAULT_TIMEOUT} {http,https,no}_proxy; do
    if [[ ${!name:-} ]]; then passed_on+=("$name=${!name}"); fi
done
if [[ ${PIP_CERT:-} ]]; then passed_on+=(PIP_CERT=/etc/pip-certificates.pem); fi
as() { # as CPU COMMAND...: runs it in the ARM root, as that processor
    env -i "${passed_on[@]}" QEMU_CPU="$1" chroot "$root" "${@:2}"
}

# ONNX Runtime chooses its code by what /proc and /sys tell of the processor. The host's own, an x86's, make it
# end in a segmentation fault (1.32.0 under QEMU 7.2), so they show what Linux shows on that ARM processor.
tell_processor() { # tell_processor CPU
    local part last devices=$root/sys/devices/system/cpu
    case $1 in # the kernel's arch/arm64/include/asm/cputype.h
    cortex-a53) part=0xd03 ;;
    cortex-a57) part=0xd07 ;;
    cortex-a72) part=0xd08 ;;
    cortex-a76) part=0xd0b ;;
    *) fail "CPUS: $1 is none of cortex-a53, cortex-a57, cortex-a72, cortex-a76" ;;
    esac
    last=$(($(nproc --all) - 1))
    : >"$work/cpuinfo"
    mkdir -p "$devices"
    for ((core = 0; core <= last; core++)); do
        printf '%s\n' "processor : $core" 'CPU implementer : 0x41' 'CPU architecture: 8' 'CPU variant : 0x0' \
            "CPU part : $part" 'CPU revision : 0' '' >>"$work/cpuinfo"
        mkdir -p "$devices/cpu$core/topology"
        echo 0 >"$devices/cpu$core/topology/physical_package_id"
    done
    tee "$devices/possible" "$devices/present" <<<"0-$last" >/dev/null
}

step "a minimal Debian $suite for arm64 in $root"
if [[ ! -e $work/root.done ]]; then
    indexes=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Created-By: Packages')
    mirror=${MIRROR:-${indexes%%$'\n'*}}
    # What an interrupted run left is of no known state.
    rm -rf "$root"
    mkdir -p "$work"
    debootstrap --foreign --arch=arm64 --variant=minbase --include=python3-venv,ca-certificates,libportaudio2 \
        "$suite" "$root" "${mirror:-http://deb.debian.org/debian}"
    as "${cpus[0]}" /debootstrap/debootstrap --second-stage
    touch "$work/root.done"
fi
mount -t proc proc "$root/proc"
touch "$work/cpuinfo"
mount --bind "$work/cpuinfo" "$root/proc/cpuinfo"
as "${cpus[0]}" uname -m | grep -x aarch64
as "${cpus[0]}" sh -c 'echo "Debian $(cat /etc/debian_version), $(python3 --version)"'
if as "${cpus[0]}" sh -c 'command -v cc gcc g++ clang rustc'; then
    fail "the root has a compiler, so the wheels below would prove nothing"
fi

commit=$(git -c safe.directory='*' -C "$repository" rev-parse HEAD)
step "edge-listen of $commit, installed from wheels"
if [[ $(cat "$work/installed" 2>/dev/null) != "$commit" ]]; then
    # A network may have changed since the root was made.
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    if [[ ${PIP_CERT:-} ]]; then cp -L "$PIP_CERT" "$root/etc/pip-certificates.pem"; fi
    rm -rf "$root/opt/edge-listen" "$root/opt/venv"
    mkdir -p "$root/opt/edge-listen"
    git -c safe.directory='*' -C "$repository" archive "$commit" |
        tar --extract --directory="$root/opt/edge-listen" --no-same-owner
    as "${cpus[0]}" python3 -m venv /opt/venv
    as "${cpus[0]}" pip install --only-binary :all: "/opt/edge-listen[cpu]"
    echo "$commit" >"$work/installed"
fi

step "what was taken"
as "${cpus[0]}" pip freeze
as "${cpus[0]}" python - <<'END'
import importlib.metadata
import platform
import sys

print(f"Python {platform.python_version()} on {platform.machine()}, {' '.join(platform.libc_ver())}")
for package in importlib.metadata.distributions():
    wheel = (package.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag: ") for line in wheel if line.startswith("Tag: ")]
    print(f"{package.name} {package.version}: {', '.join(tags)}")
    if not all("aarch64" in tag or tag.endswith("-any") for tag in tags):
        sys.exit(f"{package.name} is not for aarch64")
END
as "${cpus[0]}" python -c 'import sounddevice; print(*sounddevice.get_portaudio_version())'

for cpu in "${cpus[@]}"; do
    step "edge-listen as a $cpu"
    tell_processor "$cpu"
    as "$cpu" edge-listen --version
    as "$cpu" edge-listen labels | tee "$work/labels.$cpu.log" || fail "no labels as a $cpu"
    grep -q 'dog bark' "$work/labels.$cpu.log" || fail "its labels lack a dog's bark, as a $cpu"
    as "$cpu" edge-listen demo --fast 2>&1 | tee "$work/demo.$cpu.log" ||
        fail "as a $cpu, the demo ended with status ${PIPESTATUS[0]} (132 is an illegal instruction)"
    grep -Eq '^heard [1-9]' "$work/demo.$cpu.log" || fail "as a $cpu, it heard nothing of its demo"
done

step "done: heard as ${cpus[*]}"
