// Quoted strings of SIP headers.

/** The text inside a quoted string, escapes resolved; other text is returned as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text[0] !== '"' || text.at(-1) !== '"') return text
  return text.slice(1, -1).replaceAll(/\\(.)/gs, '$1')
}

/** A quoted string; control characters, which have no place in a header, become spaces. */
export function quote(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  return `"${text.replaceAll(/[\u0000-\u001f\u007f]/g, ' ').replaceAll(/["\\]/g, '\\$&')}"`
}
