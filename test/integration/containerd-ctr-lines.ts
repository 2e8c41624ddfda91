// What containerd-ctr.test.ts runs against both daemons: `<code> | <script>`, one walk after the other, the lines of a walk in their order and in a namespace of its own.
// $X is ctr with that namespace, $N its name, $I an image of two layers in $F/image.tar, $H a registry, $R a directory of the side's own, $S a word of the side's own, $T a root file system, $L the flag of a client that would leave the work to the daemon.

const NAMESPACES = `
0 | $X version | sed -n '/^Server/,$p' | cut -d: -f1
0 | $X namespaces ls -q | grep -c "$S" || true
0 | $X namespaces create $S-a k=v empty=
0 | $X namespaces ls | grep $S
1 | $X namespaces create $S-a
1 | $X namespaces create -- -bad-
1 | $X namespaces create ''
1 | $X namespaces create $(printf '%0100d' 0)
1 | $X namespaces create $S-b long=$(printf '%05000d' 0)
0 | $X namespaces label $S-a k= j=1; $X namespaces ls | grep $S
0 | $X namespaces label $S-none a=b; $X namespaces ls | grep $S
0 | $X namespaces label $S-a
0 | $X -n $S-a leases create --id l x=y; $X namespaces ls -q | grep $S
1 | $X -n $S-a containers create $B /nowhere c; $X namespaces rm $S-a
0 | $X -n $S-a containers rm c; $X namespaces rm $S-a; $X namespaces ls -q | grep $S; $X -n $S-a leases ls
0 | $X namespaces rm $S-a
0 | $X namespaces rm $S-none; $X namespaces rm
1 | $X -n 'not/one' images ls
1 | $X -n $(printf '%080d' 0) images ls
`

const IMAGES = `
0 | $X images ls
0 | $X images import $L $F/image.tar
0 | $X images ls
0 | $X images ls -q
0 | $X images check
0 | $X images check -q
0 | $X images tag $L $I docker.io/library/other:1 docker.io/library/third:1
1 | $X images tag $L $I docker.io/library/other:1
0 | $X images tag $L --force $I docker.io/library/other:1
1 | $X images tag $L docker.io/library/none:1 docker.io/library/other:1
0 | $X images ls name==docker.io/library/other:1
0 | $X images ls -q 'name~=^docker.io/library/t'
0 | $X images ls -q 'name~=third,target.mediatype==application/vnd.docker.distribution.manifest.v2+json'
0 | $X images ls -q labels.none
1 | $X images ls 'name~='
1 | $X images ls 'name=='
1 | $X images ls 'name?=x'
0 | $X images ls 'name~=|[|'
0 | $X images label $I a=b c=; $X images ls labels.a==b
0 | $X images label --replace-all $I d=e; $X images ls labels.a; $X images ls labels.d
1 | $X images label docker.io/library/none:1 a=b
1 | $X images label $I a=$(printf '%05000d' 0)
0 | mkdir $R/m; $X images mount $I $R/m | sed 's/^sha256:.*/<chain>/'; ls $R/m; cat $R/m/etc/second; ! touch $R/m/x
0 | $X images unmount $R/m; ls -A $R/m; $X snapshots ls | awk '{ print $3 }'
0 | $X images unmount --rm $R/m 2>&1; $X snapshots ls | awk '{ print $3 }'
0 | $X images mount --rw $I $R/m >/dev/null; touch $R/m/x; $X images unmount --rm $R/m
1 | $X images mount docker.io/library/none:1 $R/m
0 | $X images export $L $R/out.tar $I; tar tf $R/out.tar | sort; tar xOf $R/out.tar index.json manifest.json oci-layout
0 | $X images export $L --platform linux/amd64 $R/out2.tar $I docker.io/library/other:1; tar xOf $R/out2.tar index.json manifest.json
1 | $X images export $L $R/out3.tar docker.io/library/none:1
0 | $X images rm docker.io/library/third:1
0 | $X images rm docker.io/library/third:1
0 | $X images rm --sync docker.io/library/other:1 $I; $X images ls; $X content ls; $X snapshots ls
0 | $X images import $L --base-name docker.io/library/based $R/out.tar; $X images ls -q
0 | $X images import $L --digests --base-name docker.io/library/digested --no-unpack $R/out.tar; $X images ls -q; $X images check | cut -c-60
0 | $X images import $L --index-name docker.io/library/index:1 $R/out2.tar; $X images ls | awk '{ print $1, $2, $3 }'
1 | head -c 5000 $R/out.tar >$R/short.tar; $X images import $L $R/short.tar
1 | echo no archive >$R/none.tar; $X images import $L $R/none.tar
0 | for i in $($X images ls -q); do $X images rm --sync $i; done >/dev/null; $X content ls; $X snapshots ls
0 | $X images import $L --no-unpack $F/image.tar 2>&1 | head -n 1
`

