// What a check finds. Codes are stable: scripts decide on them.

/** `damage` is what must not be, whatever clients do; a `note` is a state that a client can make on purpose, worth knowing all the same. */
export const FINDING_CODES = {
  'database-missing': 'damage',
  'database-damaged': 'damage',
  'journal-torn': 'note',
  'journal-stray': 'note',
  'record-unreadable': 'damage',
  'namespace-missing': 'damage',
  'blob-missing': 'damage',
  'blob-size': 'damage',
  'blob-digest': 'damage',
  'blob-name': 'damage',
  'blob-without-record': 'note',
  'ingest-unreadable': 'note',
  'snapshot-directory-missing': 'damage',
  'snapshot-without-record': 'note',
  'snapshot-id-shared': 'damage',
  'snapshot-parent-missing': 'damage',
  'snapshot-parent-kind': 'damage',
  'snapshot-parent-circle': 'damage',
  'snapshot-info': 'note',
  'image-content-missing': 'note',
  'image-snapshot-missing': 'note',
  'container-snapshot-missing': 'note',
  'container-image-missing': 'note',
  'lease-missing': 'damage',
  'lease-resource-missing': 'note',
  'label-reference-missing': 'note',
  'bundle-without-record': 'note',
  'bundle-unreadable': 'damage',
  'task-without-container': 'note',
} as const satisfies Record<string, 'damage' | 'note'>

export type FindingCode = keyof typeof FINDING_CODES

/** What `--repair` does about a finding. */
export type Repair =
  | { kind: 'put'; key: string; value: Uint8Array }
  | { kind: 'remove'; key: string }
  | { kind: 'unlink'; path: string }
  /** The daemon's own start does it. */
  | { kind: 'at-start' }

export interface Finding {
  code: FindingCode
  /** What it is about: a digest, a snapshot's name, a path. */
  subject: string
  text: string
  /** Absent: nothing on this machine can mend it; `text` says what can. */
  repair?: readonly Repair[]
}

/** One line; the code comes first. */
export function formatFinding({ code, subject, text }: Finding, outcome = ''): string {
  return `${FINDING_CODES[code]} ${code} ${JSON.stringify(subject)}: ${text}${outcome === '' ? '' : ` [${outcome}]`}\n`
}
