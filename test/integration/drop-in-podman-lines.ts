// What drop-in-podman.test.ts runs with both runtimes: `<code> | <script>`. $P is podman with its directories and the runtime, $C a container
// of the side's own, $I the image, $F a directory of files, $O a directory of the side's own.

export const RUNS = `
0 | $P run --rm $I echo hello
3 | $P run --rm $I sh -c 'echo out; echo err >&2; exit 3'
1 | $P run --rm $I false
127 | $P run --rm $I no-such-program
127 | $P run --rm $I /no/such/program
126 | $P run --rm $I /etc/passwd
126 | $P run --rm $I /etc
125 | $P run --rm --no-such-flag $I true
126 | $P run --rm -w /etc/passwd $I true
127 | $P run --rm --sysctl net.ipv4.no_such=1 $I true
126 | $P run --rm --ulimit nofile=900000:900000 $I true
125 | $P run --rm --cpuset-cpus 99 $I true
126 | $P run --rm -u no-such-user $I true
125 | $P run --rm --device /dev/no-such-device $I true
125 | $P run --rm -v /no/such/source:/x $I true
137 | $P run --rm $I sh -c 'kill -9 $$; echo deaf; exit 137'
143 | $P run --rm --pid host $I sh -c 'kill -TERM $$'
0 | echo typed | $P run --rm -i $I cat
0 | head -c 3000000 /dev/zero | $P run --rm -i $I wc -c
0 | $P run --rm $I sh -c 'head -c 3000000 /dev/zero' | wc -c
0 | $P run --rm -t $I sh -c 'tty; ls -ln /dev/console /dev/pts'
0 | pty $P run --rm -it $I sh -c '"stty size; tty; test -t 0 && test -t 1 && echo terminal; sleep 0.3"'
4 | pty $P run --rm -it $I sh -c '"exit 4"'
0 | exec 3<$F/file; $P run --rm --preserve-fds 1 $I sh -c 'cat <&3; ls /proc/self/fd | wc -l'
137 | $P run --name $C -m 16m --memory-swap 16m $I sh -c 'exec 2>/dev/null; tail /dev/zero; c=$?; sleep 0.5; exit $c'; c=$?; $P inspect -f '{{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}}' $C; exit $c
0 | $P run -d --name $C --hostname a $I sleep 1000 >/dev/null; $P run --rm --network container:$C --pid container:$C --ipc container:$C --uts container:$C $I sh -c 'hostname; ps -o args; for n in net pid ipc uts; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] || echo $n; done'
0 | $P run --rm --security-opt seccomp=$F/no-mkdir.json $I sh -c 'mkdir /x; rmdir /etc/none; true'
0 | $P run --rm --security-opt no-new-privileges -u 1000 $I sh -c 'su -c id; true'
0 | $P run --rm -u 1000 $I su -c id
0 | $P run --rm -v $F:/f:O $I sh -c 'echo x >/f/w; cat /f/*'; ls $F
0 | $P run --name $C --annotation hooked=yes $I ls -d /hook-was-here; $P rm $C >/dev/null; cd $O; python3 $F/show-states *
126 | $P run --rm --annotation hooked=fails $I true
0 | $P run --rm --timeout 1 $I sleep 100; c=$?; [ $c = 137 ] || [ $c = 143 ] || [ $c = 255 ]
0 | $P run --rm --cgroup-parent /$C-parent $I cut -d: -f2- /proc/self/cgroup | sort; remove_groups $C-parent
0 | for n in 1 2 3 4 5; do $P run -d --label own=$C $I sleep 1000 >/dev/null & done; wait; $P ps -q -f label=own=$C | wc -l; $P rm -t 0 -f $($P ps -q -f label=own=$C) | wc -l
0 | (cd $F/context; $P build -q --no-cache -t $C . >$O/id; $P run --rm $C sh -c 'cat /made; pwd; id; env | sort | grep -E "^(A|PATH|HOME)="'; $P rmi $C >/dev/null)
1 | (cd $F/context; $P build --no-cache -f Dockerfile.fails . 2>&1 | grep -vE '^(-->|STEP)' | sort; exit 1)
`

