import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findReleasable } from './release-pages.ts'

const mapping = (range: string, permissions: string, inode: number, anonymousKb: number, path = '/usr/bin/node') =>
  `${range} ${permissions} 00000000 fe:00 ${inode}                 ${path}\nSize:  8000 kB\nAnonymous:       ${anonymousKb} kB\nVmFlags: rd mr`

test('only unchanged, read-only, private mappings of files are given back', () => {
  const smaps = [
    mapping('00400000-00b6f000', 'r--p', 247580, 0),
    mapping('00b72000-025fe000', 'r-xp', 247580, 0),
    mapping('02601000-0563a000', 'r--p', 247580, 8), // relocated
    mapping('0563e000-0665d000', 'rw-p', 247580, 0),
    mapping('06700000-06701000', 'r-xp', 247580, 0), // small
    mapping('06800000-07800000', 'r-xp', 0, 0, ''), // compiled code of V8's
    mapping('07900000-08900000', 'r--s', 99, 0, '/var/lib/meta.db'),
  ].join('\n')
  assert.deepEqual(findReleasable(smaps), [
    { start: 0x400000n, end: 0xb6f000n },
    { start: 0xb72000n, end: 0x25fe000n },
  ])
})
