import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLogConfig, LOG_DRIVERS, mergeLogConfig } from './log-drivers.ts'
import { logBounds } from './log-settings.ts'
import { loggedContainer } from './logged-container.suite.ts'

const REFUSED: readonly (readonly [driver: string, options: Record<string, string>, words: string])[] = [
  ['json-file', { x: '1' }, "unknown log opt 'x' for json-file log driver"],
  ['local', { x: '1' }, "unknown log opt 'x' for log driver local"],
  ['syslog', { x: '1' }, "unknown log opt 'x' for syslog log driver"],
  ['fluentd', { x: '1' }, "unknown log opt 'x' for fluentd log driver"],
  ['journald', { x: '1' }, "unknown log opt 'x' for journald log driver"],
  ['gelf', { 'gelf-address': 'udp://h:1', x: '1' }, 'unknown log opt "x" for gelf log driver'],
  [
    'gelf',
    { 'gelf-address': 'udp://h:1', __defineGetter__: '1' },
    'unknown log opt "__defineGetter__" for gelf log driver',
  ],
  ['splunk', {}, 'error looking up logging plugin splunk: plugin "splunk" not found'],
  ['toString', {}, 'error looking up logging plugin toString: plugin "toString" not found'],
  ['json-file', { mode: 'x' }, 'logger: logging mode not supported: x'],
  [
    'json-file',
    { 'max-buffer-size': '1m' },
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  [
    'json-file',
    { mode: 'non-blocking', 'max-buffer-size': 'x' },
    "error parsing option max-buffer-size: invalid size: 'x'",
  ],
  ['syslog', { 'cache-disabled': 'x' }, 'invalid value for option cache-disabled: x'],
  ['syslog', { 'syslog-address': 'http://x' }, "unsupported scheme: 'http'"],
  ['syslog', { 'syslog-address': 'unix:///no/such' }, 'stat /no/such: no such file or directory'],
  ['syslog', { 'syslog-facility': '24' }, 'invalid syslog facility'],
  ['syslog', { 'syslog-format': 'x' }, 'Invalid syslog format'],
  ['gelf', {}, 'gelf-address is a required parameter'],
  ['gelf', { 'gelf-address': 'udp://host' }, 'gelf: please provide gelf-address as proto://host:port'],
  ['gelf', { 'gelf-address': 'http://h:1' }, 'gelf: endpoint needs to be TCP or UDP'],
  ['gelf', { 'gelf-address': 'tcp://h:1', 'gelf-compression-type': 'gzip' }, 'compression is only supported on UDP'],
  [
    'gelf',
    { 'gelf-address': 'udp://h:1', 'gelf-compression-type': 'x' },
    'unknown value "x" for log opt "gelf-compression-type" for gelf log driver',
  ],
  [
    'gelf',
    { 'gelf-address': 'udp://h:1', 'gelf-tcp-max-reconnect': '1' },
    '"gelf-tcp-max-reconnect" is only valid for TCP',
  ],
  ['fluentd', { 'fluentd-address': 'unix://' }, 'invalid fluentd-address (unix://): path is empty'],
  [
    'fluentd',
    { 'fluentd-address': 'tcp://h/p' },
    'invalid fluentd-address (tcp://h/p): should not contain a path element',
  ],
  ['fluentd', { 'fluentd-async': 'x' }, 'strconv.ParseBool: parsing "x": invalid syntax'],
  [
    'fluentd',
    { 'fluentd-async-reconnect-interval': '1ms' },
    'invalid value for fluentd-async-reconnect-interval: value ("1ms") must be between 100ms and 10s',
  ],
  ['fluentd', { 'fluentd-retry-wait': '5' }, 'time: missing unit in duration "5"'],
]

for (const [driver, options, words] of REFUSED)
  test(`${driver} refuses ${JSON.stringify(options)} in Docker's words`, () =>
    assert.throws(() => checkLogConfig(driver, options), { message: words, code: 'invalid-argument' }))

test('every driver takes its own options, and those of all', () => {
  const attributes = { env: 'A', 'env-regex': '^A', labels: 'a', 'labels-regex': '^a', tag: '{{.Name}}' }
  const buffered = { mode: 'non-blocking', 'max-buffer-size': '4m', 'cache-max-size': '1m', 'cache-compress': 'false' }
  for (const driver of LOG_DRIVERS)
    checkLogConfig(driver, {
      ...attributes,
      ...buffered,
      ...(driver === 'gelf' ? { 'gelf-address': 'udp://[::1]:12201', 'gelf-compression-level': '-1' } : {}),
    })
  checkLogConfig('none', { anything: 'goes' })
  checkLogConfig('fluentd', { 'fluentd-address': 'host:24224', 'fluentd-retry-wait': '1m30s' })
})

test("the daemon's options hold for its own driver, and those of the local copy for every one", () => {
  const defaults = { driver: 'json-file', options: { 'max-size': '1m', 'cache-max-size': '2m' } }
  assert.deepEqual(mergeLogConfig(undefined, defaults), { Type: 'json-file', Config: defaults.options })
  assert.deepEqual(mergeLogConfig({ Type: '', Config: { 'max-size': '3m' } }, defaults).Config, {
    'max-size': '3m',
    'cache-max-size': '2m',
  })
  assert.deepEqual(mergeLogConfig({ Type: 'local', Config: null }, defaults).Config, { 'cache-max-size': '2m' })
})

const BOUNDS: readonly (readonly [driver: string, options: Record<string, string>, bounds: object | string])[] = [
  ['json-file', {}, { maxSizeBytes: 20 << 20, maxFiles: 5, compresses: false }],
  ['json-file', { 'max-size': '10k' }, { maxSizeBytes: 10_000, maxFiles: 1, compresses: false }],
  ['json-file', { 'max-size': '-1' }, { maxSizeBytes: 0, maxFiles: 1, compresses: false }],
  [
    'local',
    { 'max-size': '99999999999p', 'max-file': '9007199254740991' },
    { maxSizeBytes: Number.MAX_SAFE_INTEGER, maxFiles: 2 ** 31 - 1, compresses: true },
  ],
  [
    'json-file',
    { 'max-size': '1.5MB', 'max-file': '3', compress: 'true' },
    { maxSizeBytes: 1_500_000, maxFiles: 3, compresses: true },
  ],
  ['json-file', { 'max-size': '0' }, 'max-size must be a positive number'],
  ['json-file', { 'max-size': 'x' }, "invalid size: 'x'"],
  ['json-file', { 'max-size': '1x' }, "invalid suffix: 'x'"],
  ['json-file', { 'max-file': '0' }, 'max-file cannot be less than 1'],
  ['json-file', { 'max-file': 'x' }, 'strconv.Atoi: parsing "x": invalid syntax'],
  ['json-file', { compress: 'true' }, 'compress cannot be true when max-file is less than 2 or max-size is not set'],
  ['local', {}, { maxSizeBytes: 20 << 20, maxFiles: 5, compresses: true }],
  ['local', { 'max-file': '1' }, 'compression cannot be enabled when max file count is 1'],
  ['local', { 'max-file': 'x' }, 'invalid value for max-file: x: strconv.Atoi: parsing "x": invalid syntax'],
  ['local', { 'max-file': '1', compress: 'false' }, { maxSizeBytes: 20 << 20, maxFiles: 1, compresses: false }],
  [
    'syslog',
    { 'cache-max-size': '1m', 'cache-max-file': '2' },
    { maxSizeBytes: 1_000_000, maxFiles: 2, compresses: true },
  ],
]

for (const [driver, options, expected] of BOUNDS)
  test(`${driver} with ${JSON.stringify(options)} is bounded as Docker says`, () => {
    const record = loggedContainer({ driver, options })
    if (typeof expected === 'string') assert.throws(() => logBounds(record), { message: expected })
    else assert.deepEqual(logBounds(record), expected)
  })