/** Flags with which a container prints what it sees of how it was made. */
export const PROBED = [
  '',
  '-t',
  '-u 1000:5',
  '-u user --group-add 7',
  '--cap-drop ALL --cap-add NET_BIND_SERVICE,CHOWN',
  '-u 1000 --cap-add NET_ADMIN',
  '--security-opt seccomp=unconfined --security-opt no-new-privileges',
  '--read-only',
  '--read-only --read-only-tmpfs=false --tmpfs /run:size=1m,mode=700,exec',
  '-v $F:/f:ro -v $F:/made/below/f:exec,dev --mount type=bind,src=$F/file,dst=/file,ro',
  '--mount type=tmpfs,dst=/etc,tmpcopyup --mount type=devpts,dst=/other/pts',
  '--ulimit nofile=100:200 --ulimit core=0:0 --ulimit nproc=50:60 --umask 0077',
  '--device /dev/null:/dev/own:r --device-cgroup-rule "c 10:* rwm"',
  '-m 64m --memory-swap 128m --memory-reservation 32m --memory-swappiness 10',
  '--cpus 0.5 --cpuset-cpus 0 --cpuset-mems 0 --cpu-shares 100 --pids-limit 33',
  '--oom-score-adj 500 --sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=65536',
  '--pid host --ipc host --uts host --network host',
  '--cgroupns private',
  '--cgroupns host --hostname h',
  '--uidmap 0:200000:2000 --gidmap 0:300000:2000',
  '--uidmap 0:200000:2000 --gidmap 0:200000:2000 -u 1000 --read-only -v $F:/f',
  '--security-opt unmask=ALL',
  '--security-opt mask=/etc/passwd:/var --security-opt proc-opts=hidepid=2',
  '--systemd always -e container_uuid=none',
  '--shm-size 2m --tz UTC',
]

/** On a container that runs. */
export const LIVES = `
0 | $P exec $C sh -c 'echo out; echo err >&2; id; pwd'
5 | $P exec $C sh -c 'exit 5'
127 | $P exec $C no-such-program
126 | $P exec $C /etc/passwd
127 | $P exec -w /no/such/directory $C pwd
255 | $P exec -u no-such-user $C id
137 | $P exec $C sh -c 'kill -9 $$'
0 | echo typed | $P exec -i $C cat
0 | pty $P exec -it $C sh -c '"stty size; tty; ls -ln /dev/pts; echo done; sleep 0.3"'
6 | pty $P exec -it $C sh -c '"exit 6"'
0 | $P exec -e A=1 -w /tmp -u 1000:5 $C sh -c 'env | sort; pwd; id; grep -E "^(Cap|NoNewPrivs|Seccomp|Groups)" /proc/self/status'
0 | exec 3<$F/file; $P exec --preserve-fds 1 $C sh -c 'cat <&3'
0 | $P exec $C sh -c 'for n in /proc/self/ns/*; do [ $(readlink $n) = $(readlink /proc/1/ns/$(basename $n)) ] || echo $n; done; cut -d: -f2- /proc/self/cgroup | sort; cat /proc/self/oom_score_adj /proc/self/limits; umask'
0 | $P exec -d $C sh -c 'echo detached >/tmp/d' >/dev/null; until_says detached $P exec $C cat /tmp/d
0 | $P pause $C; $P inspect -f '{{.State.Status}} {{.State.Paused}}' $C; $P exec $C true; $P unpause $C; $P exec $C echo thawed
125 | $P unpause $C
0 | $P top $C args | grep -v '^sleep'
0 | $P stats --no-stream --format '{{.Name}} {{.PIDS}}' $C
0 | $P update -m 64m --cpus 0.5 --pids-limit 30 --cpu-shares 77 $C >/dev/null; $P exec $C sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares pids/pids.max'
0 | $P cp $F/file $C:/tmp/copied; $P exec $C cat /tmp/copied
0 | $P exec $C sh -c 'echo changed >/new'; $P diff $C | grep new; $P commit -q $C $C-image >/dev/null; $P run --rm $C-image cat /new; $P rmi -f $C-image >/dev/null
0 | $P kill -s USR1 $C; until_says usr1 $P logs $C; $P inspect -f '{{.State.Running}}' $C
0 | $P kill $C; $P wait $C; $P inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Pid}} {{.State.Error}}' $C
0 | $P stop -t 20 $C; $P inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' $C; $P start $C; $P inspect -f '{{.State.Running}}' $C; $P exec $C echo again
0 | $P restart -t 0 $C >/dev/null; $P exec $C echo again; $P inspect -f '{{.State.Running}}' $C
0 | $P healthcheck run $C; $P inspect -f '{{.State.Health.Status}}' $C
2 | $P rm $C
0 | $P rm -t 0 -f $C >/dev/null; $P ps -aq -f name=$C; find /sys/fs/cgroup -name "*$C*" 2>/dev/null | wc -l
0 | $P inspect -f '{{.OCIRuntime}} {{.State.OciVersion}} {{.EffectiveCaps}} {{.HostConfig.CgroupMode}}' $C
0 | $P events --stream=false --since 0 -f container=$C --format '{{.Status}}' | tail -3
`