const REGISTRY = `
0 | $X images import $L $F/image.tar >/dev/null; $X images tag $L $I $H/$S:1 >/dev/null; $X images push $L --plain-http $H/$S:1 >/dev/null; curl -s http://$H/v2/$S/manifests/1 -H 'accept: application/vnd.docker.distribution.manifest.v2+json' | sha256sum
0 | $X images rm --sync $H/$S:1 $I >/dev/null; $X content ls -q; $X images pull $L --plain-http $H/$S:1 | tail -n 1 | cut -d: -f1; $X images ls; $X images check; $X snapshots ls
0 | $X content ls | awk '{ print $1, $2 }'; $X content ls -q
0 | $X images rm --sync $H/$S:1 >/dev/null; $X images pull $L --plain-http --all-platforms --label a=b $H/$S:1 >/dev/null; $X images ls; $X images pull $L --plain-http $H/$S:1 >/dev/null
1 | $X images pull $L --plain-http $H/none:1 >$R/o
1 | $X images pull $L --plain-http 127.0.0.1:1/none:1 >$R/o
1 | $X images pull $L nonsense:::1
0 | $X images rm --sync $H/$S:1 >/dev/null; $X content fetch --plain-http $H/$S:1 >/dev/null; $X images ls; $X snapshots ls
0 | $X content fetch --plain-http --metadata-only $H/$S:1 >/dev/null; $X content ls | awk '{ print $1, $2 }'
0 | d=$($X content ls -q | head -n 1); $X content push-object $H/$S-o:1 $d text/plain --plain-http 2>&1 | cut -d' ' -f1; $X content fetch-object --plain-http $H/$S:1 | sha256sum
1 | $X images push $L --plain-http $H/$S:2 2>&1 | tail -n 1 | cut -c-60; $X images push $L --plain-http $H/none:2 >/dev/null
0 | $X images rm --sync $H/$S:1; $X content ls -q; $X content ls -q | wc -l
`

