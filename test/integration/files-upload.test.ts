// `docker cp` into containers: what arrives, what is refused and in which words, as with the original dockerd.
import { after, before, describe, test } from 'node:test'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { pushBusybox } from '../harness/images.ts'

let pair: EnginePair | undefined

before(async () => {
  pair = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest', { Cmd: ['sleep', '1000'] })
    return `${registry.host}/pair`
  })
  await pair?.both(
    `mkdir -p up/sub; echo one > up/one; chown 12:13 up/one; chmod 4711 up/one; ln -s one up/l; echo h > up/had; ln up/had up/hard; mkfifo up/p
     echo two > up/sub/two; find up -exec touch -h -d '2001-02-03 04:05:06' {} +; tar cf up.tar up; gzip -k up.tar; xz -k up.tar; bzip2 -k up.tar; zstd -q up.tar
     printf 'hello' > big; truncate -s 40M big; printf 'end' >> big`,
  )
})

after(async () => {
  await pair?.[Symbol.asyncDispose]()
})

const SHOW = `sh -c 'find /tmp /vol /new* -type d -exec stat -c "%n %F %a %u:%g" {} \\; -o -exec stat -c "%n %F %a %u:%g %h %Y" {} \\; 2>/dev/null | sort; cat /tmp/up/sub/two /vol/two 2>/dev/null'`
/** With `docker cp` as `cp`; every line prints what it says, and its exit code. */
const CP = 'cp() { docker cp "$@" 2>&1 | sed -E "s/Error processing tar file\\(exit status 1\\): //; /^time=/d"; }; '

const LINES = [
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

for (const state of ['created', 'running'] as const)
  describe(`a container that is ${state}`, { concurrency: 2 }, () => {
    for (const [index, line] of LINES.entries())
      test(line, async () => {
        if (state === 'created' && line.includes('docker exec')) return
        const c = `${state}-${index}`
        const start = state === 'created' ? 'create' : 'run -d'
        const show = state === 'created' ? 'docker start $C >/dev/null; ' : ''
        await pair?.assertSame(
          `C=${c}; ${CP}docker ${start} --name $C --net none -v /vol pair >/dev/null; ${line}; ${show}docker exec $C ${SHOW}; docker rm -fv $C >/dev/null`,
          { expect: /\/tmp directory/, normalise: (text) => text.replaceAll(c, 'C') },
        )
      })
  })

describe('places that refuse', () => {
  test('a read-only root; a read-only volume; a file that is mounted', async () => {
    await pair?.assertSame(
      `${CP}docker run -d --name ro --read-only --tmpfs /run -v /vol --net none pair >/dev/null
       cp up/one ro:/tmp; cp up/one ro:/vol; docker exec ro ls /vol; docker rm -fv ro >/dev/null
       docker run -d --name vo -v $PWD/up:/ro:ro --net none pair >/dev/null
       cp up/one vo:/ro; cp up/one vo:/ro/sub; cp up/one vo:/etc/hosts; cp - vo:/etc < /dev/null; docker rm -fv vo >/dev/null`,
      { expect: /rootfs is marked read-only\none\n.*volume is marked read-only/s },
    )
  })

  test('noOverwriteDirNonDir keeps directories and files apart', async () => {
    const put = (name: string, path: string) =>
      `curl -s -o - -w '%{http_code}\\n' --unix-socket \${DOCKER_HOST#unix://} -X PUT -T ${name} 'http://x/v1.41/containers/kinds/archive?noOverwriteDirNonDir=1&path=${path}' | sed -E 's/Error processing tar file\\(exit status 1\\): //'; `
    await pair?.assertSame(
      `docker run -d --name kinds --net none pair sh -c 'mkdir -p /a/up /b; touch /b/up /a/sub; sleep 1000' >/dev/null; until docker exec kinds test -e /a/sub; do :; done
       tar -C up -cf one.tar sub; mkdir -p k; echo x > k/up; tar -C k -cf file.tar up
       ${put('file.tar', '/a')}${put('up.tar', '/b')}${put('up.tar', '/a')}${put('one.tar', '/a')}docker rm -fv kinds >/dev/null`,
      { expect: /cannot overwrite directory .*\n500\n.*cannot overwrite non-directory/s },
    )
  })
})
