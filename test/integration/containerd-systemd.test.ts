// The unit in packaging/ under a real systemd: a start that waits until the daemon serves, a watchdog that finds a stuck one, a stop that is clean.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../harness/command.ts'
import { BIN, ROOT } from '../harness/root.ts'
import { startSystemd, type TestSystemd, whyNoSystemd } from '../harness/systemd.ts'

const directory = mkdtempSync(join(tmpdir(), 'containerd-systemd-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const NAME = 'berth-containerd.service'

/** The packaged unit, with the places of the test and a watchdog that is soon awake. */
function writeUnit(): string {
  const config = join(directory, 'config.toml')
  writeFileSync(
    config,
    `version = 3\nroot = "${directory}/root"\nstate = "${directory}/state"\n[grpc]\naddress = "${directory}/c.sock"\n`,
  )
  const unit = readFileSync(join(ROOT, 'packaging', NAME), 'utf8')
    .replace(/^ExecStart=\S+ --config \S+$/m, `ExecStart=${BIN}/berth-containerd --config ${config}`)
    .replace(/^WatchdogSec=60$/m, 'WatchdogSec=2\nWatchdogSignal=SIGKILL')
    .replace(/^LimitCORE=infinity$/m, 'LimitCORE=0')
    // The test's systemd has no targets to wait for.
    .replace(/^\[Unit\]$/m, '[Unit]\nDefaultDependencies=no')
  assert.match(unit, /WatchdogSec=2\n/)
  const file = join(directory, NAME)
  writeFileSync(file, unit)
  return file
}

test('systemd starts, watches and stops it', { skip: whyNoSystemd() }, async () => {
  await using systemd = await startSystemd({ version: 1, withBus: false })
  const ok = must(systemd)
  ok(['sh', '-ec', `cp '${writeUnit()}' /run/units/; systemctl daemon-reload`])
  const show = (property: string) => ok(['systemctl', 'show', '-P', property, NAME])
  ok(['timeout', '30', 'systemctl', 'start', NAME])
  // Ready means that it serves: nothing is waited for here.
  assert.match(ok(['ctr', '-a', `${directory}/c.sock`, 'version']), /\+berth/)
  assert.equal(show('ActiveState'), 'active')

  const pid = show('MainPID')
  ok(['kill', '-STOP', pid])
  await eventually(
    'the watchdog has had it started again',
    30_000,
    async () => show('NRestarts') === '1' && show('ActiveState') === 'active',
  )
  assert.notEqual(show('MainPID'), pid)
  assert.match(ok(['ctr', '-a', `${directory}/c.sock`, 'version']), /\+berth/)

  ok(['timeout', '30', 'systemctl', 'stop', NAME])
  assert.deepEqual([show('ActiveState'), show('Result')], ['inactive', 'success'])
})

const must = (systemd: TestSystemd) => (command: readonly string[]) => {
  const { status, stdout, stderr } = systemd.run(command)
  assert.equal(status, 0, `${command.join(' ')}\n${stdout}${stderr}\n${systemd.log()}`)
  return stdout.trim()
}
