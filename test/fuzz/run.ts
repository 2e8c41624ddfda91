// `make fuzz`.
import { fuzzAll } from './fuzz.ts'

fuzzAll(Number(process.env['FUZZ_SECONDS'] ?? 5) * 1000)
