// Who may do what to which repositories: the rules of the token service.
import type { Access, Action } from './access.ts'

export interface AccessRule {
  /** Names; `*` is everybody who has logged in, an empty name is who has not. */
  users: readonly string[]
  /** Patterns: `*` stands for anything but a slash, `**` for anything, `{user}` for the asker's own name. */
  repositories: readonly string[]
  actions: readonly Action[]
  /** May list all repositories. */
  catalog: boolean
}

/** Of what is asked for, what a user gets. */
export function grant(rules: readonly AccessRule[], user: string | undefined, wanted: readonly Access[]): Access[] {
  return wanted.filter((access) => rules.some((rule) => isFor(rule, user) && allows(rule, user, access)))
}

function isFor({ users }: AccessRule, user: string | undefined): boolean {
  return user === undefined ? users.includes('') : users.includes(user) || users.includes('*')
}

function allows(rule: AccessRule, user: string | undefined, { type, name, action }: Access): boolean {
  if (type === 'registry') return rule.catalog && name === 'catalog'
  if (!rule.actions.includes('*') && !rule.actions.includes(action)) return false
  return rule.repositories.some((pattern) => matchesPattern(pattern, name, user ?? ''))
}

export function matchesPattern(pattern: string, name: string, user: string): boolean {
  const escaped = pattern
    .split(/(\*\*|\*|\{user\})/)
    .map((part) =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : part === '{user}' ? escapePattern(user) : escapePattern(part),
    )
  return new RegExp(`^${escaped.join('')}$`).test(name)
}

/** As the whole of what is meant; a user's name with a star in it matches no more than that. */
function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
