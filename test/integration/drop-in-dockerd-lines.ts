// What drop-in-dockerd.test.ts runs with both runtimes: `<code> | <script>`. $R is the flag that names the runtime, $C a container of the
// side's own, $I the image, $F a directory of files.

export const RUNS = `
0 | docker run $R --rm $I echo hello
3 | docker run $R --rm $I sh -c 'echo out; echo err >&2; exit 3'
127 | docker run $R --rm $I no-such-program
127 | docker run $R --rm $I /no/such/program
126 | docker run $R --rm $I /etc/passwd
126 | docker run $R --rm $I /etc
125 | docker run $R --rm --entrypoint '' -w /etc/passwd $I pwd
125 | docker run $R --rm --no-such-flag $I true
125 ~cannot be mounted because it is inside /proc | docker run $R --rm -v /no-such-dir/x:/proc/x:ro $I true
125 ~: not a directory: unknown: Are you trying to mount a directory onto a file | docker run $R --rm -v $F/file:/bin $I true
127 | docker run $R --rm --device /dev/no-such-device $I true
125 | docker run $R --rm --sysctl kernel.no_such=1 $I true
127 | docker run $R --rm --sysctl net.ipv4.no_such=1 $I true
125 | docker run $R --rm --ulimit nofile=900000:900000 $I true
125 | docker run $R --rm --cpuset-cpus 99 $I true
125 | docker run $R --rm -u no-such-user $I true
125 | docker run $R --rm -u 0:no-such-group $I true
0 | echo typed | docker run $R --rm -i $I cat
0 | head -c 3000000 /dev/zero | docker run $R --rm -i $I wc -c
0 | docker run $R --rm $I sh -c 'head -c 3000000 /dev/zero' | wc -c
0 | docker run $R --rm -t $I sh -c 'tty; stty -a | head -3; ls -ln /dev/console /dev/pts'
0 | pty docker run $R --rm -it $I sh -c '"stty size; tty; test -t 0 && test -t 1 && echo terminal"'
4 | pty docker run $R --rm -it $I sh -c '"exit 4"'
143 | docker run $R --rm $I sh -c 'kill -TERM $$; echo deaf'; docker run $R --rm --init $I sh -c 'kill -TERM $$'
0 | docker run $R --rm --init $I ps -o args
0 | docker run $R --rm --init $I sh -c 'sleep 0.1 & exec true'
0 | docker run $R --rm -e A=1 -e B='two words' -e HOME=/h $I env | sort
0 | docker run $R --rm -w /made/for/this $I sh -c 'pwd; stat -c "%a %u" .'
0 | docker run $R --rm --hostname h --domainname d $I sh -c 'hostname; hostname -f; cat /proc/sys/kernel/domainname'
0 | docker run $R --rm --add-host a:1.2.3.4 --dns 9.9.9.9 $I sh -c 'tail -n +7 /etc/hosts | grep -w a; cat /etc/resolv.conf'
0 | docker run $R --rm -m 16m --memory-swap 16m $I sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; sh -c "tail -c 60m /dev/zero | wc -c"; echo survived'
137 | docker run $R --name $C -m 16m --memory-swap 16m $I sh -c 'exec 2>/dev/null; tail /dev/zero; c=$?; sleep 0.5; exit $c'; c=$?; docker inspect -f '{{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}}' $C; exit $c
0 | docker run $R --rm --network none $I sh -c 'ip -o link | cut -d" " -f2'
0 | docker run $R --rm $I sh -c 'ip -o -4 addr show eth0 | grep -c 172; ip route | grep -c default'
0 | docker run $R --rm $I ping -c 1 -W 5 127.0.0.1 | sed -n 1p
0 | docker run -d $R --name $C $I sleep 1000 >/dev/null; docker run $R --rm --network container:$C $I sh -c 'test "$(hostname)" != ""; ip -o link | wc -l'; docker run $R --rm --pid container:$C $I ps -o args;
  docker run $R --rm --network none --ipc private $I true
0 | docker run -d $R --name $C --ipc shareable $I sh -c 'echo shared >/dev/shm/f; sleep 1000' >/dev/null; until_says shared docker run $R --rm --ipc container:$C $I cat /dev/shm/f
0 | docker run $R --rm -v $F:/f $I sh -c 'cat /f/file; echo x >/f/$HOSTNAME-w; grep " /f " /proc/self/mountinfo | cut -d" " -f4-7'; rm -f $F/*-w
0 | docker run $R --rm -v $F:/f:ro $I sh -c 'cat /f/file; echo x >/f/w'; true
0 | docker run $R --rm -v $F/file:/etc/passwd:ro $I cat /etc/passwd
0 | docker run $R --rm --mount type=bind,src=$F/shared,dst=/deep/down/here,bind-propagation=rslave $I sh -c 'grep " /deep" /proc/self/mountinfo | grep -o master'
0 | docker run $R --rm -v $C-volume:/var/www $I sh -c 'ls -ln /var/www; echo kept >/var/www/f'; docker run $R --rm -v $C-volume:/v $I cat /v/f; docker volume rm $C-volume >/dev/null
0 | docker run $R --rm --security-opt seccomp=$F/no-mkdir.json $I sh -c 'mkdir /x; mkdir /y 2>/dev/null || echo refused; rmdir /etc/none 2>&1; true'
0 | docker run $R --rm --security-opt seccomp=$F/kill.json $I sh -c 'mkdir /x; echo "code $?"'
125 | docker run $R --rm --security-opt seccomp=$F/file $I true
0 | docker run $R --rm --security-opt no-new-privileges -u 1000 $I sh -c 'grep NoNewPrivs /proc/self/status; su -c id; true'
0 | docker run $R --rm -u 1000 $I su -c id
0 | docker run $R --rm --device /dev/null:/dev/own:r $I sh -c 'cat /dev/own; echo x >/dev/own; stat -c "%F %a %t:%T" /dev/own'; true
0 | docker run $R --rm --device-cgroup-rule 'c 1:8 r' --cap-add MKNOD $I sh -c 'mknod /tmp/r c 1 8; head -c 4 /tmp/r | wc -c; mknod /tmp/m c 1 1; cat /tmp/m'; true
0 | docker run $R --rm --cgroup-parent $C-parent $I sh -c 'true'; remove_groups $C-parent
0 | docker run $R --rm --cgroupns private $I cat /proc/self/cgroup
0 | docker run $R --rm --userns host --uts host --pid host --ipc host --network host $I sh -c 'for n in uts pid ipc net user mnt; do readlink /proc/self/ns/$n; done'
0 | docker run $R --rm --security-opt systempaths=unconfined $I sh -c 'grep -cE " /proc/(kcore|timer_list|sys|bus)" /proc/self/mountinfo'; true
0 | docker run $R --rm --group-add 5 --group-add audio -u user $I id
0 | docker run $R --rm -u 4321:4322 $I id
0 | docker run $R --rm $I sh -c 'for i in 1 2 3; do (sleep 0.1; echo $i) & done; wait' | sort
`

