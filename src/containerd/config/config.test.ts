// config.toml, from the text to what the daemon goes by: versions, imports, merges, and every way in which a file is wrong.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createLog } from '../../base/log.ts'
import { defaultDocument, placesOf } from './defaults.ts'
import { formatDocument } from './format-document.ts'
import { loadDocument, withDefaults } from './load-document.ts'
import type { Document } from './schema.ts'
import { applyFlags, type DaemonSettings, type FlagSettings, settingsOf } from './settings.ts'

interface Loaded {
  document: Document
  settings: () => DaemonSettings
  /** Lines of the log, without their time. */
  warnings: string[]
}

const defaults = defaultDocument(placesOf('containerd'), `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`)

/** Files by name; `config.toml` is the one that is loaded. */
function withFiles(
  files: Record<string, string>,
  work: (loaded: Loaded, directory: string) => void,
  flags: FlagSettings = {},
): void {
  const directory = mkdtempSync(join(tmpdir(), 'config-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true })
      writeFileSync(join(directory, name), text)
    }
    const warnings: string[] = []
    const log = createLog('debug', (line) =>
      warnings.push(
        line
          .trim()
          .replace(/^time="[^"]*" /, '')
          .replaceAll(directory, ''),
      ),
    )
    const document = applyFlags(withDefaults(loadDocument(join(directory, 'config.toml'), log), defaults), flags)
    work({ document, settings: () => settingsOf(document, log), warnings }, directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function failureOf(text: string): string {
  try {
    withFiles({ 'config.toml': text }, ({ settings }) => settings())
  } catch (error) {
    return (error as Error).message.replaceAll(/\/\S*?\/config-[^/]+/g, '')
  }
  return ''
}

test('nothing but a version is the defaults', () =>
  withFiles({ 'config.toml': 'version = 3' }, ({ document, settings, warnings }) => {
    assert.deepEqual(document, defaults)
    assert.deepEqual(warnings, [])
    const { grpc, ttrpc, debug, metrics, collector, log, isContentShared } = settings()
    assert.deepEqual(grpc, {
      ...{ address: '/run/containerd/containerd.sock', uid: 0, gid: 0, tcp: undefined },
      ...{ receiveBytesMax: 16 << 20, sendBytesMax: 16 << 20 },
    })
    assert.equal(ttrpc.address, '/run/containerd/containerd.sock.ttrpc')
    assert.deepEqual([debug, metrics, isContentShared], [undefined, undefined, true])
    assert.deepEqual(log, { level: 'info', format: 'text' })
    assert.deepEqual(collector, {
      ...{ pauseThreshold: 0.02, deletionThreshold: 0, mutationThreshold: 100 },
      ...{ scheduleDelayMs: 0, startupDelayMs: 100 },
    })
  }))

test('the file that dockerd writes for its containerd is obeyed', () => {
  const text = `disabled_plugins = ["io.containerd.grpc.v1.cri"]
imports = []
oom_score = 0
plugin_dir = ""
required_plugins = []
root = "/data/containerd/daemon"
state = "/exec/containerd/daemon"
temp = ""
version = 2

[cgroup]
  path = ""

[debug]
  address = "/exec/containerd/containerd-debug.sock"
  format = ""
  gid = 0
  level = "debug"
  uid = 0

[grpc]
  address = "/exec/containerd/containerd.sock"
  gid = 7
  max_recv_message_size = 1048576
  max_send_message_size = 16777216
  tcp_address = ""
  tcp_tls_ca = ""
  tcp_tls_cert = ""
  tcp_tls_key = ""
  uid = 5

[metrics]
  address = ""
  grpc_histogram = false

[plugins]

[proxy_plugins]

[stream_processors]

[timeouts]

[ttrpc]
  address = ""
  gid = 0
  uid = 0
`
  withFiles({ 'config.toml': text }, ({ settings, warnings }) => {
    const { root, state, grpc, ttrpc, debug, log } = settings()
    assert.deepEqual([root, state], ['/data/containerd/daemon', '/exec/containerd/daemon'])
    assert.deepEqual([grpc.uid, grpc.gid, grpc.receiveBytesMax], [5, 7, 1 << 20])
    assert.deepEqual(ttrpc, { address: '/exec/containerd/containerd.sock.ttrpc', uid: 5, gid: 7 })
    assert.deepEqual(debug, { address: '/exec/containerd/containerd-debug.sock', uid: 0, gid: 0 })
    assert.equal(log.level, 'debug')
    assert.deepEqual(warnings, [
      'level=warning msg="Configuration migrated from version 2, use `containerd config migrate` to avoid migration"',
    ])
  })
})

test('version 1 is brought to version 3, with a word about what is ambiguous', () =>
  withFiles(
    {
      'config.toml': `root = "/r"
disabled_plugins = ["cri", "own"]
[plugins.scheduler]
schedule_delay = "3s"
[plugins.diff-service]
default = ["walking"]
[plugins.overlayfs]
root_path = "/o"
[plugins."io.containerd.metadata.v1.bolt"]
content_sharing_policy = "isolated"
`,
    },
    ({ document, settings, warnings }) => {
      assert.equal(document['version'], 3)
      assert.deepEqual(document['disabled_plugins'], ['io.containerd.grpc.v1.cri', 'io.containerd.grpc.v1.own'])
      assert.deepEqual(settings().collector.scheduleDelayMs, 3000)
      assert.equal(settings().overlay.root, '/o')
      assert.equal(settings().isContentShared, false)
      assert.deepEqual(warnings, [
        'level=warning msg="Configuration migrated from version 1, use `containerd config migrate` to avoid migration"',
        'level=warning msg="Ambiguous own plugin in v1 config, treating as io.containerd.grpc.v1.own"',
      ])
    },
  ))

test('imports: globs and relative paths, in order, each once, whoever comes later wins', () =>
  withFiles(
    {
      'config.toml': `version = 3
imports = ["conf.d/*.toml", "last.toml", "none/*.toml"]
root = "/first"
state = "/state"
oom_score = 5
disabled_plugins = ["io.containerd.a.v1.a"]
[grpc]
uid = 3
[timeouts]
"io.containerd.timeout.shim.load" = "1s"
[plugins."io.containerd.gc.v1.scheduler"]
deletion_threshold = 9
startup_delay = "1s"
`,
      'conf.d/20.toml': 'version = 2\nroot = "/second"\noom_score = 0\n[grpc]\naddress = "/a"\n',
      'conf.d/10.toml': 'version = 3\nroot = "/never"\nimports = ["../config.toml"]\n',
      'conf.d/notes.txt': 'not TOML',
      'last.toml': `version = 3
disabled_plugins = ["io.containerd.a.v1.a", "io.containerd.b.v1.b"]
[timeouts]
"io.containerd.timeout.shim.shutdown" = "2s"
[plugins."io.containerd.gc.v1.scheduler"]
mutation_threshold = 7
`,
    },
    ({ document, settings }) => {
      const { root, oomScore, grpc, disabledPlugins, shimTimeouts, collector } = settings()
      assert.deepEqual([root, oomScore, grpc.uid, grpc.address], ['/second', 5, 3, '/a'])
      assert.deepEqual([...disabledPlugins], ['io.containerd.a.v1.a', 'io.containerd.b.v1.b'])
      assert.deepEqual(document['imports'], ['conf.d/*.toml', 'last.toml', 'none/*.toml', '../config.toml'])
      assert.deepEqual(shimTimeouts, { loadMs: 1000, cleanupMs: 15_000, shutdownMs: 2000, stateMs: 2000 })
      // A plugin's section is replaced as a whole: the defaults fill what the later one leaves open.
      assert.deepEqual(
        [collector.deletionThreshold, collector.mutationThreshold, collector.startupDelayMs],
        [0, 7, 100],
      )
    },
  ))

test('unknown keys are told of with their place, in sections of plugins, too', () =>
  withFiles(
    {
      'config.toml': `version = 3
roots = "/r"

[grpc]
  adress = "/x"
[plugins."io.containerd.gc.v1.scheduler"]
  pause = 0.1
[plugins.'io.containerd.grpc.v1.cri'.containerd]
  snapshotter = "overlayfs"
[[more]]
a = 1
`,
    },
    ({ settings, warnings }) => {
      settings()
      assert.deepEqual(warnings, [
        'level=warning msg="Ignoring unknown key in TOML" row=2 column=1 file=/config.toml key=roots',
        'level=warning msg="Ignoring unknown key in TOML" row=5 column=3 file=/config.toml key="grpc adress"',
        'level=warning msg="Ignoring unknown key in TOML" row=10 column=1 file=/config.toml key=more',
        'level=warning msg="Ignoring unknown key in TOML" row=7 column=3 file=/config.toml key="plugins io.containerd.gc.v1.scheduler pause" plugin=io.containerd.gc.v1.scheduler',
        'level=warning msg="Ignoring configuration of a plugin that is not part of this daemon" plugin=io.containerd.grpc.v1.cri',
      ])
    },
  ))

test('what this daemon does not load is told of', () =>
  withFiles(
    {
      'config.toml': `version = 3
plugin_dir = "/plugins"
subreaper = true
[debug]
log_trace_id = true
[plugins."io.containerd.monitor.v1.cgroups"]
no_prometheus = true
[proxy_plugins.stargz]
type = "snapshot"
address = "/run/stargz.sock"
[stream_processors.decoder]
accepts = ["application/x+encrypted"]
path = "decoder"
[timeouts]
"io.containerd.timeout.no.such" = "1s"
`,
    },
    ({ settings, warnings }) => {
      assert.equal(settings().hasTaskMetrics, false)
      assert.deepEqual(warnings, [
        'level=warning msg="Ignoring debug.log_trace_id: calls are not traced"',
        'level=warning msg="Ignoring subreaper: shims are nobody’s children"',
        'level=warning msg="Ignoring proxy plugin: this daemon loads none" id=stargz type=snapshot',
        'level=warning msg="Ignoring stream processor: layers of its media types cannot be unpacked" id=decoder accepts=application/x+encrypted',
        'level=warning msg="Ignoring plugin_dir: programs of the original are not loaded" path=/plugins',
        'level=warning msg="Ignoring timeout" name=io.containerd.timeout.no.such',
      ])
    },
  ))

const WRONG: [text: string, message: RegExp][] = [
  [
    'version = 4',
    /^failed to load TOML: \/config.toml: expected containerd config version equal to or less than `3`, got `4`$/,
  ],
  ['version = -1', /got `-1`/],
  ['version = "3"', /at row 1 column 1: toml: cannot decode TOML string into version of type int$/],
  ['version = 3\nroot = 5', /at row 2 column 1: toml: cannot decode TOML integer into root of type string$/],
  ['version = 3\n[grpc]\n  uid = 1.5', /at row 3 column 3: toml: cannot decode TOML float into grpc.uid of type int$/],
  ['version = 3\ngrpc = "x"', /toml: cannot decode TOML string into grpc of type table$/],
  ['version = 3\ndisabled_plugins = [1]', /cannot decode TOML array into disabled_plugins of type \[\]string$/],
  ['version = 3\noom_score = 9223372036854775807', /cannot decode TOML integer into oom_score of type int/],
  [
    'version = 3\nroot = "',
    /^failed to load TOML: \/config.toml: failed to unmarshal TOML at row 2 column \d+: toml: /,
  ],
  [
    'version = 3\n[timeouts]\n"io.containerd.timeout.shim.load" = "5"',
    /at row 3 column 1: .*time: missing unit in duration "5"$/,
  ],
  [
    'version = 3\n[plugins."io.containerd.gc.v1.scheduler"]\nstartup_delay = "1 day"',
    /time: invalid duration|unknown unit/,
  ],
  [
    'version = 3\nimports = ["none.toml"]',
    /failed to load TOML: \/none.toml: open \/none.toml: no such file or directory$/,
  ],
  ['version = 3\ndisabled_plugins = ["cri"]', /invalid disabled plugin URI "cri" expect io.containerd.x.vx$/],
  [
    'version = 3\nrequired_plugins = ["io.containerd.grpc.v1.cri"]',
    /required plugin \["io.containerd.grpc.v1.cri"\] not included$/,
  ],
  [
    'version = 3\nrequired_plugins = ["io.containerd.grpc.v1.tasks"]\ndisabled_plugins = ["io.containerd.grpc.v1.tasks"]',
    /required plugin \["io.containerd.grpc.v1.tasks"\] not included$/,
  ],
  ['version = 3\ndisabled_plugins = ["io.containerd.content.v1.content"]', /cannot be disabled/],
  ['version = 3\nroot = "/same"\nstate = "/same"', /^root and state must be different paths$/],
  ['version = 3\noom_score = 1001', /oom_score is 1001/],
  ['version = 3\n[debug]\nlevel = "loud"', /^not a valid logrus Level: "loud"$/],
  ['version = 3\n[debug]\nformat = "xml"', /^unknown log format: xml$/],
  ['version = 3\n[metrics]\naddress = "1338"', /metrics.address: "1338" is not host:port/],
  ['version = 3\n[grpc]\ntcp_address = "0.0.0.0:99999"', /is not host:port/],
  ['version = 3\n[grpc]\ntcp_address = "0.0.0.0:9999"', /would let anybody who reaches it be root here/],
  ['version = 3\n[grpc]\ntcp_address = "10.0.0.1:9999"\ntcp_tls_cert = "/c"\ntcp_tls_key = "/k"', /would let anybody/],
  ['version = 3\n[grpc]\ntcp_address = "127.0.0.1:9999"\ntcp_tls_cert = "/c"', /go together$/],
  ['version = 3\n[plugins."io.containerd.metadata.v1.bolt"]\ncontent_sharing_policy = "x"', /^unknown policy: x/],
  [
    'version = 3\n[plugins."io.containerd.runtime.v2.task"]\nplatforms = ["windows/amd64"]',
    /no platform of windows\/amd64/,
  ],
  ['version = 3\n[plugins."io.containerd.service.v1.tasks-service"]\nrdt_config_file = "/x"', /rdt_config_file/],
  [
    'version = 3\n[plugins."io.containerd.service.v1.diff-service"]\ndefault = ["windows"]',
    /differ windows is not loaded/,
  ],
]

for (const [text, message] of WRONG)
  test(`refused: ${text.replaceAll('\n', ' | ')}`, () => assert.match(failureOf(text), message))

test('TCP is served with certificates on both sides anywhere, and in the clear on the loopback', () => {
  const tls = 'tcp_tls_cert = "/c"\ntcp_tls_key = "/k"\ntcp_tls_ca = "/ca"\ntcp_tls_common_name = "me"'
  withFiles({ 'config.toml': `version = 3\n[grpc]\ntcp_address = "[::]:77"\n${tls}` }, ({ settings }) =>
    assert.deepEqual(settings().grpc.tcp, {
      ...{ host: '::', port: 77 },
      tls: { certFile: '/c', keyFile: '/k', caFile: '/ca', commonName: 'me' },
    }),
  )
  withFiles({ 'config.toml': 'version = 3\n[grpc]\ntcp_address = "127.0.0.1:77"' }, ({ settings }) =>
    assert.deepEqual(settings().grpc.tcp, { host: '127.0.0.1', port: 77, tls: undefined }),
  )
})

test('flags win, and the socket goes where the state goes', () => {
  withFiles(
    { 'config.toml': 'version = 3\n[debug]\nlevel = "warn"' },
    ({ settings }) => {
      const { root, state, grpc, log } = settings()
      assert.deepEqual([root, state, grpc.address, log.level], ['/r', '/s', '/s/containerd.sock', 'debug'])
    },
    { root: '/r', state: '/s', logLevel: 'trace' },
  )
  withFiles(
    { 'config.toml': 'version = 3\n[grpc]\naddress = "/own"' },
    ({ settings }) => assert.equal(settings().grpc.address, '/own'),
    { state: '/s' },
  )
})

test('what is printed reads back as the same', () => {
  const directory = mkdtempSync(join(tmpdir(), 'config-'))
  try {
    const document: Document = {
      ...defaults,
      root: '/a "quoted" \\ path',
      proxy_plugins: {
        'a.b': { type: 'snapshot', address: '/x', platform: '', exports: { k: 'v' }, capabilities: [] },
      },
      plugins: {
        ...(defaults['plugins'] as Document),
        'io.containerd.gc.v1.scheduler': { pause_threshold: 0, schedule_delay: '1s' },
      },
    }
    writeFileSync(join(directory, 'c.toml'), formatDocument(document))
    assert.deepEqual(loadDocument(join(directory, 'c.toml'), createLog('debug', assert.fail)), document)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
