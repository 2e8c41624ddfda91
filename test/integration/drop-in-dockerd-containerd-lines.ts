// What drop-in-dockerd-containerd.test.ts runs besides the lines of drop-in-dockerd-lines.ts, and which of those it takes.

/** Of the lines about `run`: streams, terminals, exit codes, failures. What the runtime alone decides is compared with another one elsewhere. */
export const RUNS_HERE = [
  'echo out; echo err',
  '$I no-such-program',
  'net.ipv4.no_such',
  '-i $I wc -c',
  'stty size',
  '"exit 4"',
  '--name $C -m 16m',
  '--network container:$C',
]

/** Of those on a container that runs: all that goes through containerd. */
export const LIVES_HERE = [
  'echo out; echo err',
  "sh -c 'exit 5'",
  '$C no-such-program',
  '-w /no/such/directory',
  '-i $C wc -c',
  'stty size',
  '"exit 6"',
  'exec -d',
  'docker pause $C;',
  'docker top',
  'docker stats',
  'docker update -m 64m',
  'docker kill -s USR1',
  'docker kill -s KILL',
  'docker stop',
  'docker restart',
  'docker rm -f',
]

/** Of what dockerd looks after: that which begins with an event of containerd's. */
export const TENDED_HERE = [
  '$I no-such-program',
  '--health-cmd',
  '--restart on-failure',
  '--restart always',
  '--stop-signal',
  'for n in 1 2 3 4 5',
]

/** Flags with which a container prints what it sees of how it was made. */
export const PROBED = [
  '-t -u 1000 --read-only --tmpfs /tmp',
  '-m 64m --pids-limit 33 --cpus 0.5 --device /dev/null:/dev/own:r',
]

/** Events come from containerd's: their order and number are the same. */
export const EVENTS = `
0 | t=$(date +%s); docker run --name $C $I sh -c 'exit 3'; docker exec $C true 2>/dev/null; docker rm $C >/dev/null;
  docker events --since $t --until $(($(date +%s)+1)) --filter container=$C --format '{{.Action}} {{index .Actor.Attributes "exitCode"}}'
0 | t=$(date +%s); docker run -d --name $C $I sleep 1000 >/dev/null; docker exec $C sh -c 'exit 5'; docker pause $C >/dev/null; docker unpause $C >/dev/null; docker kill $C >/dev/null; docker wait $C; docker rm $C >/dev/null;
  docker events --since $t --until $(($(date +%s)+1)) --filter container=$C --format '{{.Action}} {{index .Actor.Attributes "exitCode"}}'
0 | t=$(date +%s); docker run --name $C -m 16m --memory-swap 16m $I sh -c 'tail /dev/zero; sleep 0.5' >/dev/null 2>&1; docker rm $C >/dev/null;
  docker events --since $t --until $(($(date +%s)+1)) --filter container=$C --format '{{.Action}} {{index .Actor.Attributes "exitCode"}}' | sort -u
`
