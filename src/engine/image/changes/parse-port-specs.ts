// `EXPOSE 80 8000-8010/udp`: the ports that are meant, as `80/tcp`.
import { Failure } from '../../../base/failure.ts'

const PROTOCOLS = ['tcp', 'udp', 'sctp']
const PORT_MAX = 65535

/** Throws Failure('invalid-argument'). */
export function parsePortSpecs(specs: readonly string[]): string[] {
  return specs.flatMap((spec) => {
    const [range = '', protocol = 'tcp'] = spec.split('/')
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range) ?? []
    const [start, end] = [Number(first), Number(last ?? first)]
    if (first === undefined || start > PORT_MAX || end > PORT_MAX || end < start)
      throw new Failure('invalid-argument', `invalid containerPort: ${range}`)
    if (!PROTOCOLS.includes(protocol.toLowerCase())) throw new Failure('invalid-argument', `invalid proto: ${protocol}`)
    return Array.from({ length: end - start + 1 }, (_, i) => `${start + i}/${protocol.toLowerCase()}`)
  })
}
