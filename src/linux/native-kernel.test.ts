import assert from 'node:assert/strict'
import { closeSync, fstatSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AF_UNIX, AT_EMPTY_PATH, O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT, SOCK_DGRAM } from './constants.ts'
import { ERRNO, KernelError } from './kernel-error.ts'
import { openNativeKernel } from './native-kernel.ts'

const kernel = openNativeKernel()

function scratchDirectory(t: { after(work: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'kernel-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('a failed call names itself, its target and its errno', () => {
  assert.throws(
    () => kernel.openat2(-100, '/nowhere/at/all', { flags: 0 }),
    (error) =>
      error instanceof KernelError && error.errno === ERRNO.ENOENT && error.message.includes('/nowhere/at/all'),
  )
})

test('a NUL in a path is refused and does not cut the path short', () => {
  assert.throws(() => kernel.openat2(-100, '/etc\0/shadow', { flags: 0 }), { code: 'invalid-argument' })
})

test('openat2 stays in the root it is given', (t) => {
  const directory = scratchDirectory(t)
  const root = kernel.openat2(-100, directory, { flags: O_PATH | O_DIRECTORY })
  t.after(() => closeSync(root))
  kernel.symlinkat('/../../etc', root, 'escape')
  assert.throws(() => kernel.openat2(root, 'escape/passwd', { flags: 0, resolve: RESOLVE_IN_ROOT }), {
    code: 'not-found',
  })
  assert.equal(kernel.readlinkat(root, 'escape'), '/../../etc')
})

test('files are made, owned, timed and removed by descriptor', (t) => {
  const directory = scratchDirectory(t)
  const root = kernel.openat2(-100, directory, { flags: O_PATH | O_DIRECTORY })
  t.after(() => closeSync(root))
  kernel.mkdirat(root, 'sub', 0o750)
  writeFileSync(join(directory, 'sub/file'), 'x')
  kernel.linkat(root, 'sub/file', root, 'link', 0)
  assert.equal(statSync(join(directory, 'link')).nlink, 2)
  kernel.fchmodat(root, 'link', 0o640)
  kernel.utimensat(root, 'link', { accessedNs: undefined, modifiedNs: -1_500_000_000n }, 0)
  const stat = statSync(join(directory, 'sub/file'), { bigint: true })
  assert.equal(stat.mode & 0o777n, 0o640n)
  assert.equal(stat.mtimeNs, -1_500_000_000n)
  kernel.fchownat(root, 'link', -1, -1, 0)
  kernel.renameat2(root, 'link', root, 'moved', 1)
  kernel.unlinkat(root, 'moved', 0)
  assert.equal(statSync(join(directory, 'sub/file')).nlink, 1)
  const file = kernel.openat2(root, 'sub/file', { flags: O_PATH })
  t.after(() => closeSync(file))
  kernel.fchownat(file, '', -1, -1, AT_EMPTY_PATH)
  assert.equal(fstatSync(file).size, 1)
})

test('an attribute that is not set is undefined', () => {
  assert.equal(kernel.lgetxattr('/', 'user.berth-test'), undefined)
  assert.ok(Array.isArray(kernel.llistxattr('/')))
})

test('receive gives up after its time, and returns a datagram that is there', (t) => {
  const directory = scratchDirectory(t)
  const address = new Uint8Array(110)
  address[0] = AF_UNIX
  new TextEncoder().encodeInto(join(directory, 's'), address.subarray(2))
  const [server, client] = [kernel.socket(AF_UNIX, SOCK_DGRAM, 0), kernel.socket(AF_UNIX, SOCK_DGRAM, 0)]
  t.after(() => {
    kernel.close(server)
    kernel.close(client)
  })
  kernel.bind(server, address)
  assert.throws(() => kernel.receive(server, 100, 5), { errno: ERRNO.EAGAIN })
  kernel.connect(client, address)
  kernel.send(client, new TextEncoder().encode('hello'))
  assert.equal(Buffer.from(kernel.receive(server, 100, 1000)).toString(), 'hello')
  kernel.send(client, new Uint8Array(50))
  assert.throws(() => kernel.receive(server, 10, 1000), { errno: ERRNO.EOVERFLOW })
})

test('a memory file holds what is written to it', (t) => {
  const fd = kernel.memfdCreate('x', 0)
  t.after(() => closeSync(fd))
  writeFileSync(fd, 'bytes')
  assert.equal(readFileSync(`/proc/self/fd/${fd}`, 'utf8'), 'bytes')
})

test('the address of a buffer is stable and within it', () => {
  const bytes = new Uint8Array(64)
  assert.ok(kernel.addressOf(bytes) > 0n)
  assert.equal(kernel.addressOf(bytes.subarray(8)) - kernel.addressOf(bytes), 8n)
})