/** What podman looks after. */
export const TENDED = `
0 | $P create --name $C $I sh -c 'echo hello; exit 4' >/dev/null; $P inspect -f '{{.State.Status}}' $C; $P start -a $C; $P inspect -f '{{.State.Status}} {{.State.ExitCode}}' $C; $P logs $C
125 | $P create --name $C $I no-such-program >/dev/null; $P start -a $C; c=$?; $P inspect -f '{{.State.Status}} {{.State.ExitCode}}' $C; exit $c
0 | $P create --name $C $I sleep 1000 >/dev/null; $P container init $C >/dev/null; $P inspect -f '{{.State.Status}}' $C; $P start $C >/dev/null; $P inspect -f '{{.State.Status}}' $C
0 | $P run -d --name $C --restart on-failure:2 $I sh -c 'echo run; exit 3' >/dev/null; until_says 'exited 2' $P inspect -f '{{.State.Status}} {{.RestartCount}}' $C; $P logs $C
0 | $P run -d --name $C --stop-signal INT $I sh -c 'trap "echo int; exit 0" INT; echo up; while :; do sleep 0.1; done' >/dev/null; until_says up $P logs $C; $P stop -t 20 $C >/dev/null; $P logs $C; $P inspect -f '{{.State.ExitCode}}' $C
0 | $P run -d --name $C --rm $I sleep 0.2 >/dev/null; until_says '' $P ps -aq -f name=$C
0 | $P run -d --name $C $I sh -c 'sleep 1000 & sleep 1000' >/dev/null; $P stop -t 0 $C >/dev/null; $P inspect -f '{{.State.ExitCode}}' $C
0 | $P pod create --infra=false --name $C-pod >/dev/null; $P run -d --pod $C-pod --name $C $I sleep 1000 >/dev/null; $P pod inspect -f '{{.State}}' $C-pod; $P pod rm -t 0 -f $C-pod >/dev/null; $P ps -aq -f name=$C
`

/** With criu. What counts goes on where it was, and does not begin anew. */
export const SAVED = `
0 | $P run -d --name $C $I sh -c 'n=100; while :; do n=$((n+1)); echo $n >/count; sleep 0.02; done' >/dev/null; until_says '' $P exec $C test -s /count; $P container checkpoint $C >/dev/null; $P inspect -f '{{.State.Status}} {{.State.Checkpointed}}' $C; $P container restore $C >/dev/null; $P inspect -f '{{.State.Status}}' $C; $P exec $C sh -c 'test $(cat /count) -gt 100 && echo goes on'
0 | $P run -d --name $C $I sh -c 'echo told; sleep 1000' >/dev/null; until_says told $P logs $C; $P container checkpoint --leave-running -e $O/saved.tar $C >/dev/null; $P inspect -f '{{.State.Running}}' $C; $P rm -t 0 -f $C >/dev/null; $P container restore -i $O/saved.tar >/dev/null; $P exec $C cat /proc/1/comm; $P inspect -f '{{.State.Running}}' $C; rm $O/saved.tar
`
