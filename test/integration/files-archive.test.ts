// `docker cp` and what it asks of an engine: the same answers as the original dockerd's, for running, stopped and never started containers.
import { after, before, describe, test } from 'node:test'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { pushBusybox } from '../harness/images.ts'

let pair: EnginePair | undefined

before(async () => {
  pair = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest')
    return `${registry.host}/pair`
  })
})

after(async () => {
  await pair?.[Symbol.asyncDispose]()
})

const API = `api() { m=$1; shift; curl -s --unix-socket "\${DOCKER_HOST#unix://}" -X $m "$@"; }; `
/** Of a HEAD or GET: status, stat without the time, body as tar lists it. */
const STAT = `stat() { curl -s -o /dev/null -D - -I --unix-socket "\${DOCKER_HOST#unix://}" "http://x/v1.41/containers/$1/archive?path=$2" | tr -d '\\r' |
  awk '/^HTTP/ { print $2 } /^X-Docker-Container-Path-Stat/ { print $2 }' | while read line; do case $line in [0-9]*) echo "$line";; *) echo "$line" | base64 -d | sed 's/"mtime":"[^"]*"/"mtime"/'; echo;; esac; done; }; `
const FILL = `mkdir -p /t/d/e; echo hello > /t/file; chmod 4755 /t/file; ln -s file /t/link; ln -s /t/d /t/dlink; ln /t/file /t/hard; mkfifo /t/fifo; ln -s nowhere /t/dangling; ln -s loop /t/loop; echo inner > /t/d/e/f; chown -R 3:4 /t/d; chmod 1777 /t/d`
/** Makes container `c` in one of the states with the same files. */
const STATES = {
  running: `docker run -d --name cc --net none pair sh -c '${FILL}; touch /ready; sleep 1000' >/dev/null; until docker exec cc test -e /ready; do :; done; `,
  stopped: `docker run --name cc --net none pair sh -c '${FILL}' >/dev/null; `,
  paused: `docker run -d --name cc --net none pair sh -c '${FILL}; touch /ready; sleep 1000' >/dev/null; until docker exec cc test -e /ready; do :; done; docker pause cc >/dev/null; `,
} as const
const END = 'docker rm -fv cc >/dev/null'

const PATHS = [
  ...['/t', '/t/', '/t/.', 't/file', '/t/file', '/t/file/', '/t/link', '/t/dlink', '/t/dlink/', '/t/dlink/.'],
  ...[
    '/t/fifo',
    '/t/dangling',
    '/t/loop',
    '/t/missing',
    '/',
    '/.',
    '.',
    '',
    '/t/../t/file',
    '/bin/sh',
    '/../../t/link',
  ],
]

describe('reading', () => {
  for (const [state, start] of Object.entries(STATES)) {
    test(`HEAD tells the same of every path in a ${state} container`, async () => {
      const heads = PATHS.map((path) => `echo '${path}'; stat cc '${path}'; `).join('')
      await pair?.assertSame(`${STAT}${start}${heads}${END}`, { expect: /\/t\/link\n200\n.*"linkTarget":"\/t\/file"/s })
    })
    test(`GET sends the same archives of a ${state} container`, async () => {
      const gets = PATHS.map(
        (path) =>
          `echo '${path}'; api GET "http://x/v1.41/containers/cc/archive?path=${path}" > a.tar; if tar -tf a.tar >/dev/null 2>&1; then tar --numeric-owner -tvf a.tar | sed -E 's/ [0-9-]{10} [0-9:]{5} / /' | grep -v " [.a-z/]*bin/" ; else cat a.tar; fi; `,
      ).join('')
      await pair?.assertSame(`${API}${start}${gets}${END}`, { expect: /3\/4 .* t\/d\/e\/f\n/ })
    })
  }
  test('a container that does not exist, and one whose name is a prefix', async () => {
    await pair?.assertSame(
      `${API}${STAT}stat nope /; api GET "http://x/v1.41/containers/nope/archive?path=/"; docker cp nope:/ x`,
    )
  })
})
