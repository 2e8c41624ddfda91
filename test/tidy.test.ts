// Conventions as a test: import directions, dead files, sizes, broken links, banned words.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

import { ROOT } from './harness/root.ts'

/** What each folder of src/ may import besides itself; the longest matching folder decides. `containerd/client` is all of containerd that others see. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  oci: ['base'],
  api: ['base', 'oci'],
  gen: [],
  linux: ['base', 'gen', 'oci'],
  wire: ['base', 'gen'],
  trees: ['base', 'linux', 'wire'],
  image: ['base', 'oci', 'wire'],
  // What both the client and a server that passes on another's content need of HTTP to a registry.
  'registry/upstream': ['base', 'oci', 'wire'],
  'registry/client': ['base', 'oci', 'wire', 'image', 'registry/upstream'],
  // gen: the page's files.
  'registry/server': ['base', 'oci', 'gen', 'wire', 'image', 'registry/upstream'],
  // Runs in browsers: nothing that needs more than they have.
  'registry/page': ['base', 'oci', 'registry/upstream'],
  runtime: ['base', 'oci', 'linux'],
  shim: ['base', 'oci', 'gen', 'wire', 'linux'],
  'containerd/client': ['base', 'oci', 'gen', 'wire', 'linux', 'shim', 'registry/client', 'registry/upstream'],
  containerd: [
    'base',
    'oci',
    'gen',
    'wire',
    'linux',
    'trees',
    'image',
    'registry/client',
    'registry/upstream',
    'shim',
    'runtime',
    'runc',
    'containerd/client',
  ],
  // wire: the messages of criu's RPC.
  runc: ['base', 'oci', 'linux', 'wire', 'runtime', 'shim'],
  'shim-v2': ['base', 'oci', 'gen', 'wire', 'linux', 'runtime', 'shim', 'runc', 'containerd', 'containerd/client'],
  network: ['base', 'linux'],
  engine: [
    'base',
    'oci',
    'api',
    'gen',
    'wire',
    'linux',
    'trees',
    'image',
    'network',
    'build',
    'registry/client',
    'registry/upstream',
    'containerd/client',
  ],
  // trees: `cp` packs and unpacks the user's own directories. registry: `manifest` speaks to registries itself, as Docker's does.
  client: ['base', 'oci', 'api', 'gen', 'wire', 'trees', 'registry/client', 'registry/upstream'],
}

const tracked = execFileSync('git', ['-C', ROOT, 'ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)))
const sources = tracked.filter((file) => /\.ts$/.test(file))
const written = sources.filter((file) => !file.startsWith('src/gen/'))
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

test('arrows between folders point down only', () => {
  const wrong: string[] = []
  for (const file of written.filter((name) => name.startsWith('src/') && !/\.(test|suite)\.ts$/.test(name))) {
    const home = folderOf(file)
    const allowed = MAY_IMPORT[home]
    assert.ok(allowed, `${file}: its folder has no row in the import table`)
    for (const target of importsOf(file)) {
      const there = folderOf(target)
      if (there !== home && !allowed.includes(there)) wrong.push(`${file} imports ${target}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('every source file is reached from a program or a test', () => {
  const reached = new Set<string>()
  // The page is a program, too: a browser's.
  const programs = /^(?:bin|test|bench|tools)\/|^src\/registry\/page\/browser\/main\.ts$|\.test\.ts$/
  const queue = sources.filter((file) => programs.test(file))
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    queue.push(...importsOf(file))
  }
  assert.deepEqual(
    written.filter((file) => !reached.has(file)),
    [],
  )
})

test('files stay of a size one can read', () => {
  const sizes = [...written, ...tracked.filter((file) => /^native\/.*\.[ch]$/.test(file))].map((file) => ({
    file,
    lines: read(file).split('\n').length,
  }))
  assert.deepEqual(
    sizes
      .filter(({ file, lines }) => lines > (/^test\/|\.test\.ts$/.test(file) ? 500 : 400))
      .map(({ file, lines }) => `${file}: ${lines} lines`),
    [],
  )
})

test('links in the documents lead somewhere', () => {
  const broken: string[] = []
  for (const file of tracked.filter((name) => name.endsWith('.md'))) {
    for (const [, target = ''] of read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g))
      if (!/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(file), target))) broken.push(`${file}: ${target}`)
    for (const [, target = ''] of read(file).matchAll(
      /`((?:src|native|test|proto|bin|bench|tools|docs)\/[\w./-]+\.\w+)`/g,
    ))
      if (!existsSync(join(ROOT, target))) broken.push(`${file}: ${target}`)
  }
  assert.deepEqual(broken, [])
})

test('no banned names, no escape hatches', () => {
  const homeless = tracked.filter((file) => /(?:^|\/)(?:utils?|helpers?|common|manager|misc)(?:\.ts|\/)/.test(file))
  assert.deepEqual(homeless, [])
  const hatch = new RegExp(
    [
      'as a' + 'ny\\b',
      '@ts-' + 'ignore',
      '@ts-' + 'expect-error',
      '@ts-' + 'nocheck',
      ': a' + 'ny\\b(?! *[(a-z])',
    ].join('|'),
  )
  const forced = written.filter((file) =>
    read(file)
      .split('\n')
      .some((line) => hatch.test(line) && !/^\s*(\/\/|\*)|^test\(/.test(line)),
  )
  assert.deepEqual(forced, [])
})

test('there is a test beside or above each program', () => {
  for (const program of ['berthd', 'berth-containerd', 'berth-registry', 'berth'])
    assert.ok(existsSync(join(ROOT, `bin/${program}.ts`)), program)
})

function folderOf(file: string): string {
  const path = file.replace(/^src\//, '')
  const names = Object.keys(MAY_IMPORT).filter((name) => path.startsWith(`${name}/`))
  return names.sort((a, b) => b.length - a.length)[0] ?? path.split('/')[0] ?? ''
}

/** Relative imports, static and dynamic, resolved to paths from the root. */
function importsOf(file: string): string[] {
  const text = read(file)
  return [...text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+|new URL\(\s*)'(\.{1,2}\/[^']+\.[jt]s)'/g)].map(
    ([, target = '']) => normalize(join(dirname(file), target.replace(/\.js$/, '.ts'))),
  )
}