/** $D is the digest of `hello`; kept, since no collection shall come in between. */
const CONTENT = `
0 | $X content ls
0 | printf hello | $X content ingest --expected-digest $D --expected-size 5 ref; until $X content label $D containerd.io/gc.root=1; do printf hello | $X content ingest ref; done >/dev/null 2>&1; $X content ls
0 | printf hello | $X content ingest ref; printf hello | $X content ingest --expected-digest $D other
0 | $X content get $D
1 | $X content get sha256:3cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
1 | $X content get nonsense
1 | $X content get sha256:abc
1 | printf hellx | $X content ingest --expected-digest sha256:1cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 bad
1 | printf hello1 | $X content ingest --expected-size 5 bad2
1 | printf hel | $X content ingest --expected-size 5 bad3
0 | $X content active | grep -v '^bad[[:space:]]' | awk '{ print $1, $2 }' | sort; for r in bad2 bad3; do printf hello2 | $X content ingest $r >/dev/null 2>&1; done; $X content active | grep -v '^bad[[:space:]]' | awk '{ print $1, $2 }' | sort
1 | printf hello | $X content ingest ''
0 | $X content label $D a=b c=d | tail -n 0; $X content ls -q labels.a==b; $X content ls labels.a==b | tail -n +2 | tr ',\\t' '\\n\\n' | sort
0 | $X content label $D a= | tail -n 0; $X content ls -q labels.a==b; $X content ls -q labels.c
1 | $X content label sha256:3cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 a=b
1 | $X content label $D a=$(printf '%05000d' 0)
0 | $X content ls -q 'digest~=^sha256:2c'; $X content ls -q size==5; $X content ls -q 'labels."c"==d,digest~=2cf'; $X content ls -q digest!=x; $X content ls -q labels.a
1 | $X content ls 'digest~='
0 | printf x >$R/edited; EDITOR="cp $R/edited" $X content edit --editor "cp $R/edited" $D
0 | $X content rm $D; $X content ls -q digest==$D
1 | $X content rm $D sha256:nonsense
0 | $X content rm
0 | z=35bce4eae54ec8e6cc2868baa8d157914d6ae2858811b4cc0c078c94460fa26f; until head -c 3000000 /dev/zero | $X content ingest big; $X content get sha256:$z | sha256sum | grep $z; do :; done 2>/dev/null | sort -u
0 | $X content prune references; $X content prune references --dry
0 | $X leases create --id now >/dev/null; $X leases rm --sync now >/dev/null; $X content ls
`

const SNAPSHOTS = `
0 | $X snapshots ls
0 | $X snapshots prepare base; $X snapshots info base
0 | $X snapshots mounts $R/t base | sed -E 's/snapshots\\/[0-9]+/snapshots\\/<n>/g'
0 | $X snapshots prepare --target $R/t t1 | sed -E 's/snapshots\\/[0-9]+/snapshots\\/<n>/g'
1 | $X snapshots prepare base
1 | $X snapshots prepare k none
1 | $X snapshots prepare ''
0 | $X snapshots prepare >/dev/null
1 | $X snapshots commit done none
0 | $X snapshots label base a=b | tail -n 0; $X snapshots info base
0 | mkdir -p $R/t; sh -c "$($X snapshots mounts $R/t base)"; echo one >$R/t/file; umount $R/t; $X snapshots commit done base; $X snapshots ls
1 | $X snapshots info base
1 | $X snapshots commit done t1
1 | $X snapshots mounts $R/t done
0 | $X snapshots label done a=b containerd.io/gc.root=1 | tail -n 0; $X snapshots ls; $X snapshots info done
0 | $X snapshots prepare two done; until $X snapshots label seen containerd.io/gc.root=1 2>/dev/null; do $X snapshots view seen done; done >/dev/null; $X snapshots mounts $R/t two | sed -E 's/snapshots\\/[0-9]+/snapshots\\/<n>/g'; $X snapshots mounts $R/t seen | sed -E 's/snapshots\\/[0-9]+/snapshots\\/<n>/g'
0 | sh -c "$($X snapshots mounts $R/t seen)"; cat $R/t/file; touch $R/t/x; umount $R/t
0 | sh -c "$($X snapshots mounts $R/t two)"; rm $R/t/file; echo two >$R/t/second; umount $R/t; $X snapshots ls | sort
0 | $X snapshots tree
1 | $X snapshots rm done
1 | $X snapshots commit x seen
1 | $X snapshots view two done
0 | $X snapshots commit x two; $X snapshots tree; $X snapshots info x
0 | $X snapshots rm seen x t1; $X snapshots ls
1 | $X snapshots rm x
1 | $X snapshots info none
0 | $X snapshots rm done; $X snapshots ls
1 | $X snapshots --snapshotter none ls
1 | $X snapshots --snapshotter none prepare x
0 | $X images import $L --no-unpack $F/image.tar >/dev/null; $X snapshots ls; $X snapshots unpack $($X images ls | awk 'NR == 2 { print $3 }'); $X snapshots tree
0 | $X images rm --sync $I; $X snapshots ls
`

