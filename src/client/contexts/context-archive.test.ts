import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exportContext, importContext } from './context-archive.ts'
import { ContextStore } from './context-store.ts'
import { makeZip } from './make-zip.suite.ts'

const META = '{"Name":"theirs","Metadata":{"Description":"d"},"Endpoints":{"docker":{"Host":"tcp://h:1"}}}'

class Place implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'berth-contexts-'))
  readonly store = new ContextStore({
    configDirectory: this.directory,
    resolveDefault: () => ({ host: 'unix:///x', tls: undefined }),
  })

  import(bytes: Buffer): Promise<void> {
    const source = async function* () {
      yield bytes
    }
    return importContext(source(), 'mine', this.store)
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true })
  }
}

test('a context goes out and comes in again, under another name', async () => {
  using place = new Place()
  const tls = { docker: { 'ca.pem': Buffer.from('ca') } }
  await place.import(await exportContext({ Name: 'a', Metadata: { Description: 'd' }, Endpoints: {} }, tls))
  assert.deepEqual(place.store.require('mine'), { Name: 'mine', Metadata: { Description: 'd' }, Endpoints: {} })
  assert.deepEqual(place.store.readTls('mine'), tls)
})

const meta = { name: 'meta.json', content: META }
const refused: [string, { name: string; content: string }[]][] = [
  ['a path that leaves its directory', [meta, { name: 'tls/../../../../escaped', content: 'x' }]],
  ['an absolute path', [meta, { name: '/escaped', content: 'x' }]],
  ['a path with a zero', [meta, { name: 'tls/docker/a\0b', content: 'x' }]],
  ['a name that no file can have', [meta, { name: `tls/docker/${'n'.repeat(300)}`, content: 'x' }]],
  ['a file in no endpoint’s directory', [meta, { name: 'tls/ca.pem', content: 'x' }]],
  ['a directory too deep', [meta, { name: 'tls/a/b/c', content: 'x' }]],
  ['other files', [meta, { name: 'other', content: 'x' }]],
  ['no metadata', [{ name: 'tls/docker/ca.pem', content: 'x' }]],
  ['metadata that is no JSON', [{ name: 'meta.json', content: '{' }]],
  ['metadata that is no object', [{ name: 'meta.json', content: 'null' }]],
  ['a host that is no text', [{ name: 'meta.json', content: '{"Endpoints":{"docker":{"Host":{"a":1}}}}' }]],
]
for (const [what, files] of refused)
  test(`an archive with ${what} is refused, and nothing of it stays`, async () => {
    using place = new Place()
    await assert.rejects(place.import(makeZip(files)), { name: 'Failure', code: 'invalid-argument' })
    assert.equal(existsSync(join(place.directory, 'contexts')), false)
  })

test('an archive that is larger than the limit is refused before it is read', async () => {
  using place = new Place()
  await assert.rejects(place.import(Buffer.alloc((10 << 20) + 1)), { message: 'read exceeds the defined limit' })
})
