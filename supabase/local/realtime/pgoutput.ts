// Reads the two messages of Postgres's `pgoutput` format (protocol version 1) that matter here: a table's
// description and an inserted row. Values stay text, so jsonb keeps numbers that JavaScript cannot hold.

export interface InsertedRow {
  schema: string;
  table: string;
  values: Map<string, string | null>;
}

interface Relation {
  schema: string;
  table: string;
  columns: string[];
}

const RELATION = 0x52; // R
const INSERT = 0x49; // I
const TEXT_VALUE = 0x74; // t

export class PgoutputReader {
  readonly #relations = new Map<number, Relation>();

  /** Null for every message but an insert. */
  read(message: Buffer): InsertedRow | null {
    if (message[0] === RELATION) this.#relation(message);
    if (message[0] !== INSERT) return null;
    const relation = this.#relations.get(message.readUInt32BE(1));
    if (relation === undefined) throw new Error("pgoutput: an insert came before its table's description");
    const values = tuple(message, 6, relation.columns); // kind byte, relation id, 'N'
    return { schema: relation.schema, table: relation.table, values };
  }

  #relation(message: Buffer): void {
    let offset = 5; // kind byte, relation id
    const text = () => {
      const end = message.indexOf(0, offset);
      const value = message.toString("utf8", offset, end);
      offset = end + 1;
      return value;
    };
    const schema = text();
    const table = text();
    offset += 1; // replica identity
    const count = message.readUInt16BE(offset);
    offset += 2;
    const columns: string[] = [];
    for (let index = 0; index < count; index++) {
      offset += 1; // key flag
      columns.push(text());
      offset += 8; // type and its modifier
    }
    this.#relations.set(message.readUInt32BE(1), { schema, table, columns });
  }
}

function tuple(message: Buffer, start: number, columns: string[]): Map<string, string | null> {
  const values = new Map<string, string | null>();
  let offset = start + 2; // column count
  for (const column of columns) {
    const kind = message[offset];
    offset += 1;
    if (kind !== TEXT_VALUE) {
      values.set(column, null);
      continue;
    }
    const length = message.readUInt32BE(offset);
    values.set(column, message.toString("utf8", offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return values;
}
