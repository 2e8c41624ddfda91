// `docker cp` into containers: what arrives, what is refused and in which words, as with the original dockerd.
import { after, before, describe, test } from 'node:test'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { pushBusybox } from '../harness/images.ts'
import { CP, LINES, MAKE_SOURCES, SHOW } from './files-cp-lines.ts'

let pair: EnginePair | undefined

before(async () => {
  pair = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest', { Cmd: ['sleep', '1000'] })
    return `${registry.host}/pair`
  })
  await pair?.both(MAKE_SOURCES)
})

after(async () => {
  await pair?.[Symbol.asyncDispose]()
})

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
