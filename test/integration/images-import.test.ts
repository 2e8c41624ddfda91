// import beside the original dockerd, from standard input, a file and a URL; and searches in an index that this test serves.
import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import { must } from '../harness/command.ts'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { makeBusyboxTree, pushBusybox } from '../harness/images.ts'

let pair: EnginePair
let directory: string
let tar: string
let server: Server
let host: string
let clients: TestClient[]
/** What the index has been asked for. */
const searches: string[] = []

const FOUND = [
  {
    name: 'busybox',
    description: 'Busybox base image, which is\nsmall enough for whatever one wants it for.',
    star_count: 3371,
    is_official: true,
    is_automated: false,
  },
  { name: 'me/busybox', description: '', star_count: 12, is_official: false, is_automated: true },
  { name: 'you/box', description: 'a box and more', star_count: 0, is_official: false, is_automated: false },
]

before(async () => {
  const started = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest')
    return `${registry.host}/pair`
  })
  assert.ok(started, 'a dockerd is installed')
  pair = started
  directory = join(pair.ours.directory, 'import')
  await mkdir(directory)
  await makeBusyboxTree(join(directory, 'root'))
  tar = join(directory, 'root.tar')
  await must(['tar', '-C', join(directory, 'root'), '--numeric-owner', '-cf', tar, '.'])
  server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '', 'http://test')
    if (pathname === '/root.tar') return void createReadStream(tar).pipe(response)
    if (pathname === '/moved') return void response.writeHead(302, { location: '/root.tar' }).end()
    if (pathname === '/v1/_ping') return void response.end('true')
    if (pathname !== '/v1/search') return void response.writeHead(404).end('nothing of the kind\n')
    searches.push(search)
    response.end(JSON.stringify({ num_results: FOUND.length, query: '', results: FOUND }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  clients = clientsOf(pair.ours)
})

after(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await pair?.[Symbol.asyncDispose]()
})

/** All that says what an image is but for when, by whom and how it was packed. */
const SHOW = `docker inspect -f '{{.RootFS.Layers}} {{.Comment}} {{.Author}} {{.Os}}/{{.Architecture}} {{.Config.Cmd}} {{.Config.Env}} {{.Config.Labels}} {{.Config.ExposedPorts}} {{.Config.WorkingDir}} {{.Config.User}} {{.Config.Volumes}} {{.RepoTags}}'`
const HISTORY = `docker history --format '{{.CreatedBy}}|{{.Comment}}'`

