import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerConfig, HostConfig } from '../../../api/container-types.ts'
import { planMounts } from './plan-mounts.ts'

const facts = { dataRoot: '/var/lib/docker', isReadOnlyNonRecursive: false }
const plan = (hostConfig: HostConfig, config: ContainerConfig = {}) => planMounts(config, hostConfig, [], facts)

/** Statuses and words of dockerd: what is wrong with `-v` is a 500 there. */
const REFUSED: [HostConfig, 'invalid-argument' | 'unknown', string][] = [
  [{ Binds: [''] }, 'unknown', "invalid volume specification: ''"],
  [{ Binds: [':/a'] }, 'unknown', "invalid volume specification: ':/a'"],
  [{ Binds: ['/a:'] }, 'unknown', "invalid volume specification: '/a:'"],
  [{ Binds: ['/a:rw'] }, 'unknown', "invalid volume specification: '/a:rw'"],
  [{ Binds: ['/a:/b:ro:x'] }, 'unknown', "invalid volume specification: '/a:/b:ro:x'"],
  [{ Binds: ['/a:/b:ro,rw'] }, 'unknown', 'invalid mode: ro,rw'],
  [{ Binds: ['/a:/b:ro,default'] }, 'unknown', 'invalid mode: ro,default'],
  [
    { Binds: ['/a:b'] },
    'unknown',
    `invalid volume specification: '/a:b': invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
  ],
  [
    { Binds: ['/a:/'] },
    'unknown',
    `invalid volume specification: '/a:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
  ],
  [
    { Binds: ['/a::ro'] },
    'unknown',
    `invalid volume specification: '/a::ro': invalid mount config for type "bind": field Target must not be empty`,
  ],
  [
    { Binds: ['/a:/b:nocopy'] },
    'unknown',
    `invalid volume specification: '/a:/b:nocopy': invalid mount config for type "bind": field VolumeOptions must not be specified`,
  ],
  [
    { Binds: ['v1:/b:rslave'] },
    'unknown',
    `invalid volume specification: 'v1:/b:rslave': invalid mount config for type "volume": field BindOptions must not be specified`,
  ],
  [{ Binds: ['/a:/x', '/b:/x/'] }, 'invalid-argument', 'Duplicate mount point: /x'],
  [{ Binds: ['/a:/b'], Mounts: [{ Type: 'tmpfs', Target: '/b/' }] }, 'invalid-argument', 'Duplicate mount point: /b/'],
  [{ Binds: ['/a:/b'], Tmpfs: { '/b': '' } }, 'invalid-argument', 'Duplicate mount point: /b'],
  [{ Tmpfs: { '/': '' } }, 'invalid-argument', "invalid specification: destination can't be '/'"],
  [{ Tmpfs: { b: '' } }, 'invalid-argument', "invalid mount path: 'b' mount path must be absolute"],
  [
    { Binds: ['/var:/x:shared'] },
    'invalid-argument',
    'invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: "/var/lib/docker", bind mount source: "/var", propagation: "shared"',
  ],
  [
    { Mounts: [{ Type: 'volume', Target: '/x', Source: 'v1', VolumeOptions: { Subpath: '../x' } }] },
    'invalid-argument',
    'invalid mount config for type "volume": subpath must be a relative path within the volume',
  ],
  [
    { Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { Subpath: 'x' } }] },
    'invalid-argument',
    'invalid mount config for type "volume": must not set Subpath when using anonymous volumes',
  ],
  [
    { Mounts: [{ Type: 'tmpfs', Target: '/x', TmpfsOptions: { Options: [['mode', '1']] } }] },
    'invalid-argument',
    'invalid mount config for type "tmpfs": invalid option: mode',
  ],
]

test('mounts that cannot be are refused in the words and with the status of dockerd', () => {
  for (const [hostConfig, code, message] of REFUSED)
    assert.throws(() => plan(hostConfig), { code, message }, JSON.stringify(hostConfig))
})

test('a bind, a volume, a path without a source and an image of its own each become what inspect shows', () => {
  const made = plan(
    { Binds: ['/srv:/a:ro,z', 'data:/b:nocopy', '/only'], VolumeDriver: 'far' },
    { Volumes: { '/declared': {}, '/b': {} } },
  )
  assert.deepEqual(
    made.map(({ type, name, driver, source, destination, readWrite, mode, propagation, copiesUp }) =>
      [type, name.length, driver, source, destination, readWrite, mode, propagation, copiesUp].join(' '),
    ),
    [
      'bind 0  /srv /a false ro,z rprivate false',
      'volume 4 far  /b true nocopy  false',
      'volume 64 far  /only true   true',
      'volume 64 far  /declared true   true',
    ],
  )
})

test('what lies around the data root is a slave of the host, so that its mounts can go', () => {
  const propagationOf = (bind: string) => plan({ Binds: [bind] })[0]?.propagation
  assert.equal(propagationOf('/:/host'), 'rslave')
  assert.equal(propagationOf('/var/lib/docker/volumes:/v:rshared'), 'rshared')
  assert.equal(propagationOf('/srv:/v'), 'rprivate')
})

test('before API 1.44 a read-only bind is read-only by itself', () => {
  const [mount] = planMounts({}, { Binds: ['/srv:/a:ro'] }, [], { ...facts, isReadOnlyNonRecursive: true })
  assert.equal(mount?.spec.BindOptions?.ReadOnlyNonRecursive, true)
})
