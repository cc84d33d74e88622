# Sourced by the tests that run other programs against `dohle node`. Needs $dohle, the command. Sets
# $work, a directory that is removed after the test, and by start_node $node and $address. Kills the
# processes that still run at the end.
work=$(mktemp -d)
node=
others=()

kill_all() {
  local each
  for each in $node ${others[@]+"${others[@]}"}; do kill -9 "$each" 2>/dev/null || true; done
  rm -rf "$work"
}
trap kill_all EXIT

fail() { # WHAT [FILE]: the end of the file, or of what the node said, tells why
  echo "$1:" >&2
  tail -n 40 "${2:-$work/log}" >&2
  exit 1
}

expect() { # WHAT WANTED GOT
  [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}

await() { # SECONDS WHAT COMMAND…: until the command succeeds
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$what did not happen in time"
    sleep 0.05
  done
}

start_node() { # [OPTION…]
  rm -f "$work/ready"
  mkfifo "$work/ready"
  "$dohle" node --data "$work/data" --listen 127.0.0.1:0 "$@" >"$work/ready" 2>>"$work/log" &
  node=$!
  local word=
  read -r -t 30 word address <"$work/ready" || true
  [ "$word" = ready ] || fail "the node did not become ready"
}

stop_node() {
  kill "$node"
  wait "$node" || fail "the node did not stop cleanly"
  node=
}

kill_node() {
  kill -9 "$node"
  wait "$node" 2>/dev/null || true
  node=
}
