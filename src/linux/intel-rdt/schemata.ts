// Lines of a schemata file: `L3:0=7f0;1=1f`, masks in hexadecimal, or `MB:0=20;1=70`, in decimal. Pure.
import { Failure } from '../../base/failure.ts'
import type { LinuxSpec } from '../../oci/runtime-spec.ts'

type Schemas = Pick<NonNullable<LinuxSpec['intelRdt']>, 'l3CacheSchema' | 'memBwSchema' | 'schemata'>

/** What is to be written, in the order in which later lines win. */
export function schemaLines({ l3CacheSchema, memBwSchema, schemata = [] }: Schemas): string[] {
  const given = [
    ...checkedLines(l3CacheSchema, 'l3CacheSchema', /^L3(?:CODE|DATA)?:/),
    ...checkedLines(memBwSchema, 'memBwSchema', /^MB:/),
  ]
  return [...given, ...schemata.flatMap((line, index) => checkedLines(line, `schemata[${index}]`, /^[^\s:]+:/))]
}

/** An old field holds lines of its own resource only: a runtime must not write another's that stands in it (config-linux.md). */
function checkedLines(text: string | undefined, field: string, wanted: RegExp): string[] {
  return (text ?? '').split('\n').flatMap((line) => {
    const trimmed = line.trim()
    if (trimmed === '') return []
    if (wanted.test(trimmed)) return [trimmed]
    // `L3:…\nMB:…` in l3CacheSchema: the second has a field of its own, and is left to that.
    if (field === 'l3CacheSchema' && trimmed.startsWith('MB:')) return []
    throw new Failure('invalid-argument', `linux.intelRdt.${field}: ${JSON.stringify(trimmed)} is no line of a schema`)
  })
}

/** Lines of `wanted` that `present` says otherwise, or not at all. Spacing, leading zeros and the order of domains mean nothing. */
export function contradictions(wanted: string, present: string): string[] {
  const there = new Map(present.split('\n').map((line) => parseLine(line)))
  return wanted.split('\n').flatMap((line) => {
    const [resource, domains] = parseLine(line)
    if (resource === '') return []
    const found = there.get(resource)
    const isSame = found !== undefined && [...domains].every(([id, value]) => found.get(id) === value)
    return isSame ? [] : [line.trim()]
  })
}

function parseLine(line: string): readonly [resource: string, domains: Map<string, string>] {
  const [resource = '', list = ''] = line.split(':')
  const domains = list.split(';').flatMap((domain) => {
    const [id, value] = domain.split('=')
    if (id === undefined || value === undefined) return []
    return [
      [
        String(Number(id)),
        value
          .trim()
          .toLowerCase()
          .replace(/^0+(?=.)/, ''),
      ] as const,
    ]
  })
  return [resource.trim(), new Map(domains)]
}
