import type { MemoryLink } from '#stream/memory/memory-client.ts'
import type { Answer } from '#stream/memory/memory-server.ts'
import type { SimProcess } from './scheduler.ts'
import type { World } from './world.ts'

/** Commands that a shared moment with a cut connection may still have reached the server. */
const STILL_ARRIVES = 0.5

/**
 * One process's connection to Redis: commands reach it, and replies come back, in order and after drawn delays. It can be
 * cut, lose one reply, or fall silent.
 */
export class RedisLink implements MemoryLink {
  readonly #world: World
  readonly process: SimProcess
  /** Called in the process's own name when the connection is lost. */
  onCut: () => void = () => undefined
  /** Until then commands are done and nobody hears of it. */
  silentUntilMs = 0
  #losesNext = false
  #epoch = 0
  #arrivesAtMs = 0
  #heardAtMs = 0

  constructor(world: World, process: SimProcess) {
    this.#world = world
    this.process = process
  }

  /** The next reply never comes: its connection is lost. */
  loseNext(): void {
    this.#losesNext = true
  }

  cut(): void {
    this.#epoch += 1
    const { scheduler } = this.#world
    scheduler.soon(this.process, () => this.onCut())
  }

  carry(command: readonly string[], execute: () => Answer, settle: (answer: Answer) => void): void {
    const world = this.#world
    const { scheduler } = world
    if (this.process.isDead) return
    const epoch = this.#epoch
    world.step(this.process)
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, scheduler.nowMs + world.delayMs())
    scheduler.at(undefined, this.#arrivesAtMs, () => {
      if (world.isRedisDown) return
      if (epoch !== this.#epoch && !scheduler.random.chance(STILL_ARRIVES)) return
      const answer = execute()
      world.tellRedis(this.process, command, answer)
      world.step(this.process)
      if (epoch !== this.#epoch || this.silentUntilMs > scheduler.nowMs) return
      this.#heardAtMs = Math.max(this.#heardAtMs, scheduler.nowMs + world.delayMs())
      scheduler.at(this.process, this.#heardAtMs, () => {
        if (epoch !== this.#epoch) return
        if (this.#losesNext) {
          this.#losesNext = false
          world.tell('network', () => `the reply to ${this.process.name}'s ${command[0]} is lost, with its connection`)
          return this.cut()
        }
        settle(answer)
        world.step(this.process)
      })
    })
  }

  connect(): Promise<void> {
    const { scheduler } = this.#world
    return new Promise((resolve, reject) => {
      scheduler.after(this.process, this.#world.delayMs(), () => {
        if (this.#world.isRedisDown) reject(new Error('connect ECONNREFUSED'))
        else resolve()
      })
    })
  }
}
