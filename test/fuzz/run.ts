// `make fuzz`.
import { fuzzAll } from './fuzz.ts'

await fuzzAll(Number(process.env['FUZZ_SECONDS'] ?? 5) * 1000)
