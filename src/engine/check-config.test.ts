import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadConfig } from './load-config.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-check-'))
after(() => rmSync(directory, { recursive: true }))
const path = join(directory, 'daemon.json')

const load = (text: string | Buffer, argv: readonly string[] = [], env: NodeJS.ProcessEnv = {}) => {
  writeFileSync(path, text)
  return loadConfig(['--config-file', path, ...argv], env)
}
const refusal = (text: string, argv: readonly string[] = [], env: NodeJS.ProcessEnv = {}): string => {
  try {
    load(text, argv, env)
    return 'no refusal'
  } catch (error) {
    return (error as Error).message.replace(`unable to configure the Docker daemon with file ${path}: `, 'FILE: ')
  }
}

test('values that make no sense are refused in dockerd’s words', () => {
  const MERGED = 'FILE: merged configuration validation from file and command line flags failed: '
  const table: [text: string, argv: string[], message: string][] = [
    ['{"mtu":-1}', [], `${MERGED}invalid default MTU: -1`],
    ['{"max-concurrent-downloads":-10}', [], `${MERGED}invalid max concurrent downloads: -10`],
    ['{"max-concurrent-uploads":-10}', [], `${MERGED}invalid max concurrent uploads: -10`],
    ['{"max-download-attempts":-10}', [], `${MERGED}invalid max download attempts: -10`],
    ['{"dns-search":["123"]}', [], `${MERGED}123 is not a valid domain`],
    ['{"dns":["1.1.1.1o"]}', [], 'FILE: invalid IP address: 1.1.1.1o'],
    ['{"labels":["foo"]}', [], `${MERGED}bad attribute format: foo`],
    [
      '',
      ['--label', 'com.docker.x=1'],
      `${MERGED}label com.docker.x=1 is not allowed: the namespaces com.docker.*, io.docker.*, and org.dockerproject.* are reserved for internal use`,
    ],
    ['{"labels":["a=1","a=2"]}', [], 'conflict labels for a=2 and a=1'],
    [
      '{"default-ipc-mode":"host"}',
      [],
      `${MERGED}IPC mode "host" is not supported as default value; use "shareable" or "private"`,
    ],
    ['{"default-ipc-mode":"x"}', [], `${MERGED}default IPC mode setting (x) is invalid; use "shareable" or "private"`],
    ['{"default-cgroupns-mode":"x"}', [], `${MERGED}invalid default cgroup namespace (x): use "host" or "private"`],
    ['{"default-shm-size":"1x"}', [], "FILE: invalid size: '1x'"],
    ['{"default-shm-size":12}', [], 'FILE: invalid size: "12"'],
    [
      '{"features":{"cdi":"yes"}}',
      [],
      'FILE: json: cannot unmarshal string into Go struct field Config.features of type bool',
    ],
    [
      '{"log-opts":{"max-file":3}}',
      [],
      'FILE: json: cannot unmarshal number into Go struct field Config.log-opts of type string',
    ],
    ['{"log-format":"xml"}', [], 'invalid log format: xml'],
    ['{"exec-opts":["a"]}', [], "invalid exec-opt (a): must be formatted 'opt=value'"],
    ['{"exec-opts":["a=b"]}', [], "invalid exec-opt (a=b): unknown option: 'a'"],
    ['{"exec-opts":["native.cgroupdriver=x"]}', [], 'native.cgroupdriver option x not supported'],
    [
      '{"host-gateway-ips":["1.1.1.1","2.2.2.2"]}',
      [],
      `${MERGED}only one IPv4 host gateway IP address can be specified`,
    ],
    [
      '{"host-gateway-ip":"1.1.1.1","host-gateway-ips":["2.2.2.2"]}',
      [],
      'FILE: host-gateway-ip and host-gateway-ips must not both be specified in the config file',
    ],
    ['{"min-api-version":"v1.44"}', [], 'invalid min-api-version: API version must be provided without "v" prefix'],
    ['{"min-api-version":"1.12"}', [], 'invalid min-api-version: minimum supported API version is 1.24: 1.12'],
    ['{"storage-driver":"aufs"}', [], 'error initializing graphdriver: driver not supported: aufs'],
    ['{"storage-opts":["dm.basesize=10G"]}', [], 'overlay2: unknown option dm.basesize'],
    [
      '{"seccomp-profile":"/nonexistent"}',
      [],
      'opening seccomp profile (/nonexistent) failed: open /nonexistent: no such file or directory',
    ],
    ['{"containerd-namespace":"plugins.moby"}', [], 'containers namespace and plugins namespace cannot be the same'],
    [
      '{"iptables":false,"icc":false}',
      [],
      'You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true',
    ],
    [
      '{"userns-remap":"default","containerd":"/x.sock"}',
      [],
      'userns-remap: not supported together with --containerd, whose snapshots may not be mapped',
    ],
    ['{"selinux-enabled":true}', [], 'the following directives are not supported: selinux-enabled'],
    [
      '{"cgroup-parent":"/x","exec-opts":["native.cgroupdriver=systemd"]}',
      [],
      'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
    ],
  ]
  for (const [text, argv, message] of table) assert.equal(refusal(text, argv), message, text)
  assert.equal(
    refusal('', [], { DOCKER_MIN_API_VERSION: '9.9' }),
    'invalid DOCKER_MIN_API_VERSION: maximum supported API version is 1.52: 9.9',
  )
})

