import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOfParameters } from './shim-generation.ts'

const versionText = (version: string) =>
  `containerd-shim-runc-v2:\n  Version:  ${version}\n  Revision: 301026e5\n  Go version: go1.26.8\n\n`

test('shims on containerd’s library tell by its version what they want to be given', () => {
  for (const version of ['1.6.20~ds1', '1.7.27', 'v2.0.5', '2.2.7', 'v2.2.0-rc.1'])
    assert.equal(isOfParameters(versionText(version)), false, version)
  for (const version of ['2.3.0', 'v2.3.4', '2.4.0-beta+unknown', 'v2.10.1', '3.0.0'])
    assert.equal(isOfParameters(versionText(version)), true, version)
})

test('others are taken for the older kind', () => {
  for (const text of [
    '',
    'Kata Containers containerd shim (Golang): id: "io.containerd.kata.v2", version: 3.2.0, commit: x\n',
    'shim:\n  Version: 3.1.0\n  Revision: x\n\n',
    'containerd-shim-berth-v2:\n  Version:  2.9.0\n  Revision: \n  Runtime version: v20.20.2\n\n',
  ])
    assert.equal(isOfParameters(text), false, text)
})