const CONTAINERS = `
0 | $X images import $L $F/image.tar | tail -n 0; $X containers ls
0 | $X containers create $I c1; $X containers create --label a=b --env X=Y --cwd /tmp $I c2 echo hello; $X containers ls; $X containers ls -q
0 | $X containers ls -q labels.a==b; $X containers ls -q 'id~=c'; $X containers ls -q runtime.name==io.containerd.runc.v2 id==none; $X containers ls -q image==$I; $X containers ls -q snapshotter==overlayfs
1 | $X containers create $I c1
1 | $X containers create docker.io/library/none:1 c3
1 | $X containers create $I bad/id
1 | $X containers create $I $(printf '%080d' 0)
1 | $X containers create --label a=$(printf '%05000d' 0) $I c3
1 | $X containers create $I
0 | $X containers info c2 | grep -vE '(Created|Updated)At|cgroupsPath'
0 | $X containers info --spec c2 | grep -v cgroupsPath
1 | $X containers info none
0 | $X containers label c1 k=v l=m | tail -n 0; $X containers ls -q labels.k==v; $X containers label c1 k= | tail -n 0; $X containers ls -q labels.k; $X containers ls -q labels.l
1 | $X containers label none k=v
0 | $X snapshots ls | awk '$1 ~ /^c[12]/ { print $1, $3 }'
0 | $X containers create --snapshotter-label x=y $I c4; $X snapshots info c4 | grep -A2 Labels
0 | $X containers rm c1 c4; $X containers ls -q; $X snapshots ls | awk '$1 ~ /^c[124]/ { print $1, $3 }'
1 | $X containers rm none
0 | $X containers rm --keep-snapshot c2; $X containers ls -q; $X snapshots rm c2 2>/dev/null || true
1 | $X containers checkpoint c1 docker.io/library/check:1
0 | $X images rm --sync $I
`

const LEASES = `
0 | $X leases ls
0 | $X leases create --id l1 a=b; $X leases create --id l2 --expires 1h c=d; $X leases create | sed 's/.*/<id>/'; $X leases ls -q | wc -l
0 | $X leases ls | awk '$1 ~ /^l/ { print $1, $3 }' | sed -E 's/expire=[^,]*/expire=<time>/'
0 | $X leases ls -q id==l1; $X leases ls -q labels.a==b; $X leases ls -q 'labels."containerd.io/gc.expire"' | grep l2
1 | $X leases create --id l1
0 | $X leases create --id l3 a=$(printf '%05000d' 0) && $X leases ls -q | grep l3
1 | $X leases create --id bad --expires never
1 | $X leases ls 'id=='
0 | $X leases rm l1; $X leases ls -q | grep -c l1 || true
1 | $X leases rm l1
0 | $X leases create --id now --expires 1ns; $X leases create --id x; $X leases rm --sync x; $X leases ls -q | grep -cE '^(now|x)$' || true
0 | for l in $($X leases ls -q); do $X leases rm $l >/dev/null; done; $X leases ls
`

