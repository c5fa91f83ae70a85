import { refusal } from '#admin/problem.ts'

/** Jobs are gifts of money: they are made by Kafka and end by being settled, and in no other way. */
export function refused(what: string): never {
  throw refusal('NOT_ALLOWED', `${what} is refused: these jobs are gifts of money`)
}
