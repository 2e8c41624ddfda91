import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeZip, type ZipFile } from './make-zip.suite.ts'
import { isZip, readZip } from './read-zip.ts'

const LIMIT = 10_000
const read = (files: readonly ZipFile[]) =>
  readZip(makeZip(files), 10, LIMIT).map(([name, content]) => [name, content.toString()])
const isRefused = (work: () => unknown, message: string) => assert.throws(work, { code: 'invalid-argument', message })

test('files are read, stored and deflated; directories are left out', () => {
  const archive = [
    { name: 'meta.json', content: '{}' },
    { name: 'tls/', content: '', isStored: true },
    { name: 'tls/docker/ca.pem', content: 'x'.repeat(5000) },
    { name: 'empty', content: '', isStored: true },
  ]
  assert.ok(isZip(makeZip(archive)))
  assert.deepEqual(
    read(archive),
    archive.filter(({ name }) => name !== 'tls/').map(({ name, content }) => [name, content]),
  )
})

test('what is not what the archive says it is, is refused', () => {
  const file = { name: 'a', content: 'content' }
  isRefused(() => read([{ ...file, checksum: 1 }]), 'zip: checksum error')
  isRefused(() => read([{ ...file, isStored: true, checksum: 1 }]), 'zip: checksum error')
  isRefused(() => read([{ ...file, isStored: true, size: 3 }]), 'zip: checksum error')
  isRefused(() => read([{ ...file, size: 9 }]), 'zip: checksum error')
  isRefused(() => read([{ ...file, size: 3 }]), 'zip: not a valid zip file')
})

test('neither many files, nor large ones, nor the sum of them go beyond the limits', () => {
  const large = { name: 'a', content: 'x'.repeat(LIMIT - 1) }
  assert.equal(read([large]).length, 1)
  isRefused(() => read([large, large]), 'read exceeds the defined limit')
  isRefused(() => read([{ ...large, content: `${large.content}xx` }]), 'read exceeds the defined limit')
  isRefused(() => read(Array.from({ length: 11 }, () => ({ name: 'a', content: '' }))), 'zip: too many files')
})

test('an archive that ends anywhere, or points anywhere, is no zip file', () => {
  const whole = makeZip([{ name: 'meta.json', content: '{"a":1}' }])
  for (let size = 4; size < whole.length; size++)
    isRefused(() => readZip(whole.subarray(0, size), 10, LIMIT), 'zip: not a valid zip file')
  const astray = Buffer.from(whole)
  astray.writeUInt32LE(0xffffffff, astray.length - 6)
  isRefused(() => readZip(astray, 10, LIMIT), 'zip: not a valid zip file')
})