const RUN = `
0 | $X images import $L $F/image.tar | tail -n 0
0 | $X run --rm $I c echo hello
3 | $X run --rm $I c sh -c 'echo out; echo err >&2; exit 3'
0 | $X run --rm --env A=1 --env B=2 --cwd /tmp $I c sh -c 'echo $A $B; pwd; id'
0 | printf 'A=5\\nB=x y\\n' >$R/env; $X run --rm --env-file $R/env $I c sh -c 'echo $A $B'
0 | $X run --rm --read-only $I c sh -c '! touch /x'
0 | $X run --rm --privileged $I c sh -c 'grep CapEff /proc/self/status; ls /dev | wc -l | xargs test 20 -lt && echo devices'
0 | $X run --rm --net-host $I c sh -c 'cat /proc/net/dev | wc -l; ls /etc/resolv.conf /etc/hosts'
0 | $X run --rm --mount type=bind,src=$F/files,dst=/m,options=rbind:ro --mount type=tmpfs,src=tmpfs,dst=/t,options=size=1m $I c sh -c 'cat /m/file; df /t | tail -n 1'
0 | $X run --rm --memory-limit 33554432 --cpus 0.5 $I c sh -c 'for f in memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us memory.max cpu.max; do cat /sys/fs/cgroup/$f 2>/dev/null; done; true'
137 | $X run --rm --memory-limit 16777216 $I c sh -c 'tail /dev/zero; exit $?'
0 | $X run --rm --cgroup /$S/x/y $I c cut -d: -f2- /proc/self/cgroup | sort; find /sys/fs/cgroup -path "*/$S/x*" -type d 2>/dev/null | sort; find /sys/fs/cgroup -depth -path "*/$S/x*" -type d -exec rmdir '{}' ';' 2>/dev/null; true
0 | $X run -d --pid-file $R/pid $I c sleep 1000; $X t ls | awk '$1 == "c" { print $2 }' | xargs test $(cat $R/pid) -eq && echo same
0 | $X run --rm --with-ns network:/proc/$(cat $R/pid)/ns/net $I c2 readlink /proc/self/ns/net | grep -cF $(readlink /proc/$(cat $R/pid)/ns/net)
1 | $X run --rm $I c true
0 | $X t kill -s KILL c; until_says STOPPED sh -c "$X t ls | awk '/^c / { print \\$3 }'"; $X t rm c 2>&1; $X c rm c
1 ~no such file or directory | $X run --rm --with-ns network:/no/such $I c true
1 | $X run --rm $I c no-such-program
1 | $X run --rm $I c /etc/passwd
1 | $X run --rm docker.io/library/none:1 c true
1 ~not a directory | $X run --rm --cwd /etc/passwd $I c true
1 ~runtime "io.containerd.none.v1" binary not installed | $X run --rm --runtime io.containerd.none.v1 $I c true
1 | $X run --rm --snapshotter none $I c true
1 | $X run --rm $I
0 | $X run --log-uri file://$R/log $I c sh -c 'echo out; echo err >&2; sleep 0.3'; sort $R/log; $X c rm c
0 | $X run --rm --null-io $I c sh -c 'echo lost; readlink /proc/self/fd/1'
0 | $X run -d --log-uri "binary:///bin/sh?-c=exec+5%3E%26-%3B+cat+%3C%263+%3E$R/binary" $I c echo through; until_says through cat $R/binary; until_says STOPPED sh -c "$X t ls | awk '/^c / { print \\$3 }'"; $X t rm c; $X c rm c
0 | $X oci spec | tr -d '\\n\\t' | sed -e 's#"process": *{#&"args":["/bin/echo","of a config"],#' -e 's#"path": *"rootfs"#"path":"'$T'"#' -e 's#"cgroupsPath": *"[^"]*"#"cgroupsPath":"/'$S'/config"#' >$R/spec.json; $X run --rm --config $R/spec.json c
0 | pty $X run -t --rm $I c sh -c '"tty; stty size; test -t 0 && test -t 1 && echo terminal"'
4 | pty $X run -t --rm $I c sh -c '"exit 4"'
0 | echo typed | $X run --rm $I c head -n 1
0 | head -c 3000000 /dev/zero | $X run --rm $I c sh -c 'head -c 3000000 | wc -c'
0 | $X run --rm --env PATH=/bin --rootfs $T c echo rootfs
0 | $X run --rm --allow-new-privs --cap-add CAP_SYS_PTRACE --cap-drop CAP_CHOWN --seccomp --device /dev/null $I c sh -c 'grep -E "^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):" /proc/self/status'
0 | $X run --rm --rootfs-propagation rshared --no-pivot $I c true
0 | $X run --rm --uidmap 0:100000:1000 --gidmap 0:100000:1000 $I c sh -c 'id -u; cat /proc/self/uid_map'
0 | $X c ls; $X t ls; $X snapshots ls | grep -c Active || true
0 | $X images rm --sync $I
`

