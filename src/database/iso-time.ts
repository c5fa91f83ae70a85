import { sql } from 'kysely'

/** A timestamptz column as ISO 8601 text in UTC, to the millisecond: the form that all JSON of ours has. */
export function isoTime(column: string) {
  return sql.raw<string | null>(isoTimeText(column))
}

/** The same as text, for statements that are prepared. */
export function isoTimeText(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}
