// A container's standard streams as the engine's verbs need them, whoever keeps them: the shim itself where containerd is ours (shim-streams.ts), a relay at
// FIFOs where it is another (fifo-streams.ts).
import type { Duplex } from 'node:stream'
import type { Container } from '../container/container.ts'
import type { Exec } from '../exec/exec-store.ts'

/** Fields of CreateTaskRequest and ExecProcessRequest. */
export interface StdioFields {
  stdin: string
  stdout: string
  stderr: string
}

/** Which streams a client wants. */
export interface StreamChoice {
  stdin: boolean
  stdout: boolean
  stderr: boolean
}

/** A way to a container's streams that leads to no process yet. */
export interface StreamReach {
  /** A start that is asked for once `attach` has returned comes after it: nobody need wait for the answer. */
  readonly isOrdered: boolean
  /** As `connect`. Once. */
  attach(process: string, choice: StreamChoice): Promise<Duplex>
  /** Instead of `attach`. */
  leave(): void
}

/** Of processes' names: the container's first; an exec's is its id. */
export const INIT = 'init'

export interface ContainerStreams {
  /** Makes what a run's first process needs, before its task is created. `close` takes it away. */
  open(container: Container): Promise<StdioFields>
  /** The task is about to be started. */
  starting(container: Container): Promise<void>
  openExec(exec: Exec): Promise<StdioFields>
  /**
   * Resolves with a socket on which everything that is written from now on arrives: in Docker's frames, or raw for a terminal. It ends with the
   * process's output; its own end may be the end of the process's input. Who called destroys it. Throws not-found where the output has ended.
   */
  connect(container: Container, process: string, choice: StreamChoice): Promise<Duplex>
  /** The same in two steps, for a process that is made meanwhile. */
  reach(container: Container): Promise<StreamReach>
  /** The first process has ended. Resolves once what it wrote is in the log; bounded. */
  drained(container: Container): Promise<void>
  closeExec(container: Container, execId: string): Promise<void>
  /** The run is over. Clients that still read get what is there. */
  close(containerId: string): Promise<void>
  /** The container runs; a former engine, or this one, has opened its streams. */
  adopt(container: Container): Promise<void>
  /** Takes away what no container of `live` needs; once, at the engine's start. */
  sweep(live: ReadonlySet<string>): Promise<void>
}
