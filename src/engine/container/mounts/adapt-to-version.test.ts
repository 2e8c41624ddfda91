import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mount } from '../../../api/container-types.ts'
import { negotiateVersion } from '../../http/api-version.ts'
import { adaptMountsToVersion } from './adapt-to-version.ts'

const adapted = (version: string, mount: Mount): Mount => {
  const hostConfig = { Mounts: [structuredClone(mount)] }
  adaptMountsToVersion(hostConfig, negotiateVersion(version))
  return hostConfig.Mounts[0] ?? {}
}

test('what an older version does not know is as if it had not been sent', () => {
  const bind = { Type: 'bind', BindOptions: { NonRecursive: true, CreateMountpoint: true }, VolumeOptions: {} }
  assert.deepEqual(adapted('1.39', bind), { Type: 'bind', BindOptions: {} })
  assert.deepEqual(adapted('1.41', bind), { Type: 'bind', BindOptions: { NonRecursive: true } })
})

test('what means something else there is refused', () => {
  const cases: [string, Mount, string][] = [
    ['1.42', { Type: 'bind', VolumeOptions: {} }, 'VolumeOptions must not be specified on mount type "bind"'],
    ['1.42', { Type: 'volume', TmpfsOptions: {} }, 'TmpfsOptions must not be specified on mount type "volume"'],
    [
      '1.43',
      { Type: 'bind', BindOptions: { ReadOnlyForceRecursive: true } },
      'BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer',
    ],
    ['1.44', { Type: 'volume', VolumeOptions: { Subpath: 'x' } }, 'VolumeOptions.Subpath needs API v1.45 or newer'],
    ['1.47', { Type: 'image', Source: 'x' }, 'Mount type "Image" needs API v1.48 or newer'],
  ]
  for (const [version, mount, message] of cases)
    assert.throws(() => adapted(version, mount), { code: 'invalid-argument', message })
})
