// `EXPOSE 80 8000-8010/udp`: the ports that are meant, as `80/tcp`.
import { Failure } from '../../../base/failure.ts'

const PROTOCOLS = ['tcp', 'udp', 'sctp']
const PORT_MAX = 65535

/** Ranges may lie over each other, but not so often that they keep the engine busy. */
const COUNTED_MAX = 4 * (PORT_MAX + 1)

/** Each once. Throws Failure('invalid-argument'). */
export function parsePortSpecs(specs: readonly string[]): string[] {
  const ports = new Set<string>()
  let counted = 0
  for (const spec of specs) {
    const [range = '', given = ''] = spec.split('/')
    const protocol = given.toLowerCase() || 'tcp'
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range) ?? []
    const [start, end] = [Number(first), Number(last ?? first)]
    if (first === undefined || start > PORT_MAX || end > PORT_MAX || end < start)
      throw new Failure('invalid-argument', `invalid containerPort: ${range}`)
    if (!PROTOCOLS.includes(protocol)) throw new Failure('invalid-argument', `invalid proto: ${given}`)
    counted += end - start + 1
    if (counted > COUNTED_MAX) throw new Failure('invalid-argument', `more than ${COUNTED_MAX} ports`)
    for (let port = start; port <= end; port++) ports.add(`${port}/${protocol}`)
  }
  return [...ports]
}