/** Flags with which a container prints what it sees of how it was made. */
export const PROBED = [
  '',
  '-t',
  '--privileged -u 1000',
  '-u 1000',
  '-u user --group-add 7',
  '-u 1000 --cap-add NET_ADMIN --cap-add CHOWN',
  '--cap-drop ALL',
  '--cap-drop ALL --cap-add NET_BIND_SERVICE',
  '--security-opt no-new-privileges',
  '--security-opt seccomp=unconfined',
  '--read-only',
  '--read-only --tmpfs /tmp --tmpfs /run:size=1m,mode=700,uid=5,exec',
  '--tmpfs /etc --shm-size 2m',
  '-v $F:/f:ro -v $F/file:/file -v $F:/made/below/f:z',
  '--mount type=tmpfs,dst=/t,tmpfs-size=65536,tmpfs-mode=1770 --mount type=bind,src=$F,dst=/b,bind-propagation=rprivate,readonly',
  '--ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=50:60',
  '--device /dev/null:/dev/own:r --device /dev/zero:/dev/deep/down/zero',
  '--device-cgroup-rule "c 10:* rwm" --device-cgroup-rule "a 7:* r"',
  '-m 64m --memory-swap 128m --memory-reservation 32m --memory-swappiness 10 --oom-kill-disable',
  '--cpus 0.5 --cpuset-cpus 0 --cpuset-mems 0 --cpu-shares 100 --pids-limit 33',
  '--cpu-period 20000 --cpu-quota 10000 --oom-score-adj 500',
  '--sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=65536 --sysctl fs.mqueue.msg_max=20',
  '--pid host --ipc host --uts host',
  '--network host',
  '--network none --ipc none',
  '--cgroupns private',
  '--init -e X=1 -w /var',
  '--hostname h --domainname d',
  '--security-opt systempaths=unconfined',
]

