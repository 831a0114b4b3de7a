#!/usr/bin/env bash
# What service_in_nspawn.sh runs in the system that it boots.
exec >/srv/report 2>&1
program=/opt/edge-listen/current/bin/edge-listen
overrides=/run/systemd/system/edge-listen.service.d
failures=0

check() { # WHAT COMMAND...
    if "${@:2}" >/srv/output 2>&1; then
        echo "ok      $1"
    else
        echo "FAILED  $1"
        tail -n 15 /srv/output
        failures=$((failures + 1))
    fi
}
pid() { systemctl show --property=MainPID --value edge-listen; }
comes_up() {
    for _ in {1..60}; do
        [[ $(systemctl is-active edge-listen) == active ]] && return
        sleep 0.5
    done
    journalctl --no-pager --lines=15 --unit=edge-listen
    return 1
}
comes_back() { # after the process $1
    for _ in {1..80}; do
        [[ $(pid) != "$1" && $(systemctl is-active edge-listen) == active ]] && return
        sleep 0.5
    done
    return 1
}
install() { /srv/env/bin/edge-listen install-service --yes "$@"; }
fails() { ! "$@"; }
says() { # TEXT COMMAND...
    "${@:2}" 2>&1 | tee /dev/stderr | grep --quiet --fixed-strings -- "$1"
}
override() {
    mkdir -p "$overrides"
    printf '[Service]\n%b' "$2" >"$overrides/$1.conf"
    systemctl daemon-reload
}
no_overrides() {
    rm -r "$overrides"
    systemctl daemon-reload
}
within_the_sandbox() { # PYTHON: runs it as the unit would
    printf '%s\nprint("as it should be", flush=True)\n' "$1" >/opt/probe.py
    override probe "Type=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=${program%/*}/python -I /opt/probe.py\n"
    systemctl restart edge-listen
    local code=$?
    journalctl --no-pager --lines=8 --output=cat --unit=edge-listen
    return $code
}
tree() {
    find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
        -o -path /var/lib/systemd -o -path /srv -o -path /root \) -prune -o -print |
        grep -v -e '-$' -e '^/etc/.pwd.lock$' | sort
    cat /etc/passwd /etc/group
}

tree >/srv/before
check "installs; waits for a microphone that isn't there" install
check "says so" says "waiting" "$program" status
cat >/opt/noise.py <<'END'
import os, sys, time
while True:
    sys.stdout.buffer.write(os.urandom(9600))
    sys.stdout.buffer.flush()
    time.sleep(0.1)
END
cat >/etc/edge-listen/config.toml <<'END'
[listen]
labels = ["siren"]
[source]
input_command = "/usr/bin/python3 /opt/noise.py"
pcm = "s16le:48000:1"
END
cp /etc/edge-listen/config.toml /srv/good.toml
systemctl restart edge-listen
check "listens" comes_up
sleep 4
check "hears windows" says "scored" "$program" status
check "reloads when asked" "$program" reload
check "reloads by systemctl" systemctl reload edge-listen

before=$(pid)
kill -9 "$before"
check "killed, it comes back" comes_back "$before"
override fast 'WatchdogSec=5\nTimeoutAbortSec=5\n'
systemctl restart edge-listen
before=$(pid)
kill -STOP "$before"
check "hung, it is ended by the watchdog and comes back" comes_back "$before"
no_overrides

echo "x x" >/etc/edge-listen/config.toml
check "a broken configuration: an installation says that it does not stay up" \
    says "it does not stay up" install
sleep 12
check "systemd goes on trying" fails says "NRestarts=0" systemctl show --property=NRestarts edge-listen
cat /srv/good.toml >/etc/edge-listen/config.toml
check "mended, it comes up by itself" comes_up

echo secret >/opt/of-audio
chgrp audio /opt/of-audio
chmod 640 /opt/of-audio
check "the sandbox: files of the group audio, and the state directory" within_the_sandbox '
import os
open("/opt/of-audio").read()
open(os.environ["STATE_DIRECTORY"] + "/x", "w").write("x")
os.unlink(os.environ["STATE_DIRECTORY"] + "/x")'
check "the sandbox: nothing else to write, no homes, no processes of others" within_the_sandbox '
import os
for refused in ("/etc/x", "/opt/x", "/usr/x"):
    try:
        open(refused, "w")
    except OSError:
        continue
    raise SystemExit(refused)
assert not os.path.exists("/proc/1") and not os.access("/root", os.R_OK) and not os.access("/home", os.R_OK)'
check "the sandbox: the clock can be asked and not set" within_the_sandbox '
import ctypes
adjtimex = ctypes.CDLL(None).adjtimex
assert adjtimex(ctypes.create_string_buffer(1024)) >= 0
assert adjtimex(ctypes.create_string_buffer((0x4002).to_bytes(4, "little"), 1024)) == -1'
check "the sandbox: PortAudio can call back" within_the_sandbox '
import sounddevice
sounddevice._ffi.callback("PaStreamCallback", lambda *_: 0)
sounddevice.query_devices()'
connect='
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(("127.0.0.1", server.getsockname()[1]))'
check "the sandbox: no network" fails within_the_sandbox "$connect"
no_overrides
install --network >/dev/null
check "the sandbox: a network with --network" within_the_sandbox "$connect"
no_overrides

systemctl restart edge-listen
check "upgrades" install
check "rolls back" install --rollback
check "runs afterwards" comes_up
check "uninstalls from itself" "$program" uninstall-service --yes
rm /opt/noise.py /opt/probe.py /opt/of-audio
tree >/srv/after
check "leaves nothing" diff /srv/before /srv/after
check "a second time there is nothing to do" \
    says "nothing to do" /srv/env/bin/edge-listen uninstall-service --yes
if ((failures == 0)); then echo "all well"; fi
