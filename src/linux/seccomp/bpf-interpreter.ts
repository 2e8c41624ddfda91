// Runs a seccomp program the way the kernel would, for tests and for showing what a profile answers.
export interface SeccompData {
  nr: number
  arch: number
  args?: readonly bigint[]
}

/** The program's answer and how many instructions it took. Throws on what the kernel's checker would refuse. */
export function runFilter(program: Uint8Array, data: SeccompData): { value: number; steps: number } {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const input = encodeData(data)
  let accumulator = 0
  let at = 0
  for (let steps = 1; ; steps++) {
    if (at < 0 || (at + 1) * 8 > program.byteLength) throw new Error(`instruction ${at} is outside the program`)
    const code = view.getUint16(at * 8, true)
    const k = view.getUint32(at * 8 + 4, true)
    switch (code) {
      case 0x20:
        if (k % 4 !== 0) throw new Error(`load of unaligned offset ${k}`)
        accumulator = input.getUint32(k, true)
        break
      case 0x54:
        accumulator = (accumulator & k) >>> 0
        break
      case 0x05:
        at += k
        break
      case 0x06:
        return { value: k, steps }
      default:
        at += view.getUint8(at * 8 + (jumps(code, accumulator, k) ? 2 : 3))
    }
    at++
  }
}

function jumps(code: number, accumulator: number, k: number): boolean {
  if (code === 0x15) return accumulator === k
  if (code === 0x25) return accumulator > k
  if (code === 0x35) return accumulator >= k
  throw new Error(`instruction code ${code} is not used by us`)
}

/** struct seccomp_data. */
function encodeData(data: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(64))
  view.setUint32(0, data.nr, true)
  view.setUint32(4, data.arch, true)
  data.args?.forEach((value, index) => {
    view.setBigUint64(16 + index * 8, value, true)
  })
  return view
}
