import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CgroupLimits } from './cgroup.ts'
import { compileDeviceProgram, decideDevices } from './device-program.ts'

type Rule = NonNullable<CgroupLimits['devices']>[number]

function rule(text: string): Rule {
  const [verb, type, numbers = '*:*', access = 'rwm'] = text.split(' ')
  const [major, minor] = numbers.split(':').map((part) => (part === '*' ? undefined : Number(part)))
  return { allow: verb === 'allow', type: type as Rule['type'], major, minor, access }
}

interface Request {
  type: 'b' | 'c'
  major: number
  minor: number
  access: string
}

/** An interpreter of the few instructions that the compiler uses. */
function run(program: Uint8Array, { type, major, minor, access }: Request): boolean {
  const view = new DataView(program.buffer)
  const wanted = [...access].reduce((bits, letter) => bits | ({ m: 1, r: 2, w: 4 }[letter] ?? 0), 0)
  const context = new Map([
    [0, (wanted << 16) | (type === 'b' ? 1 : 2)],
    [4, major],
    [8, minor],
  ])
  const registers = new Array<number>(11).fill(Number.NaN)
  for (let at = 0; at < program.length; at += 8) {
    const to = view.getUint8(at + 1) & 15
    const from = view.getUint8(at + 1) >> 4
    const offset = view.getInt16(at + 2, true)
    const value = view.getInt32(at + 4, true)
    switch (view.getUint8(at)) {
      case 0x61:
        registers[to] = context.get(offset)!
        break
      case 0x54:
        registers[to]! &= value
        break
      case 0x74:
        registers[to]! >>>= value
        break
      case 0xbc:
        registers[to] = registers[from]!
        break
      case 0xb4:
        registers[to] = value
        break
      case 0x56:
        if (registers[to] !== value) at += offset * 8
        break
      case 0x16:
        if (registers[to] === value) at += offset * 8
        break
      case 0x95:
        return registers[0] === 1
      default:
        assert.fail(`instruction ${view.getUint8(at)}`)
    }
  }
  return assert.fail('the program has no end')
}

const ask = (rules: string[], type: 'b' | 'c', major: number, minor: number, access: string) =>
  run(compileDeviceProgram(decideDevices(rules.map(rule))), { type, major, minor, access })

const DOCKER = ['deny a', 'allow c 1:3', 'allow c 1:5 rw', 'allow c *:* m', 'allow c 136:*', 'deny c 10:229']

test('after a denial of everything only what is allowed again passes', () => {
  const cases: [type: 'b' | 'c', major: number, minor: number, access: string, allowed: boolean][] = [
    ['c', 1, 3, 'rwm', true],
    ['c', 1, 3, 'r', true],
    ['c', 1, 5, 'rw', true],
    ['c', 1, 5, 'rwm', false],
    ['c', 1, 4, 'r', false],
    ['b', 1, 3, 'r', false],
    ['c', 7, 7, 'm', true],
    ['b', 7, 7, 'm', false],
    ['c', 136, 12, 'rw', true],
    ['c', 10, 229, 'r', false],
  ]
  for (const [type, major, minor, access, allowed] of cases)
    assert.equal(ask(DOCKER, type, major, minor, access), allowed, `${type} ${major}:${minor} ${access}`)
})

test('a privileged container may use everything but what is denied afterwards', () => {
  const rules = ['deny a', 'allow a', 'deny b 8:0 w']
  assert.equal(ask(rules, 'b', 8, 0, 'r'), true)
  assert.equal(ask(rules, 'b', 8, 0, 'rw'), false)
  assert.equal(ask(rules, 'b', 8, 1, 'rw'), true)
})

test('rules on the same device add up, and a later denial takes away', () => {
  assert.equal(ask(['deny a', 'allow c 1:3 r', 'allow c 1:3 w'], 'c', 1, 3, 'rw'), true)
  assert.equal(ask(['deny a', 'allow c 1:3', 'deny c 1:3 w'], 'c', 1, 3, 'rw'), false)
  assert.equal(ask(['deny a', 'allow c 1:3', 'deny c 1:3'], 'c', 1, 3, 'r'), false)
})

test('no rules at all leave everything open, as in a new group', () => {
  assert.equal(ask([], 'b', 8, 0, 'rwm'), true)
})