test('a key that is also a flag is refused, with credentials masked', () => {
  const table: [text: string, argv: string[], clash: string][] = [
    ['{"features":{"a":true}}', ['--feature', 'b'], 'features: (from flag: map[b:true], from file: map[a:true])'],
    ['{"default-shm-size":"1g"}', ['--default-shm-size', '64M'], 'default-shm-size: (from flag: 64MiB, from file: 1g)'],
    ['{"dns":["1.1.1.1"]}', ['--dns', '8.8.8.8,9.9.9.9'], 'dns: (from flag: [8.8.8.8 9.9.9.9], from file: [1.1.1.1])'],
    [
      '{"host-gateway-ip":"1.1.1.1"}',
      ['--host-gateway-ip', '2.2.2.2'],
      'host-gateway-ip: (from flag: [2.2.2.2], from file: 1.1.1.1)',
    ],
    [
      '{"proxies":{"http-proxy":"http://u:p@file:1"}}',
      ['--http-proxy', 'http://u:p@flag:1'],
      'http-proxy: (from flag: http://xxxxx:xxxxx@flag:1, from file: http://xxxxx:xxxxx@file:1)',
    ],
  ]
  for (const [text, argv, clash] of table)
    assert.equal(
      refusal(text, argv),
      `FILE: the following directives are specified both as a flag and in the configuration file: ${clash}`,
    )
})

