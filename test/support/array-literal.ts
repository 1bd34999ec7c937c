/** What PostgreSQL's array_in reads from a one-dimensional array literal. Throws at what it would refuse. */
export function parseArrayLiteral(literal: string): (string | null)[] {
  if (!literal.startsWith('{') || !literal.endsWith('}')) throw new Error('an array literal stands in braces');
  const body = literal.slice(1, -1);
  if (body === '') return [];
  const items: (string | null)[] = [];
  for (let at = 0; ; ) {
    const item = body[at] === '"' ? quotedItem(body, at + 1) : bareItem(body, at);
    items.push(item.value);
    if (item.end === body.length) return items;
    if (body[item.end] !== ',') throw new Error(`junk after an item, at ${item.end}`);
    at = item.end + 1;
  }
}

type Item = { readonly value: string | null; readonly end: number };

/** A backslash takes the next character as it is; any other character stands for itself, control characters too. */
function quotedItem(body: string, start: number): Item {
  let value = '';
  for (let at = start; at < body.length; at++) {
    if (body[at] === '"') return { value, end: at + 1 };
    if (body[at] === '\\') at++;
    value += body[at] ?? '';
  }
  throw new Error('a quoted item does not end');
}

function bareItem(body: string, start: number): Item {
  const comma = body.indexOf(',', start);
  const end = comma < 0 ? body.length : comma;
  const text = body.slice(start, end).trim();
  if (text === '' || /["\\{}]/.test(text)) throw new Error(`a malformed item at ${start}`);
  return { value: text.toLowerCase() === 'null' ? null : text, end };
}
