// manifest … by docker and by berth, on Debian's docker-registry and on berth-registry: the same words, the same files, the same lists.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { assertSameStory, PROGRAMS } from '../harness/client-stories.ts'
import { must, run } from '../harness/command.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { pushBusybox } from '../harness/images.ts'
import { manifestOf, putManifest, startRegistryProcess } from '../harness/our-registry.ts'
import { startRegistry } from '../harness/registry.ts'

const STORY = [
  '$P manifest --help',
  ...['create', 'inspect', 'annotate', 'push', 'rm'].map((verb) => `$P manifest ${verb} --help`),
  '$P manifest create only',
  '$P manifest create $R/list $R/oci',
  '$P manifest create --insecure $R/list $R/nothing',
  '$P manifest create --insecure $R/list $R/oci $R/small:v1',
  '$P manifest create --insecure $R/list $R/oci',
  'cat OWN/manifests/*/*',
  '$P manifest inspect $R/list',
  '$P manifest inspect -v $R/list',
  '$P manifest inspect $R/list $R/oci',
  '$P manifest inspect -v $R/list $R/small:v1',
  '$P manifest inspect $R/list $R/nothing',
  '$P manifest inspect $R/oci',
  '$P manifest inspect --insecure $R/oci',
  '$P manifest inspect --insecure -v $R/oci',
  '$P manifest inspect --insecure $R/nothing',
  '$P manifest inspect UPPER',
  '$P manifest annotate $R/list $R/nothing --arch arm64',
  '$P manifest annotate $R/list $R/oci --arch vax',
  '$P manifest annotate $R/list $R/small:v1 --os linux --arch arm64 --variant v8 --os-version 1 --os-features a,b --os-features b',
  'cat OWN/manifests/*/*',
  '$P manifest create --amend --insecure $R/list $R/oci',
  '$P manifest push $R/list',
  '$P manifest push --purge $R/list',
  '$P manifest push $R/list',
  '$P manifest inspect --insecure $R/list',
  '$P manifest inspect --insecure -v $R/list',
  '$P manifest create --insecure $R/other $R/list',
  '$P manifest create --insecure elsewhere.invalid/other $R/oci',
  '$P manifest push elsewhere.invalid/other',
  '$P manifest inspect elsewhere.invalid/other',
  '$P manifest rm elsewhere.invalid/other $R/none UPPER',
  '$P manifest rm $R/none',
  'ls OWN/manifests',
]

/** In two requests: Debian's registry knows no other way. */
async function pushBlob(host: string, name: string, bytes: Buffer): Promise<void> {
  const opened = await fetch(`http://${host}/v2/${name}/blobs/uploads/`, { method: 'POST' })
  const location = new URL(opened.headers.get('location') ?? '', `http://${host}`)
  location.searchParams.set('digest', digestOf(bytes))
  assert.equal((await fetch(location, { method: 'PUT', body: bytes })).status, 201)
}

describe('manifest', { skip: skipWithoutDocker28 }, () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(`${tmpdir()}/berth-manifest-`)
  })
  after(() => rm(directory, { recursive: true, force: true }))

  test('a client that is killed while it writes leaves nothing that either client takes for an image', async () => {
    await using registry = await startRegistryProcess()
    const list = `${registry.host}/killed`
    for (const name of ['one', 'two']) await pushBusybox(registry.host, `${name}:latest`, { Labels: { name } })
    const config = `${directory}/killed`
    const env = { DOCKER_HOST: 'unix:///nonexistent', DOCKER_CONFIG: config }
    const create = (name: string) => ['manifest', 'create', '--amend', '--insecure', list, `${registry.host}/${name}`]
    await must([PROGRAMS.berth, ...create('one')], { env })
    const renames = 'rename,renameat,renameat2'
    const killed = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `inject=${renames}:error=EIO:signal=KILL`]
    assert.notEqual((await run([...killed, PROGRAMS.berth, ...create('two')], { env })).code, 0)
    const left = (await must(['find', config, '-name', '*.draft'])).trim()
    assert.notEqual(left, '', 'it was killed between the draft and its name')
    for (const program of [PROGRAMS.docker, PROGRAMS.berth]) {
      const shown = JSON.parse(await must([program, 'manifest', 'inspect', list], { env })) as { manifests: object[] }
      assert.equal(shown.manifests.length, 1, program)
    }
  })

  for (const name of ['docker-registry', 'berth-registry'])
    test(`with ${name}`, async () => {
      await using registry =
        name === 'docker-registry' ? await startRegistry(`${directory}/registry`) : await startRegistryProcess()
      const { host } = registry
      await pushBusybox(host, 'oci:latest')
      const config = Buffer.from(
        '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}',
      )
      // What HTML gives a meaning is escaped where Go writes it anew, and only there.
      const small = manifestOf([config, Buffer.from('a layer')], { annotations: { about: '<a> & "b"' } })
      for (const blob of small.blobs) await pushBlob(host, 'small', blob)
      assert.equal((await putManifest(`http://${host}`, 'small', 'v1', small.bytes)).status, 201)
      const env = { DOCKER_HOST: 'unix:///nonexistent', BERTH_HOST: '', R: host }
      await assertSameStory(name, STORY, { directory, env })
      const raw = await must(['skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${host}/list`])
      const { manifests } = JSON.parse(raw) as { manifests: { platform: { architecture: string; variant?: string } }[] }
      assert.deepEqual(manifests.map(({ platform }) => [platform.architecture, platform.variant]).sort(), [
        ['amd64', undefined],
        ['arm64', 'v8'],
      ])
    })
})
