// v2 has no devices controller: an eBPF program decides about each opening and mknod. This is the one for a list of rules, as the
// v1 controller would have understood them (security/device_cgroup.c): a rule on all devices starts the list anew, and what
// follows are exceptions from it.
import type { CgroupLimits } from './cgroup.ts'

type Rule = NonNullable<CgroupLimits['devices']>[number]

export interface DeviceException {
  type: 'b' | 'c'
  major: number | undefined
  minor: number | undefined
  access: number
}

export interface DeviceDecision {
  allowByDefault: boolean
  exceptions: DeviceException[]
}

/** BPF_DEVCG_ACC_* */
const ACCESS: Record<string, number> = { m: 1, r: 2, w: 4 }
/** BPF_DEVCG_DEV_* */
const TYPE = { b: 1, c: 2 }

export function decideDevices(rules: readonly Rule[]): DeviceDecision {
  let allowByDefault = true
  let exceptions = new Map<string, DeviceException>()
  for (const rule of rules) {
    if (rule.type === 'a') {
      allowByDefault = rule.allow
      exceptions = new Map()
      continue
    }
    const { type, major, minor } = rule
    const key = `${type} ${major}:${minor}`
    const access = [...rule.access].reduce((bits, letter) => bits | (ACCESS[letter] ?? 0), 0)
    const before = exceptions.get(key)?.access ?? 0
    const after = rule.allow === allowByDefault ? before & ~access : before | access
    if (after === 0) exceptions.delete(key)
    else exceptions.set(key, { type, major, minor, access: after })
  }
  return { allowByDefault, exceptions: [...exceptions.values()] }
}

// eBPF instructions (Documentation/bpf/standardization/instruction-set.rst).
const LDX_W = 0x61
const ALU_AND = 0x54
const ALU_RSH = 0x74
const MOV_REG = 0xbc
const MOV = 0xb4
const JNE = 0x56
const JEQ = 0x16
const EXIT = 0x95

const [RESULT, CONTEXT, KIND, WANTED, MAJOR, MINOR] = [0, 1, 2, 3, 4, 5]

interface Instruction {
  code: number
  to: number
  from?: number
  offset?: number
  value?: number
}

/** An array of struct bpf_insn. The context is struct bpf_cgroup_dev_ctx: access_type (kind below, access above 16 bits), major, minor. */
export function compileDeviceProgram({ allowByDefault, exceptions }: DeviceDecision): Uint8Array {
  return encode([
    { code: LDX_W, to: KIND, from: CONTEXT, offset: 0 },
    { code: ALU_AND, to: KIND, value: 0xffff },
    { code: LDX_W, to: WANTED, from: CONTEXT, offset: 0 },
    { code: ALU_RSH, to: WANTED, value: 16 },
    { code: LDX_W, to: MAJOR, from: CONTEXT, offset: 4 },
    { code: LDX_W, to: MINOR, from: CONTEXT, offset: 8 },
    ...exceptions.flatMap((exception) => compileException(exception, allowByDefault)),
    { code: MOV, to: RESULT, value: allowByDefault ? 1 : 0 },
    { code: EXIT, to: 0 },
  ])
}

/** An allowing exception must cover all that is wanted, a denying one any of it. From here on CONTEXT is a scratch register. */
function compileException({ type, major, minor, access }: DeviceException, allowByDefault: boolean): Instruction[] {
  const body: Instruction[] = [
    { code: JNE, to: KIND, value: TYPE[type] },
    { code: MOV_REG, to: CONTEXT, from: WANTED },
    { code: ALU_AND, to: CONTEXT, value: allowByDefault ? access : ~access & 7 },
    { code: allowByDefault ? JEQ : JNE, to: CONTEXT, value: 0 },
    ...(major === undefined ? [] : [{ code: JNE, to: MAJOR, value: major }]),
    ...(minor === undefined ? [] : [{ code: JNE, to: MINOR, value: minor }]),
    { code: MOV, to: RESULT, value: allowByDefault ? 0 : 1 },
    { code: EXIT, to: 0 },
  ]
  const isJump = (code: number) => code === JNE || code === JEQ
  return body.map((item, index) => (isJump(item.code) ? { ...item, offset: body.length - index - 1 } : item))
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, { code, to, from = 0, offset = 0, value = 0 }] of instructions.entries()) {
    view.setUint8(index * 8, code)
    view.setUint8(index * 8 + 1, to | (from << 4))
    view.setInt16(index * 8 + 2, offset, true)
    view.setInt32(index * 8 + 4, value, true)
  }
  return bytes
}
