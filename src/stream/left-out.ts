/** A word of BullMQ's that is left out on purpose; its sentence says what to use instead, in the compiler's error too. */
export interface LeftOut<Sentence extends string> {
  /** What to use. */
  readonly 'left out': Sentence
}

type Sentences = Readonly<Record<string, string>>
/** The same names, as what no value fits and nothing can call. */
export type LeftOutOf<Table extends Sentences> = { [Word in keyof Table]?: LeftOut<Table[Word]> }

/** Throws a TypeError with the sentence of the first option that is left out here. */
export function assertNoneLeftOut(options: object, table: Sentences, where: string): void {
  for (const [option, sentence] of Object.entries(table)) {
    if ((options as Record<string, unknown>)[option] !== undefined)
      throw new TypeError(`${where}${option} is left out: ${sentence}`)
  }
}

/**
 * Gives a class, or its prototype, what it leaves out: to call one of the methods, or to read one of the properties, throws
 * its sentence.
 */
export function leaveOut(target: object, methods: Sentences, properties: Sentences = {}): void {
  const refusal = (word: string, sentence: string) => () => {
    throw new TypeError(`${word} is left out: ${sentence}`)
  }
  for (const [method, sentence] of Object.entries(methods))
    Object.defineProperty(target, method, { value: refusal(method, sentence), configurable: true })
  for (const [property, sentence] of Object.entries(properties))
    Object.defineProperty(target, property, { get: refusal(property, sentence), configurable: true })
}