test('every setting that is said arrives, by flag as by file', () => {
  const pairs: [file: string, flags: string[], field: string, value: unknown][] = [
    ['"authorization-plugins":["a"]', ['--authorization-plugin', 'a'], 'authorizationPlugins', ['a']],
    ['"cdi-spec-dirs":["/c"]', ['--cdi-spec-dir', '/c'], 'cdiSpecDirectories', ['/c']],
    ['"cdi-spec-dirs":[""]', ['--cdi-spec-dir', ''], 'cdiSpecDirectories', []],
    ['"features":{"cdi":false}', ['--feature', 'cdi=false'], 'cdiSpecDirectories', []],
    ['"containerd-plugin-namespace":"p"', ['--containerd-plugins-namespace', 'p'], 'containerdPluginNamespace', 'p'],
    ['"default-cgroupns-mode":"host"', ['--default-cgroupns-mode=host'], 'defaultCgroupnsMode', 'host'],
    ['"default-ipc-mode":"shareable"', ['--default-ipc-mode=shareable'], 'defaultIpcMode', 'shareable'],
    ['"default-shm-size":"1.5g"', ['--default-shm-size', '1536M'], 'defaultShmBytes', 1.5 * 2 ** 30],
    ['"default-stop-timeout":3', ['--default-stop-timeout', '3'], 'defaultStopTimeoutSeconds', 3],
    [
      '"exec-opts":["native.cgroupdriver=systemd"]',
      ['--exec-opt', 'native.cgroupdriver=systemd'],
      'cgroupParent',
      'system.slice',
    ],
    ['"experimental":true', ['--experimental'], 'isExperimental', true],
    ['"features":{"x":true}', ['--feature', 'x'], 'features', { x: true }],
    [
      '"host-gateway-ips":["1.1.1.1","::1"]',
      ['--host-gateway-ip', '1.1.1.1', '--host-gateway-ip', '::1'],
      'hostGatewayAddresses',
      ['1.1.1.1', '::1'],
    ],
    [
      '"proxies":{"https-proxy":"http://p"}',
      ['--https-proxy', 'http://p'],
      'proxies',
      { http: '', https: 'http://p', no: '' },
    ],
    ['"init-path":"/i"', ['--init-path', '/i'], 'initPath', '/i'],
    ['"log-format":"json"', ['--log-format=json'], 'logFormat', 'json'],
    ['"log-level":"FATAL"', ['-l', 'fatal'], 'logLevel', 'error'],
    ['"max-concurrent-uploads":9', ['--max-concurrent-uploads', '9'], 'maxConcurrentUploads', 9],
    ['"max-download-attempts":9', ['--max-download-attempts', '9'], 'maxDownloadAttempts', 9],
    ['"metrics-addr":"127.0.0.1:9"', ['--metrics-addr', '127.0.0.1:9'], 'metricsAddress', '127.0.0.1:9'],
    ['"seccomp-profile":"unconfined"', ['--seccomp-profile=unconfined'], 'seccompProfile', 'unconfined'],
    ['"live-restore":false', ['--live-restore=false'], 'liveRestore', false],
    [
      '"hosts":["fd://","tcp://:1","tcp://[::1]"],"tls":false',
      ['-H', 'fd://', '-H', ':1', '-H=[::1]', '--tls=false'],
      'hosts',
      ['fd://', 'tcp://127.0.0.1:1', 'tcp://[::1]:2375'],
    ],
    ['"tlsverify":true,"hosts":["tcp://"]', ['--tlsverify', '-H', 'tcp://'], 'hosts', ['tcp://127.0.0.1:2376']],
  ]
  for (const [file, flags, field, value] of pairs) {
    const fromFile = load(`{${file}}`).config as unknown as Record<string, unknown>
    const fromFlags = load('', flags).config as unknown as Record<string, unknown>
    assert.deepEqual(fromFile[field], value, file)
    assert.deepEqual(fromFlags[field], value, flags.join(' '))
  }
  assert.equal(load('{"min-api-version":"1.44"}').config.minApiVersion, '1.44')
  assert.equal(load('{"resolv-conf":"/r","default-init":"tini"}').config.initPath, 'tini')
})

test('TLS is on as Docker turns it on, and verifies clients unless that is denied', () => {
  const table: [argv: string[], env: NodeJS.ProcessEnv, isOn: boolean | undefined, verifies: boolean][] = [
    [[], {}, undefined, false],
    [['--tls'], {}, true, true],
    [['--tls=false'], {}, false, false],
    [['--tlsverify'], {}, true, true],
    [['--tlsverify=false'], {}, true, false],
    [[], { DOCKER_TLS_VERIFY: '1' }, true, true],
  ]
  for (const [argv, env, isOn, verifies] of table) {
    const { tls } = load('', argv, env).config
    assert.deepEqual([tls.isOn, tls.verifiesClients], [isOn, verifies], argv.join(' '))
  }
  assert.equal(load('', ['--tls'], { DOCKER_CERT_PATH: '/certs' }).config.tls.keyFile, '/certs/key.pem')
})

test('the file may begin with a byte order mark, and be empty', () => {
  const utf16 = Buffer.from('\uFEFF{"debug":true}', 'utf16le')
  assert.equal(load(utf16).config.debug, true)
  assert.equal(load(Buffer.from(utf16).swap16()).config.debug, true)
  assert.equal(load('\uFEFF{"debug":true}').config.debug, true)
  assert.equal(load('  \n').config.debug, false)
  assert.match(refusal('{"debug":tru\xff'), /^FILE: /)
})

test('what has no effect is said, and nothing else', () => {
  assert.deepEqual(
    load('{"builder":{"gc":{"enabled":true}},"default-address-pools":[],"debug":true}', ['--ipv6', '--restart=false'])
      .warnings,
    [
      'Flag --restart has been deprecated, Please use a restart policy on docker run',
      '--ipv6 has no effect',
      'the directive builder of the configuration file has no effect',
      'the directive default-address-pools of the configuration file has no effect',
    ],
  )
})