describe('import', () => {
  for (const [what, options] of [
    ['nothing more', ''],
    ['a message', `-m 'what it is'`],
    [
      'changes',
      `-c 'CMD ["sh"]' -c 'ENV A=b' -c 'LABEL x=y' -c 'EXPOSE 80' -c 'WORKDIR /tmp' -c 'USER 5' -c 'VOLUME /v'`,
    ],
  ] as const)
    test(`from a file and from standard input, with ${what}`, async () => {
      await pair.assertSame(
        `docker import ${options} ${tar} by/file:1 | cut -c1-7; ${SHOW} by/file:1; ${HISTORY} by/file:1
         docker import ${options} - by/input < ${tar} | cut -c1-7; ${SHOW} by/input; docker rmi by/input by/file:1 > /dev/null`,
        { expect: /Imported from -|what it is/ },
      )
    })

  test('from a URL, where it was moved to, and in vain', async () => {
    const normalise = (text: string) =>
      text
        .replaceAll(/sha256:[0-9a-f]{64}\n/g, 'ID\n')
        .replaceAll(/[ \r]*Importing.*\r?\n?/g, '')
        .replaceAll(host, 'HOST')
    await pair.assertSame(
      `docker import http://${host}/root.tar by/url; ${SHOW} by/url; docker import -c 'CMD x' http://${host}/moved by/url; ${HISTORY} by/url
       docker import http://${host}/nothing by/url; docker import http://127.0.0.1:1/x; docker rmi by/url > /dev/null`,
      { normalise, expect: /failed to GET http:\/\/HOST\/nothing with status 404 Not Found: nothing of the kind/ },
    )
  })

  test('an image without a name is there by its id, and what is imported runs', async () => {
    await pair.assertSame(
      `id=$(docker import -c 'ENV A=b' ${tar}); docker images -q --no-trunc --filter dangling=true | grep -c $id
       docker run --rm --net none $id sh -c 'echo $A; ls /bin | wc -l; stat -c "%a %u %n" /tmp /etc/passwd'; docker rmi $id | cut -c1-12`,
      { expect: /^1\nb\n/ },
    )
  })

  test('however it is compressed, it is the same image', async () => {
    const plain = (await must(['sha256sum', tar])).slice(0, 64)
    for (const [program, ...args] of [['gzip'], ['bzip2'], ['xz', '-0'], ['zstd', '-q']] as [string, ...string[]][]) {
      const packed = `${tar}.${program}`
      await must(['sh', '-c', `"$@" -c < ${tar} > ${packed}`, 'sh', program, ...args])
      await pair.ours.ok('import', packed, 'packed')
      assert.equal(
        await pair.ours.ok('image', 'inspect', '-f', '{{index .RootFS.Layers 0}}', 'packed'),
        `sha256:${plain}`,
      )
      assert.equal(await pair.ours.ok('run', '--rm', '--net', 'none', 'packed', '/bin/echo', program), program)
    }
    await pair.ours.ok('rmi', 'packed')
  })

  test('what is wrong is told in the same words', async () => {
    await pair.assertSame(
      `docker import ${tar} BAD; docker import ${tar} a@sha256:${'0'.repeat(64)}; 
       docker import --platform bogus/x/y/z ${tar} x:1; docker import no-such-file x:1; docker import http:// x:1`,
      { expect: /no such file or directory/ },
    )
    const garbage = await pair.ours.docker(['import', '-', 'garbage'], { input: 'x'.repeat(10_000) })
    assert.equal(garbage.code, 1)
    assert.equal(await pair.ours.ok('images', '-q', 'garbage'), '')
  })

  test('platform and events', async () => {
    const since = String(Date.now() / 1000)
    const id = await pair.ours.ok('import', '--platform', 'linux/arm64', tar, 'foreign:1')
    assert.equal(await pair.ours.ok('image', 'inspect', '-f', '{{.Os}}/{{.Architecture}}', id), 'linux/arm64')
    const refused = await pair.ours.docker(['import', '--platform', 'windows/amd64', tar])
    assert.match(refused.stderr, /operating system is not supported/)
    const until = String(Date.now() / 1000 + 0.05)
    const format = '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}'
    assert.deepEqual(
      (await pair.ours.ok('events', '--since', since, '--until', until, '--format', format)).split('\n'),
      [`tag ${id} foreign:1`, `import ${id} ${id}`],
    )
    await pair.ours.ok('rmi', 'foreign:1')
  })

  test('both clients show the same', async () => {
    const shown = await Promise.all(
      clients.map(async (client) => {
        const lines: string[] = []
        for (const args of [
          ['import', `http://${host}/root.tar`, 'both:1'],
          ['import', '-m', 'said', tar, 'both:1'],
          ['import', 'no-such-file'],
          ['import', tar, 'BAD'],
        ]) {
          const { code, stdout, stderr } = await client.run(args)
          lines.push(`${code} ${stdout} ${stderr}`.replaceAll(/sha256:[0-9a-f]+/g, 'ID'))
        }
        return lines
      }),
    )
    assert.deepEqual(shown[1], shown[0])
    await pair.ours.ok('rmi', 'both:1')
  })
})

