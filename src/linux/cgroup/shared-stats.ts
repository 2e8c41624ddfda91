// Counters that v1 and v2 write alike.
import { readdirSync } from 'node:fs'
import type { CgroupStats, Pressure, PressureLine, RdmaEntry } from './cgroup-stats.ts'
import { readGroupFile } from './group-files.ts'

let sizes: string[] | undefined

/** The kernel's page sizes as its files are named: `2MB`. They never change. */
export function hugepageSizes(): readonly string[] {
  sizes ??= readSizes()
  return sizes
}

function readSizes(): string[] {
  try {
    return readdirSync('/sys/kernel/mm/hugepages').flatMap(nameOfHugepageSize)
  } catch {
    return [] // a kernel without huge pages
  }
}

/** `hugepages-2048kB` is `2MB`. */
export function nameOfHugepageSize(directory: string): string[] {
  const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(directory)?.[1] ?? Number.NaN)
  if (Number.isNaN(kilobytes)) return []
  if (kilobytes >= 1 << 20) return [`${Math.trunc(kilobytes / (1 << 20))}GB`]
  return kilobytes >= 1 << 10 ? [`${Math.trunc(kilobytes / (1 << 10))}MB`] : [`${kilobytes}KB`]
}

export function readRdma(directory: string | undefined): CgroupStats['rdma'] {
  const current = directory === undefined ? undefined : readGroupFile(directory, 'rdma.current')
  if (directory === undefined || current === undefined) return undefined
  return { current: parseRdma(current), limit: parseRdma(readGroupFile(directory, 'rdma.max') ?? '') }
}

/** `mlx4_0 hca_handle=2 hca_object=max` */
export function parseRdma(text: string): RdmaEntry[] {
  const number = (value: string) => (value === 'max' ? 0xffff_ffff : Number(value))
  return [...text.matchAll(/^(\S+) hca_handle=(\d+|max) hca_object=(\d+|max)$/gm)].map(
    ([, device = '', handles = '', objects = '']) => ({
      device,
      hcaHandles: number(handles),
      hcaObjects: number(objects),
    }),
  )
}

/** `0-2,4` */
export function parseList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((part) => {
      const [first, last = first] = part.split('-')
      if (first === undefined || first === '') return []
      return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index)
    })
}

/** undefined where the kernel does not count, or was told not to. */
export function readPressure(directory: string, file: string): Pressure | undefined {
  const text = readGroupFile(directory, file)
  const some = parsePressure(text, 'some')
  if (some === undefined) return undefined
  return { some, full: parsePressure(text, 'full') ?? { avg10: 0, avg60: 0, avg300: 0, totalUs: 0n } }
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` */
function parsePressure(text: string | undefined, kind: 'some' | 'full'): PressureLine | undefined {
  const line = text?.split('\n').find((each) => each.startsWith(`${kind} `))
  if (line === undefined) return undefined
  const value = (key: string) => new RegExp(`\\b${key}=([\\d.]+)`).exec(line)?.[1] ?? '0'
  return {
    avg10: Number(value('avg10')),
    avg60: Number(value('avg60')),
    avg300: Number(value('avg300')),
    totalUs: BigInt(value('total')),
  }
}
