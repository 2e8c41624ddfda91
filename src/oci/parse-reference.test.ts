import assert from 'node:assert/strict'
import { test } from 'node:test'
import { familiarReference, formatReference, parseReference, withDefaultTag } from './parse-reference.ts'

const HEX = 'a'.repeat(64)

test('references are read and printed as Docker does', () => {
  const cases: [text: string, canonical: string, familiar: string][] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['user/app', 'docker.io/user/app:latest', 'user/app:latest'],
    ['library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/user/app', 'docker.io/user/app:latest', 'user/app:latest'],
    ['library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['127.0.0.1:5000/app:v1', '127.0.0.1:5000/app:v1', '127.0.0.1:5000/app:v1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    [
      'reg.example.com/a/b_c/d--e__f.g',
      'reg.example.com/a/b_c/d--e__f.g:latest',
      'reg.example.com/a/b_c/d--e__f.g:latest',
    ],
    ['Upper/app', 'Upper/app:latest', 'Upper/app:latest'],
    [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
    [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox:1@sha256:${HEX}`, `busybox:1@sha256:${HEX}`],
  ]
  for (const [text, canonical, familiar] of cases) {
    const reference = withDefaultTag(parseReference(text))
    assert.equal(formatReference(reference), canonical, text)
    assert.equal(familiarReference(reference), familiar, text)
    assert.deepEqual(parseReference(canonical), reference, 'the canonical form reads back')
  }
})

test('what is no reference is refused in Docker’s words', () => {
  const cases: [text: string, message: string][] = [
    ['', 'invalid reference format'],
    [':tag', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['-app', 'invalid reference format'],
    ['app:', 'invalid reference format'],
    ['app:-x', 'invalid reference format'],
    [`app:${'t'.repeat(129)}`, 'invalid reference format'],
    ['app@sha256:abc', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['../etc', 'invalid reference format'],
    ['app\n', 'invalid reference format'],
    ['reg.io/', 'invalid reference format'],
    ['Busybox', 'invalid reference format: repository name (library/Busybox) must be lowercase'],
    ['reg.io/App:X', 'invalid reference format: repository name (App) must be lowercase'],
    [`app@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
    [`app@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    [`reg.io/${'a'.repeat(256)}`, 'repository name must not be more than 255 characters'],
  ]
  for (const [text, message] of cases)
    assert.throws(() => parseReference(text), { code: 'invalid-argument', message }, JSON.stringify(text))
})

test('long hostile references are refused quickly', () => {
  const started = performance.now()
  for (const text of [
    `${'a-'.repeat(50_000)}!`,
    `${'a.'.repeat(50_000)}!/x`,
    `${'a/'.repeat(50_000)}!`,
    `${'a__'.repeat(50_000)}:`,
  ])
    assert.throws(() => parseReference(text))
  assert.ok(performance.now() - started < 2000)
})
