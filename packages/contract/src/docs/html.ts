// Markup that can't be broken out of: whatever is put into a template is escaped, unless it is markup itself.

/** Markup that is safe as it stands. */
export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }
}

export type Content = string | number | Html | null | readonly Content[]

export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

function rendered(content: Content): string {
  if (content === null) return ''
  if (content instanceof Html) return content.markup
  if (typeof content === 'string' || typeof content === 'number') return escaped(String(content))
  return content.map(rendered).join('')
}

/** A template of markup; interpolated text is escaped, lists are joined, null is nothing. */
export function html(parts: TemplateStringsArray, ...contents: Content[]): Html {
  return new Html(String.raw({ raw: parts }, ...contents.map(rendered)))
}

/** Text in which `backticks` mark code and an empty line parts paragraphs. */
export function prose(text: string): Html {
  const pieces = text.split('`')
  return html`${pieces.map((piece, i) => (i % 2 === 1 ? html`<code>${piece}</code>` : piece))}`
}
