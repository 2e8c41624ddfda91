import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadConfig } from './load-config.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-config-'))
after(() => rmSync(directory, { recursive: true }))

function file(text: string): string {
  const path = join(directory, 'daemon.json')
  writeFileSync(path, text)
  return path
}

const withFile = (text: string, ...argv: string[]) => loadConfig(['--config-file', file(text), ...argv])
const messageOfFile = (text: string, ...argv: string[]): string => {
  try {
    withFile(text, ...argv)
  } catch (error) {
    return (error as Error).message.replace(join(directory, 'daemon.json'), 'FILE')
  }
  return 'no error'
}

test('flags come in all of their forms', () => {
  const { config } = withFile(
    '',
    ...['--data-root=/d', '--exec-root', '/e', '-p', '/p', '-H', 'unix:///a', '-Hunix:///b', '-D', '--iptables=false'],
    ...[
      '--log-opt',
      'max-size=1m',
      '--log-opt=max-file=3',
      '--label',
      'a=b',
      '--default-ulimit',
      'nofile=10:20',
      '--mtu',
      '9000',
    ],
  )
  assert.equal(config.dataRoot, '/d')
  assert.equal(config.execRoot, '/e')
  assert.equal(config.pidFile, '/p')
  assert.deepEqual(config.hosts, ['unix:///a', 'unix:///b'])
  assert.equal(config.debug, true)
  assert.equal(config.logLevel, 'debug')
  assert.equal(config.iptables, false)
  assert.deepEqual(config.logOptions, { 'max-size': '1m', 'max-file': '3' })
  assert.deepEqual(config.defaultUlimits, { nofile: { name: 'nofile', soft: 10, hard: 20 } })
  assert.equal(config.mtu, 9000)
})

test('the file gives what flags do not', () => {
  const { config, warnings } = withFile(
    '\uFEFF{"hosts":["unix:///x"],"debug":true,"insecure-registries":["r:5000"],"ip6tables":false,"default-ulimits":{"core":{"Name":"core","Hard":0,"Soft":0}}}',
  )
  assert.deepEqual(config.hosts, ['unix:///x'])
  assert.deepEqual(config.insecureRegistries, ['r:5000'])
  assert.deepEqual(config.defaultUlimits, { core: { name: 'core', soft: 0, hard: 0 } })
  assert.deepEqual(warnings, ['the directive ip6tables of the configuration file has no effect'])
})

test('defaults are Berth’s own', () => {
  const { config } = withFile('{}')
  assert.equal(config.dataRoot, '/var/lib/berth')
  assert.equal(config.cgroupParent, 'berth')
  assert.deepEqual(config.hosts, ['unix:///run/berth.sock'])
})

test('engines with data roots of their own have cgroups of their own', () => {
  const parents = ['/a', '/b', '/var/lib/berth'].map((root) => withFile('', '--data-root', root).config.cgroupParent)
  assert.equal(new Set(parents).size, 3)
})

test('mistakes in the file are told in dockerd’s words', () => {
  const table: [text: string, argv: string[], message: string][] = [
    ['{"foo":1,"bar":{"baz":2}}', [], "the following directives don't match any configuration option: foo, baz"],
    [
      '{"hosts":["unix:///f"],"debug":true,"labels":["a=b"],"log-opts":{"max-size":"1m"}}',
      ['-H', 'unix:///s', '-D', '--label', 'x=y', '--log-opt', 'max-file=3'],
      'the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: true), hosts: (from flag: [unix:///s], from file: [unix:///f]), labels: (from flag: [x=y], from file: [a=b]), log-opts: (from flag: map[max-file:3], from file: map[max-size:1m])',
    ],
    ['{"debug":"x"}', [], 'json: cannot unmarshal string into Go struct field Config.debug of type bool'],
    ['{"debug":', [], 'invalid JSON: unexpected EOF'],
  ]
  for (const [text, argv, message] of table)
    assert.equal(messageOfFile(text, ...argv), `unable to configure the Docker daemon with file FILE: ${message}`)
  assert.throws(
    () => loadConfig(['--config-file', '/nonexistent/x.json']),
    /open \/nonexistent\/x.json: no such file or directory$/,
  )
})

test('mistakes in flags are told in dockerd’s words', () => {
  const table: [argv: string[], message: RegExp][] = [
    [['--foo'], /^unknown flag: --foo\nSee/],
    [['-x'], /^unknown shorthand flag: 'x' in -x\n/],
    [
      ['--debug=maybe'],
      /^invalid argument "maybe" for "-D, --debug" flag: strconv.ParseBool: parsing "maybe": invalid syntax\n/,
    ],
    [['--mtu=x'], /^invalid argument "x" for "--mtu" flag: strconv.ParseInt: parsing "x": invalid syntax\n/],
    [['-H'], /^flag needs an argument: 'H' in -H\n/],
    [['--data-root'], /^flag needs an argument: --data-root\n/],
    [['foo'], /accepts no arguments/],
    [['--bip', '10.0.0.1/24', '--bridge', 'x'], /^You specified -b & --bip, mutually exclusive options/],
    [['-H', 'foo://x'], /^invalid bind address \(foo:\/\/x\): unsupported proto 'foo'$/],
    [['--label', 'a=1', '--label', 'a=2'], /^conflict labels for a=2 and a=1$/],
    [
      ['--registry-mirror', 'foo'],
      /: invalid mirror: no scheme specified for "foo": must use either 'https:\/\/' or 'http:\/\/'$/,
    ],
    [['--log-level', 'loud'], /^invalid logging level: loud$/],
    [['--data-root', 'relative'], /must be absolute/],
  ]
  for (const [argv, message] of table) assert.throws(() => withFile('', ...argv), { message }, argv.join(' '))
})

test('an open TCP port must be asked for in so many words', () => {
  assert.throws(() => withFile('', '-H', 'tcp://127.0.0.1:2375'), /gives root access to everyone who can reach it/)
  assert.deepEqual(withFile('', '-H', 'tcp://127.0.0.1:2375', '--tls=false').config.hosts, ['tcp://127.0.0.1:2375'])
})