/** On a container that runs: `sh -c 'trap "exit 7" TERM; …'` waiting. */
export const LIVES = String.raw`
0 | docker exec $C sh -c 'echo out; echo err >&2; id; pwd'
5 | docker exec $C sh -c 'exit 5'
126 | docker exec $C no-such-program
126 | docker exec $C /etc/passwd
126 | docker exec -w /no/such/directory $C pwd
126 | docker exec -u no-such-user $C id
137 | docker exec $C sh -c 'kill -9 $$'
0 | echo typed | docker exec -i $C cat
0 | head -c 3000000 /dev/zero | docker exec -i $C wc -c
0 | pty docker exec -it $C sh -c '"stty size; tty; ls -ln /dev/pts; echo done"'
6 | pty docker exec -it $C sh -c '"exit 6"'
0 | docker exec -e A=1 -w /tmp -u 1000:5 $C sh -c 'env | sort; pwd; id; grep -E "^(Cap|NoNewPrivs|Seccomp|Groups)" /proc/self/status'
0 | docker exec $C sh -c 'for n in /proc/self/ns/*; do [ $(readlink $n) = $(readlink /proc/1/ns/$(basename $n)) ] || echo $n; done; cut -d: -f2- /proc/self/cgroup | sort; cat /proc/self/oom_score_adj /proc/self/limits; umask; ls -l /proc/self/fd | wc -l'
0 | docker exec -d $C sh -c 'echo detached >/tmp/d'; until_says detached docker exec $C cat /tmp/d
0 | docker pause $C; docker inspect -f '{{.State.Status}} {{.State.Paused}}' $C; docker exec $C true; docker pause $C; docker unpause $C; docker unpause $C; docker exec $C echo thawed
137 | docker pause $C >/dev/null; docker kill $C; docker wait $C; docker inspect -f '{{.State.Status}} {{.State.Paused}}' $C; exit $(docker inspect -f '{{.State.ExitCode}}' $C)
0 | docker top $C -o pid,ppid,args | tail -n +2 | awk '{ $1 = ""; $2 = ""; print }' | grep -v '^ *sleep'
0 | docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.BlockIO}}' $C; docker stats --no-stream --format '{{.MemUsage}}' $C | sed 's/.*\///'
0 | docker update -m 64m --memory-swap 96m --cpus 0.5 --pids-limit 30 --cpu-shares 77 $C; docker exec $C sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares pids/pids.max'
1 | docker update -m 1k $C
1 | docker update --cpuset-cpus 99 $C
0 | docker cp $F/file $C:/tmp/copied; docker exec $C cat /tmp/copied; docker exec $C sh -c 'echo back >/tmp/back'; docker cp $C:/tmp/back - | tar -xO
0 | docker exec $C sh -c 'echo changed >/new'; docker diff $C | grep new; docker commit $C $C-image >/dev/null; docker run $R --rm $C-image cat /new; docker rmi -f $C-image >/dev/null
0 | docker kill -s USR1 $C; until_says usr1 docker logs $C; docker inspect -f '{{.State.Running}}' $C
1 | docker kill -s BOGUS $C
0 | docker kill -s KILL $C; docker wait $C; docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Pid}} {{.State.Error}}' $C
0 | docker stop -t 20 $C; docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' $C; docker start $C; docker inspect -f '{{.State.Running}}' $C; docker exec $C echo again
0 | docker restart -t 0 $C; docker exec $C echo again; docker inspect -f '{{.RestartCount}} {{.State.Running}}' $C
1 | docker rm $C
0 | docker rm -f $C; docker ps -aq -f name=$C; find /sys/fs/cgroup -name "*$C*" 2>/dev/null | wc -l
0 | docker rename $C $C-2; docker exec $C-2 echo renamed; docker rename $C-2 $C
`

