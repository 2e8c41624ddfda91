// `policy`: what repositories may and may not. All of it is ours.
import type { ImmutableTags } from '../policy/immutable-tags.ts'
import type { Quota } from '../policy/quota.ts'
import type { Section } from './section.ts'

export function parsePolicy(policy: Section): { immutableTags: ImmutableTags[]; quotas: Quota[] } {
  const repository = policy.section('repository')
  return {
    immutableTags: repository.sections('immutabletags').map((rule) => ({
      repositories: orAll(rule.texts('repositories')),
      tags: orAll(rule.texts('tags')),
    })),
    quotas: repository.sections('quotas').map((rule) => ({
      repositories: orAll(rule.texts('repositories')),
      bytes: parseSize(rule),
    })),
  }
}

function orAll(patterns: readonly string[]): readonly string[] {
  return patterns.length === 0 ? ['**'] : patterns
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

function parseSize(rule: Section): number {
  const [matched, number, unit = ''] = /^(\d{1,15})([kmgt]?)b?$/.exec(rule.requiredText('bytes').toLowerCase()) ?? []
  if (matched === undefined) throw rule.wrong('bytes', 'a size such as 10g')
  return Number(number) * (UNITS[unit] ?? 1)
}
