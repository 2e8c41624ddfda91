import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerConfig } from '../../../api/container-types.ts'
import { applyChanges } from './apply-changes.ts'

/** `%{` stands for a dollar and a brace, which would be a template's. */
const change = (changes: string[], config: ContainerConfig = {}) =>
  applyChanges(
    config,
    changes.map((text) => text.replaceAll('%{', '$\u007b')),
  )

test('each instruction sets what it is for', () => {
  const cases: [string, ContainerConfig][] = [
    ['CMD ["a", "b c"]', { Cmd: ['a', 'b c'] }],
    ['CMD echo $x', { Cmd: ['/bin/sh', '-c', 'echo $x'] }],
    ['CMD ["a", 1]', { Cmd: ['/bin/sh', '-c', '["a", 1]'] }],
    ['ENTRYPOINT ["a"]', { Entrypoint: ['a'], Cmd: null }],
    ['ENV a=1 b="2 3" c=4\\ 5', { Env: ['a=1', 'b=2 3', 'c=4 5'] }],
    ['ENV a  all that  follows', { Env: ['a=all that  follows'] }],
    [
      'EXPOSE 80 90/udp 7-9/SCTP',
      { ExposedPorts: { '80/tcp': {}, '90/udp': {}, '7/sctp': {}, '8/sctp': {}, '9/sctp': {} } },
    ],
    ['LABEL a=b "c d"=e', { Labels: { a: 'b', 'c d': 'e' } }],
    ['LABEL __proto__=x', { Labels: JSON.parse('{"__proto__": "x"}') as Record<string, string> }],
    ['ONBUILD RUN make', { OnBuild: ['RUN make'] }],
    ['STOPSIGNAL SIGINT', { StopSignal: 'SIGINT' }],
    ['USER 1000:1000', { User: '1000:1000' }],
    ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
    ['VOLUME ["/a b"]', { Volumes: { '/a b': {} } }],
    ['WORKDIR sub', { WorkingDir: '/sub' }],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }],
    [
      'HEALTHCHECK --interval=5s --retries=3 CMD curl x',
      { Healthcheck: { Interval: 5e9, Retries: 3, Test: ['CMD-SHELL', 'curl x'] } },
    ],
    ['healthcheck CMD ["a"]', { Healthcheck: { Test: ['CMD', 'a'] } }],
  ]
  for (const [text, expected] of cases) assert.deepEqual(change([text]), expected, text)
})

test('what was there stays, is added to, or is replaced', () => {
  const own: ContainerConfig = {
    ...{ Env: ['a=1', 'b=2'], Cmd: ['old'], WorkingDir: '/w', Shell: ['/bin/bash', '-c'], Labels: { a: '1' } },
    ...{ ExposedPorts: { '1/tcp': {} }, Volumes: { '/v': {} } },
  }
  const changed = change(['ENV a=$b$c b=%{a:-x}', 'WORKDIR %{b}', 'CMD run', 'LABEL b=2', 'EXPOSE 2', 'VOLUME /u'], own)
  assert.deepEqual(changed, {
    ...own,
    ...{ Env: ['a=2', 'b=1'], WorkingDir: '/w/1', Cmd: ['/bin/bash', '-c', 'run'], Labels: { a: '1', b: '2' } },
    ...{ ExposedPorts: { '1/tcp': {}, '2/tcp': {} }, Volumes: { '/v': {}, '/u': {} } },
  })
  assert.deepEqual([own.Env, own.Labels], [['a=1', 'b=2'], { a: '1' }], 'the configuration it began with is as it was')
})

test('an entrypoint does away with the command, unless one stands before it', () => {
  assert.deepEqual(change(['ENTRYPOINT ["e"]'], { Cmd: ['old'] }).Cmd, null)
  assert.deepEqual(change(['CMD ["new"]', 'ENTRYPOINT ["e"]'], { Cmd: ['old'] }).Cmd, ['new'])
})

test('a text may hold several instructions, comments, and lines that go on', () => {
  assert.deepEqual(change(['# one\nENV a=1 \\\n  # within\n  b=2\n\nUSER x', 'user y']), {
    Env: ['a=1', 'b=2'],
    User: 'y',
  })
  assert.deepEqual(change([]), {})
})

test('variables are replaced as a shell would', () => {
  const own = { Env: ['full=f', 'empty='] }
  const cases: [string, string][] = [
    ['$full', 'f'],
    ['"$full" \'$full\'', 'f $full'],
    ['\\$full', '$full'],
    ['%{full:-x}%{empty:-x}%{none:-x}', 'fxx'],
    ['%{full:+x}%{empty:+x}', 'x'],
    ['%{none:-%{full}}', 'f'],
    ['$none', ''],
    ['$', '$'],
  ]
  for (const [text, user] of cases) assert.equal(change([`USER ${text}`], own).User, user, text)
})

test('what is no change is refused in Docker’s words', () => {
  const cases: [string[], string][] = [
    [[''], 'file with no instructions'],
    [['RUN x'], 'RUN is not a valid change command'],
    [['constructor x'], 'constructor is not a valid change command'],
    [['CMD'], 'CMD requires at least one argument'],
    [['ENV a'], 'ENV must have two arguments'],
    [['ENV a=1 b'], 'Syntax error - can\'t find = in "b". Must be of the form: name=value'],
    [['ENV =1'], 'ENV names can not be blank'],
    [['LABEL'], 'LABEL requires at least one argument'],
    [['EXPOSE 70000'], 'invalid containerPort: 70000'],
    [['EXPOSE 9-8'], 'invalid containerPort: 9-8'],
    [['EXPOSE 80/icmp'], 'invalid proto: icmp'],
    [['ONBUILD ONBUILD RUN x'], "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    [['ONBUILD FROM x'], "FROM isn't allowed as an ONBUILD trigger"],
    [['USER "x'], 'unexpected end of statement while looking for matching double-quote'],
    [['USER %{x'], 'unsupported modifier () in substitution'],
    [['USER %{x?y}'], 'unsupported modifier (?) in substitution'],
    [['VOLUME [""]'], 'VOLUME specified can not be an empty string'],
    [['HEALTHCHECK'], 'HEALTHCHECK requires at least one argument'],
    [['HEALTHCHECK NONE x'], 'HEALTHCHECK NONE takes no arguments'],
    [['HEALTHCHECK --constructor=1s CMD x'], 'unknown flag: --constructor'],
    [['HEALTHCHECK --interval=1us CMD x'], 'Interval "interval" cannot be less than 1ms'],
    [['HEALTHCHECK RUN x'], 'Unknown type "RUN" in HEALTHCHECK (try CMD)'],
  ]
  for (const [changes, message] of cases)
    assert.throws(() => change(changes), { name: 'Failure', code: 'invalid-argument', message }, changes.join())
})

test('a client cannot keep the engine busy: ports are counted, and told once', () => {
  assert.equal(Object.keys(change(['EXPOSE 1-65535 1-65535']).ExposedPorts ?? {}).length, 65_535)
  assert.throws(() => change([`EXPOSE ${'1-65535 '.repeat(2000)}`]), /more than 262144 ports/)
})
