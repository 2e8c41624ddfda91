// Classic BPF as seccomp takes it (linux/filter.h): instructions, blocks of them, and their bytes.
import { Failure } from '../../base/failure.ts'

export interface Instruction {
  code: number
  jumpTrue: number
  jumpFalse: number
  k: number
  /** Of an unconditional jump: where it goes. Its `k` is known when the program is laid out. */
  target?: Block
}

/** Instructions that are entered at the first one and always end in a return. */
export type Block = readonly Instruction[]

/** BPF_JMP|BPF_K with the comparison. All compare unsigned. */
export const JUMP = { equal: 0x15, greater: 0x25, greaterOrEqual: 0x35 } as const
const JUMP_ALWAYS = 0x05
const LOAD_WORD = 0x20
const AND = 0x54
const RETURN = 0x06

const INSTRUCTIONS_MAX = 4096 // BPF_MAXINSNS
const OFFSET_MAX = 255
const INSTRUCTION_BYTES = 8

/** Loads a word of struct seccomp_data. */
export function load(offset: number): Instruction {
  return { code: LOAD_WORD, jumpTrue: 0, jumpFalse: 0, k: offset }
}

export function and(mask: number): Instruction {
  return { code: AND, jumpTrue: 0, jumpFalse: 0, k: mask }
}

export function jump(code: number, k: number, jumpTrue: number, jumpFalse: number): Instruction {
  return { code, jumpTrue, jumpFalse, k }
}

export function answer(value: number): Instruction {
  return { code: RETURN, jumpTrue: 0, jumpFalse: 0, k: value }
}

/** Goes on in a block that others share, behind the rest of the program. */
export function goTo(target: Block): Instruction {
  return { code: JUMP_ALWAYS, jumpTrue: 0, jumpFalse: 0, k: 0, target }
}

/** One block or the other, however long they are: a conditional jump reaches 255 instructions only, an unconditional one any. */
export function branch(code: number, k: number, yes: Block, no: Block): Block {
  if (yes.length <= OFFSET_MAX) return [jump(code, k, 0, yes.length), ...yes, ...no]
  return [jump(code, k, 1, 0), jump(JUMP_ALWAYS, yes.length, 0, 0), ...yes, ...no]
}

/** The bytes of an array of struct sock_filter. Throws Failure('invalid-argument') past the kernel's limit. */
export function encodeProgram(main: Block): Uint8Array {
  const program = layOut(main)
  if (program.length > INSTRUCTIONS_MAX)
    throw new Failure('invalid-argument', `seccomp filter too large: ${program.length} instructions`)
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES)
  const view = new DataView(bytes.buffer)
  program.forEach((instruction, index) => {
    const at = index * INSTRUCTION_BYTES
    view.setUint16(at, instruction.code, true)
    view.setUint8(at + 2, instruction.jumpTrue)
    view.setUint8(at + 3, instruction.jumpFalse)
    view.setUint32(at + 4, instruction.k >>> 0, true)
  })
  return bytes
}

/** Puts the targets of jumps behind the program, equal ones once. */
function layOut(main: Block): Block {
  const program = [...main]
  const places = new Map<string, number>()
  main.forEach((instruction, index) => {
    if (instruction.target === undefined) return
    const key = JSON.stringify(instruction.target)
    const place = places.get(key) ?? program.length
    if (place === program.length) program.push(...instruction.target)
    places.set(key, place)
    program[index] = { ...instruction, k: place - index - 1 }
  })
  return program
}