/** A container that lives, and everything that is done with its task. */
const TASKS = `
0 | $X images import $L $F/image.tar | tail -n 0; $X run -d $I c sh -c 'trap "touch /usr1; echo got it" USR1; while :; do sleep 0.05; done'; $X t ls | awk '{ print $1, $3 }'; $X t ls -q
0 | $X t exec --exec-id e c sh -c 'echo out; echo err >&2; pwd; env | sort'
5 | $X t exec --exec-id e c sh -c 'exit 5'
1 | $X t exec --exec-id e c no-such-program
1 | $X t exec --exec-id bad/id c true 2>&1 | sed 's#fifo/[0-9]*#fifo/<n>#'; exit 1
1 | $X t exec --exec-id bad,id --log-uri file://$R/none c true
1 | $X t exec --exec-id e none true
0 | $X t exec --exec-id e --cwd /tmp --user 1000:5 c sh -c 'pwd; id'
0 | echo typed | $X t exec --exec-id e c cat
0 | pty $X t exec -t --exec-id e c sh -c '"tty; echo done"'
0 | $X t exec -d --exec-id long --log-uri file://$R/exec c sh -c 'echo logged; sleep 1000'; until_says logged cat $R/exec; $X t ps c | head -n 1
1 | $X t exec --exec-id long c true
0 | $X t kill --exec-id long -s KILL c; while $X t rm --exec-id long c 2>&1 | grep -c 'must be stopped'; do sleep 0.02; done >/dev/null; $X t ps c | head -n 1
1 | $X t kill --exec-id long c
0 | : >$R/attached; $X t attach c >$R/attached & until grep -q 'got it' $R/attached; do $X t kill -s USR1 c; sleep 0.1; done; kill -9 $!; sort -u $R/attached; $X t exec --exec-id e c rm /usr1
0 | $X t pause c; $X t ls | awk '/^c / { print $3 }'; $X t resume c; $X t ls | awk '/^c / { print $3 }'
0 | $X t metrics c | awk '{ print $1 }'
1 | $X t pause none
1 | $X t resume none
1 | $X t ps none
1 | $X t metrics none
1 | $X t attach none
1 | $X t start none
1 | $X t kill none
1 | $X t rm none
1 | $X t start c
1 | $X c rm c
1 | $X t rm c
1 | $X t kill -s BOGUS c
0 | $X t kill -s USR1 c; $X t exec --exec-id e c sh -c 'until [ -e /usr1 ]; do sleep 0.05; done; echo told'
0 | $X c info c | grep -c '"ID": "c"'; $X c ls
0 | $X t kill -s KILL c; until_says STOPPED sh -c "$X t ls | awk '/^c / { print \\$3 }'"
1 | $X t kill -s KILL c
1 | $X t exec --exec-id e c true
1 | $X t pause c
0 | $X t ps c >/dev/null
0 | $X t rm c 2>&1; $X t ls; $X t start -d c; $X t ls | awk '/^c / { print $3 }'; $X t rm -f c; $X t ls
0 | $X t start -d c; $X t kill -a -s KILL c; until_says STOPPED sh -c "$X t ls | awk '/^c / { print \\$3 }'"; $X t rm c 2>&1
0 | $X c rm c; $X c create $I a echo started; $X t start a; $X t ls; $X c rm a
0 | for n in 1 2 3 4 5 6; do $X run -d --null-io $I p$n sleep 1000 & done; wait; $X t ls | awk '/^p/ { print $1, $3 }' | sort; for n in 1 2 3 4 5 6; do $X t rm -f p$n 2>/dev/null & done; wait; for n in 1 2 3 4 5 6; do $X c rm p$n; done; $X t ls -q | wc -l; $X c ls -q | wc -l; find /sys/fs/cgroup -path "*/$S/*" -type d 2>/dev/null | sort
0 | $X images rm --sync $I
`

