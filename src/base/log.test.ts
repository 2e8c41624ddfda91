// The two formats of the log, as logrus writes them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, type LogFormat, type LogLevel } from './log.ts'

function logged(level: LogLevel, format?: LogFormat): { log: ReturnType<typeof createLog>; lines: string[] } {
  const lines: string[] = []
  const log = createLog(level, (line) => lines.push(line.replace(/\d{4}-[^"]+Z/, 'NOW')), format)
  return { log, lines }
}

test('text: level names are logrus’s, and what it would quote is quoted', () => {
  const { log, lines } = logged('info')
  log.debug('never')
  log.info('ready', { address: '/run/x.sock', n: 5, url: 'unix:///x', empty: '', none: undefined })
  log.warn('it "is" so')
  assert.deepEqual(lines, [
    'time="NOW" level=info msg=ready address=/run/x.sock n=5 url="unix:///x" empty=""\n',
    'time="NOW" level=warning msg="it \\"is\\" so"\n',
  ])
})

test('json: an object a line, whose own fields nobody takes', () => {
  const { log, lines } = logged('debug', 'json')
  log.error('bad', { msg: 'mine', zone: true })
  assert.deepEqual(lines, ['{"fields.msg":"mine","level":"error","msg":"bad","time":"NOW","zone":true}\n'])
})