/** Created here and looked after by dockerd. */
export const TENDED = `
0 | docker create $R --name $C $I sh -c 'echo hello; exit 4' >/dev/null; docker inspect -f '{{.State.Status}}' $C; docker start -a $C; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $C; docker logs $C
1 | docker create $R --name $C $I no-such-program >/dev/null; docker start $C; c=$?; docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' $C; exit $c
0 | docker run -d $R --name $C --health-cmd 'test -e /tmp/well || { echo ill; exit 1; }' --health-interval 0.3s --health-retries 1 $I sleep 1000 >/dev/null; until_says unhealthy docker inspect -f '{{.State.Health.Status}}' $C;
  docker inspect -f '{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}' $C; docker exec $C touch /tmp/well; until_says healthy docker inspect -f '{{.State.Health.Status}}' $C
0 | docker run -d $R --name $C --restart on-failure:2 $I sh -c 'echo run; exit 3' >/dev/null; until_says 'exited 2 3' docker inspect -f '{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}' $C; docker logs $C
0 | docker run -d $R --name $C --restart always $I sleep 1000 >/dev/null; kill -9 $(docker inspect -f '{{.State.Pid}}' $C); until_says '1 true' docker inspect -f '{{.RestartCount}} {{.State.Running}}' $C
0 | docker run -d $R --name $C --stop-signal INT $I sh -c 'trap "echo int; exit 0" INT; echo up; while :; do sleep 0.1; done' >/dev/null; until_says up docker logs $C; docker stop -t 20 $C; docker logs $C; docker inspect -f '{{.State.ExitCode}}' $C
0 | docker run -d $R --name $C --rm $I sleep 0.2 >/dev/null; until_says '' docker ps -aq -f name=$C
0 | docker run -d $R --name $C $I sh -c 'sleep 1000 & sleep 1000' >/dev/null; docker stop -t 0 $C; docker inspect -f '{{.State.ExitCode}}' $C
0 | docker run -d $R --name $C --cgroup-parent /$C-parent $I sleep 1000 >/dev/null; docker exec $C cut -d: -f2- /proc/1/cgroup | sort; docker rm -f $C; find /sys/fs/cgroup -path "*$C-parent/*" -type d 2>/dev/null | wc -l; remove_groups $C-parent
0 | for n in 1 2 3 4 5; do docker run -d $R --label $C $I sleep 1000 >/dev/null & done; wait; docker ps -q -f label=$C | wc -l; docker rm -f $(docker ps -q -f label=$C) | wc -l
`

/** They ask for every capability. Each prints the effective ones. */
export const ALMIGHTY = `
0 | docker run $R --rm --privileged $I grep CapEff /proc/self/status
0 | docker run $R --rm --cap-add ALL $I grep CapEff /proc/self/status
0 | docker exec --privileged $C grep CapEff /proc/self/status
0 | docker exec --privileged -u 1000 $C grep CapBnd /proc/self/status
`
