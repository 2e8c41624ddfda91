// What a container's resctrl group says of itself, under the names that `runc events` has for it.
import { join } from 'node:path'
import { childGroups, readGroupFile, readNumber } from '../cgroup/group-files.ts'
import { type ResctrlRecord, resctrlFeatures } from './resctrl-group.ts'

export type ResctrlStats = {
  l3_cache_info?: { cbm_mask: string; min_cbm_bits: bigint; num_closids: bigint }
  l3_cache_schema_root?: string
  l3_cache_schema?: string
  mem_bw_info?: { bandwidth_gran: bigint; delay_linear: bigint; min_bandwidth: bigint; num_closids: bigint }
  mem_bw_schema_root?: string
  mem_bw_schema?: string
  schemata?: string[]
  mbm_stats?: { mbm_total_bytes: bigint; mbm_local_bytes: bigint }[]
  cmt_stats?: { llc_occupancy: bigint }[]
}

/** Goes where `formatStatsEvent` takes `intelRdt`. */
export function readResctrlStats({ root, directory, monitor }: ResctrlRecord): ResctrlStats {
  const { l3, memoryBandwidth, monitoring } = resctrlFeatures(root)
  const lines = linesOf(directory)
  const schema = (all: readonly string[], resource: string) => all.find((line) => line.startsWith(`${resource}:`))
  const nodes = childGroups(join(monitor ?? directory, 'mon_data'))
  const count = (node: string, file: string) => readNumber(node, file) ?? 0n
  return {
    ...(l3 ? cacheStats(root, schema(linesOf(root), 'L3'), schema(lines, 'L3')) : {}),
    ...(memoryBandwidth ? bandwidthStats(root, schema(linesOf(root), 'MB'), schema(lines, 'MB')) : {}),
    ...(lines.length === 0 ? {} : { schemata: lines }),
    ...(monitoring.some((feature) => feature.startsWith('mbm_'))
      ? {
          mbm_stats: nodes.map((node) => ({
            mbm_total_bytes: count(node, 'mbm_total_bytes'),
            mbm_local_bytes: count(node, 'mbm_local_bytes'),
          })),
        }
      : {}),
    ...(monitoring.includes('llc_occupancy')
      ? { cmt_stats: nodes.map((node) => ({ llc_occupancy: count(node, 'llc_occupancy') })) }
      : {}),
  }
}

function linesOf(directory: string): string[] {
  return (readGroupFile(directory, 'schemata') ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function cacheStats(root: string, above: string | undefined, own: string | undefined): ResctrlStats {
  const info = join(root, 'info/L3')
  return {
    l3_cache_info: {
      cbm_mask: (readGroupFile(info, 'cbm_mask') ?? '').trim(),
      min_cbm_bits: readNumber(info, 'min_cbm_bits') ?? 0n,
      num_closids: readNumber(info, 'num_closids') ?? 0n,
    },
    ...(above === undefined ? {} : { l3_cache_schema_root: above }),
    ...(own === undefined ? {} : { l3_cache_schema: own }),
  }
}

function bandwidthStats(root: string, above: string | undefined, own: string | undefined): ResctrlStats {
  const info = join(root, 'info/MB')
  return {
    mem_bw_info: {
      bandwidth_gran: readNumber(info, 'bandwidth_gran') ?? 0n,
      delay_linear: readNumber(info, 'delay_linear') ?? 0n,
      min_bandwidth: readNumber(info, 'min_bandwidth') ?? 0n,
      num_closids: readNumber(info, 'num_closids') ?? 0n,
    },
    ...(above === undefined ? {} : { mem_bw_schema_root: above }),
    ...(own === undefined ? {} : { mem_bw_schema: own }),
  }
}
