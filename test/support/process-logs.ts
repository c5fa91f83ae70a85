import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where the processes of a fault run write to, and what stands there. */
export class ProcessLogs {
  readonly folder = mkdtempSync(join(tmpdir(), 'promostream-chaos-'))
  readonly #files: string[] = []

  /** @returns the name that the process's file begins with. */
  add(kind: string): string {
    const name = `${kind}-${this.#files.length}`
    this.#files.push(join(this.folder, `${name}.log`))
    return name
  }

  /** Lines with this text. */
  logged(text: string): string[] {
    return this.#files.flatMap(file =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(line => line.includes(text)),
    )
  }

  /** Rows that upkeep or a rebuild put back on streams. */
  requeued(): number {
    return this.logged('rows without an entry were put back')
      .map(line => (JSON.parse(line) as { requeued: number }).requeued)
      .reduce((sum, count) => sum + count, 0)
  }
}
