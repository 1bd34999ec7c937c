import type { Static, TSchema } from 'typebox';
import { Check, Compile, Errors } from 'typebox/schema';

/** One thing that does not fit: where in the value, and what the schema asks for. */
export type SchemaError = ReturnType<typeof Errors>[1][number];

/** Tells whether a value fits a schema. */
type Checked<Schema extends TSchema> = {
  readonly Check: (value: unknown) => value is Static<Schema>;
  readonly Errors: (value: unknown) => readonly SchemaError[];
};

const errorsIn =
  (schema: TSchema) =>
  (value: unknown): readonly SchemaError[] =>
    Errors(schema, value)[1];

/** For what is checked many times: compiled with the first value. That takes milliseconds, and a process needs few of the schemas that it loads. */
export function compiled<Schema extends TSchema>(schema: Schema): Checked<Schema> {
  type Value = Static<Schema>;
  let check = (value: unknown): value is Value => {
    const validator = Compile(schema);
    check = (next): next is Value => validator.Check(next);
    return check(value);
  };
  return { Check: (value): value is Value => check(value), Errors: errorsIn(schema) };
}

/** For what is checked once in a process: walks through the schema, which takes less time than to compile it. */
export const walked = <Schema extends TSchema>(schema: Schema): Checked<Schema> => ({
  Check: (value): value is Static<Schema> => Check(schema, value),
  Errors: errorsIn(schema),
});
