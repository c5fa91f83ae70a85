const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of bytes, or undefined when there are none or they are not UTF-8. */
export function decodeUtf8(value: Buffer | null): string | undefined {
  if (value === null) return undefined
  try {
    return decoder.decode(value)
  } catch {
    return undefined
  }
}
