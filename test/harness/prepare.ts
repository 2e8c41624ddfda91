// Makes what several integration tests share and what takes long: run once before them.
import { debianBase } from './debian.ts'

await debianBase()
