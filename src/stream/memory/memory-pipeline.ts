/** What a command is given: lists are flattened. */
export type Argument = string | number | Argument[]

type Send = (name: string, args: Argument[]) => Promise<unknown>

/** Commands that go out together; each has its own answer. */
export class MemoryPipeline {
  readonly #send: Send
  readonly #commands: { name: string; args: Argument[] }[] = []

  constructor(send: Send) {
    this.#send = send
  }

  add(name: string, args: Argument[]): this {
    this.#commands.push({ name, args })
    return this
  }

  /** For each an error or null, and its reply. Never rejects. */
  exec(): Promise<[error: Error | null, reply: unknown][]> {
    const sent = this.#commands.map(({ name, args }) => this.#send(name, args))
    return Promise.all(
      sent.map(answer =>
        answer.then(
          (reply): [null, unknown] => [null, reply],
          (error): [Error, undefined] => [error, undefined],
        ),
      ),
    )
  }
}

const METHODS = 'xrange xread get set incrby pttl'

for (const name of METHODS.split(' ')) {
  Object.defineProperty(MemoryPipeline.prototype, name, {
    value(this: MemoryPipeline, ...args: Argument[]) {
      return this.add(name, args)
    },
  })
}
