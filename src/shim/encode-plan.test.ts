import assert from 'node:assert/strict'
import test from 'node:test'
import { isFailure } from '../base/failure.ts'
import type { ProcessPlan, Step } from '../linux/steps.ts'
import { encodeCommandPlan, encodeExecPlan, encodeRelayPlan, encodeShimPlan } from './encode-plan.ts'
import type { CommandPlan, ShimSettings } from './shim.ts'

const SETTINGS: ShimSettings = {
  bundle: '/b',
  label: 'ns/id',
  streamSocketPath: '/s',
  log: { driver: 'json-file', path: '/l', maxSizeBytes: 0x0102030405, maxFiles: 3, attributes: Buffer.from('{}') },
  stdinOnce: true,
  spillMaxBytes: 0x10,
  stallSeconds: 0x20,
  lingerSeconds: 0x30,
}

function planOf(...steps: Step[]): ProcessPlan {
  return {
    cloneFlags: 0x20020000,
    joinInitPidNamespace: false,
    cgroupDirectory: '/c',
    terminal: true,
    stdin: true,
    steps,
  }
}

/** Hexadecimal with spaces and comments taken out. */
function bytes(text: string): string {
  return text.replace(/#.*$/gm, '').replace(/\s+/g, '')
}

test('a shim plan is header, settings, process and steps', () => {
  const plan = planOf({ op: 'setsid' }, { op: 'chdir', path: '/é', skipOn: { errnos: [2, 20], skip: 1 } })
  const expected = bytes(`
    42504c4e 0100 0100           # BPLN, version 1, with settings
    02000000 2f73 00             # stream socket
    02000000 2f6c 00             # log
    0504030201000000 03000000    # its size and count
    00 02000000 7b7d             # its format and attributes
    01 1000000000000000          # stdin-once, spill
    20000000 30000000            # stall, linger
    0000022000000000 06          # clone flags, terminal | stdin
    02000000 2f63 00             # cgroup
    02000000                     # two steps
    04 00 00 00000000            # setsid
    20 01 02 02000000 14000000 08000000  03000000 2fc3a9 00  # chdir, skips 1 on ENOENT or ENOTDIR
  `)
  assert.equal(encodeShimPlan(SETTINGS, plan).toString('hex'), expected)
})

test('an exec plan has no settings', () => {
  const plan: ProcessPlan = {
    cloneFlags: 0,
    joinInitPidNamespace: true,
    cgroupDirectory: undefined,
    terminal: false,
    stdin: false,
    steps: [],
  }
  const expected = bytes('42504c4e 0100 0000  0000000000000000 01  00000000 00  00000000')
  assert.equal(encodeExecPlan(plan).toString('hex'), expected)
})

test('a PID namespace to be born in follows the cgroup', () => {
  const plan: ProcessPlan = { ...planOf(), cloneFlags: 0, terminal: false, stdin: false, pidNamespacePath: '/n' }
  const expected = bytes('42504c4e 0100 0000  0000000000000000 08  02000000 2f63 00  02000000 2f6e 00  00000000')
  assert.equal(encodeExecPlan(plan).toString('hex'), expected)
})

const COMMAND: CommandPlan = {
  argv: ['/r', 'create'],
  env: ['A=b'],
  cwd: '/b',
  pidFile: '/b/p',
  terminal: true,
  stdin: false,
  consoleSocket: 'c',
  startsAtOnce: true,
}
const COMMAND_BYTES = `
  02000000 02000000 2f72 00 06000000 637265617465 00   # arguments
  01000000 03000000 413d62 00                          # environment
  02000000 2f62 00  04000000 2f622f70 00               # directory, pid file
`

test('a command says of itself what it is', () => {
  const expected = bytes(`42504c4e 0100 0300 ${COMMAND_BYTES} 05 01000000 63 00`)
  assert.equal(encodeCommandPlan(COMMAND).toString('hex'), expected)
  const shim = encodeShimPlan(SETTINGS, { command: COMMAND })
  assert.equal(shim.readUInt16LE(6), 2)
  assert.ok(shim.toString('hex').endsWith(expected.slice(16)))
})

test('stream paths stand after the PID namespace, and at the end of a command', () => {
  const streams = { stdin: '/i', stdout: '/o', stderr: '' }
  const paths = '02000000 2f69 00 02000000 2f6f 00 00000000 00'
  const plan: ProcessPlan = { ...planOf(), cloneFlags: 0, terminal: false, pidNamespacePath: '/n' }
  const expected = bytes(
    `42504c4e 0100 0000  0000000000000000 1c  02000000 2f63 00  02000000 2f6e 00 ${paths} 00000000`,
  )
  assert.equal(encodeExecPlan(plan, streams).toString('hex'), expected)
  const command = bytes(`42504c4e 0100 0300 ${COMMAND_BYTES} 0d 01000000 63 00 ${paths}`)
  assert.equal(encodeCommandPlan(COMMAND, streams).toString('hex'), command)
  const owned = bytes(`42504c4e 0100 0300 ${COMMAND_BYTES} 1d 01000000 63 00 ${paths} 07000000 08000000`)
  assert.equal(encodeCommandPlan({ ...COMMAND, streamOwner: { uid: 7, gid: 8 } }, streams).toString('hex'), owned)
})

test('a relay is a flag and three paths', () => {
  const relay = { terminal: true, fifos: { stdin: '/i', stdout: '/o', stderr: '' } }
  const expected = bytes('42504c4e 0100 0500 01 02000000 2f69 00 02000000 2f6f 00 00000000 00')
  assert.equal(encodeRelayPlan(relay).toString('hex'), expected)
  const shim = encodeShimPlan(SETTINGS, { relay })
  assert.equal(shim.readUInt16LE(6), 4)
  assert.ok(shim.toString('hex').endsWith(expected.slice(16)))
})

test('arguments of the steps', () => {
  const table: [Step, string][] = [
    [{ op: 'setns', path: '/n', kind: 0x40000000 }, '01 | 02000000 2f6e 00 00000040'],
    [
      { op: 'prctl', option: 38, arg2: 1n },
      '05 | 26000000 0100000000000000 0000000000000000 0000000000000000 0000000000000000',
    ],
    [
      { op: 'rlimit', resource: 7, soft: 1n, hard: 0xffffffffffffffffn },
      '09 | 07000000 0100000000000000 ffffffffffffffff',
    ],
    [{ op: 'set-ids', uid: 1, gid: 2, groups: [3, 4] }, '0b | 01000000 02000000 08000000 03000000 04000000 00'],
    [{ op: 'set-ids', uid: 1, gid: 2 }, '0b | 01000000 02000000 00000000 01'],
    [
      { op: 'seccomp', flags: 1, program: Uint8Array.of(6, 0, 0, 0, 0, 0, 0xff, 0x7f) },
      '0f | 01000000 08000000 060000000000ff7f',
    ],
    [{ op: 'write-file', path: '/p', data: '1\n' }, '11 | ff 02000000 2f70 00 02000000 310a'],
    [{ op: 'write-file', dir: 3, path: 'p', data: '' }, '11 | 03 01000000 70 00 00000000'],
    [{ op: 'open-in-root', slot: 1, path: 'p', flags: 0x200000 }, '12 | 01 ff 01000000 70 00 00002000'],
    [
      { op: 'make-path', slot: 1, root: 0, path: 'p', kind: 'file', mode: 0o644 },
      '13 | 01 00 01000000 70 00 01 a4010000',
    ],
    [
      {
        op: 'fs-mount',
        slot: 2,
        fstype: 'proc',
        options: [
          ['ro', undefined],
          ['a', 'b'],
        ],
        attributes: 15,
      },
      '18 | 02 04000000 70726f63 00 00 0f000000 0200 02000000 726f 00 00 01000000 61 00 01 01000000 62 00',
    ],
    [
      { op: 'mount-setattr', slot: 2, set: 1n, clear: 2n, propagation: 4n, recursive: true },
      '1a | 02 0100000000000000 0200000000000000 0400000000000000 01 ff',
    ],
    [{ op: 'pty', devpts: 1, rows: 24, columns: 80, uid: 5, gid: 6 }, '1f | 01 ff 1800 5000 05000000 06000000 ff'],
    [{ op: 'resolve-exec', candidates: ['/a'] }, '21 | 0100 02000000 2f61 00'],
    [
      { op: 'open-tree-of', slot: 2, namespace: '/n', path: '/p', recursive: true },
      '25 | 02 02000000 2f6e 00 02000000 2f70 00 01',
    ],
    [{ op: 'exec', argv: ['a'], env: [] }, '24 | 01000000 01000000 61 00 00000000'],
    [{ op: 'close-fds' }, '22 | 03000000'],
    [{ op: 'close-fds', from: 5 }, '22 | 05000000'],
    [{ op: 'clone', flags: 0x30000000 }, '26 | 0000003000000000'],
    [{ op: 'sync', point: 2 }, '27 | 02000000'],
    [
      { op: 'run-hook', path: '/h', argv: ['h'], env: ['A=b'], timeoutSeconds: 7 },
      '28 | 02000000 2f68 00 01000000 01000000 68 00 01000000 03000000 413d62 00 07000000',
    ],
    [{ op: 'open-host', slot: 1, path: '/h', flags: 2 }, '29 | 01 02000000 2f68 00 02000000'],
    [{ op: 'connect-unix', slot: 2, path: '/s' }, '2a | 02 02000000 2f73 00'],
    [{ op: 'await-fifo', fifo: 1, status: 2 }, '2b | 01 02'],
    [
      { op: 'make-user-namespace', slot: 3, uidMap: '0 1 2', gidMap: '3' },
      '2c | 03 05000000 302031 2032 00 01000000 33 00',
    ],
    [
      { op: 'scheduler', policy: 6, flags: 1n, nice: -1, priority: 2, runtime: 3n, deadline: 4n, period: 5n },
      '2d | 06000000 0100000000000000 ffffffff 02000000 0300000000000000 0400000000000000 0500000000000000',
    ],
    [{ op: 'io-priority', value: 0x4006 }, '2e | 06400000'],
    [{ op: 'memory-policy', mode: 2, nodes: Uint8Array.of(1) }, '2f | 02000000 01000000 01'],
    [{ op: 'personality', persona: 8 }, '30 | 08000000'],
    [{ op: 'cpu-affinity', mask: Uint8Array.of(3) }, '31 | 01000000 03'],
    [{ op: 'reconfigure', slot: 1, options: [['ro', undefined]] }, '32 | 01 0100 02000000 726f 00 00'],
    [{ op: 'copy-tree', from: 1, to: 2 }, '33 | 01 02'],
    [{ op: 'move-root', root: 1 }, '34 | 01'],
    [{ op: 'chroot', root: 1 }, '35 | 01'],
  ]
  const head = encodeExecPlan(planOf()).length
  for (const [step, expected] of table) {
    const [number = '', body = ''] = expected.split('|').map(bytes)
    const size = Buffer.alloc(4)
    size.writeUInt32LE(body.length / 2)
    assert.equal(
      encodeExecPlan(planOf(step)).subarray(head).toString('hex'),
      `${number}0000${size.toString('hex')}${body}`,
      step.op,
    )
  }
})

test('what the kernel would cut short or the numbers cannot hold is refused', () => {
  const bad: Step[] = [
    { op: 'chdir', path: '/a\0b' },
    { op: 'close', slot: 250 },
    { op: 'umask', mask: -1 },
    { op: 'setns', path: '/', kind: 2 ** 32 },
  ]
  for (const step of bad)
    assert.throws(
      () => encodeExecPlan(planOf(step)),
      (error) => isFailure(error, 'invalid-argument'),
    )
})

test('a plan of any size fits', () => {
  const env = Array.from({ length: 5000 }, (_, i) => `NAME_${i}=${'x'.repeat(100)}`)
  const encoded = encodeExecPlan(planOf({ op: 'exec', argv: ['a'], env }))
  assert.equal(encoded.includes('NAME_4999='), true)
})
