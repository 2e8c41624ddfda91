// What drop-in-containerd.test.ts runs with both runtimes: `<code> | <script>`. $X is ctr, $B the flags that name the runtime and what kind of image $T is, $C a container
// of the side's own, $T a root file system, $F a directory of files.

export const RUNS = `
0 | $X run $B --rm $T $C echo hello
3 | $X run $B --rm $T $C sh -c 'echo out; echo err >&2; exit 3'
1 | $X run $B --rm $T $C no-such-program
1 | $X run $B --rm $T $C /etc/passwd
1 ~: not a directory: unknown | $X run $B --rm --cwd /etc/passwd $T $C true
1 | $X run $B --rm --mount type=bind,src=/no/such,dst=/x,options=bind $T $C true
137 | $X run $B --rm --memory-limit 16777216 $T $C sh -c 'exec 2>/dev/null; tail /dev/zero; exit $?'
0 | echo typed | $X run $B --rm $T $C head -n 1
0 | head -c 3000000 /dev/zero | $X run $B --rm $T $C sh -c 'head -c 3000000 | wc -c'
0 | pty $X run $B -t --rm $T $C sh -c '"tty; test -t 0 && test -t 1 && echo terminal"' | grep -v 'resize pty'
4 | pty $X run $B -t --rm $T $C sh -c '"exit 4"'
0 | $X run $B --rm $T $C sh /probe
0 | $X run $B --rm --cwd /made/for/this $T $C sh -c 'pwd; stat -c "%a %u" .'
0 | $X run $B --rm --net-host $T $C sh /probe
0 | $X run $B -d --null-io $T $C sleep 1000; n=/proc/$($X t ls | awk -v c=$C '$1 == c { print $2 }')/ns; $X run $B --rm --with-ns network:$n/net --with-ns ipc:$n/ipc --with-ns pid:$n/pid --with-ns uts:$n/uts $T $C-2
  sh -c 'ps -o args; for k in net ipc pid uts mnt; do [ $(readlink /proc/self/ns/$k) = $(readlink /proc/1/ns/$k) ] && echo $k; done; true'
0 | $X run $B --rm --read-only --env A=1 --cwd /var --mount type=bind,src=$F,dst=/f,options=rbind:ro $T $C sh /probe
0 | $X run $B --rm --seccomp --allow-new-privs --device /dev/null --cap-drop CAP_CHOWN --cap-add CAP_SYS_PTRACE $T $C sh /probe
0 | $X run $B --rm --memory-limit 33554432 --cpus 0.5 --no-pivot $T $C sh /probe
0 | $X run $B --rm --cgroup /$C-group/below $T $C cut -d: -f2- /proc/self/cgroup | sort; remove_groups $C-group
0 | for n in 1 2 3 4 5 6 7 8 9 10; do $X run $B -d --null-io $T $C-$n sleep 1000 & done; wait; $X t ls | grep "$C-" | awk '{ print $1, $3 }' | sort;
  for n in 1 2 3 4 5 6 7 8 9 10; do $X t rm -f $C-$n; $X c rm $C-$n; done; $X t ls -q | grep -c "$C-[0-9]" || true; find /sys/fs/cgroup -name "$C-*" 2>/dev/null | wc -l
`

/** On a container that runs. */
export const LIVES = `
0 | $X t exec --exec-id e $C sh -c 'echo out; echo err >&2; id; pwd; env | sort'
5 | $X t exec --exec-id e $C sh -c 'exit 5'
1 | $X t exec --exec-id e $C no-such-program; $X t exec --exec-id e $C echo again; exit 1
137 | $X t exec --exec-id e $C sh -c 'kill -9 $$'
0 | echo typed | $X t exec --exec-id e $C cat
0 | pty $X t exec -t --exec-id e $C sh -c '"tty; ls -ln /dev/pts; echo done"' | grep -v 'resize pty'
0 | $X t exec --exec-id e --cwd /tmp --user 1000:5 $C sh -c 'pwd; id; grep -E "^(Cap|NoNewPrivs|Seccomp)" /proc/self/status; cat /proc/self/limits; cut -d: -f2- /proc/self/cgroup | sort'
0 | $X t exec -d --exec-id e $C sh -c 'echo detached >/tmp/d'; until_says detached $X t exec --exec-id f $C cat /tmp/d; $X t exec --exec-id f $C rm /tmp/d
0 | $X t pause $C; $X t ls | grep "$C " | awk '{ print $3 }'; $X t resume $C; $X t ls | grep "$C " | awk '{ print $3 }'; $X t exec --exec-id e $C echo thawed
0 | $X t metrics $C | awk '{ print $1 }'
0 | [ $($X t ps $C | wc -l) -ge 2 ] && echo 'a heading and its processes'
0 | $X t kill -s USR1 $C; $X t exec --exec-id e $C sh -c 'until [ -e /tmp/usr1 ]; do sleep 0.05; done; rm /tmp/usr1; echo told'
0 | $X t kill -s KILL $C; until_says STOPPED sh -c "$X t ls | grep '$C ' | awk '{ print \\$3 }'"; $X t rm $C; $X c rm $C; $X t ls -q | grep -c $C || true; find /sys/fs/cgroup -name "$C" 2>/dev/null | wc -l
1 | $X t rm $C
0 | $X t kill -a -s KILL $C; until_says STOPPED sh -c "$X t ls | grep '$C ' | awk '{ print \\$3 }'"
1 | $X t kill -s BOGUS $C
0 | $X t rm -f $C; $X t start -d $C; $X t exec --exec-id e $C echo anew
`
