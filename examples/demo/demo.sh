#!/bin/sh
# The same container without and with oominit: its worker is OOM-killed, and its main process does not care. It takes
# Docker, or root with a memory cgroup to make; what it makes, it removes.
set -eu
cd "$(dirname "$0")/../.."

limit=33554432
work=$(mktemp -d)
image=
containers=
cgroup=

clean() {
	code=$?
	trap - EXIT
	for container in $containers; do
		docker rm -f "$container" >/dev/null 2>&1 || true
	done
	[ -z "$image" ] || docker rmi "$image" >/dev/null 2>&1 || true
	remove_cgroup
	rm -rf "$work"
	exit "$code"
}

# The last process may still be on its way out.
remove_cgroup() {
	[ -n "$cgroup" ] || return 0
	tries=0
	until rmdir "$cgroup" 2>/dev/null || [ "$tries" -ge 50 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
	cgroup=
}

trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM


engine_answers() {
	command -v docker >/dev/null 2>&1 && timeout 10 docker info >/dev/null 2>&1
}

# with_docker TITLE ENTRYPOINT ARGUMENT...
with_docker() {
	title=$1 entrypoint=$2
	shift 2
	container=$(docker create --network none --memory "$limit" --memory-swap "$limit" --entrypoint "$entrypoint" "$image" "$@")
	containers="$containers $container"
	timeout 30 docker start "$container" >/dev/null
	timeout 30 docker wait "$container" >/dev/null
	said=$(docker inspect -f 'OOMKilled {{.State.OOMKilled}}, ExitCode {{.State.ExitCode}}' "$container")
	code=$(docker inspect -f '{{.State.ExitCode}}' "$container")
	docker logs "$container" >"$work/out" 2>&1
	show "$title" "$code" "the engine says: $said"
}

# with_namespaces TITLE PROGRAM ARGUMENT...
with_namespaces() {
	title=$1
	shift
	cgroup=$(mktemp -d "$parent/oominit-demo-XXXXXX")
	if [ -e "$cgroup/memory.limit_in_bytes" ]; then
		echo "$limit" >"$cgroup/memory.limit_in_bytes"
		# They are there only if the kernel counts swap.
		[ ! -e "$cgroup/memory.memsw.limit_in_bytes" ] || echo "$limit" >"$cgroup/memory.memsw.limit_in_bytes"
		counter=$cgroup/memory.oom_control
	else
		echo "$limit" >"$cgroup/memory.max"
		[ ! -e "$cgroup/memory.swap.max" ] || echo 0 >"$cgroup/memory.swap.max"
		counter=$cgroup/memory.events
	fi
	code=0
	timeout 30 sh -c 'echo 0 >"$0/cgroup.procs" && exec unshare --pid --mount --fork --kill-child --mount-proc "$@"' \
		"$cgroup" "$@" >"$work/out" 2>&1 || code=$?
	show "$title" "$code" "the kernel says: $(grep '^oom_kill ' "$counter" || echo 'no count')"
	remove_cgroup
}

# A directory in which a memory cgroup can be made: v1's hierarchy, or a v2 cgroup that hands out the controller.
cgroup_parent() {
	for directory in /sys/fs/cgroup/memory /sys/fs/cgroup; do
		if [ -w "$directory" ] && { [ -e "$directory/memory.limit_in_bytes" ] ||
			grep -qw memory "$directory/cgroup.subtree_control" 2>/dev/null; }; then
			if probe=$(mktemp -d "$directory/oominit-demo-XXXXXX" 2>/dev/null); then
				rmdir "$probe"
				echo "$directory"
				return
			fi
		fi
	done
	return 1
}

show() {
	printf '\n%s\n' "$1"
	"$work/root/demo" -read <"$work/out"
	printf '  exit code %s; %s\n' "$2" "$3"
}

mkdir "$work/root" "$work/root/proc"
parent=
if engine_answers; then
	how=docker
elif [ "$(id -u)" -eq 0 ] && command -v unshare >/dev/null 2>&1 && parent=$(cgroup_parent); then
	how=namespaces
else
	echo "demo: needs a Docker engine that answers, or root, unshare and a memory cgroup that can be made" >&2
	exit 1
fi

make -s build BIN="$work/root/oominit"
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$work/root/demo" ./examples/demo

case $how in
docker)
	name=oominit-demo:$$
	tar -C "$work/root" -c . | docker import - "$name" >/dev/null
	image=$name
	with_docker "Without oominit:" /demo
	with_docker "With oominit:" /oominit /demo
	;;
namespaces)
	with_namespaces "Without oominit:" "$work/root/demo"
	with_namespaces "With oominit:" "$work/root/oominit" "$work/root/demo"
	;;
esac
