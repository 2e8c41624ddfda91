// Writes docs/differences.md out of the parity script's list: `node build/js/tools/gen-differences.js [file]`.
import { writeFileSync } from 'node:fs'
import { formatDifferences } from '../test/harness/format-differences.ts'
import { loadDifferences } from '../test/harness/parity-differences.ts'

writeFileSync(process.argv[2] ?? 'docs/differences.md', formatDifferences(loadDifferences()))