const EVENTS = `
0 | : >$R/events; $X events >$R/events 2>&1 & echo $! >$R/events.pid; until grep -q images/create $R/events; do $X images import $L $F/image.tar >/dev/null; $X images rm --sync $I >/dev/null; done
0 | : >$R/events; $X images import $L $F/image.tar >/dev/null; $X images tag $L $I docker.io/library/other:1 >/dev/null; $X images rm docker.io/library/other:1 >/dev/null; $X images label $I a=b >/dev/null; until grep -q images/update $R/events; do sleep 0.02; done; grep -v '/content/' $R/events | cut -d' ' -f6- | grep -v '^/snapshot' | sort | uniq -c
0 | grep -o '/snapshot.*' $R/events | sed -E 's/[0-9]{5,}-[A-Za-z0-9_-]{4}/<unique>/'
0 | : >$R/events; $X run --rm $I c true; until grep -q containers/delete $R/events; do sleep 0.02; done; grep -v '/content/' $R/events | cut -d' ' -f7- | $M
0 | : >$R/events; $X ns create $S-e a=b; $X ns label $S-e a=c; $X ns rm $S-e; until grep -q namespaces/delete $R/events; do sleep 0.02; done; grep -v '/content/' $R/events | cut -d' ' -f6-
0 | : >$R/events; $X run -d $I c sleep 1000; $X t exec --exec-id e c true; $X t pause c; $X t resume c; $X t rm -f c; $X c label c a=b >/dev/null; $X c rm c; until grep -q containers/delete $R/events; do sleep 0.02; done; grep -v '/content/' $R/events | cut -d' ' -f7- | $M
0 | kill $(cat $R/events.pid); $X images rm --sync $I
1 | $X events 'topic~='
`

const PLUGINS = `
0 | $X plugins ls | awk '{ print $1, $2, $4 }' | grep -E '^(TYPE|io.containerd.grpc.v1) ' | grep -vE ' (cri|introspection|mounts|sandboxes|sandbox-controllers|streaming|transfer) ' | sort
0 | $X plugins ls id==overlayfs; $X plugins ls type==io.containerd.content.v1
0 | $X plugins ls -d type==io.containerd.snapshotter.v1,id==overlayfs | grep -vE '^Exports|Capabilities|^ *$' | tr -s ' '
1 ~[id==]: expected value or quoted | $X plugins ls 'id=='
0 | $X oci spec | head -n 3
0 | $X version | grep -c Version
`

/** For a ctr that knows of sandboxes. $O is our own shim, since the original of containerd 2.4 serves none. */
export const SANDBOXES = `
0 | $X oci spec >$R/pod.json; $X sandboxes ls
0 | $X sandboxes run --runtime $O $R/pod.json pod; for f in id==pod id!=pod id; do $X sandboxes ls --filters $f | tr -s " "; done; $X sandboxes info pod | grep -E '"(ID|Name|Sandboxer)"'
1 | $X sandboxes run --runtime $O $R/pod.json pod
1 | $X sandboxes run --runtime $O $R/pod.json bad/id
1 | $X sandboxes run --runtime io.containerd.none.v1 $R/pod.json other
1 | $X sandboxes ls --filters 'id=='
1 | $X sandboxes info none
0 | $X sandboxes rm none
0 | $X sandboxes rm pod 2>&1; $X sandboxes ls -q 2>/dev/null | grep pod; find $R/state -name pod; ls $R/state/io.containerd.sandbox.controller.v1.shim/*
0 | $X plugins inspect-runtime | tr -d ' ' | grep -E '^"(ociVersionMin|linux)"' | sort -u
0 | $X info | grep -oE '"(uuid|pid|pidns|deprecations)"' | grep -v deprecations
0 | $X images import $F/image.tar --local | tail -n 0; $X images inspect $I | head -n 3; $X images usage $I | tail -n 1 | awk '{ print NF }'
`

export const WALKS = {
  namespaces: NAMESPACES,
  images: IMAGES,
  registry: REGISTRY,
  content: CONTENT,
  snapshots: SNAPSHOTS,
  containers: CONTAINERS,
  leases: LEASES,
  run: RUN,
  tasks: TASKS,
  events: EVENTS,
  plugins: PLUGINS,
} as const