describe('search', () => {
  const search = (...args: string[]) => pair.ours.ok('search', ...args)

  test('asks the index that the term names, and shows what it has', async () => {
    assert.deepEqual((await search(`${host}/busy box`)).split('\n'), [
      'NAME         DESCRIPTION                                     STARS     OFFICIAL',
      'busybox      Busybox base image, which is small enough fo…   3371      [OK]',
      'me/busybox                                                   12        ',
      'you/box      a box and more                                  0         '.trimEnd(),
    ])
    assert.equal(searches.at(-1), '?q=busy+box&n=25')
    assert.equal(
      await search('--limit', '7', '--filter', 'stars=12', '--format', '{{.Name}}', `${host}/x`),
      'busybox\nme/busybox',
    )
    assert.equal(searches.at(-1), '?q=x&n=7')
    assert.equal(
      await search('--filter', 'is-official=false', '--format', '{{.Name}}', `${host}/x`),
      'me/busybox\nyou/box',
    )
    assert.equal(await search('--filter', 'is-automated=true', '--format', '{{.Name}}', `${host}/x`), '')
  })

  test('both clients show the same', async () => {
    const term = `${host}/x`
    const [docker, berth] = clients
    for (const args of [
      ['search', term],
      ['search', '--no-trunc', term],
      ['search', '--format', 'json', term],
      ['search', '--format', '{{json .}}', term],
      ['search', '--format', '{{.Name}} {{.IsOfficial}}', term],
      ['search', '--format', '{{.Nope}}', term],
      ['search', '--filter', 'is-automated=false', term],
      ['search', '--filter', 'stars=x', term],
      ['search', '--filter', 'bogus=1', term],
      ['search', '--limit', '101', term],
      ['search', '127.0.0.1:1/x'],
    ])
      assert.deepEqual(await berth?.run(args), await docker?.run(args), args.join(' '))
  })

  test('without a network, or with a term that is none, that is told', async () => {
    const wrong: [args: string[], message: RegExp][] = [
      [['https://example.com/x'], /repository name \(https:\/\/example\.com\/x\) should not have a scheme/],
      [['--limit', '101', 'x'], /limit 101 is outside the range of \[1, 100\]/],
    ]
    for (const [args, message] of wrong) assert.match((await pair.ours.docker(['search', ...args])).stderr, message)
    const lost = await pair.ours.docker(['search', 'busybox'])
    assert.equal(lost.code, 1)
    assert.match(
      lost.stderr,
      /Get "https:\/\/index\.docker\.io\/v1\/search\?q=busybox&n=25": dial tcp: lookup index\.docker\.io/,
    )
  })
})

/** Between two runs an age may grow. A real difference shows again. */
async function sameAtSomeMoment(both: () => Promise<unknown[]>, what: string): Promise<void> {
  for (let left = 3; left > 0; left--) {
    const [docker, berth] = await both()
    if (left === 1 || isDeepStrictEqual(docker, berth)) return assert.deepEqual(berth, docker, what)
  }
}

test('history is shown the same by both clients', async () => {
  const both = (args: string[]) => Promise.all(clients.map((client) => client.run(args)))
  await pair.ours.ok('import', '-m', 'a message', '-c', 'CMD x', tar, 'history:1')
  for (const args of [
    ['history', 'history:1'],
    ['image', 'history', '--no-trunc', 'history:1'],
    ['history', '-H=false', 'history:1'],
    ['history', '-q', 'history:1'],
    ['history', '-q', '--no-trunc', 'history:1'],
    ['history', '--format', 'json', 'history:1'],
    ['history', '--format', 'table {{.ID}}\t{{.CreatedAt}}', 'history:1'],
    ['history', '--format', '{{.Nope}}', 'history:1'],
    ['history', '--platform', 'linux/amd64', 'history:1'],
    ['history', '--platform', 'linux/s390x', 'history:1'],
    ['history', '--platform', 'a/b/c/d', 'history:1'],
    ['history', 'pair'],
    ['history', 'no-such'],
  ])
    await sameAtSomeMoment(() => both(args), args.join(' '))
  await pair.ours.ok('rmi', 'history:1')
})
