// Copies into a container, line by line, for whichever client: what arrives and what is said is compared.

/** Prints what is in the places that the lines copy to. */
export const SHOW = `sh -c 'find /tmp /vol /new* -type d -exec stat -c "%n %F %a %u:%g" {} \\; -o -exec stat -c "%n %F %a %u:%g %h %Y" {} \\; 2>/dev/null | sort; cat /tmp/up/sub/two /vol/two 2>/dev/null'`
/** With `docker cp` as `cp`; every line prints what it says, and its exit code. */
export const CP =
  'cp() { docker cp "$@" 2>&1 | sed -E "s/Error processing tar file\\(exit status 1\\): //; /^time=/d"; }; '

export const LINES = [
  'cp up $C:/tmp',
  'cp up $C:/tmp/',
  'cp up/. $C:/vol',
  'cp up/ $C:/tmp/fresh',
  'cp up/one $C:/tmp/new',
  'cp up/one $C:/tmp/new/',
  'cp up/one $C:/missing/new',
  'cp up $C:/etc/passwd',
  'cp up/one $C:/etc/passwd/',
  'cp up/l $C:/tmp; cp -L up/l $C:/tmp/followed',
  'cp up/nothing $C:/tmp',
  'cp up/p $C:/tmp',
  'cp -a up $C:/tmp',
  'cp - $C:/tmp < up.tar; cp - $C:/vol < up.tar.gz',
  'cp - $C:/tmp < up.tar.xz; cp - $C:/vol < up.tar.bz2',
  'cp - $C:/etc/passwd < up.tar',
  'cp - $C:/missing < up.tar',
  'head -c 1500 up.tar > short; cp - $C:/tmp < short',
  'docker exec $C sh -c "ln -s /tmp /new-link; touch -h -d 200101010000 /new-link" 2>&1; cp up/one $C:/new-link; cp up/sub $C:/new-link/',
  'docker exec $C ln -s /etc/passwd /tmp/one 2>&1; cp up/one $C:/tmp; docker exec $C head -c 4 /etc/passwd 2>&1',
  'mkdir -p bad; ln -sf ../../../../x bad/out; cp bad $C:/tmp',
  'cp big $C:/tmp; cp $C:/tmp/big back; cmp big back',
  'cp $C:/missing x; cp $C:/etc/passwd /nowhere/x; cp $C:/etc x/y/z; cp $C:x $C:y; cp x y',
  'cp up/one $C:/etc/group; cp up/sub $C:/etc/group',
  'docker cp up/one; docker cp; docker cp a b c',
]

/** What they copy: made in the working directory. */
export const MAKE_SOURCES = `mkdir -p up/sub; echo one > up/one; chown 12:13 up/one; chmod 4711 up/one; ln -s one up/l; echo h > up/had; ln up/had up/hard; mkfifo up/p
     echo two > up/sub/two; find up -exec touch -h -d '2001-02-03 04:05:06' {} +; tar cf up.tar up; gzip -k up.tar; xz -k up.tar; bzip2 -k up.tar; zstd -q up.tar
     printf 'hello' > big; truncate -s 40M big; printf 'end' >> big; touch -d '2001-02-03 04:05:06' big`
