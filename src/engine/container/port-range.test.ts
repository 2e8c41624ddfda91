import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isInPorts, parsePortRange } from './port-range.ts'

test('a value is a port or a range of them, of a protocol', () => {
  assert.deepEqual(parsePortRange('publish', '80'), { start: 80, end: 80, protocol: 'tcp' })
  assert.deepEqual(parsePortRange('publish', '80-90/udp'), { start: 80, end: 90, protocol: 'udp' })
  const range = [parsePortRange('publish', '80-90/udp')]
  assert.equal(isInPorts(90, 'udp', range), true)
  assert.equal(isInPorts(91, 'udp', range), false)
  assert.equal(isInPorts(90, 'tcp', range), false)
})

test('what is no port is refused in the words of Docker', () => {
  const wrong: [string, string][] = [
    ['bogus', 'error while looking up for publish bogus: strconv.ParseUint: parsing "bogus": invalid syntax'],
    ['99999', 'error while looking up for publish 99999: strconv.ParseUint: parsing "99999": value out of range'],
    ['9-5', 'error while looking up for publish 9-5: invalid range specified for port: 9-5'],
    ['80/x', 'error while looking up for publish 80/x: invalid proto: x'],
    ['', 'error while looking up for publish : empty string specified for ports'],
    ['1:2', "filter for 'publish' should not contain ':': 1:2"],
  ]
  for (const [text, message] of wrong) assert.throws(() => parsePortRange('publish', text), { message })
})
